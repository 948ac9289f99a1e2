//! What must hold whatever happens, one invariant a file, fed by [`Probe`]s as they happen.
//!
//! An invariant keeps what it needs to know itself and never looks into a process. Adding one is a file and a line in
//! [`Invariants::all`].

mod acked_is_kept;
mod commits_are_the_owners;
mod commits_follow_on;
mod completed_is_kept;
mod completed_is_restored;
mod durable_is_recovered;
mod fenced_is_silent;
mod high_watermark_rises;
mod metadata_is_one_log;
mod objects_are_reachable;
mod one_record_an_offset;
mod one_stream_owner;
mod retention_is_bounded;
mod retried_commit_is_known;
mod trimmed_is_committed;
mod trimmed_stays_trimmed;
mod wal_order;

use crate::probe::{BrokenPromise, FirstTold, Probe, ProbeSink, Subject};
use wavetank_sim::{Incarnation, Nanos};
use wavetank_traces::Concern;

/// Something that must hold.
pub trait Invariant: Send {
    /// Its name: for reports, mutants and artifacts.
    fn name(&self) -> &'static str;

    /// In words.
    fn summary(&self) -> &'static str;

    /// What it must hear of; of nothing else is it told.
    fn subjects(&self) -> &'static [Subject];

    /// Something happened. Says whether it was about this invariant.
    ///
    /// # Errors
    /// How it is broken.
    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken>;
}

/// How an invariant is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// In words.
    why: String,
    /// What it is about, beside what the probe is about that showed it.
    about: Vec<Concern>,
}

impl Broken {
    /// It is about this, first of all.
    fn about(why: String, concern: Concern) -> Broken {
        Broken { why, about: vec![concern] }
    }
}

impl From<String> for Broken {
    /// It is about what the probe is about that showed it.
    fn from(why: String) -> Broken {
        Broken { why, about: Vec::new() }
    }
}

/// All of them, and how often each was checked.
pub struct Invariants {
    all: Vec<(Box<dyn Invariant>, u64)>,
    /// By subject, who is told of it: places in `all`, in their order.
    told: [Vec<usize>; Subject::COUNT],
    first_told: FirstTold,
}

impl Default for Invariants {
    fn default() -> Invariants {
        Invariants::all()
    }
}

impl Invariants {
    /// Every invariant there is.
    pub fn all() -> Invariants {
        let all: Vec<Box<dyn Invariant>> = vec![
            Box::<acked_is_kept::AckedIsKept>::default(),
            Box::<one_record_an_offset::OneRecordAnOffset>::default(),
            Box::<high_watermark_rises::HighWatermarkRises>::default(),
            Box::<wal_order::WalOrder>::default(),
            Box::<durable_is_recovered::DurableIsRecovered>::default(),
            Box::<fenced_is_silent::FencedIsSilent>::default(),
            Box::<trimmed_is_committed::TrimmedIsCommitted>::default(),
            Box::<trimmed_stays_trimmed::TrimmedStaysTrimmed>::default(),
            Box::<commits_follow_on::CommitsFollowOn>::default(),
            Box::<commits_are_the_owners::CommitsAreTheOwners>::default(),
            Box::<retried_commit_is_known::RetriedCommitIsKnown>::default(),
            Box::<objects_are_reachable::ObjectsAreReachable>::default(),
            Box::<one_stream_owner::OneStreamOwner>::default(),
            Box::<retention_is_bounded::RetentionIsBounded>::default(),
            Box::<metadata_is_one_log::MetadataIsOneLog>::default(),
            Box::<completed_is_restored::CompletedIsRestored>::default(),
            Box::<completed_is_kept::CompletedIsKept>::default(),
        ];
        let mut told: [Vec<usize>; Subject::COUNT] = Default::default();
        for (place, invariant) in all.iter().enumerate() {
            invariant.subjects().iter().for_each(|subject| told[*subject as usize].push(place));
        }
        let all = all.into_iter().map(|invariant| (invariant, 0)).collect();
        Invariants { all, told, first_told: FirstTold::default() }
    }

    /// By invariant: its name, what it says, how often it was checked.
    pub fn checked(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.all.iter().map(|(invariant, times)| (invariant.name(), invariant.summary(), *times))
    }

    /// Something happened.
    ///
    /// # Errors
    /// Which invariant is broken, and how.
    pub fn heed(&mut self, probe: &Probe) -> Result<(), BrokenPromise> {
        for place in &self.told[probe.subject() as usize] {
            let (invariant, times) = &mut self.all[*place];
            match invariant.heed(probe) {
                Ok(was_about_it) => *times += u64::from(was_about_it),
                Err(Broken { why, mut about }) => {
                    about.extend(probe.concerns());
                    return Err(BrokenPromise { invariant: invariant.name(), why, about });
                }
            }
        }
        Ok(())
    }
}

impl ProbeSink for Invariants {
    fn probe(&mut self, _: Nanos, by: Incarnation, probe: &Probe) -> Result<(), BrokenPromise> {
        if self.first_told.is_news(by, probe) { self.heed(probe) } else { Ok(()) }
    }
}

/// The three methods that only say what an invariant is.
macro_rules! named {
    ($name:literal, $summary:literal, hears: [$($subject:ident),+]) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn summary(&self) -> &'static str {
            $summary
        }

        fn subjects(&self) -> &'static [$crate::probe::Subject] {
            &[$($crate::probe::Subject::$subject),+]
        }
    };
}
use named;

#[cfg(test)]
mod tests;
