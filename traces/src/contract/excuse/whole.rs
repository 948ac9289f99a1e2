//! Findings that are excused as a whole or not at all.

use super::{Case, Piece, all_if, client, position, process_of, promise};
use crate::check::anomaly::Anomaly;
use crate::check::proof::{Edge, Proof};
use crate::contract::class::Class;
use crate::contract::context::Acks;
use crate::contract::facts::Facts;
use crate::history::{KeyId, Kind, OpId, Value};
use std::ops::Range;

/// What a finding that is not about a set of records means.
pub fn judge(facts: &Facts, proof: &Proof) -> Class {
    let excuse = match proof {
        Proof::InconsistentOffsets { key, offset, values, .. } => inconsistent(facts, *key, offset.0, values),
        Proof::Duplicate { key, value, offsets } => {
            duplicate(facts, *key, *value, offsets.iter().map(|offset| offset.0).max())
        }
        Proof::Step { anomaly, .. } => match anomaly {
            Anomaly::NonmonotonicSend | Anomaly::IntNonmonotonicSend => send_back(facts, proof),
            Anomaly::NonmonotonicPoll | Anomaly::IntNonmonotonicPoll => poll_back(facts, proof),
            _ => Some(Class::allowed("other producers, whose records may lie in between")),
        },
        Proof::Cycle { anomaly, cycle, steps } => this_cycle(facts, *anomaly, cycle, steps),
        Proof::CycleExists { anomaly, scc } => some_cycle(facts, *anomaly, scc),
        Proof::EmptyGraph => Some(Class::unknown("no operation depends on any other, so the history shows nothing")),
        Proof::HangingTransaction { key, transactions, stuck, .. } => {
            hanging(facts, *key, transactions, stuck.is_some())
        }
        Proof::LostWrite { .. }
        | Proof::Unseen { .. }
        | Proof::Read { .. }
        | Proof::BeyondEnd { .. }
        | Proof::DoubleConsumption { .. } => None,
    };
    excuse.unwrap_or(Class::Violation)
}

/// An offset is reused if the log was cut before it.
fn inconsistent(facts: &Facts, key: KeyId, offset: i64, values: &[Value]) -> Option<Class> {
    let writers: Vec<_> = values.iter().filter_map(|value| facts.writer(key, *value)).collect();
    let since = writers.iter().map(|writer| facts.invoked(*writer)).min().unwrap_or(i64::MIN);
    promise::ended_for(facts, key, since, facts.end, Some(offset), &writers)
}

/// Only an idempotent producer's records are in the log once (KIP-98), and only until the log lost its memory of it. An
/// application that sends a value twice gets it twice whatever is configured, and that is what the finding then tells.
fn duplicate(facts: &Facts, key: KeyId, value: Value, offset: Option<i64>) -> Option<Class> {
    let writer = facts.writer(key, value);
    let resent = facts.key(key).resent.contains(&value.0);
    let at_fault = writer.filter(|writer| !facts.client(*writer).is_idempotent() && !resent);
    if let Some(writer) = at_fault {
        return Some(Class::allowed(format!("enable.idempotence=false of {}", process_of(facts, writer))));
    }
    if let Some(class) = rewritten(facts, key, &[value]) {
        return Some(class);
    }
    let since = writer.map_or(i64::MIN, |writer| facts.invoked(writer));
    promise::ended_for(facts, key, since, facts.end, offset, writer.as_slice())
}

/// A producer whose sequence is missing for certain begins again in a new epoch, with whatever it has not heard of: what of
/// that had landed already lands once more, behind what came between (KIP-360).
fn rewritten(facts: &Facts, key: KeyId, values: &[Value]) -> Option<Class> {
    let known = &facts.key(key).context?.rewritten;
    let is_one = |value: &Value| known.iter().any(|range| range.contains(value.0));
    values.iter().any(is_one).then(|| Class::allowed("a new producer epoch, in which it was written again (KIP-360)"))
}

/// A value that may lie at two offsets has no one place for steps to go by.
pub fn repeated(facts: &Facts, case: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    let Proof::Step { values, .. } = case.proof else { return Vec::new() };
    let class = repetition(facts, case.key, values);
    class.map_or(Vec::new(), |class| all_if(true, piece, || class))
}

fn repetition(facts: &Facts, key: KeyId, values: &[Value; 2]) -> Option<Class> {
    let known = facts.index(key);
    let doubled = values.iter().find(|value| known.log.repeats().contains(&value.0))?;
    let offset = facts.key(key).offset_of(doubled.0);
    duplicate(facts, key, *doubled, offset)
}

/// A consumer goes back if it seeks back, if a rebalance takes its keys away, or if the log that it has read is gone.
fn poll_back(facts: &Facts, proof: &Proof) -> Option<Class> {
    let Proof::Step { anomaly, key, from, to, values, .. } = proof else { return None };
    let [before, after] = values.map(|value| facts.key(*key).offset_of(value.0));
    if *anomaly == Anomaly::NonmonotonicPoll && facts.is_subscribed(*to) {
        return Some(Class::allowed(position::subscription(facts, *to)));
    }
    if let Some(moved) = facts.move_between(*key, *from, *to) {
        let goes = moved.floor().zip(after).is_none_or(|(floor, after)| floor <= after);
        if goes {
            return Some(Class::allowed(moved.by.clone()));
        }
    }
    repetition(facts, *key, values)
        .or_else(|| promise::ended_for(facts, *key, facts.invoked(*from), facts.ended(*to), before.max(after), &[]))
}

/// Without idempotence, requests on their way at the same time overtake each other when one is retried (KAFKA-3197). What
/// was acknowledged before the next was sent is never overtaken.
fn send_back(facts: &Facts, proof: &Proof) -> Option<Class> {
    let Proof::Step { key, from, to, values, .. } = proof else { return None };
    let settings = facts.client(*to);
    let together = from == to || settings.acks() == Acks::None || facts.history().op(*from).kind == Kind::Info;
    if together && !settings.is_idempotent() && settings.in_flight() > 1 {
        return Some(Class::allowed(format!(
            "enable.idempotence=false of {}, with {} requests in flight",
            process_of(facts, *to),
            settings.in_flight()
        )));
    }
    let offset = values.iter().filter_map(|value| facts.key(*key).offset_of(value.0)).max();
    repetition(facts, *key, values)
        .or_else(|| rewritten(facts, *key, values))
        .or_else(|| promise::ended_for(facts, *key, facts.invoked(*from), facts.ended(*to), offset, &[*from, *to]))
}

/// Writes are not isolated: only cycles of reads alone, under `read_committed`, are against the rules.
fn this_cycle(facts: &Facts, anomaly: Anomaly, cycle: &[OpId], steps: &[Edge]) -> Option<Class> {
    if steps.iter().any(|step| matches!(step, Edge::Ww { .. })) {
        return Some(not_isolated());
    }
    some_cycle(facts, anomaly, cycle)
}

fn some_cycle(facts: &Facts, anomaly: Anomaly, ops: &[OpId]) -> Option<Class> {
    let of_writes = matches!(
        anomaly,
        Anomaly::G0
            | Anomaly::G0Process
            | Anomaly::G0Realtime
            | Anomaly::Pl1CycleExists
            | Anomaly::StrongPl1CycleExists
    );
    if of_writes {
        return Some(not_isolated());
    }
    if let Some(reader) = ops.iter().find(|id| facts.client(**id).reads_uncommitted()) {
        return Some(Class::allowed(format!("isolation.level=read_uncommitted of {}", process_of(facts, *reader))));
    }
    if let Some(loose) = ops.iter().find(|id| client::is_transaction(facts, **id) == Some(false)) {
        return Some(Class::allowed(format!("no transactional.id of {}", process_of(facts, *loose))));
    }
    beyond_budget(facts, ops)
}

fn not_isolated() -> Class {
    Class::allowed("Kafka's transactions, which do not isolate writes from each other")
}

/// A fault while these operations ran that concerns all keys of theirs.
fn beyond_budget(facts: &Facts, ops: &[OpId]) -> Option<Class> {
    let since = ops.iter().map(|id| facts.invoked(*id)).min()?;
    let until = ops.iter().map(|id| facts.ended(*id)).max()?;
    let keys = ops.iter().flat_map(|id| facts.history().runs(*id)).map(|run| run.key);
    let mut breaches = keys.flat_map(|key| &facts.key(key).breaches);
    breaches.find(|breach| breach.concerns(since, until, true)).map(|breach| breach.class.clone())
}

/// A transaction holds others back until its timeout, plus the 10 s between two looks of the coordinator, or, prepared
/// for two-phase commit (KIP-939), for ever.
fn hanging(facts: &Facts, key: KeyId, transactions: &[OpId], stuck: bool) -> Option<Class> {
    const SWEEP_NS: i128 = 10_000_000_000;
    let patient = transactions.iter().find(|id| facts.client(**id).two_phase_commit == Some(true));
    if let Some(id) = patient {
        let process = process_of(facts, *id);
        return Some(Class::allowed(format!("transaction.two.phase.commit.enable=true of {process}")));
    }
    let young = transactions.iter().find(|id| {
        let timeout = facts.client(**id).transaction_timeout_ms;
        let age = i128::from(facts.end) - i128::from(facts.invoked(**id));
        timeout.is_some_and(|timeout| age < i128::from(timeout) * 1_000_000 + SWEEP_NS)
    });
    if let Some(id) = young {
        return Some(Class::allowed(format!(
            "transaction.timeout.ms of {}, which is not over",
            process_of(facts, *id)
        )));
    }
    let since = transactions.iter().map(|id| facts.invoked(*id)).min().unwrap_or(i64::MIN);
    let ended = promise::ended_for(facts, key, since, facts.end, None, &[]);
    let quiet = stuck || facts.context.quiesced == Some(true);
    ended.or_else(|| {
        (!quiet).then(|| Class::unknown("nobody says that consumers had the time to read to the end (quiesced)"))
    })
}
