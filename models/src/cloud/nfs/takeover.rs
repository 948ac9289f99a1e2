//! Which server serves, and what a change of servers does.

use super::{ClientStatus, NfsOutput, NfsShare, NfsStep, StepKind, Takeover, WriteVerifier};
use crate::cloud::Output;
use wavetank_sim::Nanos;

impl NfsShare {
    /// Sees to it that a server whose zone is up serves, or will.
    pub(super) fn elect(&mut self, now: Nanos, out: &mut Vec<NfsOutput>) {
        self.server_lost |= self.takeover.is_none() && self.is_down(self.active_az);
        if self.server_lost && self.takeover.is_none() && self.partner().is_some() {
            let duration = self.spec.takeover.sample(&mut self.latency_draws);
            self.begin_takeover(now, duration, out);
        }
    }

    /// Who would take over now: the other server, or the same one again when it is the only one that is up.
    fn partner(&self) -> Option<u8> {
        let servers = [Some(self.spec.preferred_az), self.spec.standby_az];
        let up = |az: &u8| !self.is_down(*az);
        let other = servers.into_iter().flatten().filter(up).find(|az| *az != self.active_az);
        other.or(Some(self.active_az).filter(up))
    }

    pub(super) fn begin_takeover(&mut self, now: Nanos, duration: Nanos, out: &mut Vec<NfsOutput>) {
        let until = now.saturating_add(duration);
        let (to_az, until) = match self.takeover {
            Some(running) => (running.to_az, running.until.max(until)),
            None => (self.partner().unwrap_or(self.active_az), until),
        };
        self.takeover = Some(Takeover { to_az, until });
        out.push(Output::Wake { at: until, step: NfsStep(StepKind::TakeoverEnds) });
    }

    pub(super) fn takeover_ends(&mut self, now: Nanos, out: &mut Vec<NfsOutput>) {
        let Some(takeover) = self.takeover.filter(|t| t.until <= now) else { return };
        self.takeover = None;
        self.active_az = takeover.to_az;
        // Its zone may have gone down meanwhile; then the next takeover follows, or nobody serves.
        self.server_lost = self.is_down(takeover.to_az);
        if !self.server_lost {
            self.server_started(now);
        }
        self.elect(now, out);
        self.resume(now, out);
    }

    pub(super) fn fail_back(&mut self, now: Nanos, out: &mut Vec<NfsOutput>) {
        let home = self.spec.preferred_az;
        if self.takeover.is_none() && self.active_az != home && !self.is_down(home) {
            self.expire(now);
            let duration = self.spec.takeover.sample(&mut self.latency_draws);
            self.begin_takeover(now, duration, out);
            self.resume(now, out);
        }
    }

    /// Another server serves from now on: with what its predecessor had on stable storage.
    fn server_started(&mut self, now: Nanos) {
        if !self.spec.nvram {
            self.verifier = WriteVerifier(self.verifier.0 + 1);
            let mut used = 0;
            for file in self.files.values_mut() {
                file.lose_memory(&mut self.loss_draws);
                used += file.size();
            }
            self.used_bytes = used;
        }
        let reclaim = self.spec.grace_period > Nanos::ZERO;
        self.grace_until = reclaim.then(|| now.saturating_add(self.spec.grace_period));
        // The new server's leases start now, for whoever still had one when the old server went.
        for client in self.clients.values_mut().filter(|c| c.status == ClientStatus::Active) {
            client.lease_until = now.saturating_add(self.spec.lease_time);
            client.must_reclaim = reclaim;
        }
    }
}
