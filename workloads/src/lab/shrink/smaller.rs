//! Cases of a smaller size, the smallest first.

use crate::bare_log::Plan;
use crate::case::Case;
use crate::cluster::{Knobs, Size};
use wavetank_sim::Nanos;

/// Cases that are smaller in one way, the smallest first.
type Smaller = fn(&Case) -> Vec<Case>;

/// What can be made smaller, by name.
pub(super) const DIMENSIONS: [(&str, Smaller); 10] = [
    ("pipelines", |case| sizes(case, |size| each(size.pipelines, 0, |n| Size { pipelines: n, ..size.clone() }))),
    ("topics", |case| sizes(case, |size| each(size.topics, 1, |n| Size { topics: n, ..size.clone() }))),
    ("partitions", |case| sizes(case, |size| each(size.partitions, 1, |n| Size { partitions: n, ..size.clone() }))),
    ("producers", |case| sizes(case, fewer_producers)),
    ("members", |case| {
        sizes(case, |size| each(size.members.unwrap_or(64), 1, |n| Size { members: Some(n), ..size.clone() }))
    }),
    ("rate", |case| sizes(case, slower)),
    ("warm-up", |case| sizes(case, without_warm_up)),
    ("knobs", knobs),
    ("cargo", less_cargo),
    ("controllers", fewer_controllers),
];

fn sizes(case: &Case, smaller: impl Fn(&Size) -> Vec<Size>) -> Vec<Case> {
    let Case::Cluster(of) = case else { return Vec::new() };
    smaller(&of.size).into_iter().map(|size| Case::Cluster(crate::cluster::Case { size, ..of.clone() })).collect()
}

/// Numbers below one, down to the least, the smallest first: the least, a quarter, half, one less.
pub(super) fn below(of: u64, least: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = [least, of / 4, of / 2, of.saturating_sub(1)].into();
    numbers.retain(|n| (least..of).contains(n));
    numbers.dedup();
    numbers
}

fn each(of: u32, least: u32, size: impl Fn(u32) -> Size) -> Vec<Size> {
    below(of.into(), least.into()).into_iter().map(|n| size(n as u32)).collect()
}

fn fewer_producers(size: &Size) -> Vec<Size> {
    let total: u32 = size.producers.iter().sum();
    each(total, 1, |mut left| {
        let keep = |count: &u32| {
            let kept = left.min(*count);
            left -= kept;
            kept
        };
        Size { producers: size.producers.iter().map(keep).collect(), ..size.clone() }
    })
}

/// Not below one message a second of each producer.
fn slower(size: &Size) -> Vec<Size> {
    let least = size.producers.iter().map(|count| u64::from(*count)).sum::<u64>().max(1);
    below(size.rate, least).into_iter().map(|rate| Size { rate, ..size.clone() }).collect()
}

/// Storms begin at once, and end when they did.
fn without_warm_up(size: &Size) -> Vec<Size> {
    let sooner = Size { warm_up: Nanos::ZERO, ..size.clone() };
    let duration = size.load_ends() - sooner.begins();
    vec![Size { duration, ..sooner }]
}

/// All knobs as the scenario has them; else one of them.
fn knobs(case: &Case) -> Vec<Case> {
    let Case::Cluster(of) = case else { return Vec::new() };
    let it = || of.knobs.clone();
    let fewer = [
        Knobs::default(),
        Knobs { small_log: false, ..it() },
        Knobs { page_keys: None, ..it() },
        Knobs { object_retention: None, ..it() },
        Knobs { upload_interval: None, ..it() },
        Knobs { failover_min_age: None, ..it() },
        Knobs { retention: None, ..it() },
        Knobs { fast_close: false, ..it() },
    ];
    fewer.into_iter().map(|knobs| Case::Cluster(crate::cluster::Case { knobs, ..of.clone() })).collect()
}

fn less_cargo(case: &Case) -> Vec<Case> {
    let Case::Harbour(of) = case else { return Vec::new() };
    below(of.cargo, 1).into_iter().map(|cargo| Case::Harbour(crate::harbour::Case { cargo, ..of.clone() })).collect()
}

/// Three controllers, and fetches as they are.
fn fewer_controllers(case: &Case) -> Vec<Case> {
    let Case::BareQuorum(of) = case else { return Vec::new() };
    let fewer = (of.controllers > 3).then(|| crate::bare_quorum::Case { controllers: 3, ..of.clone() });
    let plain = of.fetch_entries.map(|_| crate::bare_quorum::Case { fetch_entries: None, ..of.clone() });
    fewer.into_iter().chain(plain).map(Case::BareQuorum).collect()
}

/// The run is over then, if that is earlier than it is and after the storm: only a bare log has an end of its own, and not
/// where it is judged by what is left at the end.
pub(super) fn ending_at(case: &Case, at: Nanos) -> Option<Case> {
    let Case::BareLog(of) = case else { return None };
    if of.plan == Plan::Duplicates {
        return None;
    }
    let ends = at.max(of.storm_ends);
    (ends < of.ends).then(|| Case::BareLog(crate::bare_log::Case { ends, ..of.clone() }))
}

/// Less time after the storm, the least first.
pub(super) fn shorter_tails(case: &Case) -> Vec<Case> {
    let Case::BareLog(of) = case else { return Vec::new() };
    let tail = of.ends.saturating_sub(of.storm_ends);
    let parts = [(0, 1), (1, 4), (1, 2), (3, 4)].into_iter();
    parts.filter_map(|(num, den)| ending_at(case, of.storm_ends + tail.scale(num, den))).collect()
}

/// The times of the run itself, up to the next unit.
pub(super) fn rounded(case: &Case, unit: Nanos) -> Option<Case> {
    let up = |time: Nanos| unit * time.0.div_ceil(unit.0);
    let mut case = case.clone();
    match &mut case {
        Case::Harbour(of) => of.storm_ends = up(of.storm_ends),
        Case::BareQuorum(of) => of.storm_ends = up(of.storm_ends),
        Case::BareLog(of) => (of.storm_ends, of.ends) = (up(of.storm_ends), up(of.ends)),
        Case::Cluster(of) => of.size.duration = up(of.size.duration),
    }
    Some(case)
}
