//! A set of places, as bits: which partitions have something to send. A producer of a thousand partitions looks at those few.

#[derive(Debug, Default)]
pub(super) struct Places {
    words: Vec<u64>,
}

impl Places {
    pub fn insert(&mut self, place: usize) {
        if self.words.len() <= place / 64 {
            self.words.resize(place / 64 + 1, 0);
        }
        self.words[place / 64] |= 1 << (place % 64);
    }

    pub fn remove(&mut self, place: usize) {
        if let Some(word) = self.words.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The first place from there on.
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut at = from / 64;
        let mut word = self.words.get(at)? & u64::MAX << (from % 64);
        while word == 0 {
            at += 1;
            word = *self.words.get(at)?;
        }
        Some(at * 64 + word.trailing_zeros() as usize)
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        std::iter::successors(self.next(0), |last| self.next(last + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_order_and_go() {
        let mut places = Places::default();
        assert!(places.is_empty() && places.iter().next().is_none());
        for place in [200, 0, 64, 63, 127] {
            places.insert(place);
        }
        places.remove(64);
        places.remove(1_000);
        assert_eq!(places.iter().collect::<Vec<_>>(), [0, 63, 127, 200]);
        assert_eq!((places.next(64), places.next(200), places.next(201)), (Some(127), Some(200), None));
        assert!(!places.is_empty());
    }
}
