//! What clients are configured to, or do not, get.

use super::{Case, Piece, all_if, process_of};
use crate::check::proof::Proof;
use crate::check::ranges::intersect;
use crate::contract::class::Class;
use crate::contract::context::Acks;
use crate::contract::facts::Facts;
use crate::history::{Function, Kind, OpId};
use std::ops::Range;

type Excused = Vec<(Range<u64>, Class)>;

/// Nothing was promised to a producer that did not wait.
pub fn acks_none(facts: &Facts, _: &Case, piece: &Piece) -> Excused {
    let Some(writer) = piece.writer else { return Vec::new() };
    let excused = facts.client(writer).acks() == Acks::None;
    all_if(excused, piece, || Class::allowed(format!("acks=0 of {}", process_of(facts, writer))))
}

/// That somebody read a record of an operation whose end nobody knows proves its commit only under `read_committed`.
pub fn commit_unproven(facts: &Facts, _: &Case, piece: &Piece) -> Excused {
    let Some(writer) = piece.writer else { return Vec::new() };
    all_if(!is_committed(facts, writer), piece, || {
        Class::allowed("isolation.level=read_uncommitted: that somebody read of it does not prove that it committed")
    })
}

/// Whether an operation is known to have committed by what is not `read_uncommitted`.
pub fn is_committed(facts: &Facts, writer: OpId) -> bool {
    let seen = || facts.history().sends(writer).any(|run| facts.key(run.key).committed_reads.overlaps(&run.values()));
    match facts.history().op(writer).kind {
        Kind::Ok => true,
        Kind::Info | Kind::Invoke => seen(),
        Kind::Fail => false,
    }
}

/// Records of transactions that did not commit lie in the log, where `read_uncommitted` sees them and `read_committed`
/// rightly leaves them out.
pub fn invisible(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Some(reader) = case.reader.filter(|reader| !facts.client(*reader).reads_uncommitted()) else {
        return Vec::new();
    };
    let hidden = match piece.writer {
        Some(writer) => !is_committed(facts, writer),
        None => {
            let key = facts.key(case.key);
            key.possible.overlaps(&piece.values) && !key.committed_reads.overlaps(&piece.values)
        }
    };
    all_if(hidden, piece, || {
        let process = process_of(facts, reader);
        Class::allowed(format!("isolation.level=read_committed of {process}: not known to be committed"))
    })
}

/// Under `read_uncommitted` records are delivered before their transaction ends, and however it ends.
pub fn isolation(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Some(reader) = case.reader else { return Vec::new() };
    all_if(facts.client(reader).reads_uncommitted(), piece, || {
        Class::allowed(format!("isolation.level=read_uncommitted of {}", process_of(facts, reader)))
    })
}

/// What failed once and was sent again may be read: applications repeat aborted transactions.
pub fn sent_again(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let again = facts.key(case.key).sent.overlapping(&piece.values);
    let class = Class::allowed("another operation, which sent it again and did not fail");
    intersect(&piece.values, again).into_iter().map(|values| (values, class.clone())).collect()
}

/// Without a transaction, an operation of several sends that fails may have got some of them through.
pub fn not_atomic(facts: &Facts, _: &Case, piece: &Piece) -> Excused {
    let Some(writer) = piece.writer else { return Vec::new() };
    let sent: u64 = facts.history().sends(writer).map(|run| u64::from(run.count)).sum();
    let excused = sent > 1 && is_transaction(facts, writer) == Some(false);
    all_if(excused, piece, || {
        Class::allowed(format!("no transactional.id of {}: its sends fail one by one", process_of(facts, writer)))
    })
}

/// Without a transaction, records are delivered once they are sent, to their own sender too.
pub fn not_a_transaction(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Some(reader) = case.reader else { return Vec::new() };
    all_if(is_transaction(facts, reader) == Some(false), piece, || {
        Class::allowed(format!(
            "no transactional.id of {}: what it sends is delivered at once",
            process_of(facts, reader)
        ))
    })
}

/// Whether an operation is a Kafka transaction, if anybody knows.
pub fn is_transaction(facts: &Facts, id: OpId) -> Option<bool> {
    let is_txn = facts.history().op(id).function == Function::Txn;
    facts.client(id).transactional.or(is_txn.then_some(true))
}

/// Not all producers are in the history.
pub fn not_recorded(facts: &Facts, _: &Case, piece: &Piece) -> Excused {
    all_if(facts.context.all_writers_recorded == Some(false), piece, || {
        Class::unknown("not all producers are in the history (all_writers_recorded is false)")
    })
}

/// Offsets that are committed beside the transaction do not make a group exactly-once.
pub fn auto_commit(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Proof::DoubleConsumption { readers, .. } = case.proof else { return Vec::new() };
    let auto = readers.iter().find(|reader| facts.client(**reader).enable_auto_commit == Some(true));
    auto.map_or(Vec::new(), |reader| {
        all_if(true, piece, || Class::allowed(format!("enable.auto.commit=true of {}", process_of(facts, *reader))))
    })
}
