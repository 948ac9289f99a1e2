//! One finding of a checker: an anomaly, with the operations and records that prove it.
//!
//! Where consecutive records show the same anomaly in the same operations, one proof covers them all; reports spell them
//! out.

use super::anomaly::Anomaly;
use crate::Offset;
use crate::history::{KeyId, OpId, Value};
use std::ops::Range;

/// What was found. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// `inconsistent-offsets`.
    InconsistentOffsets {
        /// The partition.
        key: KeyId,
        /// The offset.
        offset: Offset,
        /// Its place in the version order.
        index: u64,
        /// All values seen there.
        values: Vec<Value>,
    },
    /// `duplicate`.
    Duplicate {
        /// The partition.
        key: KeyId,
        /// The value.
        value: Value,
        /// Where it is.
        offsets: Vec<Offset>,
    },
    /// `lost-write`: consecutive values at consecutive indices.
    LostWrite {
        /// The partition.
        key: KeyId,
        /// The values.
        values: Range<u64>,
        /// The first index of the first value.
        index: u64,
        /// Who sent them.
        writer: OpId,
        /// The highest index that anybody reached.
        max_read_index: u64,
        /// Who read there.
        max_read: Option<OpId>,
    },
    /// `unseen`.
    Unseen {
        /// The partition.
        key: KeyId,
        /// The values, in order.
        values: Vec<Range<u64>>,
    },
    /// `G1a`, `precommitted-read` (the reader is the writer) and `no-writer-of-value` (there is none).
    Read {
        /// Which of them.
        anomaly: Anomaly,
        /// The partition.
        key: KeyId,
        /// The values.
        values: Range<u64>,
        /// Who sent them.
        writer: Option<OpId>,
        /// Who read them.
        reader: OpId,
    },
    /// A skip or a step back, in what one operation, or one process, sent or polled.
    Step {
        /// Which.
        anomaly: Anomaly,
        /// The partition.
        key: KeyId,
        /// The operation of the earlier value.
        from: OpId,
        /// The operation of the later value; the same for the `int-` kinds.
        to: OpId,
        /// The two values.
        values: [Value; 2],
        /// The number of places from one to the other; a good step has 1.
        delta: i64,
        /// Of a skip: the values left out.
        skipped: Vec<Range<u64>>,
    },
    /// A cycle of dependencies; the first operation is repeated at the end.
    Cycle {
        /// Which kind.
        anomaly: Anomaly,
        /// The operations.
        cycle: Vec<OpId>,
        /// Why each comes before the next.
        steps: Vec<Edge>,
    },
    /// Somewhere among these operations is a cycle.
    CycleExists {
        /// Of which kind.
        anomaly: Anomaly,
        /// The strongly connected operations, in order.
        scc: Vec<OpId>,
    },
    /// `empty-transaction-graph`.
    EmptyGraph,
    /// `lost-write` at the end of a log: acknowledged values at offsets that the log no longer reaches.
    BeyondEnd {
        /// The partition.
        key: KeyId,
        /// The values.
        values: Range<u64>,
        /// Who sent them.
        writer: OpId,
        /// The first offset that holds nothing.
        log_end_offset: Offset,
    },
    /// `double-consumption`.
    DoubleConsumption {
        /// The partition.
        key: KeyId,
        /// The values.
        values: Range<u64>,
        /// The two transactions, in order.
        readers: [OpId; 2],
    },
    /// `hanging-transaction`.
    HangingTransaction {
        /// The partition.
        key: KeyId,
        /// The acknowledged values that it holds back from readers of committed records, as far as they are known.
        values: Vec<Range<u64>>,
        /// The transactions that may be it: sent to the key, and never known to have ended.
        transactions: Vec<OpId>,
        /// Where `read_committed` ends and where `read_uncommitted` ends, if that is how it showed.
        stuck: Option<[Offset; 2]>,
    },
}

/// Why one operation comes before another. The better explanation is the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// Its value goes directly before the other's in the log.
    Ww {
        /// The partition.
        key: KeyId,
        /// The value before.
        value: Value,
        /// The value after.
        next: Value,
    },
    /// Its value was polled by the other.
    Wr {
        /// The partition.
        key: KeyId,
        /// The value.
        value: Value,
    },
    /// The same process did it before.
    Process {
        /// Whose.
        process: crate::history::Process,
    },
    /// It had ended when the other was invoked.
    Realtime {
        /// The other's invocation.
        invocation: OpId,
    },
}

impl Proof {
    /// The anomaly that it proves.
    pub fn anomaly(&self) -> Anomaly {
        match self {
            Proof::InconsistentOffsets { .. } => Anomaly::InconsistentOffsets,
            Proof::Duplicate { .. } => Anomaly::Duplicate,
            Proof::LostWrite { .. } => Anomaly::LostWrite,
            Proof::Unseen { .. } => Anomaly::Unseen,
            Proof::EmptyGraph => Anomaly::EmptyTransactionGraph,
            Proof::BeyondEnd { .. } => Anomaly::LostWrite,
            Proof::DoubleConsumption { .. } => Anomaly::DoubleConsumption,
            Proof::HangingTransaction { .. } => Anomaly::HangingTransaction,
            Proof::Read { anomaly, .. }
            | Proof::Step { anomaly, .. }
            | Proof::Cycle { anomaly, .. }
            | Proof::CycleExists { anomaly, .. } => *anomaly,
        }
    }

    /// The key, or of a cycle the key of its first data dependency.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Proof::InconsistentOffsets { key, .. }
            | Proof::Duplicate { key, .. }
            | Proof::LostWrite { key, .. }
            | Proof::Unseen { key, .. }
            | Proof::Read { key, .. }
            | Proof::Step { key, .. }
            | Proof::BeyondEnd { key, .. }
            | Proof::DoubleConsumption { key, .. }
            | Proof::HangingTransaction { key, .. } => Some(*key),
            Proof::Cycle { steps, .. } => steps.iter().find_map(Edge::key),
            Proof::CycleExists { .. } | Proof::EmptyGraph => None,
        }
    }

    /// How many records or cycles it stands for.
    pub fn count(&self) -> u64 {
        match self {
            Proof::LostWrite { values, .. }
            | Proof::Read { values, .. }
            | Proof::BeyondEnd { values, .. }
            | Proof::DoubleConsumption { values, .. } => values.end - values.start,
            Proof::Unseen { values, .. } => values.iter().map(|range| range.end - range.start).sum(),
            Proof::InconsistentOffsets { .. }
            | Proof::Duplicate { .. }
            | Proof::Step { .. }
            | Proof::Cycle { .. }
            | Proof::CycleExists { .. }
            | Proof::EmptyGraph
            | Proof::HangingTransaction { .. } => 1,
        }
    }

    /// The operations that it names, in order of appearance.
    pub fn ops(&self) -> Vec<OpId> {
        match self {
            Proof::LostWrite { writer, max_read, .. } => [Some(*writer), *max_read].into_iter().flatten().collect(),
            Proof::Read { writer, reader, .. } => writer.iter().chain([reader]).copied().collect(),
            Proof::Step { from, to, .. } if from == to => vec![*from],
            Proof::Step { from, to, .. } => vec![*from, *to],
            Proof::Cycle { cycle, .. } => cycle[..cycle.len().saturating_sub(1)].to_vec(),
            Proof::CycleExists { scc, .. } => scc.clone(),
            Proof::BeyondEnd { writer, .. } => vec![*writer],
            Proof::DoubleConsumption { readers, .. } => readers.to_vec(),
            Proof::HangingTransaction { transactions, .. } => transactions.clone(),
            Proof::InconsistentOffsets { .. } | Proof::Duplicate { .. } | Proof::Unseen { .. } | Proof::EmptyGraph => {
                Vec::new()
            }
        }
    }
}

impl Edge {
    /// The partition, of a data dependency.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Edge::Ww { key, .. } | Edge::Wr { key, .. } => Some(*key),
            Edge::Process { .. } | Edge::Realtime { .. } => None,
        }
    }
}
