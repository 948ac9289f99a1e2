//! Carrying out what a step wished for.

use super::devices::{Asked, Request};
use super::{Effect, Event, Failure, Happening, Input, Said, Witness, World};
use crate::cloud::host::{Unmute, WorkPool};
use crate::cloud::network::ResetReason;
use crate::cloud::volume::{Owner, Survival};
use crate::probe::{BrokenPromise, Probe};
use slotmap::Key;
use wavetank_sim::{Core, Incarnation, Nanos, NodeId};
use wavetank_traces::Concern;

impl World {
    pub(super) fn carry_out(&mut self, core: &mut Core<Event>, me: Incarnation, effects: &mut Vec<Effect>) {
        let mut wishes = effects.iter_mut();
        while let Some(wish) = wishes.next() {
            match wish {
                // Most of what is wished for is to be heard, and stays where it is.
                Effect::Probe(probe) => {
                    self.heed_probe(core, me, probe);
                    self.tell_lookout(core, me, Said::Probe(probe));
                }
                Effect::Exit { why } => {
                    tracing::warn!(process = core.node_name(me.node), %me, why, "exit");
                    self.audience.hear(core.now(), &Happening::Exits { by: me, why });
                    self.exit(core, me.node);
                    wishes.for_each(|wish| self.forget(wish));
                    break;
                }
                other => self.carry_out_one(core, me, std::mem::replace(other, Effect::DONE)),
            }
        }
        effects.clear();
    }

    /// A wish that comes after the process's end: what it has named is named no more.
    fn forget(&mut self, wish: &Effect) {
        match wish {
            Effect::SetTimer { timer, .. } => drop(self.ids.timers.remove(*timer)),
            Effect::Connect { conn, .. } => drop(self.ids.conns.remove(*conn)),
            Effect::CancelTimer { .. }
            | Effect::Send { .. }
            | Effect::Close { .. }
            | Effect::Volume { .. }
            | Effect::Attach { .. }
            | Effect::Detach { .. }
            | Effect::ForceDetach { .. }
            | Effect::CallOffForceDetach { .. }
            | Effect::Object { .. }
            | Effect::Express { .. }
            | Effect::Nfs { .. }
            | Effect::Work { .. }
            | Effect::Exit { .. }
            | Effect::Mark { .. }
            | Effect::Fail { .. }
            | Effect::Probe(_)
            | Effect::Stop { .. } => {}
        }
    }

    fn carry_out_one(&mut self, core: &mut Core<Event>, me: Incarnation, effect: Effect) {
        match effect {
            Effect::SetTimer { timer, after, token } => self.set_timer(core, me, timer, after, token),
            Effect::CancelTimer { timer } => {
                if let Some(event) = self.ids.timers.remove(timer) {
                    core.cancel(event);
                }
            }
            Effect::Connect { conn, to } => self.connect(core, me, conn, to),
            Effect::Send { conn, message } => {
                let bytes = message.wire_bytes();
                let key = self.messages.insert(message);
                self.with_network(core, |network, now, out| network.send(now, conn, me, key, bytes, out));
                if self.hosts[self.host_of(me.node).0 as usize].spec().unmute == Unmute::OnResponse {
                    let flow = conn.data().as_ffi();
                    self.with_host(core, self.host_of(me.node), |host, now, out| host.responded(now, me, flow, out));
                }
            }
            Effect::Close { conn } => {
                self.with_network(core, |network, now, out| network.close(now, conn, me, out));
                self.empty_socket(core, self.endpoint(me), conn);
            }
            Effect::Volume { volume, token, op } => {
                self.request(core, Request::new(me, token, Asked::Volume(volume, *op)));
            }
            Effect::Attach { volume, token } => {
                let (owner, az) = (self.volume_owner(me), self.az_of(me.node));
                self.with_volume(core, volume, |device, now, out| device.attach(now, owner, token, az, out));
            }
            Effect::Detach { volume, token } => {
                let owner = self.volume_owner(me);
                self.with_volume(core, volume, |device, now, out| device.detach(now, owner, token, out));
            }
            Effect::ForceDetach { volume, token, victim } => {
                let owner = self.volume_owner(me);
                self.with_volume(core, volume, |device, now, out| {
                    device.force_detach(now, owner, token, victim, Survival::Drawn, out);
                });
            }
            Effect::CallOffForceDetach { volume, victim } => {
                let owner = self.volume_owner(me);
                self.with_volume(core, volume, |device, _, _| device.call_off_force_detach(owner, victim));
            }
            Effect::Object { store, bucket, token, op } => {
                self.request(core, Request::new(me, token, Asked::Object(store, bucket, *op)));
            }
            Effect::Express { store, bucket, token, op } => {
                self.request(core, Request::new(me, token, Asked::Express(store, bucket, *op)));
            }
            Effect::Nfs { share, token, op } => {
                self.request(core, Request::new(me, token, Asked::Nfs(share, *op)));
            }
            Effect::Work { token, service } => {
                let job = self.jobs.insert((me, Input::Worked { token }));
                self.with_host(core, self.host_of(me.node), |host, now, out| {
                    host.work(now, job, me, WorkPool::Background, service, out);
                });
            }
            Effect::Exit { .. } | Effect::Probe(_) => unreachable!("carried out by the caller"),
            Effect::Mark { name } => {
                self.audience.hear(core.now(), &Happening::Reached { by: me, situation: name });
                core.mark(name);
                self.tell_lookout(core, me, Said::Mark(name));
            }
            Effect::Fail { why } => self.broken_promise(core, Witness::Process(me), why, Vec::new()),
            Effect::Stop { why } => core.stop(why),
        }
    }

    pub(super) fn heed_probe(&mut self, core: &mut Core<Event>, me: Incarnation, probe: &Probe) {
        tracing::debug!(by = core.node_name(me.node), ?probe, "probe");
        self.audience.hear(core.now(), &Happening::Said { by: me, probe });
        let Some(sink) = &mut self.probes else { return };
        if let Err(BrokenPromise { invariant, why, about }) = sink.probe(core.now(), me, probe) {
            self.broken_promise(core, Witness::Invariant(invariant), why, about);
        }
    }

    /// Writes a broken promise down, and ends the run if it is to.
    pub(super) fn broken_promise(&mut self, core: &mut Core<Event>, by: Witness, why: String, about: Vec<Concern>) {
        let failure = Failure { at: core.now(), by, why: why.clone(), about };
        tracing::error!(by = failure.as_finding(core).by, why, "a promise was broken");
        self.failures.push(failure);
        if self.stop_at_failure {
            core.stop(why);
        }
    }

    pub(super) fn volume_owner(&self, me: Incarnation) -> Owner {
        Owner { host: self.host_of(me.node), incarnation: me }
    }

    fn exit(&mut self, core: &mut Core<Event>, node: NodeId) {
        self.kill(core, node);
        let supervised = self.supervised.get(&node).copied().filter(|_| !self.dismissed.contains(&node));
        let returning = self.returning.contains(&node).then_some(Nanos::ZERO);
        if let Some(after) = returning.or(supervised) {
            self.plan(core, core.now() + after, super::Action::Restart(node));
        }
    }

    fn set_timer(&mut self, core: &mut Core<Event>, me: Incarnation, timer: super::TimerId, after: Nanos, token: u64) {
        let at = core.now().saturating_add(core.clock(me.node).true_span(after));
        let event = core.schedule_to(at, me, Event::Timer { timer, token });
        // Set and taken back within one step: the entry is gone, and the event will find it so.
        if let Some(entry) = self.ids.timers.get_mut(timer) {
            *entry = event;
        }
    }

    fn connect(&mut self, core: &mut Core<Event>, me: Incarnation, conn: crate::cloud::network::ConnId, to: NodeId) {
        if to == me.node {
            // A process reaches itself without a network; a connection to oneself is a mistake that is answered.
            self.ids.conns.remove(conn);
            self.inbox.push_back((me, Input::Reset { conn, why: ResetReason::Refused }));
            return;
        }
        let (from, target) = (self.endpoint(me), (self.host_of(to), to));
        self.with_network(core, |network, now, out| network.connect(now, conn, from, target, out));
    }
}
