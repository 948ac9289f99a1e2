//! A failure made small: the same [fingerprint](Fingerprint) with fewer faults, in a shorter run, of a smaller cluster.
//!
//! A candidate is the case with something taken away. It is run, and taken when its first finding has the fingerprint of the
//! failure's. What is taken away, in this order, again and again until nothing more goes:
//!
//! 1. **time**: what lies after the violation, then as much of the storm's time as goes;
//! 2. **faults**: family by family, then in halves, quarters, down to single ones;
//! 3. **aims**: what waits for a step strikes at the time at which it struck, or else at an earlier occurrence of the step;
//! 4. **fates** of single operations: all, those of one kind of device, then rates become the list of what they drew, and
//!    single fates go from it;
//! 5. **size**: pipelines, topics, partitions, producers, members, rate, cargo; **knobs** go back to the scenario's own;
//! 6. at last **times are rounded**.
//!
//! Of candidates in a row the first that fails the same way is taken, and of whatever else ran meanwhile nothing is used: the
//! result does not depend on how many run at once.
//!
//! **Seeds.** Whatever the storm does not say is drawn from the seed: latencies, keys, the order of what happens at one
//! instant. Another size shifts those draws, so a candidate of another size that no longer fails is tried under a few
//! [fresh seeds](FRESH_SEEDS) too; the result says under which seed it fails.
//!
//! **A bug that was switched on** has to be what shows: a candidate that fails in the same way without it is not taken, unless
//! the failure itself does. (A case can be so small that it breaks a rule of its own accord, as an object that is to be gone
//! at the end of a run is still there when the run ends too soon.) Of a bug that nobody knows yet nothing can be switched off:
//! what is judged at the end of a run keeps the time that the judgement needs.
//!
//! **Stalls** keep all the time that the run has to recover in: with less of it anything would stall.
//!
//! The result is the smallest that this order finds, not the smallest there is.

mod journal;
mod passes;
mod regression;
mod smaller;

pub use regression::regression_test;

use super::artifact::{Failure, outcome};
use super::fingerprint::Fingerprint;
use crate::case::Case;
use crate::scenario::{Listeners, RunOptions};
use crate::storm::{Operations, Struck};
use journal::Journal;
use std::path::{Path, PathBuf};
use wavetank_models::anomaly::{Fate, Operation};
use wavetank_sim::{Digest, Nanos, run_many};
use wavetank_traces::artifact::Outcome;

/// Seeds under which a candidate of another size is tried when the failure's own shows nothing.
pub const FRESH_SEEDS: std::ops::Range<u64> = 1..5;

/// Why a failure cannot be shrunk.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CannotShrink(#[from] Why);

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, std::io::Error),
    #[error("it cannot be shrunk: run again, {now}, and it was a {then}; `wavetank replay` tells more")]
    NotReproduced { then: Fingerprint, now: String },
    #[error("it cannot be shrunk: nothing is wrong in it")]
    NoFailure,
    #[error("{}: there is something else already: name another file with --out, or remove it", .0.display())]
    OtherFile(PathBuf),
}

/// How large a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Faults with a beginning and an end.
    pub entries: usize,
    /// Single operations that met something out of the ordinary.
    pub fates: usize,
    /// Events of the run.
    pub events: u64,
    /// Virtual time of the run.
    pub end: Nanos,
}

impl Extent {
    /// Everything that was done to it.
    pub fn faults(&self) -> usize {
        self.entries + self.fates
    }
}

/// What a shrinking is at.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Candidates run so far, those of earlier attempts included.
    pub tried: u64,
    /// Candidates taken so far.
    pub taken: u64,
    /// What is being taken away.
    pub pass: &'a str,
    /// How large the failure is by now.
    pub extent: Extent,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The failure as it was.
    pub before: Extent,
    /// And as it is.
    pub after: Extent,
    /// What it is.
    pub failure: Failure,
    /// What it was and is.
    pub fingerprint: Fingerprint,
    /// Candidates that were run, those of earlier attempts included.
    pub tried: u64,
    /// `false`: it was interrupted, and goes on when it is asked for again.
    pub is_done: bool,
}

/// A case under a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    seed: u64,
    case: Case,
}

impl Candidate {
    /// What names it in the journal.
    fn digest(&self) -> String {
        let mut digest = Digest::default();
        digest.mix(self.seed, 0);
        digest.mix_bytes(&serde_json::to_vec(&self.case).expect("a case can be JSON"));
        digest.to_string()
    }
}

/// What a candidate came to.
#[derive(Clone, Debug)]
struct Ran {
    outcome: Outcome,
    met: Vec<(Operation, Fate)>,
    struck: Vec<Struck>,
}

/// A shrinking that is under way: the smallest failure so far, and what came of it.
struct Shrinker<'a> {
    of: &'a Failure,
    fingerprint: Fingerprint,
    /// The bug is switched on, and nothing shows without it.
    is_of_mutant: bool,
    jobs: usize,
    best: Candidate,
    ran: Ran,
    journal: Journal,
    out: &'a Path,
    taken: u64,
    each: &'a mut dyn FnMut(Step<'_>) -> bool,
}

/// Somebody asked it to stop, or a file failed.
enum Stop {
    Interrupted,
    Failed(Why),
}

impl From<Why> for Stop {
    fn from(why: Why) -> Stop {
        Stop::Failed(why)
    }
}

/// Shrinks a failure, at most `jobs` candidates at once, and writes the smallest one so far into `out` whenever there is a
/// smaller one. `each` hears of every candidate, and returns `false` to stop; what was found out by then lies beside `out`,
/// and the same call goes on from there to the same bytes.
///
/// # Errors
/// When it does not fail so (any more), or a file cannot be written.
pub fn shrink(
    of: &Failure,
    out: &Path,
    jobs: usize,
    mut each: impl FnMut(Step<'_>) -> bool,
) -> Result<Shrunk, CannotShrink> {
    let fingerprint = Fingerprint::of(&of.outcome).ok_or(Why::NoFailure)?;
    is_free(out, of)?;
    let best = Candidate { seed: of.seed, case: of.case.clone() };
    let ran = run(of, &best);
    if Fingerprint::of(&ran.outcome).as_ref() != Some(&fingerprint) {
        let now = Fingerprint::of(&ran.outcome);
        let now = now.map_or_else(|| "nothing is wrong".to_owned(), |now| format!("it is a {now}"));
        return Err(Why::NotReproduced { then: fingerprint, now }.into());
    }
    let mut whole = Digest::default();
    whole.mix_bytes(of.to_json("").as_bytes());
    let journal = Journal::open(Journal::beside(out), &whole.to_string())?;
    let is_of_mutant = of.options.mutant.is_some() && !shows_without_mutant(of, &best, &fingerprint);
    let each = &mut each;
    let mut shrinker = Shrinker { of, fingerprint, is_of_mutant, jobs, best, ran, journal, out, taken: 0, each };
    let before = shrinker.extent();
    let is_done = match shrinker.all_passes() {
        Ok(()) => true,
        Err(Stop::Interrupted) => false,
        Err(Stop::Failed(why)) => return Err(why.into()),
    };
    shrinker.write()?;
    let (after, failure) = (shrinker.extent(), shrinker.failure());
    let Shrinker { journal, fingerprint, .. } = shrinker;
    let tried = journal.len();
    if is_done {
        journal.remove()?;
    }
    Ok(Shrunk { before, after, failure, fingerprint, tried, is_done })
}

/// Only what a shrinking of the same scenario wrote is written over.
fn is_free(out: &Path, of: &Failure) -> Result<(), Why> {
    if !out.exists() {
        return Ok(());
    }
    match Failure::read(out) {
        Ok(there) if there.scenario.text() == of.scenario.text() && there.options.mutant == of.options.mutant => Ok(()),
        Ok(_) | Err(_) => Err(Why::OtherFile(out.into())),
    }
}

/// Whether the same is wrong when the bug is switched off.
fn shows_without_mutant(of: &Failure, candidate: &Candidate, fingerprint: &Fingerprint) -> bool {
    let sound = Failure { options: RunOptions { mutant: None, ..of.options }, ..of.clone() };
    Fingerprint::of(&run(&sound, candidate).outcome).as_ref() == Some(fingerprint)
}

fn run(of: &Failure, candidate: &Candidate) -> Ran {
    let Candidate { seed, case } = candidate;
    let result = super::run_case(of.scenario, *seed, case, &of.options, Listeners::default());
    let met = result.as_ref().map_or_else(|_| Vec::new(), |report| report.met.clone());
    let struck = result.as_ref().map_or_else(|_| Vec::new(), |report| report.struck.clone());
    Ran { outcome: outcome(&result), met, struck }
}

impl Shrinker<'_> {
    fn extent(&self) -> Extent {
        let (events, end) = match &self.ran.outcome {
            Outcome::Ended(ended) => (ended.events, Nanos(ended.end_ns)),
            Outcome::Panicked(_) => (0, Nanos::ZERO),
        };
        Extent { entries: self.best.case.storm().entries.len(), fates: self.ran.met.len(), events, end }
    }

    fn failure(&self) -> Failure {
        let Candidate { seed, case } = self.best.clone();
        Failure::of_case(self.of.scenario, seed, case, &self.of.options, self.ran.outcome.clone())
    }

    /// Whole or not at all, whenever it is killed.
    fn write(&self) -> Result<(), Why> {
        let failed = |error| Why::Io(self.out.into(), error);
        let name = self.out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut half = self.out.as_os_str().to_owned();
        half.push(".new");
        std::fs::write(&half, self.failure().to_json(&name)).map_err(failed)?;
        std::fs::rename(&half, self.out).map_err(failed)
    }

    /// Takes the first of these that fails in the same way: its place.
    fn take_first(&mut self, pass: &str, cases: Vec<Case>, fresh: bool) -> Result<Option<usize>, Stop> {
        let candidates = self.candidates(cases, fresh);
        let is_open = |(_, of): &(usize, Candidate)| self.journal.answer(&of.digest()) != Some(false);
        let to_run: Vec<(usize, Candidate)> = candidates.into_iter().filter(is_open).collect();
        let (mut taken, mut stopped) = (None, None);
        let (of, is_of_mutant, fingerprint) = (self.of, self.is_of_mutant, self.fingerprint.clone());
        let same = |candidate: &Candidate| {
            let ran = run(of, candidate);
            let is_same = Fingerprint::of(&ran.outcome).as_ref() == Some(&fingerprint)
                && !(is_of_mutant && shows_without_mutant(of, candidate, &fingerprint));
            is_same.then_some(ran)
        };
        run_many(
            self.jobs,
            to_run,
            |(_, candidate)| same(candidate),
            |(place, candidate), same| match self.hear(pass, candidate, same.ok().flatten()) {
                Ok(true) => {
                    taken = Some(*place);
                    false
                }
                Ok(false) => true,
                Err(stop) => {
                    stopped = Some(stop);
                    false
                }
            },
        );
        match stopped {
            Some(stop) => Err(stop),
            None => Ok(taken),
        }
    }

    /// With their places; under fresh seeds too where these may help.
    fn candidates(&self, cases: Vec<Case>, fresh: bool) -> Vec<(usize, Candidate)> {
        let own = self.best.seed;
        let seeds = move || std::iter::once(own).chain(FRESH_SEEDS.filter(move |seed| fresh && *seed != own));
        let fitting = cases.into_iter().enumerate().filter_map(|(n, case)| Some((n, self.fitted(case)?)));
        fitting.flat_map(|(n, case)| seeds().map(move |seed| (n, Candidate { seed, case: case.clone() }))).collect()
    }

    /// Without the entries that have nobody to hit any more. `None`: it cannot be run, or is what there is already.
    fn fitted(&self, mut case: Case) -> Option<Case> {
        while let Err(misfit) = self.of.scenario.check(&case) {
            case.storm_mut().entries.remove(misfit.entry?);
        }
        (case != self.best.case).then_some(case)
    }

    /// A candidate was run, and failed in the same way or not; whether it is taken.
    fn hear(&mut self, pass: &str, candidate: &Candidate, same: Option<Ran>) -> Result<bool, Stop> {
        self.journal.add(candidate.digest(), same.is_some())?;
        let is_same = same.is_some();
        if let Some(ran) = same {
            (self.best, self.ran) = (candidate.clone(), ran);
            self.taken += 1;
            self.write()?;
        }
        let step = Step { tried: self.journal.len(), taken: self.taken, pass, extent: self.extent() };
        if (self.each)(step) { Ok(is_same) } else { Err(Stop::Interrupted) }
    }

    fn operations(&self) -> &Operations {
        &self.best.case.storm().operations
    }
}
