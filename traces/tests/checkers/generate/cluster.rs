//! The logs of a correct Kafka-like cluster, as read-committed consumers see them.

use serde_json::Value;
use std::collections::BTreeMap;

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

enum Slot {
    /// A record, and the transaction it was sent in.
    Record(Value, Option<usize>),
    /// The end of a transaction takes an offset, too.
    Marker,
}

#[derive(Default)]
struct Partition {
    log: Vec<Slot>,
    /// The transactions without a marker here, with the offset of their first record.
    unmarked: BTreeMap<usize, usize>,
}

/// Partitions, and the transactions over them.
pub struct Cluster {
    partitions: Vec<Partition>,
    fates: Vec<Fate>,
}

impl Cluster {
    /// Partitions whose first offsets are already taken by markers.
    pub fn new(first_offsets: &[usize]) -> Cluster {
        let partition =
            |first: &usize| Partition { log: (0..*first).map(|_| Slot::Marker).collect(), unmarked: BTreeMap::new() };
        Cluster { partitions: first_offsets.iter().map(partition).collect(), fates: Vec::new() }
    }

    pub fn begin(&mut self) -> usize {
        self.fates.push(Fate::Open);
        self.fates.len() - 1
    }

    /// Appends a record and answers its offset.
    pub fn append(&mut self, partition: usize, value: Value, transaction: Option<usize>) -> usize {
        let partition = &mut self.partitions[partition];
        let offset = partition.log.len();
        if let Some(transaction) = transaction {
            partition.unmarked.entry(transaction).or_insert(offset);
        }
        partition.log.push(Slot::Record(value, transaction));
        offset
    }

    /// Commits or aborts. It shows in a partition only once its marker is written there: answers which those are.
    pub fn decide(&mut self, transaction: usize, commit: bool) -> Vec<usize> {
        self.fates[transaction] = if commit { Fate::Committed } else { Fate::Aborted };
        let touched =
            |(partition, state): (usize, &Partition)| state.unmarked.contains_key(&transaction).then_some(partition);
        self.partitions.iter().enumerate().filter_map(touched).collect()
    }

    /// Writes the marker of a transaction that was decided.
    pub fn mark(&mut self, partition: usize, transaction: usize) {
        let partition = &mut self.partitions[partition];
        partition.unmarked.remove(&transaction);
        partition.log.push(Slot::Marker);
    }

    /// The last stable offset: nothing from the first record of an unmarked transaction onwards is shown.
    pub fn stable_end(&self, partition: usize) -> usize {
        let partition = &self.partitions[partition];
        partition.unmarked.values().copied().min().unwrap_or(partition.log.len())
    }

    /// The next committed records from a position, with their offsets.
    pub fn fetch(&self, partition: usize, from: usize, most: usize) -> Vec<(usize, Value)> {
        let log = &self.partitions[partition].log;
        let committed = |offset: usize| match &log[offset] {
            Slot::Record(value, None) => Some((offset, value.clone())),
            Slot::Record(value, Some(transaction)) if self.fates[*transaction] == Fate::Committed => {
                Some((offset, value.clone()))
            }
            Slot::Record(..) | Slot::Marker => None,
        };
        (from..self.stable_end(partition)).filter_map(committed).take(most).collect()
    }
}
