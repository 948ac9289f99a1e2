//! A storm as data: what goes wrong in a run, when, and to whom.
//!
//! A seed *draws* a storm; a run *carries it out*. What is drawn names members by their role and number and knows nothing of
//! a world, so it can be written into a file, read again when the code that drew it has changed, and made smaller line by
//! line. As JSON:
//!
//! ```json
//! {
//!   "operations": "ordinary",
//!   "entries": [
//!     {"family": "broker-crash", "start": "12.5 s", "end": "14 s", "what": {"kill": "broker 1"}},
//!     {"family": "one-way-cut", "start": "20 s", "end": "31 s",
//!      "what": {"cut": {"from": {"member": "broker 0"}, "to": {"member": "controller 2"}, "direction": "one-way"}}}
//!   ]
//! }
//! ```
//!
//! A fault may wait for a step of somebody's protocol instead of a time ([`Aim`]): "kill broker 1 a millisecond after it has
//! trimmed its log for the second time". `start` is then when it begins to wait, and `end` when it is healed at the latest:
//!
//! ```json
//! {"family": "broker-crash", "start": "12.5 s", "end": "45 s",
//!  "aim": {"step": "wal-trimmed", "by": "broker 1", "nth": 2, "after": "0.001 s", "lasts": "4 s"},
//!  "what": {"kill": "broker 1"}}
//! ```
//!
//! Single operations meet what their [fates](Operations) say: at rates, each device's drawn from the seed; or exactly those
//! that are listed, each under its operation's name.
//!
//! An entry with `"permanent": true` is never healed: no platform promises to go on then, and a run says for what it stands still.
//!
//! The order of entries is the order in which they go on the plan. What begins at one instant is ordered by the seed.

mod aim;
mod blow;
mod check;
mod lookout;
mod marks;
mod member;
mod put;
mod step;

pub use aim::{Aim, Struck};
pub use blow::{Blow, Direction, Goal, Place, ShareBlow, Storage, StoreBlow, VolumeBlow};
pub(crate) use check::LONGEST;
pub use check::{Misfit, Roster};
pub(crate) use lookout::Strikes;
pub use member::{Member, Role};
pub(crate) use put::{Errand, Operator, Permanent, Target, Targets, put};
pub use step::{Kind, Step};

use serde::{Deserialize, Serialize};
use std::fmt;
use wavetank_models::anomaly::{AnomalyRates, Entity, Fate, Operation};
use wavetank_sim::{Nanos, SortedMap};

/// What goes wrong in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// What single operations of devices meet, until the storm is over.
    pub operations: Operations,
    /// Faults with a beginning and an end.
    pub entries: Vec<Entry>,
}

/// What single operations meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operations {
    /// Nothing beyond the ordinary.
    #[default]
    Ordinary,
    /// Fates that the seed draws, each device's from a stream of its own.
    Rates(Box<AnomalyRates>),
    /// Exactly these.
    Fates(Vec<Met>),
}

/// An operation, and what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Met {
    /// Which.
    pub operation: Operation,
    /// What.
    pub fate: Fate,
}

/// A fault with a beginning and an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The family that it was drawn for: for people, it decides nothing.
    pub family: String,
    /// When it begins; with an aim: when it begins to wait for the step.
    pub start: Nanos,
    /// When it is healed; with an aim: when it is healed at the latest.
    pub end: Nanos,
    /// It is never healed, whatever its end says: what stands still for it stands still for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
    /// The step that it waits for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
    /// What happens, and to whom.
    pub what: Blow,
}

impl Entry {
    /// What it does at a time, without waiting: what struck, struck so.
    pub fn at_time(&self, struck: Struck) -> Entry {
        let Some(aim) = self.aim else { return self.clone() };
        let what = if aim.at_doer { self.what.at(struck.doer) } else { self.what.clone() };
        let end = self.end.min(struck.at.saturating_add(aim.lasts));
        Entry { family: self.family.clone(), start: struck.at, end, permanent: false, aim: None, what }
    }

    /// For people: what happens, and to whom.
    pub fn happening(&self) -> String {
        match (self.aim, self.what.member()) {
            (Some(Aim { at_doer: true, .. }), Some(member)) => {
                let whoever = format!("whichever {} did it", member.role.name());
                self.what.to_string().replacen(&member.to_string(), &whoever, 1)
            }
            (Some(_) | None, _) => self.what.to_string(),
        }
    }
}

impl fmt::Display for Met {
    /// For people: which operation, and what it meets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { entity, kind, nth } = self.operation;
        let device = match entity {
            Entity::Volume(n) => format!("volume {n}"),
            Entity::Object(_) => "the object store".into(),
            Entity::Express(n) => format!("express store {n}"),
            Entity::Nfs(_) => "the share".into(),
        };
        write!(f, "{kind} {nth} of {device}: ")?;
        match self.fate {
            Fate::Volume(fate) => write!(f, "{fate:?}"),
            Fate::Object(fate) => {
                write!(f, "{:?}", fate.outcome)?;
                fate.duplicate.map_or(Ok(()), |after| write!(f, ", and once more after {after:?}"))
            }
            Fate::Nfs(fate) => write!(f, "{fate:?}"),
        }
    }
}

impl Entry {
    /// When it is over: what is never mended, never.
    pub(crate) fn ends(&self) -> Nanos {
        if self.permanent { Nanos::MAX } else { self.end }
    }
}

impl Storm {
    /// The parallelisms that a job is given in it.
    pub(crate) fn parallelisms_of(&self, of: u32) -> Vec<u32> {
        let given = |entry: &Entry| match entry.what {
            Blow::Rescale { job, parallelism } if job == of => Some(parallelism),
            _ => None,
        };
        self.entries.iter().filter_map(given).collect()
    }

    /// Whether logs lose what they held in it.
    pub(crate) fn loses(&self) -> bool {
        self.entries.iter().any(|entry| entry.what.loses())
    }

    /// Whether it has a topic keep less than the run's settings say.
    pub(crate) fn deletes(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.what, Blow::Retain { .. }))
    }
}

impl Operations {
    /// At these rates; the ordinary where all are zero.
    pub(crate) fn at(rates: AnomalyRates) -> Operations {
        if rates == AnomalyRates::default() { Operations::Ordinary } else { Operations::Rates(Box::new(rates)) }
    }

    /// Those that a run wrote down.
    pub fn listed(met: &[(Operation, Fate)]) -> Operations {
        Operations::Fates(met.iter().map(|(operation, fate)| Met { operation: *operation, fate: *fate }).collect())
    }
}

impl Storm {
    pub(crate) fn push(&mut self, family: &str, start: Nanos, end: Nanos, what: Blow) {
        self.entries.push(Entry { family: family.into(), start, end, permanent: false, aim: None, what });
    }

    /// For people: how many faults of which family, and what single operations meet.
    pub fn describe(&self) -> Vec<String> {
        let mut families: SortedMap<&str, (usize, usize)> = SortedMap::new();
        for entry in &self.entries {
            let (count, aimed) = families.entry(&entry.family).or_default();
            (*count, *aimed) = (*count + 1, *aimed + usize::from(entry.aim.is_some()));
        }
        let name = |(name, (count, aimed)): (&&str, &(usize, usize))| match aimed {
            0 => format!("{name} {count}"),
            aimed => format!("{name} {count} ({aimed} aimed)"),
        };
        let names: Vec<String> = families.iter().map(name).collect();
        let mut lines = vec![format!("faults: {}", if names.is_empty() { "none".into() } else { names.join(", ") })];
        lines.extend(match &self.operations {
            Operations::Ordinary => None,
            Operations::Rates(rates) => Some(format!("single operations: {}", in_words(rates))),
            Operations::Fates(fates) => Some(format!("single operations: {} listed fates", fates.len())),
        });
        lines
    }
}

/// Whose operations meet something, at rates.
fn in_words(rates: &AnomalyRates) -> String {
    let AnomalyRates { volume, object, express, nfs } = AnomalyRates::default();
    let hit = [
        ("object store", rates.object != object),
        ("express store", rates.express != express),
        ("volumes", rates.volume != volume),
        ("share", rates.nfs != nfs),
    ];
    let names: Vec<&str> = hit.iter().filter(|(_, is_hit)| *is_hit).map(|(name, _)| *name).collect();
    format!("drawn for {}", names.join(", "))
}
