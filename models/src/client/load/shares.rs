//! Which share of a producer's records is for which partition.

use super::rate::WHOLE_SHARE;
use crate::client::settings::SettingsError;

/// Which partition a record is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Partitioner {
    /// Records without keys, as the Java producer spreads them (KIP-794): one partition until `batch.size` bytes have gone
    /// there and its batches are full, then another one by chance.
    #[default]
    Sticky,
    /// `RoundRobinPartitioner`: one record each in turn.
    RoundRobin,
    /// By key.
    Keyed {
        /// How many keys.
        keys: u32,
        /// Zipf's exponent: the k-th key has a weight of 1 / k^s; 0 is uniform.
        skew: f64,
        /// Partitions that get that many times their share on top of it.
        hot: Vec<(u32, f64)>,
    },
}

/// Shares of partitions in 10^-9, in their order; together at most 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares(pub Vec<u64>);

impl Partitioner {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let Partitioner::Keyed { keys, skew, hot } = self else { return Ok(()) };
        let refuse = |key, value: String, why| Err(SettingsError { key, value, why });
        if *keys == 0 {
            return refuse("load.keys", keys.to_string(), "at least 1");
        }
        if !(skew.is_finite() && (0.0..=10.0).contains(skew)) {
            return refuse("load.skew", skew.to_string(), "Zipf's exponent: from 0 (uniform) to 10");
        }
        match hot.iter().find(|(_, times)| !(times.is_finite() && *times >= 0.0)) {
            Some((_, times)) => refuse("load.hot", times.to_string(), "a factor of at least 0"),
            None => Ok(()),
        }
    }

    /// The shares of partitions that get their own streams; `None` for one stream that moves about.
    pub fn shares(&self, partitions: u32) -> Option<Shares> {
        let weights = match self {
            Partitioner::Sticky => return None,
            Partitioner::RoundRobin => vec![1.0; partitions as usize],
            Partitioner::Keyed { keys, skew, hot } => {
                let mut weights = vec![0.0; partitions as usize];
                for key in 0..*keys {
                    // A stable hash, as `murmur2(key) % partitions` is.
                    let partition = crc32c::crc32c(&key.to_le_bytes()) % partitions;
                    weights[partition as usize] += libm::pow(f64::from(key + 1), -skew);
                }
                for (partition, times) in hot.iter().filter(|(partition, _)| *partition < partitions) {
                    weights[*partition as usize] *= 1.0 + times;
                }
                weights
            }
        };
        let total: f64 = weights.iter().sum();
        let share = |weight: f64| libm::floor(weight / total * WHOLE_SHARE as f64) as u64;
        Some(Shares(weights.into_iter().map(share).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_a_whole() {
        let hot = vec![(3, 4.0)];
        for partitioner in [
            Partitioner::RoundRobin,
            Partitioner::Keyed { keys: 10_000, skew: 1.1, hot: vec![] },
            Partitioner::Keyed { keys: 10_000, skew: 0.0, hot },
        ] {
            assert_eq!(partitioner.validate(), Ok(()));
            let Shares(shares) = partitioner.shares(12).unwrap();
            let sum: u64 = shares.iter().sum();
            assert!(sum <= WHOLE_SHARE && sum > WHOLE_SHARE - 20, "{sum}");
        }
    }

    #[test]
    fn skewed_keys_make_skewed_partitions_and_hot_ones_are_hot() {
        let keyed = |skew, hot| Partitioner::Keyed { keys: 10_000, skew, hot }.shares(12).unwrap().0;
        let (even, skewed) = (keyed(0.0, vec![]), keyed(1.2, vec![]));
        let spread = |shares: &[u64]| shares.iter().max().unwrap() / shares.iter().min().unwrap();
        assert!(spread(&even) < 2 && spread(&skewed) > 5, "{even:?} {skewed:?}");
        let hot = keyed(0.0, vec![(3, 4.0)]);
        assert_eq!(hot.iter().max(), Some(&hot[3]));
        assert!(hot[3] > 3 * even[3]);
    }

    #[test]
    fn senseless_settings_are_refused() {
        let keyed = |keys, skew, times| Partitioner::Keyed { keys, skew, hot: vec![(0, times)] };
        let bad = [
            (keyed(0, 1.0, 1.0), "load.keys"),
            (keyed(1, f64::NAN, 1.0), "load.skew"),
            (keyed(1, 1.0, -1.0), "load.hot"),
        ];
        for (partitioner, key) in bad {
            assert_eq!(partitioner.validate().unwrap_err().key, key);
        }
    }
}
