//! What of a scenario's faults moves partitions or members in good order: rolling restarts, brokers that join and leave,
//! consumers that come and go.
//!
//! A broker that is to leave is told to end: it hands its partitions over itself (Kafka's controlled shutdown), so nothing
//! needs to be drained before. One that joins leads nothing until the controller's balancer, or somebody's order, or a
//! failover gives it something.

use super::build::Member;
use super::faults::{Conductor, ROLL};
use crate::spec::scenario::Target;
use wavetank_models::kafka::ids::BrokerId;
use wavetank_models::world::{Action, Event, Signal, World};
use wavetank_sim::{Core, Nanos, NodeState};

/// How often a rolling restart looks whether it can go on.
const LOOK: Nanos = Nanos::millis(100);

/// Brokers are restarted one after the other: the next one when the last one is back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rolling {
    down: Nanos,
    pause: Nanos,
    brokers: u32,
    /// Whose turn it is.
    broker: u32,
    began: Nanos,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Next,
    /// It was told to end.
    Ending,
    /// It is down until then.
    Down(Nanos),
    /// It has started, and is not ready yet.
    Starting,
    /// It is back; the next one waits until then.
    Pausing(Nanos),
}

impl Rolling {
    pub(super) fn new(down: Nanos, pause: Nanos, brokers: u32) -> Rolling {
        Rolling { down, pause, brokers, broker: 0, began: Nanos::ZERO, stage: Stage::Next }
    }
}

impl Conductor {
    /// A rolling restart goes on as far as it can now.
    pub(super) fn roll(&mut self, world: &mut World, core: &mut Core<Event>) {
        let Some(mut rolling) = self.rolling.take() else { return };
        if rolling.broker == rolling.brokers {
            return;
        }
        let (now, broker) = (core.now(), BrokerId(rolling.broker));
        let member = self.cluster.brokers[rolling.broker as usize];
        let is_back = || self.meter.0.lock().expect("nobody panics with it").is_unfenced(broker);
        rolling.stage = match rolling.stage {
            Stage::Next => {
                self.watch(now, broker, format!("broker {} restarted", broker.0 + 1));
                world.signal(core, member.node, Signal::Terminate);
                rolling.began = now;
                Stage::Ending
            }
            Stage::Ending if core.node_state(member.node) == NodeState::Down => Stage::Down(now + rolling.down),
            Stage::Down(until) if now >= until => {
                self.mark(rolling.began, now, format!("broker {} restarted", broker.0 + 1));
                world.restart(core, member.node);
                Stage::Starting
            }
            Stage::Starting if is_back() => Stage::Pausing(now + rolling.pause),
            Stage::Pausing(until) if now >= until => {
                rolling.broker += 1;
                Stage::Next
            }
            waiting => waiting,
        };
        self.rolling = Some(rolling);
        world.plan(core, now + LOOK, Action::Direct(ROLL));
    }

    /// The next spare broker joins.
    pub(super) fn add_broker(&mut self, world: &mut World, core: &mut Core<Event>) {
        let place = self.cluster.spares.pop_front().expect("a spare broker for each that joins");
        self.mark(core.now(), core.now(), format!("broker {} joins", place + 1));
        world.restart(core, self.cluster.brokers[place].node);
    }

    /// A broker is shut down for good.
    pub(super) fn remove_broker(&mut self, world: &mut World, core: &mut Core<Event>, target: &Target) {
        let Some(broker) = self.broker(target) else { return };
        let what = format!("broker {} leaves", broker.0 + 1);
        self.mark(core.now(), core.now(), what.clone());
        self.watch(core.now(), broker, what);
        world.signal(core, self.cluster.brokers[broker.0 as usize].node, Signal::Terminate);
    }

    /// In each of the groups a member leaves each time, and is back as a new one half of that time later.
    pub(super) fn churn(
        &mut self,
        world: &mut World,
        core: &mut Core<Event>,
        target: Option<&Target>,
        every: Nanos,
        until: Nanos,
    ) {
        let mut at = core.now();
        while at < until {
            for member in self.leavers(target) {
                world.plan(core, at, Action::Signal(member.node, Signal::Terminate));
                world.plan(core, at + every.scale(1, 2), Action::Restart(member.node));
            }
            at += every;
        }
    }

    /// One member of each group that is meant.
    fn leavers(&mut self, target: Option<&Target>) -> Vec<Member> {
        let (groups, stream) = (&self.cluster.groups, &mut self.stream);
        let is_meant = |name: &str| match target {
            Some(Target::Group(only)) => only == name,
            Some(_) | None => true,
        };
        let meant = groups.iter().filter(|(name, members)| is_meant(name) && !members.is_empty());
        let pick = |(_, members): &(String, std::ops::Range<usize>)| members.start + stream.index(members.len());
        meant.map(pick).map(|place| self.cluster.consumers[place]).collect()
    }
}
