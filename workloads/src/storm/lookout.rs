//! Waits for the steps that a storm's faults are aimed at, and puts these on the plan when the steps come.

use super::aim::{Aim, Struck};
use super::blow::Blow;
use super::member::Member;
use super::put::{Targets, put};
use super::step::{Kind, Step, broker};
use std::sync::{Arc, Mutex, PoisonError};
use wavetank_models::probe::{FirstTold, Probe};
use wavetank_models::world::{self, Event, Said, World};
use wavetank_sim::{Core, Incarnation, Nanos, NodeId, SortedMap};

/// What struck, in the order in which it did. Shared by the lookout and whoever reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strikes(Arc<Mutex<Vec<Struck>>>);

impl Strikes {
    fn add(&self, struck: Struck) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(struck);
    }

    /// All of them, by now.
    pub(crate) fn all(&self) -> Vec<Struck> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An entry that waits for its step.
pub(super) struct Waiting {
    pub(super) entry: usize,
    pub(super) aim: Aim,
    pub(super) start: Nanos,
    pub(super) end: Nanos,
    pub(super) what: Blow,
    /// How often the step has come since the start.
    pub(super) seen: u32,
}

impl Waiting {
    /// Whether this is what it waits for, at last.
    fn is_due(&mut self, now: Nanos, step: Step, doer: Member) -> bool {
        let Aim { step: wanted, by, nth, at_doer, .. } = self.aim;
        let is_whose = by.is_none_or(|by| by == doer)
            && (!at_doer || self.what.member().is_some_and(|member| member.role == doer.role));
        if step != wanted || now < self.start || !is_whose {
            return false;
        }
        self.seen += 1;
        self.seen == nth
    }
}

/// See the [module](self).
pub(super) struct Lookout {
    pub(super) waiting: Vec<Waiting>,
    members: SortedMap<NodeId, Member>,
    targets: Targets,
    /// Every controller tells what is committed; it counts once.
    first_told: FirstTold,
    strikes: Strikes,
}

impl Lookout {
    pub(super) fn new(waiting: Vec<Waiting>, targets: Targets, strikes: Strikes) -> Lookout {
        let members = targets.members.iter().map(|(member, target)| (target.node, *member)).collect();
        Lookout { waiting, members, targets, first_told: FirstTold::default(), strikes }
    }

    /// What step it is, and whose; `None`: nobody's that can be waited for.
    fn step(&mut self, by: Incarnation, said: Said<'_>) -> Option<(Step, Member)> {
        let itself = |members: &SortedMap<NodeId, Member>| members.get(&by.node).copied();
        match said {
            Said::Started => Some((Step::Said(Kind::Started), itself(&self.members)?)),
            Said::Mark(name) => Some((Step::Mark(name), itself(&self.members)?)),
            Said::Probe(probe) => {
                let is_news = self.first_told.is_news(by, probe);
                let (kind, of) = Kind::of(probe).filter(|_| is_news)?;
                Some((Step::Said(kind), of.map(broker).or_else(|| itself(&self.members))?))
            }
        }
    }

    /// Whether anybody waits for what this may be.
    fn concerns(&self, said: Said<'_>) -> bool {
        match said {
            Said::Probe(Probe::MetadataCommitted { .. }) => true,
            Said::Probe(probe) => {
                let kind = Kind::of(probe).map(|(kind, _)| Step::Said(kind));
                self.waiting.iter().any(|it| Some(it.aim.step) == kind)
            }
            Said::Mark(name) => self.waiting.iter().any(|it| it.aim.step == Step::Mark(name)),
            Said::Started => self.waiting.iter().any(|it| it.aim.step == Step::Said(Kind::Started)),
        }
    }
}

impl world::Lookout for Lookout {
    fn hears(&mut self, world: &mut World, core: &mut Core<Event>, by: Incarnation, said: Said<'_>) -> bool {
        if !self.concerns(said) {
            return true;
        }
        let Some((step, doer)) = self.step(by, said) else { return true };
        let (now, targets, strikes) = (core.now(), &self.targets, &self.strikes);
        self.waiting.retain_mut(|it| {
            if !it.is_due(now, step, doer) {
                return now < it.end;
            }
            let at = now.saturating_add(it.aim.after);
            if at < it.end {
                let what = if it.aim.at_doer { it.what.at(doer) } else { it.what.clone() };
                put(&what, world, core, targets, at..it.end.min(at.saturating_add(it.aim.lasts)));
                strikes.add(Struck { entry: it.entry, at, doer });
            }
            false
        });
        !self.waiting.is_empty()
    }
}
