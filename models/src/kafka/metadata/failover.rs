//! Who empties a dead broker's log: a key of the cluster's KV (AutoMQ's `FailoverControlManager`).

use super::ClusterImage;
use crate::kafka::ids::{BrokerEpoch, BrokerId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A failover that is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverContext {
    /// Who is dead.
    pub broker: BrokerId,
    /// Which life of it.
    pub epoch: BrokerEpoch,
    /// Who empties its log.
    pub rescuer: BrokerId,
}

const PREFIX: &str = "failover/";

impl FailoverContext {
    /// Its key in the KV.
    pub fn key(broker: BrokerId) -> Arc<str> {
        format!("{PREFIX}{broker}").into()
    }

    /// Its value in the KV.
    pub fn encode(&self) -> Arc<[u8]> {
        postcard::to_stdvec(self).expect("three numbers").into()
    }
}

impl ClusterImage {
    /// Failovers that are going on.
    pub fn failovers(&self) -> impl Iterator<Item = FailoverContext> {
        let from = Arc::<str>::from(PREFIX);
        let all = self.kv.range(from..).take_while(|(key, _)| key.starts_with(PREFIX));
        all.filter_map(|(_, value)| postcard::from_bytes(value).ok())
    }
}
