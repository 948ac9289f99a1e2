//! Single values of a context.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// `isolation.level` of a consumer (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationLevel {
    /// Only records of committed transactions, up to the last stable offset.
    ReadCommitted,
    /// All records up to the high watermark. Kafka's default.
    ReadUncommitted,
}

/// `acks` of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// `all` (or `-1`): when all in-sync replicas have it. Kafka's default.
    All,
    /// `1`: when the leader has it.
    Leader,
    /// `0`: at once, whatever becomes of it.
    None,
}

/// `cleanup.policy` of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CleanupPolicy {
    /// Old segments go. Kafka's default.
    #[serde(rename = "delete")]
    Delete,
    /// Records go for which there is a newer one of the same record key.
    #[serde(rename = "compact")]
    Compact,
    /// Both.
    #[serde(rename = "compact,delete", alias = "delete,compact")]
    Both,
}

/// `auto.offset.reset` of a consumer: where it goes on when its position is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetReset {
    /// At the log's start.
    Earliest,
    /// At the log's end. Kafka's default.
    Latest,
    /// Nowhere: it gets an exception.
    None,
}

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// Just before the operation of this index, whether it is in the history or not.
    Index(u64),
    /// At this time, in nanoseconds on the history's clock.
    Time(i64),
}

/// Where a consumer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this offset.
    Offset(u64),
    /// To the log's start.
    Beginning,
    /// To the log's end.
    End,
}

impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Acks::All => "all",
            Acks::Leader => "1",
            Acks::None => "0",
        })
    }
}

impl Serialize for Acks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Acks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Acks, D::Error> {
        struct AsAcks;
        impl Visitor<'_> for AsAcks {
            type Value = Acks;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"all\", \"1\" or \"0\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Acks, E> {
                match text {
                    "all" | "-1" => Ok(Acks::All),
                    "1" => Ok(Acks::Leader),
                    "0" => Ok(Acks::None),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Acks, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Acks, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(AsAcks)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Offset(offset) => write!(f, "offset {offset}"),
            Target::Beginning => f.write_str("the beginning"),
            Target::End => f.write_str("the end"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Offset(offset) => serializer.serialize_u64(*offset),
            Target::Beginning => serializer.serialize_str("beginning"),
            Target::End => serializer.serialize_str("end"),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        struct AsTarget;
        impl Visitor<'_> for AsTarget {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an offset, \"beginning\" or \"end\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Target, E> {
                match text {
                    "beginning" => Ok(Target::Beginning),
                    "end" => Ok(Target::End),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_u64<E: Error>(self, offset: u64) -> Result<Target, E> {
                Ok(Target::Offset(offset))
            }
        }
        deserializer.deserialize_any(AsTarget)
    }
}
