//! Histories with one anomaly planted in them.

use super::append::append;
use super::dice::Dice;
use super::edit::edit;
use serde_json::Value;

/// The anomalies that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    InconsistentOffsets,
    Duplicate,
    G1a,
    PrecommittedRead,
    LostWrite,
    Unseen,
    IntPollSkip,
    IntNonmonotonicPoll,
    PollSkip,
    NonmonotonicPoll,
    NonmonotonicSend,
    IntNonmonotonicSend,
    IntSendSkip,
    G0,
    G0Realtime,
    G1c,
    G1cRealtime,
    NoWriterOfValue,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Anomaly; 18] = [
        Anomaly::InconsistentOffsets,
        Anomaly::Duplicate,
        Anomaly::G1a,
        Anomaly::PrecommittedRead,
        Anomaly::LostWrite,
        Anomaly::Unseen,
        Anomaly::IntPollSkip,
        Anomaly::IntNonmonotonicPoll,
        Anomaly::PollSkip,
        Anomaly::NonmonotonicPoll,
        Anomaly::NonmonotonicSend,
        Anomaly::IntNonmonotonicSend,
        Anomaly::IntSendSkip,
        Anomaly::G0,
        Anomaly::G0Realtime,
        Anomaly::G1c,
        Anomaly::G1cRealtime,
        Anomaly::NoWriterOfValue,
    ];

    /// The error type that a checker reports it as.
    pub fn name(self) -> &'static str {
        match self {
            Anomaly::InconsistentOffsets => "inconsistent-offsets",
            Anomaly::Duplicate => "duplicate",
            Anomaly::G1a => "G1a",
            Anomaly::PrecommittedRead => "precommitted-read",
            Anomaly::LostWrite => "lost-write",
            Anomaly::Unseen => "unseen",
            Anomaly::IntPollSkip => "int-poll-skip",
            Anomaly::IntNonmonotonicPoll => "int-nonmonotonic-poll",
            Anomaly::PollSkip => "poll-skip",
            Anomaly::NonmonotonicPoll => "nonmonotonic-poll",
            Anomaly::NonmonotonicSend => "nonmonotonic-send",
            Anomaly::IntNonmonotonicSend => "int-nonmonotonic-send",
            Anomaly::IntSendSkip => "int-send-skip",
            Anomaly::G0 => "G0",
            Anomaly::G0Realtime => "G0-realtime",
            Anomaly::G1c => "G1c",
            Anomaly::G1cRealtime => "G1c-realtime",
            Anomaly::NoWriterOfValue => "no-writer-of-value",
        }
    }

    /// Whether it is to be looked for with ww-deps. The others show without; a G1c may hide behind a G0 with them.
    pub fn needs_ww_deps(self) -> bool {
        matches!(self, Anomaly::G0 | Anomaly::G0Realtime)
    }

    /// Whether a small edit of a correct history can bring it about; the others need ops of their own.
    pub fn can_be_edited_in(self) -> bool {
        let needs_ops = matches!(self, Anomaly::NonmonotonicSend | Anomaly::IntNonmonotonicSend | Anomaly::G1c);
        !needs_ops && self != Anomaly::G1cRealtime && !self.may_be_correct()
    }

    /// Whether a correct system shows it, too.
    pub fn may_be_correct(self) -> bool {
        matches!(self, Anomaly::G0 | Anomaly::G0Realtime | Anomaly::IntSendSkip)
    }
}

/// A correct history with an anomaly planted in it: about every other time, where that is possible, by an edit of what
/// is there, else by ops appended to it. None where the history ends before its clients have done anything to edit or to
/// go by. Other anomalies may come with it, and it may be that an edit in a history that is not correct misses its aim.
pub fn plant(history: &[Value], anomaly: Anomaly, seed: u64) -> Option<Vec<Value>> {
    let mut dice = Dice::new(seed);
    let edited = if dice.percent(50) { edit(history, anomaly, &mut dice) } else { None };
    edited.or_else(|| append(history, anomaly, &mut dice))
}
