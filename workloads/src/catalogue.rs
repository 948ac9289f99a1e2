//! What there is, for lists: name and one line each.

use crate::cluster::situations::SITUATIONS;
use crate::cluster::{Cause, budget};
use crate::harbour;
use crate::mutant::Mutant;
use crate::scenario::Scenario;
use crate::spec::scenario::{Family, PlatformKind};
use wavetank_models::cloud::profile::Profile;
use wavetank_models::invariants::Invariants;

/// A heading, and what is below it.
#[derive(Clone, Debug)]
pub struct Section {
    /// The heading.
    pub heading: &'static str,
    /// Name and one line each.
    pub items: Vec<(String, String)>,
}

/// Faults that scenarios can name, in their own words.
const FAULTS: [(&str, &str); 18] = [
    ("kill-broker", "its process dies, and starts again afterwards"),
    ("pause-broker", "it stops and comes back as if no time had passed: a zombie"),
    ("slow-broker", "its host slows down: slow death"),
    ("power-loss", "a host loses power, and what was not synced"),
    ("az-outage", "a zone goes dark, and comes back"),
    ("object-store-brownout", "the object store is slow and fails some requests"),
    ("object-store-outage", "the object store fails every request"),
    ("partition", "a target and a peer do not hear each other"),
    ("one-way-cut", "a target is not heard, and hears"),
    ("rolling-restart", "brokers are shut down cleanly and started again, one after the other"),
    ("add-broker", "one more broker joins"),
    ("remove-broker", "a broker is shut down cleanly for good"),
    ("consumer-churn", "members of a group leave, and others join"),
    ("noisy-neighbour", "somebody else uses a broker's host"),
    ("clock-jump", "a host's wall clock jumps"),
    ("volume-stall", "a broker's volume answers nothing for a while"),
    ("kill-controller", "a controller's process dies, and starts again afterwards"),
    ("kill-task-manager", "a task manager's process dies, and starts again afterwards"),
];

fn items<'a>(of: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    of.into_iter().map(|(name, summary)| (name.to_owned(), summary.to_owned())).collect()
}

fn situations() -> Vec<(String, String)> {
    let from = |seeds: u64| format!("from {seeds} seeds");
    let harbour = harbour::demands(u64::MAX).into_iter();
    let harbour = harbour.map(|mark| (from(harbour::SEEDS_FOR_SITUATIONS), format!("{mark}; in the harbour")));
    let words = |place: &'static str, words: Vec<&str>| match words.is_empty() {
        true => String::new(),
        false => format!("; {place} {}", words.join(", ")),
    };
    let cluster = SITUATIONS.iter().map(|of| {
        let on = if of.platforms.len() == PlatformKind::ALL.len() { Vec::new() } else { of.platforms.to_vec() };
        let on = words("on", on.iter().map(|kind| kind.name()).collect());
        let storms = words("in storms with", of.storms.iter().map(|(family, _)| family.name()).collect());
        (from(of.seeds), format!("{}{on}{storms}", of.mark))
    });
    cluster.chain(harbour).collect()
}

/// Everything, in the order in which a newcomer reads it.
pub fn sections() -> Vec<Section> {
    let scenarios = Scenario::built_in().map(|name| (name, Scenario::by_name(name).expect("it is built in").summary()));
    let invariants = Invariants::all();
    let profiles = Profile::builtin();
    let profile = |profile: &Profile| (profile.name.clone(), format!("{}: {}", profile.grade, profile.about));
    let mutant = |mutant: Mutant| (mutant.name().to_owned(), format!("{}: {}", mutant.place(), mutant.summary()));
    vec![
        Section { heading: "scenarios", items: items(scenarios) },
        Section {
            heading: "platforms (run and sweep take SCENARIO@PLATFORM)",
            items: items(PlatformKind::ALL.map(|kind| (kind.name(), kind.summary()))),
        },
        Section { heading: "faults that a scenario can name", items: items(FAULTS) },
        Section {
            heading: "storms (faults of exploring runs), and what platforms promise in them",
            items: Family::ALL.map(|(name, family)| (name.to_owned(), budget::in_words(family))).to_vec(),
        },
        Section {
            heading: "what ends a platform's promise: no storm does it",
            items: items(budget::BEYOND.map(|(kind, what)| (kind.name(), what))),
        },
        Section {
            heading: "why a cluster stands still, if that is never mended (--over-budget)",
            items: items(Cause::ALL.map(|cause| (cause.name(), cause.words()))),
        },
        Section { heading: "situations that a sweep must reach", items: situations() },
        Section {
            heading: "invariants, checked as things happen",
            items: items(invariants.checked().map(|(name, summary, _)| (name, summary))),
        },
        Section {
            heading: "mutants (known bugs; a sweep with one must fail)",
            items: Mutant::all().map(mutant).collect(),
        },
        Section { heading: "profiles", items: profiles.iter().map(profile).collect() },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Source;
    use crate::spec::scenario::{Scenario as Described, builtin};

    /// Whether reading a fault of that kind complains of the kind's name.
    fn is_unknown(kind: &str) -> bool {
        let text = format!("[[fault]]\nat = \"1 s\"\nkind = \"{kind}\"\n");
        let problems = Described::parse(&Source::new("x.toml", text), &builtin::Files).expect_err("much is missing");
        problems.0.iter().any(|problem| problem.key == "fault[0].kind" && problem.problem.contains(kind))
    }

    #[test]
    fn every_fault_that_is_listed_is_known() {
        assert!(is_unknown("no-such-fault"));
        for (name, _) in FAULTS {
            assert!(!is_unknown(name), "{name}");
        }
    }
}
