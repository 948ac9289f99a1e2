//! What time does: sessions end, phases end, offsets expire.

use super::group::{Group, Phase};
use super::{CoordinatorEffect, GroupCoordinator};
use crate::kafka::ids::GroupId;
use crate::kafka::protocol::group::MemberId;
use wavetank_sim::Nanos;

impl GroupCoordinator {
    /// Does what is due; to be called when a timer says so, or later.
    pub fn tick(&mut self, now: Nanos) -> Vec<CoordinatorEffect> {
        self.armed = Nanos::MAX;
        let due: Vec<GroupId> =
            self.groups.values().filter(|group| group.next_deadline() <= now).map(|group| group.id).collect();
        for id in due {
            self.end_sessions(now, id);
            self.end_phase(now, id);
        }
        if now >= self.next_retention_check {
            self.next_retention_check = now + self.settings.offsets_retention_check_interval;
            self.expire_offsets(now);
        }
        self.done()
    }

    fn end_sessions(&mut self, now: Nanos, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let before = group.pending.len();
        group.pending.retain(|_, until| *until > now);
        let gave_up = group.pending.len() < before;
        let over = over(group, now);
        for member in over {
            self.remove(now, id, member);
        }
        if gave_up {
            self.extend_or_complete(now, id, false);
        }
    }

    fn end_phase(&mut self, now: Nanos, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        match group.phase {
            Phase::PreparingRebalance { until, .. } if until <= now => self.complete_join(now, id),
            // Who has joined and not asked for its assignment is out (`expirePendingSync`).
            Phase::CompletingRebalance { until, .. } if until <= now => {
                let late: Vec<MemberId> =
                    group.members.iter().filter(|(_, member)| member.syncing.is_none()).map(|(id, _)| *id).collect();
                match late.is_empty() {
                    // All wait for a write that never ends.
                    true => self.prepare(now, id),
                    false => late.into_iter().for_each(|member| self.remove(now, id, member)),
                }
            }
            Phase::Empty | Phase::Stable | Phase::PreparingRebalance { .. } | Phase::CompletingRebalance { .. } => {}
        }
    }
}

/// Members whose session is over; who waits for an answer is alive.
fn over(group: &Group, now: Nanos) -> Vec<MemberId> {
    let is_over = |(_, member): &(&MemberId, &super::group::Member)| {
        member.joining.is_none() && member.syncing.is_none() && member.expires <= now
    };
    group.members.iter().filter(is_over).map(|(id, _)| *id).collect()
}
