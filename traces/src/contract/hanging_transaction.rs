//! `hanging-transaction`: a transaction that nobody ends holds the last stable offset, and with it every reader of committed
//! records (KIP-890, KAFKA-14402).
//!
//! It shows in one of two ways. Where the end of the log is known: after everything had the time to end, the last stable
//! offset is still below the high watermark. Where it is not: committed records at the end of the log were not read under
//! `read_committed`, although such consumers went on polling the key, and a transaction of which nobody knows the end had
//! sent to it before. The records held back are its doing, and are not told as `unseen` again.

use super::excuse::{is_committed, is_transaction};
use super::facts::{Facts, part_at};
use crate::Offset;
use crate::check::proof::Proof;
use crate::history::{Function, KeyId, Kind, OpId, Process};
use rangemap::RangeSet;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Each key's hanging transaction.
pub fn check(facts: &Facts, out: &mut Vec<Proof>) {
    let unresolved = unresolved(facts);
    let polls = last_polls(facts);
    for (key, _) in facts.evidence.index.keys() {
        let transactions = unresolved.get(&key).map_or(&[][..], Vec::as_slice);
        let end = facts.key(key).context.and_then(|context| context.end.as_ref());
        let ends = end.and_then(|end| Some([end.last_stable_offset?, end.high_watermark?]));
        out.extend(match ends {
            Some(ends) => by_end_state(facts, key, transactions, ends.map(super::signed)),
            None => polls.get(&key).and_then(|poll| by_readers(facts, key, transactions, *poll)),
        });
    }
}

fn by_end_state(facts: &Facts, key: KeyId, transactions: &[OpId], [stable, high]: [i64; 2]) -> Option<Proof> {
    let quiet = facts.context.quiesced == Some(true);
    (quiet && stable < high).then(|| Proof::HangingTransaction {
        key,
        values: unread(facts, key, &(stable..high)),
        transactions: transactions.to_vec(),
        stuck: Some([Offset(stable), Offset(high)]),
    })
}

/// `poll` is the invocation of the last poll of committed records.
fn by_readers(facts: &Facts, key: KeyId, transactions: &[OpId], poll: OpId) -> Option<Proof> {
    let (read_to, newest) = last_read(facts, key);
    // A reader who got what was sent after it got past it.
    let hangs = |id: &&OpId| facts.began(**id) == **id || newest.is_none_or(|newest| **id > newest);
    let transactions: Vec<_> = transactions.iter().filter(hangs).copied().collect();
    let first = facts.began(*transactions.first()?);
    // Sent after the transaction began, and acknowledged before the last poll.
    let held = |writer: OpId| (first..poll).contains(&writer);
    let unread = unread(facts, key, &(read_to..i64::MAX));
    let sent = unread.iter().flat_map(|values| facts.evidence.index.writers(key, values));
    let held: RangeSet<u64> = sent.filter(|(_, writer)| writer.is_some_and(held)).map(|(values, _)| values).collect();
    let values: Vec<_> = held.iter().cloned().collect();
    (!values.is_empty()).then_some(Proof::HangingTransaction { key, values, transactions, stuck: None })
}

/// How far committed records were read, and when the last to be sent of them began to be.
fn last_read(facts: &Facts, key: KeyId) -> (i64, Option<OpId>) {
    let read = || facts.key(key).committed_reads.iter();
    let ends = read().flat_map(|values| facts.key(key).located(values));
    let end = ends.filter_map(|(values, offset)| Some(offset? + (values.end - values.start) as i64)).max();
    let writers = read().flat_map(|values| facts.evidence.index.writers(key, values));
    let newest = writers.filter_map(|(_, writer)| writer).map(|writer| facts.began(writer)).max();
    (end.unwrap_or(0), newest)
}

/// Acknowledged values at these offsets that no reader of committed records got.
fn unread(facts: &Facts, key: KeyId, offsets: &Range<i64>) -> Vec<Range<u64>> {
    let known = facts.key(key);
    let gaps = facts.index(key).acked.iter().flat_map(|acked| known.committed_reads.gaps(acked));
    let located = gaps.flat_map(|values| known.located(&values));
    let unread: RangeSet<u64> = located.filter_map(|(values, first)| part_at(&values, first?, offsets)).collect();
    unread.iter().cloned().collect()
}

/// By key, the transactions that sent to it and of which nobody knows the end, by when they began: completions, and
/// invocations that have none.
fn unresolved(facts: &Facts) -> BTreeMap<KeyId, Vec<OpId>> {
    let history = facts.history();
    let mut unresolved: BTreeMap<KeyId, Vec<OpId>> = BTreeMap::new();
    for invocation in history.ids().filter(|id| history.op(*id).kind == Kind::Invoke) {
        let id = history.partner(invocation).unwrap_or(invocation);
        let told = matches!(history.op(id).kind, Kind::Ok | Kind::Fail);
        if told || is_committed(facts, id) || is_transaction(facts, id) != Some(true) {
            continue;
        }
        let keys: BTreeSet<_> = history.sends(invocation).chain(history.sends(id)).map(|run| run.key).collect();
        for key in keys {
            unresolved.entry(key).or_default().push(id);
        }
    }
    unresolved
}

/// What a consumer of committed records has: its keys, and the invocation of its last `ok` poll.
#[derive(Default)]
struct Consumer {
    keys: BTreeSet<KeyId>,
    poll: Option<OpId>,
}

/// By key, the invocation of the last `ok` poll under `read_committed` of a consumer that had the key.
fn last_polls(facts: &Facts) -> BTreeMap<KeyId, OpId> {
    let history = facts.history();
    let mut consumers: BTreeMap<Option<Process>, Consumer> = BTreeMap::new();
    let mut last = BTreeMap::new();
    for id in history.ids() {
        let op = history.op(id);
        match op.function {
            Function::Assign | Function::Subscribe if matches!(op.kind, Kind::Ok | Kind::Info) => {
                let keys = history.assigned(id).iter().copied().collect();
                let before = consumers.insert(op.process, Consumer { keys, poll: None });
                before.iter().for_each(|consumer| consumer.note(&mut last));
            }
            Function::Poll | Function::Txn if op.kind == Kind::Ok && !facts.client(id).reads_uncommitted() => {
                let consumer = consumers.entry(op.process).or_default();
                consumer.keys.extend(history.polls(id).map(|run| run.key));
                consumer.poll = Some(facts.began(id));
            }
            _ => {}
        }
    }
    consumers.values().for_each(|consumer| consumer.note(&mut last));
    last
}

impl Consumer {
    fn note(&self, last: &mut BTreeMap<KeyId, OpId>) {
        for key in &self.keys {
            if let Some(poll) = self.poll {
                let known = last.entry(*key).or_insert(poll);
                *known = poll.max(*known);
            }
        }
    }
}
