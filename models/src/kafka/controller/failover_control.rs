//! Whose log is emptied by whom (AutoMQ's `FailoverControlManager`).
//!
//! A fenced broker that has streams open, or has closed some without uploading all of them, and did not start within the
//! last minute, is failed over: one at a time, to the next live broker in turn. Who does it for whom is a key of the KV
//! ([`FailoverContext`]); the rescuer sees it in its image. It goes when the rescuer is done, or when the broker itself is
//! back; when the rescuer dies, another takes over.

use super::cluster_control::{has_streams, is_live};
use super::draft::Draft;
use super::mutant::ControllerMutant;
use super::stream_control::Identity;
use crate::kafka::ids::BrokerId;
use crate::kafka::metadata::{BrokerState, FailoverContext, MetadataRecord};
use crate::kafka::protocol::controller::ControllerAnswer;

/// Looks after failovers; `last` is who was given the last one.
pub(super) fn look(draft: &mut Draft<'_>, last: &mut Option<BrokerId>) {
    let contexts: Vec<FailoverContext> = draft.image().failovers().collect();
    for context in contexts {
        let is_live = draft.image().brokers.get(&context.rescuer).is_some_and(is_live);
        if is_back(draft, &context) || !is_live {
            let key = FailoverContext::key(context.broker);
            draft.push(MetadataRecord::Kv { key, value: None });
        }
    }
    if draft.image().failovers().next().is_some() {
        return;
    }
    let Some((broker, epoch)) = first_to_fail_over(draft) else { return };
    let Some(rescuer) = next_rescuer(draft, broker, *last) else { return };
    *last = Some(rescuer);
    let context = FailoverContext { broker, epoch, rescuer };
    draft.push(MetadataRecord::Kv { key: FailoverContext::key(broker), value: Some(context.encode()) });
}

/// A newer life of the broker recovers by itself.
fn is_back(draft: &Draft<'_>, context: &FailoverContext) -> bool {
    if draft.is_mutant(ControllerMutant::FailoverWithoutGuard) {
        return false;
    }
    let state = draft.image().brokers.get(&context.broker);
    state.is_none_or(|state| state.epoch != context.epoch || !state.fenced)
}

fn first_to_fail_over(draft: &Draft<'_>) -> Option<(BrokerId, crate::kafka::ids::BrokerEpoch)> {
    let brokers = draft.image().brokers.iter();
    brokers.filter(|(broker, state)| should_fail_over(draft, **broker, state)).map(|(b, s)| (*b, s.epoch)).next()
}

/// `NodeRuntimeMetadata.shouldFailover`.
fn should_fail_over(draft: &Draft<'_>, broker: BrokerId, state: &BrokerState) -> bool {
    let min_age_ms = (draft.rules.options.failover_min_age.0 / 1_000_000) as i64;
    let is_old = draft.rules.now_ms.saturating_sub(state.epoch.0) > min_age_ms;
    let is_guarded = !is_old && !draft.is_mutant(ControllerMutant::FailoverWithoutGuard);
    state.fenced && !is_guarded && has_streams(draft.image(), broker)
}

/// The live broker after the last one, never the dead one itself.
fn next_rescuer(draft: &Draft<'_>, broker: BrokerId, last: Option<BrokerId>) -> Option<BrokerId> {
    let live = draft.image().brokers.iter().filter(|(id, state)| **id != broker && is_live(state));
    let live: Vec<BrokerId> = live.map(|(id, _)| *id).collect();
    live.iter().find(|id| Some(**id) > last).or(live.first()).copied()
}

/// A rescuer is done.
pub(super) fn done(draft: &mut Draft<'_>, who: Identity) -> ControllerAnswer {
    let mut contexts = draft.image().failovers();
    if contexts.any(|context| context.broker == who.broker && context.epoch == who.epoch) {
        drop(contexts);
        draft.push(MetadataRecord::Kv { key: FailoverContext::key(who.broker), value: None });
    }
    ControllerAnswer::Done
}
