//! Files of the OpenMessaging Benchmark (openmessaging/benchmark), as they are.
//!
//! Its reader ignores keys that it does not know; here they are warnings. What it would take and quietly turn into
//! something else (a fraction where a whole number belongs, an unknown key distributor) is an error.

mod driver;
mod properties;
mod workload;

pub use driver::OmbDriver;
pub use workload::{KeyDistributor, OmbWorkload, Payload};

use crate::spec::document::value::Wrong;
use crate::spec::document::{Log, Node, Value, parse_yaml, value};
use crate::spec::problem::Source;

/// Whether a YAML text is a driver's rather than a workload: it has a key that only drivers have.
pub(crate) fn is_driver(source: &Source) -> bool {
    let log = Log::new(source);
    let keys = ["driverClass", "replicationFactor", "topicConfig", "commonConfig", "producerConfig", "consumerConfig"];
    parse_yaml(&log).entries.iter().any(|entry| keys.contains(&entry.key.as_str()))
}

/// A whole number: in quotes too, as OMB's reader takes it.
fn count(min: u64, max: u64) -> impl Fn(&Node) -> Result<u64, Wrong> {
    let plain = value::count(min, max);
    move |node| match &node.value {
        Value::Text(text) => match text.trim().parse::<i128>() {
            Ok(it) => plain(&Node { span: node.span.clone(), value: Value::Int(it) }),
            Err(_) => plain(node),
        },
        Value::Null => Err(Wrong::new("has no value", format!("a whole number, {min} or more"))),
        _ => plain(node),
    }
}
