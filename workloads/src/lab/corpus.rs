//! Kept cases: what each protects, whether it still does, and how one that has gone another way is recorded again.
//!
//! A case is kept with a bug switched on. It is **sound** when the same comes of it event for event, and nothing without the bug.
//! A change of the models that is meant moves some cases to another way: the **fingerprint** is the same, the digest is not.
//! Such a case still protects what it did, and is recorded again as it runs now. One whose fingerprint is gone, or which
//! fails without its bug too, protects nothing any more: it is to be found again by a sweep.

use super::artifact::{Failure, Sameness, outcome};
use super::fingerprint::Fingerprint;
use crate::scenario::{Listeners, RunOptions};
use std::path::{Path, PathBuf};
use wavetank_traces::artifact::Outcome;

/// What has become of a kept case.
#[derive(Clone, Debug)]
pub enum Kept {
    /// The same comes of it, and nothing without its bug.
    Sound,
    /// The same failure on another way: this is how it runs now.
    OtherWay(Box<Failure>),
    /// Something else, or nothing, is wrong.
    Gone {
        /// What was.
        then: Option<Fingerprint>,
        /// What is.
        now: Option<Fingerprint>,
    },
    /// It fails without its bug as well, with this.
    FailsAnyway(Fingerprint),
}

/// A case of a corpus, and what has become of it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub failure: Failure,
    /// What has become of it.
    pub kept: Kept,
}

impl Checked {
    /// What it protects, in words.
    pub fn protects(&self) -> String {
        let about = Fingerprint::of(&self.failure.outcome).map_or_else(|| "nothing".into(), |it| it.to_string());
        match self.failure.options.mutant {
            Some(mutant) => format!("{about}; {}", mutant.summary()),
            None => about,
        }
    }
}

/// The files of a corpus, in the order of their names.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error: std::io::Error| format!("can't read {}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs a kept case with its bug and without.
///
/// # Errors
/// When its file cannot be read, or means nothing to this wavetank.
pub fn check(path: &Path) -> Result<Checked, String> {
    let failure = Failure::read(path).map_err(|error| error.to_string())?;
    let now = outcome(&failure.replay(Listeners::default()));
    let kept = judge(&failure, now);
    Ok(Checked { path: path.into(), failure, kept })
}

fn judge(failure: &Failure, now: Outcome) -> Kept {
    let (then_is, now_is) = (Fingerprint::of(&failure.outcome), Fingerprint::of(&now));
    if then_is != now_is || then_is.is_none() {
        return Kept::Gone { then: then_is, now: now_is };
    }
    if failure.options.mutant.is_some() {
        let sound = RunOptions { mutant: None, ..failure.options };
        let without = Failure { options: sound, ..failure.clone() };
        if let Some(found) = Fingerprint::of(&outcome(&without.replay(Listeners::default()))) {
            return Kept::FailsAnyway(found);
        }
    }
    match failure.compare(&now) {
        Sameness::Same => Kept::Sound,
        Sameness::OtherWay | Sameness::Different => {
            let Failure { scenario, seed, options, case, .. } = failure.clone();
            Kept::OtherWay(Box::new(Failure::of_case(scenario, seed, case, &options, now)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Failure {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/corpus/bare-log@io2-wal-header-left-graceful.json");
        Failure::read(Path::new(path)).expect("it is kept")
    }

    fn judged(failure: &Failure) -> Kept {
        judge(failure, outcome(&failure.replay(Listeners::default())))
    }

    #[test]
    fn a_kept_case_is_sound_moved_gone_or_fails_anyway() {
        let failure = kept();
        assert!(matches!(judged(&failure), Kept::Sound));

        let mut moved = failure.clone();
        if let Outcome::Ended(ended) = &mut moved.outcome {
            ended.digest = "another".into();
        }
        let Kept::OtherWay(again) = judged(&moved) else { panic!("the digest is another") };
        assert_eq!(again.outcome, outcome(&failure.replay(Listeners::default())), "as it runs now");

        let fixed = Failure { options: RunOptions { mutant: None, ..failure.options }, ..failure.clone() };
        assert!(matches!(judged(&fixed), Kept::Gone { then: Some(_), now: None }));
    }
}
