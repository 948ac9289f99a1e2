//! The scenarios that come with wavetank: files of `workloads/scenarios`.

use super::Scenario;
use crate::spec::ReadFile;
use crate::spec::problem::{Parsed, Problems, Source};

macro_rules! builtin {
    ($($name:literal),*) => { &[$(($name, include_str!(concat!("../../../scenarios/", $name, ".toml")))),*] };
}

/// Names and texts, in the order in which a newcomer reads them.
pub const ALL: &[(&str, &str)] = builtin![
    "steady",
    "broker-failover",
    "az-outage",
    "rebalance",
    "backfill",
    "s3-brownout",
    "rolling-restart",
    "noisy-neighbour",
    "late-writes"
];

/// Files that they name.
const FILES: &[(&str, &str)] = &[
    (
        "omb/1-topic-100-partitions-1kb-4p-4c.yaml",
        include_str!("../../../scenarios/omb/1-topic-100-partitions-1kb-4p-4c.yaml"),
    ),
    ("omb/kafka-latency.yaml", include_str!("../../../scenarios/omb/kafka-latency.yaml")),
];

/// The files that built-in scenarios name.
#[derive(Clone, Copy, Debug)]
pub struct Files;

impl ReadFile for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        let found = FILES.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file comes with wavetank".into())
    }
}

/// The text of a built-in scenario.
pub fn source(name: &str) -> Option<Source> {
    let found = ALL.iter().find(|(known, _)| *known == name);
    found.map(|(name, text)| Source::new(format!("{name}.toml"), *text))
}

/// A built-in scenario; none when there is none of that name.
///
/// # Errors
/// Never, unless it is broken: a bug of ours, which a test finds.
pub fn scenario(name: &str) -> Option<Result<Parsed<Scenario>, Problems>> {
    source(name).map(|source| Scenario::parse(&source, &Files))
}
