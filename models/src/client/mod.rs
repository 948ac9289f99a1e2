//! Kafka clients: what the Java clients of 4.x do, as components and as processes.
//!
//! ```text
//!   load::Sources ── ranges of due records ──> producer::Producer ── Produce ──> brokers
//!   application  <── poll ── consumer::Consumer <── Fetch ── brokers
//!                            consumer::Group    <── JoinGroup, SyncGroup, Heartbeat ── coordinator
//! ```
//!
//! A component is given every input of its process and gives back those that are not its own; it asks for effects through
//! [`Cx`]. Records are ranges: an event is a batch or the end of a linger, never a record.
//!
//! Simpler than reality: a client finds a broker's node in a [`Directory`] instead of by host name; clients have no threads
//! of their own, so what the application, the sender and the heartbeat thread do in one step takes no time; there are no
//! transactions, no compression and no interceptors. It hides races between those threads within one client.

mod alarm;
pub mod consumer;
pub mod consumer_process;
pub mod load;
pub mod metadata;
pub mod producer;
pub mod producer_process;
mod recorder;
mod settings;

pub use consumer_process::{ConsumerProcess, ConsumerSpec, Subscription};
pub use metadata::Metadata;
pub use producer_process::{ProducerProcess, ProducerSpec};
pub use settings::{AutoOffsetReset, ConsumerSettings, PartitionAssignor, ProducerSettings, SettingsError};

use crate::kafka::ids::BrokerId;
use crate::world::Cx;
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId};

/// Where brokers are: what `bootstrap.servers` and host names are to real clients. All of them are bootstrap servers.
#[derive(Clone, Debug)]
pub struct Directory(Arc<[(BrokerId, NodeId)]>);

impl Directory {
    /// These brokers at these nodes.
    ///
    /// # Panics
    /// When there is none, or one twice: a bug of the scenario.
    pub fn new(mut brokers: Vec<(BrokerId, NodeId)>) -> Directory {
        brokers.sort_unstable();
        assert!(!brokers.is_empty(), "a client needs a broker to begin with");
        assert!(brokers.windows(2).all(|pair| pair[0].0 != pair[1].0), "a broker is at one node");
        Directory(brokers.into())
    }

    /// Where a broker is.
    pub fn node(&self, broker: BrokerId) -> Option<NodeId> {
        let at = self.0.binary_search_by_key(&broker, |(broker, _)| *broker).ok()?;
        Some(self.0[at].1)
    }

    /// All nodes, in the brokers' order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().map(|(_, node)| *node)
    }
}

/// `retry.backoff.ms` doubled up to `retry.backoff.max.ms`, with 20 % of jitter (KIP-580).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first.
    pub min: Nanos,
    /// The longest.
    pub max: Nanos,
}

impl Backoff {
    /// How long to wait after that many failures in a row (at least one).
    pub fn after(self, cx: &mut Cx<'_>, failures: u32) -> Nanos {
        let doubled = Nanos(self.min.0.saturating_mul(1 << failures.saturating_sub(1).min(20)));
        doubled.min(self.max).scale(cx.random().range(80..121), 100)
    }
}
