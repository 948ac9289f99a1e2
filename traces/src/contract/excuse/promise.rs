//! Promises that faults ended.

use super::{Case, Piece, all_if};
use crate::check::proof::Proof;
use crate::contract::class::Class;
use crate::contract::context::Acks;
use crate::contract::facts::Facts;
use crate::history::{KeyId, OpId};
use std::ops::Range;

/// An unclean election, a loss of more replicas than `min.insync.replicas` covers, a change of the leader under `acks=1`, a
/// fault beyond the budget, between the sending of a record and the time by which it was found to be missing or wrong.
pub fn ended(facts: &Facts, case: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    let acks_all = is_acks_all(facts, case, piece);
    let breaches = facts.key(case.key).breaches.iter();
    let breaches = breaches.filter(|breach| breach.concerns(piece.since, piece.until, acks_all));
    breaches
        .filter_map(|breach| {
            let values = match piece.offset {
                None => piece.values.clone(),
                Some(_) => piece.at(&(breach.point..i64::MAX))?,
            };
            Some((values, breach.class.clone()))
        })
        .collect()
}

/// Whether all in-sync replicas had a record once it counted. What a poll returned is committed, so they had it.
fn is_acks_all(facts: &Facts, case: &Case, piece: &Piece) -> bool {
    let was_read = matches!(case.proof, Proof::Read { .. } | Proof::DoubleConsumption { .. });
    was_read || piece.writer.is_none_or(|writer| facts.client(writer).acks() == Acks::All)
}

/// The same for a finding as a whole, about what these writers sent, or these operations saw, at or below an offset.
pub fn ended_for(
    facts: &Facts,
    key: KeyId,
    since: i64,
    until: i64,
    offset: Option<i64>,
    writers: &[OpId],
) -> Option<Class> {
    let acks_all = writers.iter().all(|writer| facts.client(*writer).acks() == Acks::All);
    let reaches = |point: i64| offset.is_none_or(|offset| offset >= point);
    let mut breaches = facts.key(key).breaches.iter();
    let breach = breaches.find(|breach| breach.concerns(since, until, acks_all) && reaches(breach.point));
    breach.map(|breach| breach.class.clone()).or_else(|| unlisted_for(facts, key, acks_all))
}

/// Promises may have ended, but the context does not say when.
pub fn unlisted(facts: &Facts, case: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    let acks_all = is_acks_all(facts, case, piece);
    let class = unlisted_for(facts, case.key, acks_all);
    class.map_or(Vec::new(), |class| all_if(true, piece, || class))
}

fn unlisted_for(facts: &Facts, key: KeyId, acks_all: bool) -> Option<Class> {
    let known = facts.key(key);
    let elections = known.context.and_then(|context| context.unclean_elections.as_ref());
    let changes = known.context.and_then(|context| context.leader_changes.as_ref());
    if known.topic.unclean_leader_election == Some(true) && elections.is_none() {
        return Some(Class::unknown(
            "unclean.leader.election.enable=true, and nobody listed unclean elections (unclean_elections)",
        ));
    }
    (!acks_all && changes.is_none())
        .then(|| Class::unknown("acks is not all, and nobody listed changes of the leader (leader_changes)"))
}
