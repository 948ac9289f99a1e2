//! Recovery of a broker's own log, and rescues of others' (`FailoverListener`).
//!
//! What the image says this broker is to rescue, it rescues; what it says no more, is called off. A rescue that is lost begins
//! again after 2^n seconds, a minute at most.

use super::{SPACES, Start, StreamLogs};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::metadata::FailoverContext;
use crate::kafka::partition_log::LogEvent;
use crate::kafka::protocol::controller::StorageRequest;
use crate::kafka::shared_storage::engine::{Engine, EngineSpaces};
use crate::kafka::shared_storage::recovery::{Recovered, Recovery, RecoverySpaces};
use crate::kafka::shared_storage::{Identity, StorageMutant};
use crate::kafka::wal::WalMode;
use crate::probe::Probe;
use crate::world::Cx;
use wavetank_sim::Nanos;

/// Another broker's log that is emptied.
pub(super) struct Rescue {
    pub(super) recovery: Option<Recovery>,
    pub(super) identity: Identity,
    pub(super) done: Option<Ticket>,
    /// Rescues of this life of the broker that were lost.
    pub(super) lost: u32,
    /// The next one does not begin before.
    pub(super) not_before: Nanos,
}

/// After a lost rescue the next begins after 2^n seconds, a minute at most (`FailoverListener`).
const RESCUE_PAUSE_MAX_SECS: u64 = 60;

impl StreamLogs {
    pub(super) fn own_recovery_done(&mut self, cx: &mut Cx<'_>, link: &ControllerLink) {
        let Start::Recovering(recovery) = &mut self.start else { return };
        match recovery.poll() {
            None => {}
            Some(Recovered::Lost { why }) => self.halt(why),
            Some(Recovered::CalledOff) => unreachable!("a broker's own recovery is not called off"),
            Some(Recovered::Done) => {
                let Start::Recovering(recovery) = std::mem::replace(&mut self.start, Start::Over) else { return };
                let spaces = EngineSpaces {
                    engine: self.space(0),
                    wal: self.space(1),
                    uploader: self.space(2),
                    objects: self.space(3),
                    compaction: self.space(7),
                };
                let (identity, options) = (self.identity(link), self.spec.options.clone());
                let engine = Engine::new(cx, spaces, identity, options, self.spec.bucket, recovery.into_wal());
                self.start = Start::Running(Box::new(engine));
                self.events.push_back(LogEvent::Ready);
            }
        }
    }

    pub(super) fn look_for_rescues(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let me = self.spec.broker;
        let mine: Vec<_> = link.image.failovers().filter(|context| context.rescuer == me).collect();
        self.call_off_rescues(cx, link, &mine);
        for context in mine {
            let identity = Identity { broker: context.broker, epoch: context.epoch, failover: true };
            match self.rescues.get_mut(&context.broker) {
                Some(rescue) if rescue.identity == identity => {
                    let is_over = rescue.recovery.is_none() && rescue.done.is_none();
                    if is_over && cx.monotonic() >= rescue.not_before {
                        let lost = rescue.lost;
                        self.rescue(cx, link, identity, lost);
                    }
                }
                // The broker was back meanwhile, and is dead again: what is held of its log is given back first. The next rescue
                // begins with the next image: controllers write a record every half second at the latest.
                Some(Rescue { recovery: Some(recovery), .. }) => {
                    recovery.call_off(cx, link);
                    self.rescues_done(cx, link);
                }
                Some(_) | None => self.rescue(cx, link, identity, 0),
            }
        }
    }

    /// The rescues that are not this broker's any more.
    pub(super) fn call_off_rescues(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, mine: &[FailoverContext]) {
        for (broker, rescue) in &mut self.rescues {
            let is_mine = mine.iter().any(|context| context.broker == *broker);
            if let (false, Some(recovery)) = (is_mine, &mut rescue.recovery) {
                recovery.call_off(cx, link);
            }
        }
        self.rescues_done(cx, link);
        self.rescues.retain(|broker, rescue| {
            let is_mine = mine.iter().any(|context| context.broker == *broker);
            is_mine || rescue.done.is_some() || rescue.recovery.is_some()
        });
    }

    pub(super) fn rescue(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, identity: Identity, lost: u32) {
        let first = SPACES + 3 * self.next_rescue;
        self.next_rescue += 1;
        let spaces =
            RecoverySpaces { wal: self.space(first), uploader: self.space(first + 1), objects: self.space(first + 2) };
        cx.probe(Probe::FailoverBegan { broker: identity.broker, rescuer: self.spec.broker });
        let wal = (self.spec.wals)(identity.broker, WalMode::Failover, spaces.wal);
        let (options, bucket) = (self.spec.options.clone(), self.spec.bucket);
        let recovery = Recovery::begin(cx, link, spaces, identity, options, bucket, wal);
        let (recovery, not_before) = (Some(recovery), Nanos::ZERO);
        self.rescues.insert(identity.broker, Rescue { recovery, identity, done: None, lost, not_before });
        self.rescues_done(cx, link);
    }

    pub(super) fn rescues_done(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let (me, timers) = (self.spec.broker, self.space(4));
        for (broker, rescue) in &mut self.rescues {
            match rescue.recovery.as_mut().and_then(Recovery::poll) {
                None => {}
                Some(Recovered::Done) => {
                    cx.probe(Probe::FailoverDone { broker: *broker, rescuer: me });
                    if self.spec.options.mutant == Some(StorageMutant::FailoverTrimsOwnWal)
                        && let Start::Running(engine) = &mut self.start
                    {
                        engine.trim_own_wal(cx);
                    }
                    rescue.recovery = None;
                    rescue.done = Some(link.ask(cx, rescue.identity.request(StorageRequest::FailoverDone)));
                }
                Some(Recovered::CalledOff) => {
                    cx.mark("storage: a rescue was called off");
                    rescue.recovery = None;
                }
                // Unless the controller gives the job to somebody else meanwhile, it is tried again.
                Some(Recovered::Lost { why }) => {
                    cx.mark("storage: a rescuer lost the log");
                    tracing::debug!(rescuer = %me, %broker, why, "lost the log");
                    let pause = Nanos::secs((1 << rescue.lost.min(6)).min(RESCUE_PAUSE_MAX_SECS));
                    rescue.recovery = None;
                    rescue.lost += 1;
                    rescue.not_before = cx.monotonic() + pause;
                    timers.set_timer(cx, pause, 0);
                }
            }
        }
    }
}
