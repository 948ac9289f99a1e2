//! One client at work: what it consumes from where, and the op it is about.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What an op is going to do.
#[derive(Clone)]
pub enum Planned {
    Send(usize, Value),
    Poll,
    /// An assign or subscribe to these partitions.
    Listen(BTreeSet<usize>),
    /// Nothing that this crate knows: a crash, a debug op.
    Other(Value),
}

/// How an op is going to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Fail,
    Info,
    /// It never completes.
    Open,
}

/// An op under way.
pub struct Running {
    pub f: &'static str,
    pub plan: Vec<Planned>,
    /// The completed micro-ops, as JSON.
    pub done: Vec<Value>,
    pub outcome: Outcome,
    pub transaction: Option<usize>,
    /// From where it polls next; the worker's own once the op is ok.
    pub positions: BTreeMap<usize, usize>,
    /// Records that reach the log after the op is given up, in order.
    pub late: Vec<(usize, Value)>,
}

/// A client. Each process id is one client; who comes after an op of unknown outcome is another.
pub struct Worker {
    pub process: i64,
    /// The partitions assigned to it, with the offsets it reads next.
    pub positions: BTreeMap<usize, usize>,
    /// What it subscribed to.
    pub subscribed: BTreeSet<usize>,
    /// The rebalances since its last poll.
    pub rebalances: Vec<Value>,
    pub running: Option<Running>,
}

impl Worker {
    pub fn new(process: i64) -> Worker {
        Worker {
            process,
            positions: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            rebalances: Vec::new(),
            running: None,
        }
    }

    /// Takes or gives up partitions in a rebalance, also for the op under way, and notes it.
    pub fn rebalance(&mut self, assigned: BTreeMap<usize, usize>) {
        let now: BTreeSet<usize> = assigned.keys().copied().collect();
        let before: BTreeSet<usize> = self.positions.keys().copied().collect();
        for (keys, kind) in [(&before - &now, "revoked"), (&now - &before, "assigned")] {
            if !keys.is_empty() {
                let keys: Vec<String> = keys.into_iter().map(key_name).collect();
                self.rebalances.push(json!({ "keys": keys, "type": kind }));
            }
        }
        for positions in [Some(&mut self.positions), self.running.as_mut().map(|running| &mut running.positions)] {
            let Some(positions) = positions else { continue };
            positions.retain(|partition, _| now.contains(partition));
            for (partition, position) in &assigned {
                positions.entry(*partition).or_insert(*position);
            }
        }
    }
}

pub fn key_name(partition: usize) -> String {
    format!("p{partition}")
}

/// The value of the invocation of a plan.
pub fn invocation(plan: &[Planned]) -> Value {
    let mut micros = Vec::new();
    for planned in plan {
        match planned {
            Planned::Send(partition, value) => micros.push(json!(["send", key_name(*partition), value])),
            Planned::Poll => micros.push(json!(["poll"])),
            Planned::Listen(partitions) => micros.extend(partitions.iter().map(|key| json!(key_name(*key)))),
            Planned::Other(value) => return value.clone(),
        }
    }
    Value::Array(micros)
}
