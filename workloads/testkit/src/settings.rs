//! What the environment says.

use std::path::PathBuf;
use wavetank_sim::cores;

/// How sweeps of tests are run. From the environment:
///
/// * `WAVETANK_SEED=N`: that seed alone, to see a failure again;
/// * `WAVETANK_SEEDS=N`: so many seeds instead of as many as the test says, from the first of its own on;
/// * `WAVETANK_JOBS=N`: so many runs at once (default: all cores);
/// * `WAVETANK_ARTIFACTS=DIR`: where failures go (default: `wavetank-failures`, in the package's folder).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// That seed alone.
    pub seed: Option<u64>,
    /// So many seeds.
    pub seeds: Option<u64>,
    /// Runs at once.
    pub jobs: usize,
    /// Where failures go.
    pub artifacts: PathBuf,
}

/// A variable that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value}: {right}")]
pub struct BadSetting {
    name: &'static str,
    value: String,
    right: &'static str,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { seed: None, seeds: None, jobs: cores(), artifacts: "wavetank-failures".into() }
    }
}

impl Settings {
    /// As the environment has it.
    ///
    /// # Errors
    /// The first variable that means nothing.
    pub fn of_environment() -> Result<Settings, BadSetting> {
        Settings::of(|name| std::env::var(name).ok())
    }

    /// As these variables have it.
    ///
    /// # Errors
    /// The first variable that means nothing.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, BadSetting> {
        let number = |name: &'static str, least: u64, right: &'static str| {
            let Some(value) = variable(name) else { return Ok(None) };
            let wrong = || BadSetting { name, value: value.clone(), right };
            value.parse().ok().filter(|number| *number >= least).map(Some).ok_or_else(wrong)
        };
        let standard = Settings::default();
        let jobs = number("WAVETANK_JOBS", 1, "a number of runs at once is right, 1 or more")?;
        Ok(Settings {
            seed: number("WAVETANK_SEED", 0, "a seed is right, 0 or more")?,
            seeds: number("WAVETANK_SEEDS", 1, "a number of seeds is right, 1 or more")?,
            jobs: jobs.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(standard.jobs),
            artifacts: variable("WAVETANK_ARTIFACTS").map_or(standard.artifacts, PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Settings, String> {
        let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::of(value).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_read_and_what_means_nothing_is_refused() {
        assert_eq!(of(&[]), Ok(Settings::default()));
        let set =
            of(&[("WAVETANK_SEED", "7"), ("WAVETANK_SEEDS", "3"), ("WAVETANK_JOBS", "1"), ("WAVETANK_ARTIFACTS", "x")]);
        let expected = Settings { seed: Some(7), seeds: Some(3), jobs: 1, artifacts: "x".into() };
        assert_eq!(set, Ok(expected));
        for (name, value, right) in [
            ("WAVETANK_SEED", "x", "WAVETANK_SEED=x: a seed is right, 0 or more"),
            ("WAVETANK_SEEDS", "0", "WAVETANK_SEEDS=0: a number of seeds is right, 1 or more"),
            ("WAVETANK_JOBS", "-1", "WAVETANK_JOBS=-1: a number of runs at once is right, 1 or more"),
        ] {
            assert_eq!(of(&[(name, value)]), Err(right.to_owned()));
        }
    }
}
