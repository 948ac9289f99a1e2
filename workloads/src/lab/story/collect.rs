//! Listens to a run and keeps what a story of it can be made of.
//!
//! Runs of alike work are one beat from the start: memory follows the number of turns of a run, not of its events.

use super::beat::{Beat, Deed, Weight};
use crate::case::Case;
use crate::storm::{Blow, Entry, Member, Met};
use std::collections::BTreeMap;
use wavetank_models::kafka::ids::BrokerId;
use wavetank_models::probe::{FirstTold, Probe};
use wavetank_models::world::{Happening, Onlooker};
use wavetank_sim::{Incarnation, Nanos, NodeId};
use wavetank_traces::Concern;

/// Who makes faults.
pub(super) const STORM: &str = "the storm";

/// Collects a run's happenings.
#[derive(Default)]
pub struct Collector {
    pub(super) beats: Vec<Beat>,
    names: BTreeMap<NodeId, String>,
    /// Faults to come: the last is the next.
    faults: Vec<(Nanos, Entry, bool)>,
    /// Runs that alike work joins, by who, of what kind and about what: places in `beats`.
    open: BTreeMap<(String, String, Option<Concern>), usize>,
    first_told: FirstTold,
    last: Nanos,
    /// Who has said why it ends: that it ended need not be told too.
    exiting: Option<NodeId>,
}

impl Collector {
    /// For a run of that case.
    pub fn new(case: &Case) -> Collector {
        let entries = case.storm().entries.iter();
        let mut faults: Vec<(Nanos, Entry, bool)> =
            entries.flat_map(|entry| [(entry.start, entry.clone(), true), (entry.end, entry.clone(), false)]).collect();
        // A fault that is over at once begins first.
        faults.sort_by_key(|(at, _, begins)| (*at, !*begins));
        faults.reverse();
        Collector { faults, ..Collector::default() }
    }

    /// The names of all nodes, in the order in which they were made.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }

    /// When it last heard of anything.
    pub(in crate::lab) fn heard_last(&self) -> Nanos {
        self.last
    }

    fn name(&self, node: NodeId) -> String {
        self.names.get(&node).cloned().unwrap_or_else(|| format!("node {}", node.0))
    }

    /// What the storm has done until then.
    pub(super) fn weather(&mut self, now: Nanos) {
        while let Some((at, entry, begins)) = self.faults.pop_if(|(at, ..)| *at <= now) {
            let what = entry.what.to_string();
            let about = self.hit(&entry.what);
            let deed = match (begins, &entry.what) {
                (true, _) => Deed::FaultBegins { what, until: (!entry.permanent).then_some(entry.end) },
                // Nothing is healed there.
                (false, Blow::MovePartition { .. }) => continue,
                (false, _) if entry.permanent => continue,
                (false, _) => Deed::FaultEnds { what },
            };
            self.push(Beat::new(at, STORM, deed, about));
        }
    }

    /// Whom a fault hits, by node; nobody in particular: everybody.
    fn hit(&self, blow: &Blow) -> Vec<Concern> {
        let mut about: Vec<Concern> = blow.members().filter_map(|member| self.node_of(member)).collect();
        if let Blow::MovePartition { topic, partition, .. } = blow {
            about.insert(0, Concern::Partition(format!("{topic}-{partition}")));
        }
        about
    }

    /// A role's n-th node is the n-th that was made under its name.
    fn node_of(&self, member: Member) -> Option<Concern> {
        let role = member.role.name();
        let is_of_it =
            |name: &&String| name.strip_prefix(role).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        self.names.values().filter(is_of_it).nth(member.number as usize).map(|name| Concern::Node(name.clone()))
    }

    fn push(&mut self, beat: Beat) {
        match beat.deed.weight() {
            Weight::Work | Weight::Quiet => {
                let key = (beat.who.clone(), beat.deed.kind(), beat.about.first().cloned());
                if let Some(place) = self.open.get(&key) {
                    return self.beats[*place].absorb(beat);
                }
                self.open.insert(key, self.beats.len());
            }
            Weight::Handover => {
                self.open.retain(|(_, _, of), _| of.as_ref().is_none_or(|of| !beat.about.contains(of)));
            }
            Weight::Life | Weight::Turn => self.open.clear(),
        }
        self.beats.push(beat);
    }

    fn lives(&mut self, now: Nanos, life: Incarnation, deed: Deed) {
        let who = self.name(life.node);
        let about = vec![Concern::Node(who.clone())];
        self.push(Beat::new(now, who, deed, about));
    }

    fn said(&mut self, now: Nanos, by: Incarnation, probe: &Probe) {
        if !self.first_told.is_news(by, probe) {
            return;
        }
        let who = doer(probe).map(|broker| format!("broker-{}", broker.0));
        let who = who.filter(|name| self.names.values().any(|known| known == name));
        let who = who.unwrap_or_else(|| self.name(by.node));
        let mut about = probe.concerns();
        about.push(Concern::Node(who.clone()));
        let deed = Deed::Said { first: Box::new(probe.clone()), last: Box::new(probe.clone()) };
        self.push(Beat::new(now, who, deed, about));
    }
}

impl Onlooker for Collector {
    fn heed(&mut self, now: Nanos, happening: &Happening<'_>) {
        self.last = now;
        self.weather(now);
        match *happening {
            Happening::Named { node, name } => {
                // Its life began before it had a name.
                let (nameless, name) = (self.name(node), name.to_owned());
                for beat in self.beats.iter_mut().rev().take_while(|beat| beat.from == now) {
                    if beat.who == nameless {
                        (beat.who, beat.about) = (name.clone(), vec![Concern::Node(name.clone())]);
                    }
                }
                self.names.insert(node, name);
            }
            Happening::Begins(life) => self.lives(now, life, Deed::Begins(life.epoch.0)),
            Happening::Ends(life) => {
                if self.exiting.take() != Some(life.node) {
                    self.lives(now, life, Deed::Ends);
                }
            }
            Happening::Pauses(life) => self.lives(now, life, Deed::Pauses),
            Happening::Resumes(life) => self.lives(now, life, Deed::Resumes),
            Happening::Exits { by, why } => {
                self.lives(now, by, Deed::Exits { why: why.into() });
                self.exiting = Some(by.node);
            }
            Happening::Meets { by, operation, fate } => self.lives(now, by, Deed::Meets(Met { operation, fate })),
            Happening::Reached { by, situation } => self.lives(now, by, Deed::Reached(situation)),
            Happening::Said { by, probe } => self.said(now, by, probe),
        }
    }
}

/// Whose deed it is, where somebody else says it.
fn doer(probe: &Probe) -> Option<BrokerId> {
    match probe {
        Probe::StreamOpened { broker, .. } | Probe::StreamCommitted { broker, .. } => Some(*broker),
        _ => None,
    }
}
