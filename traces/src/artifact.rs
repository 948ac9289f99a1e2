//! Failure artifacts: one JSON file that holds everything to run a failure again, and what came of it.
//!
//! ```json
//! {
//!   "format": "wavetank-failure", "version": 2,
//!   "wavetank": "0.1.0",
//!   "replay": "wavetank replay broker-failover@s3-wal-seed-7.json",
//!   "violated": ["acked-is-kept"],
//!   "seed": 7,
//!   "options": {"mutant": null, "keep_going": false, "no_check": false},
//!   "case": {"cluster": {"size": {}, "knobs": {}, "storm": {"operations": "ordinary", "entries": []}}},
//!   "outcome": {"ended": {"reason": "...", "end_ns": 1, "events": 2, "digest": "...", "drawn": ["..."],
//!               "marks": {"...": 3}, "findings": [{"severity": "violation", "at_ns": 1, "by": "...", "why": "...", "about": ["stream 7"]}]}},
//!   "scenario": {"described": {"platform": "s3-wal", "file": "broker-failover.toml", "text": "...", "files": {}}}
//! }
//! ```
//!
//! What a scenario, its options and its case are is the business of whoever runs them: here they are types that JSON can
//! hold. The case is what ran, storm, knobs and size, so a failure replays when the code that drew it has changed. Version 1
//! had none, nor `replay` and `violated`: it is read, and what ran is drawn from the seed again.
//!
//! `version` counts changes of this format; `wavetank` is the version that wrote it; `replay` and `violated` are for people,
//! and say what follows from the rest. A run that panicked has `{"panicked": {"message": "..."}}` for its outcome. All of it
//! depends on scenario, seed and version alone: no wall time, no path of the machine.

use crate::Finding;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// The format's name.
const FORMAT: &str = "wavetank-failure";
/// The version that is written, and the newest that is read.
const VERSION: u32 = 2;
/// The version that had no case.
const WITHOUT_CASE: u32 = 1;

/// A failure. See the [module](self).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact<S, O, C> {
    format: String,
    version: u32,
    /// Which wavetank wrote it.
    pub wavetank: String,
    #[serde(default)]
    replay: String,
    #[serde(default)]
    violated: Vec<String>,
    /// From which seed.
    pub seed: u64,
    /// With which options.
    pub options: O,
    /// What it was; `None` in version 1: what the seed draws.
    #[serde(default = "Option::default")]
    pub case: Option<C>,
    /// What came of it.
    pub outcome: Outcome,
    /// What ran.
    pub scenario: S,
}

/// What an artifact is made of.
#[derive(Clone, Debug)]
pub struct Parts<S, O, C> {
    /// Which wavetank writes it.
    pub wavetank: String,
    /// The command that replays it.
    pub replay: String,
    /// What ran.
    pub scenario: S,
    /// From which seed.
    pub seed: u64,
    /// With which options.
    pub options: O,
    /// What it was.
    pub case: C,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It came to an end.
    Ended(Ended),
    /// It panicked: a bug in wavetank.
    Panicked(Panic),
}

/// A run that came to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Why it ended.
    pub reason: String,
    /// Virtual nanoseconds at its end.
    pub end_ns: u64,
    /// Events dispatched.
    pub events: u64,
    /// Its fingerprint.
    pub digest: String,
    /// What was drawn for the seed, for people.
    pub drawn: Vec<String>,
    /// Situations, and how often each was reached.
    pub marks: BTreeMap<String, u64>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

/// A run that panicked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panic {
    /// What the panic said.
    pub message: String,
}

impl Outcome {
    /// What is wrong; nothing of a run that panicked.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Outcome::Ended(ended) => &ended.findings,
            Outcome::Panicked(_) => &[],
        }
    }

    /// Whether anything is wrong.
    pub fn has_failed(&self) -> bool {
        match self {
            Outcome::Ended(ended) => !ended.findings.is_empty(),
            Outcome::Panicked(_) => true,
        }
    }
}

/// Why a text is no artifact.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoArtifact {
    /// Something else.
    #[error("it is no failure artifact of wavetank: \"format\" is {found}, and should be \"{FORMAT}\"")]
    OtherFormat {
        /// What it says.
        found: String,
    },
    /// From a later wavetank.
    #[error(
        "its format has version {version}, written by wavetank {wavetank}; this wavetank reads up to version {VERSION}: \
         replay it with that one"
    )]
    Newer {
        /// Of the format.
        version: u64,
        /// Who wrote it.
        wavetank: String,
    },
    /// A key is missing, unknown or wrong.
    #[error("{0}")]
    Wrong(WrongKey),
}

/// What is wrong with a JSON text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongKey {
    /// The line, from 1.
    pub line: usize,
    /// The key, from the top; `.`: the whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for WrongKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongKey { line, key, what } = self;
        write!(f, "line {line}, {key}: {what}")
    }
}

/// Reads a JSON text; what is wrong is said with its place.
///
/// # Errors
/// The first thing that is wrong.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, WrongKey> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| WrongKey {
        line: error.inner().line(),
        key: error.path().to_string(),
        what: error.inner().to_string(),
    })?;
    json.end().map_err(|error| WrongKey { line: error.line(), key: ".".into(), what: error.to_string() })?;
    Ok(read)
}

impl<S, O, C> Artifact<S, O, C> {
    /// Of a failure, in the newest version.
    pub fn new(parts: Parts<S, O, C>) -> Artifact<S, O, C> {
        let Parts { wavetank, replay, scenario, seed, options, case, outcome } = parts;
        let mut violated: Vec<String> = outcome.findings().iter().map(|finding| finding.by.clone()).collect();
        violated.sort();
        violated.dedup();
        let (format, version, case) = (FORMAT.into(), VERSION, Some(case));
        Artifact { format, version, wavetank, replay, violated, seed, options, case, outcome, scenario }
    }

    /// As a file holds it.
    ///
    /// # Panics
    /// When the scenario, the options or the case cannot be JSON: a bug.
    pub fn to_json(&self) -> String
    where
        S: Serialize,
        O: Serialize,
        C: Serialize,
    {
        serde_json::to_string_pretty(self).expect("an artifact's parts can be JSON") + "\n"
    }

    /// Reads what [`to_json`](Artifact::to_json) wrote.
    ///
    /// # Errors
    /// Why it is no artifact.
    pub fn from_json(text: &str) -> Result<Artifact<S, O, C>, NoArtifact>
    where
        S: DeserializeOwned,
        O: DeserializeOwned,
        C: DeserializeOwned,
    {
        let any: serde_json::Value = from_json(text).map_err(NoArtifact::Wrong)?;
        let found = any.get("format");
        if found.and_then(|format| format.as_str()) != Some(FORMAT) {
            let found = found.map_or_else(|| "missing".into(), ToString::to_string);
            return Err(NoArtifact::OtherFormat { found });
        }
        let version = any.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if version > u64::from(VERSION) {
            let wavetank = any.get("wavetank").and_then(|of| of.as_str()).unwrap_or("of an unknown version");
            return Err(NoArtifact::Newer { version, wavetank: wavetank.into() });
        }
        let artifact: Artifact<S, O, C> = from_json(text).map_err(NoArtifact::Wrong)?;
        let wrong =
            |key: &str, what: &str| Err(NoArtifact::Wrong(WrongKey { line: 1, key: key.into(), what: what.into() }));
        match (artifact.version, &artifact.case) {
            (0, _) => wrong("version", "there was no version 0"),
            (WITHOUT_CASE, Some(_)) => wrong("case", "unknown field `case`: version 1 has none"),
            (WITHOUT_CASE, None) => Ok(artifact),
            (_, None) => wrong(".", "missing field `case`"),
            (_, Some(_)) => Ok(artifact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Concern, Severity};

    type Plain = Artifact<String, bool, u8>;

    fn example() -> Plain {
        let (severity, by, why) = (Severity::Violation, "somebody".into(), "it is gone".into());
        let finding = Finding { severity, at_ns: 5, by, why, about: vec![Concern::Stream(3)] };
        let ended = Ended {
            reason: "an end".into(),
            end_ns: 9,
            events: 3,
            digest: "ab".into(),
            drawn: vec!["faults: none".into()],
            marks: BTreeMap::from([("seen".into(), 2)]),
            findings: vec![finding],
        };
        Artifact::new(Parts {
            wavetank: "1.2.3".into(),
            replay: "wavetank replay it.json".into(),
            scenario: "harbour".into(),
            seed: u64::MAX,
            options: true,
            case: 7,
            outcome: Outcome::Ended(ended),
        })
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let artifact = example();
        assert_eq!(Plain::from_json(&artifact.to_json()), Ok(artifact));
        let panicked = Artifact { outcome: Outcome::Panicked(Panic { message: "ouch".into() }), ..example() };
        assert_eq!(Plain::from_json(&panicked.to_json()), Ok(panicked));
    }

    #[test]
    fn the_version_without_a_case_is_read() {
        let good = example().to_json();
        let old = good.replace("\"version\": 2", "\"version\": 1").replace("  \"case\": 7,\n", "");
        assert_eq!(Plain::from_json(&old).map(|artifact| artifact.case), Ok(None));
    }

    #[test]
    fn what_is_no_artifact_is_told_with_its_place() {
        let good = example().to_json();
        for (bad, said) in [
            ("{}".to_owned(), "\"format\" is missing"),
            ("[1".to_owned(), "line 1, .: EOF"),
            (good.replace("wavetank-failure", "other"), "\"format\" is \"other\", and should be \"wavetank-failure\""),
            (good.replace("\"version\": 2", "\"version\": 3"), "version 3, written by wavetank 1.2.3"),
            (good.replace("\"version\": 2", "\"version\": 0"), "there was no version 0"),
            (good.replace("\"version\": 2", "\"version\": 1"), "case: unknown field `case`: version 1 has none"),
            (good.replace("  \"case\": 7,\n", ""), "missing field `case`"),
            (good.replace("\"case\": 7", "\"case\": \"x\""), "case: invalid type"),
            (good.replace("\"seed\": 18446744073709551615", "\"seed\": -1"), "line 9, seed: invalid value"),
            (good.replace("\"events\"", "\"event\""), "outcome.ended.event: unknown field `event`"),
            (good.replace("\"violation\"", "\"oops\""), "outcome.ended.findings[0].severity: unknown variant `oops`"),
            (format!("{good}x"), "trailing characters"),
        ] {
            let error = Plain::from_json(&bad).expect_err(&bad).to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }
}
