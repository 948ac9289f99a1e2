//! How much a beat matters to a finding.
//!
//! What the finding is about is *named*. What stands in one sentence with something named (the partition of its stream, the
//! broker that led it, the log of that broker) is *near*. Turns weigh more than work, and what is named more than what is
//! near; a fault matters when it hits somebody near, or everybody.

use super::beat::{Beat, Deed, Weight};
use std::collections::BTreeSet;
use wavetank_models::probe::Probe;
use wavetank_traces::Concern;

/// How much a beat matters: the more the higher.
pub(super) type Rank = u32;

/// What is told when nobody asks for more.
pub(super) const TOLD: Rank = 30;
/// What is told of a chosen node or time.
pub(super) const TOLD_OF_A_PART: Rank = 10;

/// What a finding is about, and what is near that.
pub(super) struct Focus {
    named: BTreeSet<Concern>,
    near: BTreeSet<Concern>,
}

impl Focus {
    pub(super) fn new(about: &[Concern], beats: &[Beat], nodes: &BTreeSet<String>) -> Focus {
        let mut named: BTreeSet<Concern> = about.iter().cloned().collect();
        // Where a history's key is a node's log, it is about that node.
        let keys = about.iter().filter_map(|concern| match concern {
            Concern::Partition(key) if nodes.contains(key) => Some(Concern::Node(key.clone())),
            _ => None,
        });
        named.extend(keys.collect::<Vec<_>>());
        // Of a partition alone its streams are named, too: they are its log.
        let streams = beats.iter().filter(|beat| opens(beat) && beat.about.iter().any(|of| named.contains(of)));
        let streams: Vec<Concern> = streams.flat_map(|beat| beat.about.iter().take(2).cloned()).collect();
        if about.iter().any(|concern| matches!(concern, Concern::Partition(_) | Concern::Stream(_))) {
            named.extend(streams);
        }
        let mut near = BTreeSet::new();
        for beat in beats.iter().filter(|beat| links(beat) && beat.about.iter().any(|of| named.contains(of))) {
            near.extend(beat.about.iter().cloned());
        }
        let mut focus = Focus { named, near };
        focus.follow_brokers();
        // Whom they rescued, or who rescued them, is in it too.
        let rescues = beats.iter().filter(|beat| rescues(beat));
        let rescues = rescues.filter(|beat| beat.about.iter().any(|of| focus.near.contains(of)));
        let involved: Vec<Concern> = rescues.flat_map(|beat| beat.about.iter().cloned()).collect();
        focus.near.extend(involved);
        focus.follow_brokers();
        focus
    }

    /// A broker, its log and its node are near together.
    fn follow_brokers(&mut self) {
        let brokers: Vec<u32> = self.named.iter().chain(&self.near).filter_map(number).collect();
        for broker in brokers {
            let node = Concern::Node(format!("broker-{broker}"));
            self.near.extend([Concern::Broker(broker), Concern::Wal(broker), node]);
        }
    }

    /// What is near, for people: without what follows from names alone.
    pub(super) fn named(&self) -> impl Iterator<Item = &Concern> {
        self.named.iter()
    }

    fn level(&self, about: &[Concern]) -> Level {
        if about.iter().any(|of| self.named.contains(of)) {
            Level::Named
        } else if self.named.is_empty() || about.iter().any(|of| self.near.contains(of)) {
            Level::Near
        } else {
            Level::Far
        }
    }

    /// How much a beat matters.
    pub(super) fn rank(&self, beat: &Beat) -> Rank {
        let all = self.level(&beat.about);
        let rank = |named, near, far| match all {
            Level::Named => named,
            Level::Near => near,
            Level::Far => far,
        };
        match (&beat.deed, beat.deed.weight()) {
            (Deed::Found(_), _) => Rank::MAX,
            (Deed::FaultBegins { .. } | Deed::FaultEnds { .. }, _) if beat.about.is_empty() => 80,
            (Deed::FaultBegins { .. } | Deed::FaultEnds { .. }, _) => rank(80, 75, 25),
            // All nodes are born.
            (Deed::Begins(1), _) => 15,
            (Deed::Meets(_), _) => rank(72, 70, 15),
            (Deed::Reached(_), _) => rank(45, 40, 5),
            (Deed::Said { first, .. }, Weight::Turn) if matches!(**first, Probe::ControllerElected { .. }) => {
                rank(90, 70, 50)
            }
            (_, Weight::Turn) => rank(90, 68, 20),
            (_, Weight::Handover) => match self.level(&beat.about[..beat.about.len().min(1)]) {
                Level::Named => 88,
                Level::Near | Level::Far => rank(62, 32, 20),
            },
            (_, Weight::Life) => rank(85, 65, 20),
            (_, Weight::Work) => match self.level(&beat.about[..beat.about.len().min(1)]) {
                Level::Named => 60,
                Level::Near | Level::Far => rank(35, 12, 10),
            },
            (_, Weight::Quiet) => 5,
        }
    }

    /// Whether a beat is about one named thing, and is told apart from the same of others.
    pub(super) fn is_apart(&self, beat: &Beat) -> bool {
        beat.about.first().is_some_and(|of| self.named.contains(of))
    }
}

#[derive(Clone, Copy)]
enum Level {
    Named,
    Near,
    Far,
}

fn opens(beat: &Beat) -> bool {
    matches!(&beat.deed, Deed::Said { first, .. } if matches!(**first, Probe::StreamOpened { .. }))
}

fn rescues(beat: &Beat) -> bool {
    matches!(&beat.deed, Deed::Said { first, .. } if matches!(**first, Probe::FailoverBegan { .. }))
}

/// Whether what is in this beat belongs together.
fn links(beat: &Beat) -> bool {
    let Deed::Said { first, .. } = &beat.deed else { return false };
    matches!(
        **first,
        Probe::StreamOpened { .. }
            | Probe::StreamCommitted { .. }
            | Probe::LeaderReady { .. }
            | Probe::WalAcquired { .. }
            | Probe::WalDurable { .. }
            | Probe::FailoverBegan { .. }
            | Probe::JobFailed { .. }
            | Probe::CheckpointChosen { .. }
    )
}

/// The broker that a thing belongs to by its number.
fn number(concern: &Concern) -> Option<u32> {
    match concern {
        Concern::Wal(broker) | Concern::Broker(broker) => Some(*broker),
        Concern::Node(name) => name.strip_prefix("broker-")?.parse().ok(),
        _ => None,
    }
}
