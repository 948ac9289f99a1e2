//! Marks: situations that a sweep must reach, and counters of how often it did.
//!
//! A sweep that never saw a fenced owner's late PUT has not tested fencing, however green it is. Code declares such
//! situations with [`Core::mark`](crate::Core::mark) (or devices with counters of their own); a sweep adds them up over
//! its seeds and fails when one stayed at zero.

use std::collections::BTreeMap;

/// Names and how often each was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    counts: BTreeMap<&'static str, u64>,
}

impl Marks {
    /// Makes a situation known, without having reached it.
    pub fn declare(&mut self, name: &'static str) {
        self.counts.entry(name).or_default();
    }

    /// The situation was reached.
    pub fn hit(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// The situation was reached that often.
    pub fn hit_many(&mut self, name: &'static str, times: u64) {
        *self.counts.entry(name).or_default() += times;
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Marks) {
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// How often a situation was reached; zero when nobody declared it.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// What was declared and never reached, by name.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        self.counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name)
    }

    /// All marks by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(name, count)| (*name, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_but_unreached_marks_are_missing_until_some_run_reaches_them() {
        let (mut all, mut run) = (Marks::default(), Marks::default());
        all.declare("torn");
        all.declare("late");
        run.hit("late");
        all.merge(&run);
        assert_eq!(all.missing().collect::<Vec<_>>(), ["torn"]);
        assert_eq!(all.count("late"), 1);
    }
}
