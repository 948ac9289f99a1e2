//! The run's fingerprint: 128 bits rolled over every dispatched event.

use std::fmt;

/// A rolling hash. Two runs with the same digest dispatched the same events at the same times to the same nodes.
///
/// Not cryptographic: it finds accidents, not adversaries. Each step is a bijection of the state, so a difference
/// once made is never lost by what follows alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    a: u64,
    b: u64,
}

impl Default for Digest {
    fn default() -> Digest {
        Digest { a: 0x243f_6a88_85a3_08d3, b: 0x1319_8a2e_0370_7344 }
    }
}

impl Digest {
    /// Rolls two words in.
    #[inline]
    pub fn mix(&mut self, x: u64, y: u64) {
        let a = (self.a ^ x).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.a = a ^ (a >> 32);
        let b = (self.b.rotate_left(23) ^ self.a).wrapping_add(y).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.b = b ^ (b >> 29);
        // Feed the second lane back, so that `y` reaches both within one step.
        self.a = self.a.wrapping_add(self.b.rotate_left(17));
    }

    /// Rolls bytes in, with their length.
    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word), chunk.len() as u64);
        }
        self.mix(bytes.len() as u64, 0x5bd1_e995);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.a, self.b)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[(u64, u64)]) -> Digest {
        let mut d = Digest::default();
        words.iter().for_each(|&(x, y)| d.mix(x, y));
        d
    }

    #[test]
    fn golden() {
        assert_eq!(of(&[(1, 2), (3, 4)]).to_string(), "eb2c74e0309761ffe12de613d3b90bca");
    }

    #[test]
    fn order_place_and_every_bit_matter() {
        assert_ne!(of(&[(1, 2), (3, 4)]), of(&[(3, 4), (1, 2)]));
        assert_ne!(of(&[(1, 2)]), of(&[(2, 1)]));
        for bit in 0..64 {
            for (x, y) in [(1u64 << bit, 0), (0, 1u64 << bit)] {
                let (changed, plain) = (of(&[(x, y), (7, 7), (7, 7)]), of(&[(0, 0), (7, 7), (7, 7)]));
                assert!((changed.a ^ plain.a).count_ones() > 8 && (changed.b ^ plain.b).count_ones() > 8, "bit {bit}");
            }
        }
    }

    #[test]
    fn bytes_know_their_length() {
        let of = |bytes: &[u8]| {
            let mut d = Digest::default();
            d.mix_bytes(bytes);
            d
        };
        assert_ne!(of(b"ab"), of(b"ab\0"));
        assert_ne!(of(b""), Digest::default());
    }
}
