//! What a finding is about: things of a platform, by kind and name.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Something that a finding can be about. In files its kind and its name: `"partition 1-3"`, `"wal 0"`, `"node boat-1"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// A partition, as histories name it; of what is no partition, any key of a history.
    Partition(String),
    /// A stream of shared storage.
    Stream(u64),
    /// The write-ahead log of the broker of that number.
    Wal(u32),
    /// An object of shared storage.
    Object(u64),
    /// A broker.
    Broker(u32),
    /// A controller.
    Controller(u32),
    /// A checkpointing job.
    Job(u32),
    /// A process, by its node's name.
    Node(String),
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Concern::Partition(name) => write!(f, "partition {name}"),
            Concern::Stream(number) => write!(f, "stream {number}"),
            Concern::Wal(number) => write!(f, "wal {number}"),
            Concern::Object(number) => write!(f, "object {number}"),
            Concern::Broker(number) => write!(f, "broker {number}"),
            Concern::Controller(number) => write!(f, "controller {number}"),
            Concern::Job(number) => write!(f, "job {number}"),
            Concern::Node(name) => write!(f, "node {name}"),
        }
    }
}

/// A text that names nothing a finding can be about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is nothing that a finding is about: write \"partition 1-3\"; there is partition, stream, wal, object, \
     broker, controller, job, node"
)]
pub struct NoConcern(String);

impl FromStr for Concern {
    type Err = NoConcern;

    fn from_str(text: &str) -> Result<Concern, NoConcern> {
        let wrong = || NoConcern(text.into());
        let (kind, name) = text.split_once(' ').filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
        let wide = || name.parse::<u64>().map_err(|_| wrong());
        let narrow = || name.parse::<u32>().map_err(|_| wrong());
        Ok(match kind {
            "partition" => Concern::Partition(name.into()),
            "stream" => Concern::Stream(wide()?),
            "wal" => Concern::Wal(narrow()?),
            "object" => Concern::Object(wide()?),
            "broker" => Concern::Broker(narrow()?),
            "controller" => Concern::Controller(narrow()?),
            "job" => Concern::Job(narrow()?),
            "node" => Concern::Node(name.into()),
            _ => return Err(wrong()),
        })
    }
}

impl Serialize for Concern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Concern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Concern, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_back_from_its_text_and_nothing_else_is_one() {
        let all = [
            Concern::Partition("1-3".into()),
            Concern::Stream(7),
            Concern::Wal(0),
            Concern::Object(u64::MAX),
            Concern::Broker(1),
            Concern::Controller(2),
            Concern::Job(0),
            Concern::Node("boat-1".into()),
        ];
        for concern in all {
            let json = serde_json::to_string(&concern).unwrap();
            assert_eq!(serde_json::from_str::<Concern>(&json).unwrap(), concern);
        }
        for bad in ["", "stream", "stream ", "stream x", "broker -1", "wal 4294967296", "ship 1"] {
            assert!(bad.parse::<Concern>().unwrap_err().to_string().contains("there is partition"), "{bad}");
        }
    }
}
