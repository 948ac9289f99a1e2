//! Several scenarios by their names, each on one platform or several.

use super::{NoScenario, Scenario, UnknownName};
use crate::bare_log::Medium;
use crate::bare_quorum;
use crate::spec::scenario::{PlatformKind, builtin};
use wavetank_sim::SortedSet;

/// Every scenario that comes with wavetank; every platform of a scenario.
const ALL: &str = "all";

/// The scenarios of these names, each once, in their order. A name with `@` and a platform is one scenario. A name without
/// is on its first platform; or, when platforms are named, on each of them, `all` being all of its own. The name `all` is
/// every scenario that comes with wavetank, on all of its platforms; or, when platforms are named, on those of them that it
/// has.
///
/// # Errors
/// When a name means nothing, when a scenario is not on a platform that is asked for, or when its file is wrong.
pub fn select(names: &[String], platforms: &[String]) -> Result<Vec<Scenario>, NoScenario> {
    let on_all = platforms.iter().any(|platform| platform == ALL);
    if !on_all {
        platforms.iter().try_for_each(|platform| known_platform(platform))?;
    }
    let mut selected = Vec::new();
    for name in names {
        if name == ALL {
            for name in Scenario::built_in() {
                let wanted = |of: &&str| on_all || platforms.is_empty() || platforms.iter().any(|it| it == of);
                let scenario = Scenario::by_name(name)?;
                match scenario.platforms() {
                    own if own.is_empty() && (on_all || platforms.is_empty()) => selected.push(scenario),
                    own => selected.extend(on_each(name, own.into_iter().filter(wanted))?),
                }
            }
            continue;
        }
        let scenario = Scenario::by_name(name)?;
        let own = scenario.platforms();
        if platforms.is_empty() || (own.is_empty() && on_all) || (!own.is_empty() && scenario.argument() == name) {
            selected.push(scenario);
        } else if on_all {
            selected.extend(on_each(name, own.into_iter())?);
        } else {
            selected.extend(on_each(name, platforms.iter().map(String::as_str))?);
        }
    }
    let mut known = SortedSet::new();
    selected.retain(|scenario| known.insert(scenario.argument()));
    Ok(selected)
}

fn known_platform(name: &str) -> Result<(), UnknownName> {
    let known = PlatformKind::ALL.iter().map(|kind| kind.name()).chain(Medium::ALL.iter().map(|medium| medium.name()));
    if known.clone().any(|known| known == name) {
        return Ok(());
    }
    Err(UnknownName::new("platform", name, known.chain([ALL])))
}

fn on_each<'a>(name: &str, platforms: impl Iterator<Item = &'a str>) -> Result<Vec<Scenario>, NoScenario> {
    platforms.map(|platform| Scenario::by_name(&format!("{name}@{platform}"))).collect()
}

impl Scenario {
    /// Names of those that come with wavetank, without platforms.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        ["harbour", "bare-log", bare_quorum::NAME].into_iter().chain(builtin::ALL.iter().map(|(name, _)| *name))
    }

    /// What may stand behind the `@` of its name, in its order: platforms, or what a bare log lies on. None of the harbour and of a bare quorum.
    pub fn platforms(self) -> Vec<&'static str> {
        match self {
            Scenario::Harbour | Scenario::BareQuorum => Vec::new(),
            Scenario::BareLog(_) => Medium::ALL.iter().map(|medium| medium.name()).collect(),
            Scenario::Cluster(on) => on.scenario.platforms.iter().map(|platform| platform.kind.name()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&str], platforms: &[&str]) -> Result<Vec<&'static str>, String> {
        let owned = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let scenarios = select(&owned(names), &owned(platforms)).map_err(|error| error.to_string())?;
        Ok(scenarios.into_iter().map(Scenario::name).collect())
    }

    #[test]
    fn names_and_platforms_select_scenarios() {
        for (names, platforms, wanted) in [
            (&["harbour"][..], &[][..], &["harbour"][..]),
            (&["steady"], &[], &["steady@s3-wal"]),
            (
                &["steady", "bare-log@nfs"],
                &["nfs-wal", "ebs-wal"],
                &["steady@nfs-wal", "steady@ebs-wal", "bare-log@nfs"],
            ),
            (
                &["harbour", "noisy-neighbour", "harbour"],
                &["all"],
                &["harbour", "noisy-neighbour@s3-wal", "noisy-neighbour@ebs-wal", "noisy-neighbour@nfs-wal"],
            ),
            (&["bare-log"], &["gp3", "io2"], &["bare-log@gp3", "bare-log@io2"]),
        ] {
            assert_eq!(selected(names, platforms), Ok(wanted.to_vec()));
        }
        let all = selected(&["all"], &[]).expect("they are there");
        assert_eq!((all[0], &all[1..3], all.len()), ("harbour", &["bare-log@object", "bare-log@express"][..], 50));
        assert_eq!(selected(&["all"], &["all"]), Ok(all));
        let regional = selected(&["all"], &["regional-ebs-wal"]).expect("they are there");
        assert!(regional.len() == 7 && regional.iter().all(|name| name.ends_with("@regional-ebs-wal")), "{regional:?}");
    }

    #[test]
    fn what_there_is_not_is_said() {
        for (names, platforms, said) in [
            (&["marina"][..], &[][..], "unknown scenario 'marina'"),
            (&["steady"], &["floppy"], "unknown platform 'floppy': there is s3-wal"),
            (&["all"], &["floppy"], "unknown platform 'floppy'"),
            (
                &["noisy-neighbour"],
                &["regional-ebs-wal"],
                "unknown platform 'regional-ebs-wal': there is s3-wal, ebs-wal",
            ),
            (&["harbour"], &["s3-wal"], "harbour is on no platform"),
            (&["bare-log"], &["s3-wal"], "unknown medium of a bare log 's3-wal'"),
        ] {
            let error = selected(names, platforms).expect_err(said);
            assert!(error.contains(said), "{said}: {error}");
        }
    }
}
