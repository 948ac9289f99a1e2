//! Which seeds a sweep runs: a range, or one shard of it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A share of any range of seeds, written `i/n`: the seeds that leave the remainder `i - 1` when they are divided by `n`.
/// So the `n` shards of a range have each of its seeds once, whatever the range, and each is spread over all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u64,
    of: u64,
}

/// More shards than this are nobody's intention.
const SHARDS_MAX: u64 = 100_000;

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) && of <= SHARDS_MAX => Ok(Shard { index, of }),
            Some(_) | None => Err(format!("'{text}' is no shard: write i/n with i from 1 to n, for example 2/4")),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Shard, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// The seeds of a sweep, in ascending order: a range (its end is not included), or a shard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// The first of the range.
    pub from: u64,
    /// Behind the last of the range.
    pub to: u64,
    /// Which part of it; all when none is named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shard: Option<Shard>,
}

impl Seeds {
    /// The first one, if there is any below `to`, and how far it is from one to the next.
    fn first_and_step(self) -> (Option<u64>, u64) {
        match self.shard {
            None => (Some(self.from), 1),
            Some(Shard { index, of }) => (self.from.checked_add((index - 1 + of - self.from % of) % of), of),
        }
    }

    /// One by one, in order.
    pub fn iter(self) -> impl Iterator<Item = u64> + Send {
        let (first, step) = self.first_and_step();
        std::iter::successors(first, move |seed| seed.checked_add(step)).take_while(move |seed| *seed < self.to)
    }

    /// How many.
    pub fn count(self) -> u64 {
        let (first, step) = self.first_and_step();
        first.filter(|first| *first < self.to).map_or(0, |first| (self.to - 1 - first) / step + 1)
    }

    /// Whether a seed is one of them.
    pub fn contains(self, seed: u64) -> bool {
        let is_in_shard = self.shard.is_none_or(|Shard { index, of }| seed % of == index - 1);
        (self.from..self.to).contains(&seed) && is_in_shard
    }
}

impl From<Range<u64>> for Seeds {
    fn from(Range { start, end }: Range<u64>) -> Seeds {
        Seeds { from: start, to: end, shard: None }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)?;
        self.shard.map_or(Ok(()), |shard| write!(f, ", shard {shard}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_a_range_have_each_of_its_seeds_once() {
        for (from, to) in [(0, 20), (7, 8), (13, 40), (5, 7), (u64::MAX - 5, u64::MAX)] {
            for of in 1..7 {
                let mut all = Vec::new();
                for index in 1..=of {
                    let seeds = Seeds { from, to, shard: Some(Shard { index, of }) };
                    let of_shard: Vec<u64> = seeds.iter().collect();
                    assert!(of_shard.is_sorted() && of_shard.iter().all(|seed| seeds.contains(*seed)));
                    assert_eq!(seeds.count(), of_shard.len() as u64, "{seeds}");
                    all.extend(of_shard);
                }
                all.sort_unstable();
                assert_eq!(all, (from..to).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_shard_is_read_as_it_is_written_and_what_is_none_is_refused() {
        assert_eq!("2/4".parse::<Shard>().map(|shard| shard.to_string()), Ok("2/4".to_owned()));
        for wrong in ["0/4", "5/4", "4", "a/4", "1/0", "1/200000", "1/4/4", ""] {
            let said = wrong.parse::<Shard>().expect_err(wrong);
            assert!(said.contains("for example 2/4"), "{said}");
        }
    }
}
