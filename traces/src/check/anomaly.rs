//! The names of what can go wrong.

use std::fmt;

/// A kind of anomaly. The names are Jepsen's, verbatim; those that Jepsen does not know come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// One offset holds two values.
    InconsistentOffsets,
    /// One value lies at two offsets.
    Duplicate,
    /// An acknowledged value was passed over by everybody who read on.
    LostWrite,
    /// An acknowledged value was read by nobody by the end.
    Unseen,
    /// A value of an operation that failed was read.
    G1a,
    /// An operation read what itself had not committed yet.
    PrecommittedRead,
    /// A value was read that nobody sent.
    NoWriterOfValue,
    /// A consumer's next poll leaves out records.
    PollSkip,
    /// A consumer's next poll goes back.
    NonmonotonicPoll,
    /// One operation's polls leave out records.
    IntPollSkip,
    /// One operation's polls go back.
    IntNonmonotonicPoll,
    /// A producer's next send lies before its last.
    NonmonotonicSend,
    /// Within one operation a later send lies before an earlier one.
    IntNonmonotonicSend,
    /// Within one operation two sends have others' records between them.
    IntSendSkip,
    /// A cycle of operations, each of which overwrote (went before, in some log) the next.
    G0,
    /// G0, with orders of one process.
    G0Process,
    /// G0, with orders of real time.
    G0Realtime,
    /// A cycle of operations, each of which the next overwrote or read from, with at least one read.
    G1c,
    /// G1c, with orders of one process.
    G1cProcess,
    /// G1c, with orders of real time.
    G1cRealtime,
    /// There is a cycle of write orders somewhere.
    Pl1CycleExists,
    /// There is a cycle of write orders and reads somewhere.
    Pl2CycleExists,
    /// There is a cycle of write orders and real time somewhere.
    StrongPl1CycleExists,
    /// There is a cycle of write orders, reads and real time somewhere.
    StrongPl2CycleExists,
    /// No operation depends on any other: the history shows nothing, so it proves nothing.
    EmptyTransactionGraph,
    /// A value of an operation that failed was read, by one that did not end well either. Not Jepsen's.
    AbortedRead,
    /// Two committed transactions of an exactly-once group consumed the same record. Not Jepsen's.
    DoubleConsumption,
    /// A transaction that nobody ends holds back what comes after it. Not Jepsen's.
    HangingTransaction,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Anomaly; 28] = [
        Anomaly::InconsistentOffsets,
        Anomaly::Duplicate,
        Anomaly::LostWrite,
        Anomaly::Unseen,
        Anomaly::G1a,
        Anomaly::PrecommittedRead,
        Anomaly::NoWriterOfValue,
        Anomaly::PollSkip,
        Anomaly::NonmonotonicPoll,
        Anomaly::IntPollSkip,
        Anomaly::IntNonmonotonicPoll,
        Anomaly::NonmonotonicSend,
        Anomaly::IntNonmonotonicSend,
        Anomaly::IntSendSkip,
        Anomaly::G0,
        Anomaly::G0Process,
        Anomaly::G0Realtime,
        Anomaly::G1c,
        Anomaly::G1cProcess,
        Anomaly::G1cRealtime,
        Anomaly::Pl1CycleExists,
        Anomaly::Pl2CycleExists,
        Anomaly::StrongPl1CycleExists,
        Anomaly::StrongPl2CycleExists,
        Anomaly::EmptyTransactionGraph,
        Anomaly::AbortedRead,
        Anomaly::DoubleConsumption,
        Anomaly::HangingTransaction,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Anomaly::InconsistentOffsets => "inconsistent-offsets",
            Anomaly::Duplicate => "duplicate",
            Anomaly::LostWrite => "lost-write",
            Anomaly::Unseen => "unseen",
            Anomaly::G1a => "G1a",
            Anomaly::PrecommittedRead => "precommitted-read",
            Anomaly::NoWriterOfValue => "no-writer-of-value",
            Anomaly::PollSkip => "poll-skip",
            Anomaly::NonmonotonicPoll => "nonmonotonic-poll",
            Anomaly::IntPollSkip => "int-poll-skip",
            Anomaly::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Anomaly::NonmonotonicSend => "nonmonotonic-send",
            Anomaly::IntNonmonotonicSend => "int-nonmonotonic-send",
            Anomaly::IntSendSkip => "int-send-skip",
            Anomaly::G0 => "G0",
            Anomaly::G0Process => "G0-process",
            Anomaly::G0Realtime => "G0-realtime",
            Anomaly::G1c => "G1c",
            Anomaly::G1cProcess => "G1c-process",
            Anomaly::G1cRealtime => "G1c-realtime",
            Anomaly::Pl1CycleExists => "PL-1-cycle-exists",
            Anomaly::Pl2CycleExists => "PL-2-cycle-exists",
            Anomaly::StrongPl1CycleExists => "strong-PL-1-cycle-exists",
            Anomaly::StrongPl2CycleExists => "strong-PL-2-cycle-exists",
            Anomaly::EmptyTransactionGraph => "empty-transaction-graph",
            Anomaly::AbortedRead => "aborted-read",
            Anomaly::DoubleConsumption => "double-consumption",
            Anomaly::HangingTransaction => "hanging-transaction",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
