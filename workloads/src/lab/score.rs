//! The mutation score: which known bugs were caught where, as a file has it.
//!
//! ```json
//! {"format": "wavetank-mutants", "version": 1, "wavetank": "0.1.0", "seeds": 1000, "catches": 5,
//!  "mutants": [{"name": "...", "place": "...", "summary": "...", "caught": true,
//!               "hunts": [{"scenario": "bare-log@object", "seeds": 63, "caught": 5, "first_seed": 4, "median_seeds": 9,
//!                          "by": {"durable-is-recovered": 5}, "panicked": 0, "virtual_ns": 1, "false_alarms": 0}]}]}
//! ```
//!
//! It depends on version and limits alone: how long it took is nowhere in it.

use super::artifact::VERSION;
use super::hunt::{Bag, Hunt, HuntLimits};
use crate::mutant::Mutant;
use serde::Serialize;
use std::collections::BTreeMap;

/// A hunt, what it came to, and what the same seeds came to without the mutant.
#[derive(Clone, Debug)]
pub struct Hunted {
    /// What was hunted where.
    pub hunt: Hunt,
    /// What it came to.
    pub bag: Bag,
    /// In how many of the same seeds something was found without the mutant.
    pub false_alarms: u64,
}

/// What all hunts came to.
#[derive(Clone, Debug)]
pub struct Score {
    /// When each was over.
    pub limits: HuntLimits,
    /// One by one, those for one mutant side by side.
    pub hunted: Vec<Hunted>,
}

#[derive(Serialize)]
struct File {
    format: &'static str,
    version: u32,
    wavetank: &'static str,
    seeds: u64,
    catches: u64,
    mutants: Vec<OfMutant>,
}

#[derive(Serialize)]
struct OfMutant {
    name: &'static str,
    place: &'static str,
    summary: &'static str,
    caught: bool,
    hunts: Vec<OfHunt>,
}

#[derive(Serialize)]
struct OfHunt {
    scenario: &'static str,
    seeds: u64,
    caught: u64,
    first_seed: Option<u64>,
    median_seeds: Option<u64>,
    by: BTreeMap<String, u64>,
    panicked: u64,
    virtual_ns: u128,
    false_alarms: u64,
}

impl Score {
    /// Mutants, and the hunts for each.
    pub fn by_mutant(&self) -> impl Iterator<Item = (Mutant, &[Hunted])> {
        let same = |a: &Hunted, b: &Hunted| a.hunt.mutant == b.hunt.mutant;
        self.hunted.chunk_by(same).map(|hunts| (hunts[0].hunt.mutant, hunts))
    }

    /// Mutants that no hunt has caught.
    pub fn not_caught(&self) -> Vec<Mutant> {
        let is_missed = |hunts: &[Hunted]| hunts.iter().all(|of| of.bag.caught == 0);
        self.by_mutant().filter(|(_, hunts)| is_missed(hunts)).map(|(mutant, _)| mutant).collect()
    }

    /// As a file has it.
    pub fn to_json(&self) -> String {
        let not_caught = self.not_caught();
        let of_hunt = |of: &Hunted| {
            let median_seeds = of.bag.median();
            let Bag { seeds, caught, first, by, panicked, ended_with_catch: _, virtual_ns } = of.bag.clone();
            let (scenario, false_alarms) = (of.hunt.scenario.name(), of.false_alarms);
            OfHunt { scenario, seeds, caught, first_seed: first, median_seeds, by, panicked, virtual_ns, false_alarms }
        };
        let mutants = self.by_mutant().map(|(mutant, hunts)| OfMutant {
            name: mutant.name(),
            place: mutant.place(),
            summary: mutant.summary(),
            caught: !not_caught.contains(&mutant),
            hunts: hunts.iter().map(of_hunt).collect(),
        });
        let HuntLimits { seeds, catches } = self.limits;
        let mutants = mutants.collect();
        let file = File { format: "wavetank-mutants", version: 1, wavetank: VERSION, seeds, catches, mutants };
        serde_json::to_string_pretty(&file).expect("its parts can be JSON") + "\n"
    }
}
