//! What happened in a run, as far as it matters to what is wrong: a story for people, as data.
//!
//! ```text
//! World -- Happening --> Collector: beats, runs of alike work as one
//!                            |  Story::of(findings)
//!                            v
//!                        Story -- tell(choice) --> Told: beats in order of time, and how many were left out
//! ```
//!
//! A [`Collector`] looks on at a replay and changes nothing in it. Which beats are told follows from what the first finding
//! [is about](wavetank_traces::Concern): see `relevance.rs`. Faults come from the case, which has them in words and with their
//! ends.

mod beat;
mod collect;
mod relevance;
mod words;

pub use beat::{Beat, Deed};
pub use collect::Collector;

pub(super) use beat::kind;

use beat::Weight;
use relevance::{Focus, Rank, TOLD, TOLD_OF_A_PART};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_sim::Nanos;
use wavetank_traces::{Concern, Finding};

/// How many findings a story ends with: one thing that is wrong is often seen by several.
const FINDINGS: usize = 3;

/// All that happened in a run, and what is wrong.
pub struct Story {
    /// In the order in which they began.
    beats: Vec<Beat>,
    /// All nodes.
    nodes: BTreeSet<String>,
    /// What the first finding is about.
    about: Vec<Concern>,
    /// When it showed.
    shown: Nanos,
}

/// What is to be told.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// What began until then.
    pub until: Option<Nanos>,
    /// What was going on between these two.
    pub between: Option<(Nanos, Nanos)>,
    /// What this node did, or what hit it.
    pub node: Option<String>,
    /// All of it, whether it matters or not.
    pub all: bool,
}

/// A story told.
pub struct Told {
    /// What it is about: what the finding names, and what is one with that.
    pub about: Vec<Concern>,
    /// In order of time; what is wrong comes where it showed.
    pub beats: Vec<Beat>,
    /// How many happenings were left out of what was chosen.
    pub left_out: u64,
}

/// There is no such node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no node '{name}' in this run: there is {known}")]
pub struct NoNode {
    name: String,
    known: String,
}

impl Story {
    /// Of what was collected in a run that ended then.
    pub fn new(mut collected: Collector, findings: &[Finding], ended: Nanos) -> Story {
        collected.weather(ended);
        let nodes = collected.nodes().map(str::to_owned).collect();
        let (about, shown) = match findings.first() {
            Some(first) => (first.about.clone(), Nanos(first.at_ns)),
            None => (Vec::new(), ended),
        };
        let mut beats = collected.beats;
        for finding in findings.iter().take(FINDINGS) {
            let found = Deed::Found(finding.clone());
            beats.push(Beat::new(Nanos(finding.at_ns), finding.by.clone(), found, finding.about.clone()));
        }
        beats.sort_by_key(|beat| beat.from);
        Story { beats, nodes, about, shown }
    }

    /// Tells what is chosen, in at most so many lines; `lines` says how many a beat takes.
    ///
    /// # Errors
    /// When the choice names a node that is not there.
    pub fn tell(&self, choice: &Choice, lines_max: usize, lines: impl Fn(&Beat) -> usize) -> Result<Told, NoNode> {
        if let Some(name) = choice.node.as_ref().filter(|name| !self.nodes.contains(*name)) {
            let known = self.nodes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(NoNode { name: name.clone(), known });
        }
        let focus = Focus::new(&self.about, &self.beats, &self.nodes);
        let chosen: Vec<(Rank, &Beat)> = self
            .beats
            .iter()
            .filter(|beat| self.is_chosen(beat, choice))
            .map(|beat| (focus.rank(beat), beat))
            .collect();
        let happened: u64 = chosen.iter().map(|(_, beat)| beat.times).sum();
        let from = match choice {
            Choice { all: true, .. } => 0,
            Choice { node: None, between: None, .. } => TOLD,
            Choice { .. } => TOLD_OF_A_PART,
        };
        let told = chosen.into_iter().filter(|(rank, _)| *rank >= from);
        let mut beats = compressed(told, &focus);
        if !choice.all {
            shorten(&mut beats, lines_max, lines);
        }
        let beats: Vec<Beat> = beats.into_iter().map(|(_, beat)| beat).collect();
        let left_out = happened - beats.iter().map(|beat| beat.times).sum::<u64>();
        Ok(Told { about: focus.named().cloned().collect(), beats, left_out })
    }

    fn is_chosen(&self, beat: &Beat, choice: &Choice) -> bool {
        if matches!(beat.deed, Deed::Found(_)) {
            return true;
        }
        let Choice { until, between, node, all } = choice;
        // What comes after the finding explains nothing of it.
        let until = if *all { *until } else { Some(until.unwrap_or(Nanos::MAX).min(self.shown)) };
        let of_node = |node: &String| beat.who == *node || beat.about.contains(&Concern::Node(node.clone()));
        until.is_none_or(|until| beat.from <= until)
            && between.is_none_or(|(from, to)| beat.from <= to && beat.to >= from)
            && node.as_ref().is_none_or(of_node)
    }
}

/// Runs of alike beats that nothing told divides, as one: work between turns; lives, and what changes hands, between anything
/// else. What is about nothing that the finding names is told by who did it, whatever it was on.
fn compressed<'a>(told: impl Iterator<Item = (Rank, &'a Beat)>, focus: &Focus) -> Vec<(Rank, Beat)> {
    type Key = (String, String, Option<Concern>);
    let [mut work, mut lives, mut handovers]: [BTreeMap<Key, usize>; 3] = Default::default();
    let mut out: Vec<(Rank, Beat)> = Vec::new();
    for (rank, beat) in told {
        let of = focus.is_apart(beat).then(|| beat.about.first().cloned()).flatten();
        let open = match beat.deed.weight() {
            Weight::Turn => {
                [&mut work, &mut lives, &mut handovers].into_iter().for_each(BTreeMap::clear);
                out.push((rank, beat.clone()));
                continue;
            }
            Weight::Life => {
                [&mut work, &mut handovers].into_iter().for_each(BTreeMap::clear);
                &mut lives
            }
            Weight::Handover if of.is_some() => {
                [&mut work, &mut lives, &mut handovers].into_iter().for_each(BTreeMap::clear);
                &mut handovers
            }
            Weight::Handover => {
                lives.clear();
                &mut handovers
            }
            Weight::Work | Weight::Quiet => {
                [&mut lives, &mut handovers].into_iter().for_each(BTreeMap::clear);
                &mut work
            }
        };
        match open.get(&(beat.who.clone(), beat.deed.kind(), of.clone())) {
            Some(place) => {
                let (known, into) = &mut out[*place];
                *known = rank.max(*known);
                into.absorb(beat.clone());
            }
            None => {
                open.insert((beat.who.clone(), beat.deed.kind(), of), out.len());
                out.push((rank, beat.clone()));
            }
        }
    }
    out
}

/// Leaves out what matters least, and of that the earliest, until the rest fits.
fn shorten(beats: &mut Vec<(Rank, Beat)>, lines_max: usize, lines: impl Fn(&Beat) -> usize) {
    let mut order: Vec<usize> = (0..beats.len()).collect();
    order.sort_by_key(|place| (beats[*place].0, *place));
    let mut kept: BTreeSet<usize> = order.iter().copied().collect();
    let mut total: usize = beats.iter().map(|(_, beat)| lines(beat)).sum();
    for place in order {
        if total <= lines_max {
            break;
        }
        total -= lines(&beats[place].1);
        kept.remove(&place);
    }
    let mut place = 0..;
    beats.retain(|_| kept.contains(&place.next().expect("it has no end")));
}
