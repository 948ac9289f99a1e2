//! What a run is, beyond its scenario, its seed and its options: size, knobs, storm.
//!
//! A seed draws a case; a file of a failure holds it, and it is run as it stands there. So a failure is the same one when
//! the code that draws has changed, and is made smaller by making its case smaller.

use crate::storm::{Entry, Met, Operations, Storm};
use crate::{bare_log, bare_quorum, cluster, harbour};
use serde::{Deserialize, Serialize};
use wavetank_sim::Nanos;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Of [`harbour`].
    Harbour(harbour::Case),
    /// Of [`bare_log`].
    BareLog(bare_log::Case),
    /// Of [`bare_quorum`].
    BareQuorum(bare_quorum::Case),
    /// Of a described scenario: see [`cluster`].
    Cluster(cluster::Case),
}

impl Case {
    /// What goes wrong.
    pub fn storm(&self) -> &Storm {
        match self {
            Case::Harbour(case) => &case.storm,
            Case::BareLog(case) => &case.storm,
            Case::BareQuorum(case) => &case.storm,
            Case::Cluster(case) => &case.storm,
        }
    }

    /// What goes wrong, to be changed.
    pub fn storm_mut(&mut self) -> &mut Storm {
        match self {
            Case::Harbour(case) => &mut case.storm,
            Case::BareLog(case) => &mut case.storm,
            Case::BareQuorum(case) => &mut case.storm,
            Case::Cluster(case) => &mut case.storm,
        }
    }

    /// When the storm is over.
    pub fn storm_ends(&self) -> Nanos {
        match self {
            Case::Harbour(case) => case.storm_ends,
            Case::BareLog(case) => case.storm_ends,
            Case::BareQuorum(case) => case.storm_ends,
            Case::Cluster(case) => case.size.load_ends(),
        }
    }

    /// The same with a storm that is over at another time, and the run as much earlier: faults that would begin later are
    /// gone, those that would last longer are healed then. `None` where there is no such run.
    pub fn with_storm_until(&self, end: Nanos) -> Option<Case> {
        let mut case = self.clone();
        match &mut case {
            Case::Harbour(case) => case.storm_ends = end,
            Case::BareQuorum(case) => case.storm_ends = end,
            Case::BareLog(case) => {
                let after = case.ends.saturating_sub(case.storm_ends);
                (case.storm_ends, case.ends) = (end, end + after);
            }
            Case::Cluster(case) => {
                let begins = case.size.begins();
                case.size.duration = (end > begins).then(|| end - begins)?;
            }
        }
        let entries = &mut case.storm_mut().entries;
        entries.retain(|entry| entry.start < end);
        entries.iter_mut().for_each(|entry| entry.end = entry.end.min(end));
        Some(case)
    }

    /// What happens in it, for people, a line each: faults in the order of time, fates, size and knobs.
    pub fn story(&self) -> Vec<String> {
        let storm = self.storm();
        let mut entries: Vec<&Entry> = storm.entries.iter().collect();
        entries.sort_by_key(|entry| (entry.start, entry.end));
        let told = |entry: &&Entry| {
            let (start, end) = (seconds(entry.start), seconds(entry.end));
            match entry.aim {
                Some(aim) => format!("from {start} s on, until {end} s: {aim}: {}", entry.happening()),
                None if entry.permanent => format!("from {start} s on, for good: {}", entry.what),
                None => format!("{start} s to {end} s: {}", entry.what),
            }
        };
        let mut lines: Vec<String> = entries.iter().map(told).collect();
        match &storm.operations {
            Operations::Ordinary => {}
            Operations::Rates(_) => lines.extend(storm.describe().into_iter().skip(1)),
            Operations::Fates(list) => lines.extend(list.iter().map(Met::to_string)),
        }
        if lines.is_empty() {
            lines.push("no faults".into());
        }
        let size = match self {
            Case::Harbour(case) => vec![format!("{} records of cargo a boat", case.cargo)],
            Case::BareQuorum(case) => vec![case.size()],
            Case::BareLog(case) => {
                vec![format!("storm over at {} s, run at {} s", seconds(case.storm_ends), seconds(case.ends))]
            }
            Case::Cluster(case) => [case.size.describe()].into_iter().chain(case.knobs.describe()).collect(),
        };
        lines.extend(size);
        lines
    }

    /// Of what it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Case::Harbour(_) => "the harbour",
            Case::BareLog(_) => "a bare log",
            Case::BareQuorum(_) => "a bare quorum",
            Case::Cluster(_) => "a cluster",
        }
    }
}

/// With no more digits than it takes.
fn seconds(time: Nanos) -> String {
    let digits = time.to_string();
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}
