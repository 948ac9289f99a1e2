//! Promises that a scenario's faults end: what lies beyond what a platform survives.
//!
//! A volume and an S3 Express bucket live in one zone. While that zone is dark, nobody can take over the log that lies
//! there: its partitions wait for the zone, and nothing that was acknowledged is lost. Which partitions waited is read off
//! the measurement, not assumed. What a log is kept on may be lost itself (`log-loss`): then what was acknowledged and in no
//! object yet [is gone](super::loss).

use super::budget::beyond;
use super::size::Setup;
use crate::compare::Measurement;
use crate::compare::measurement::EndedPromise;
use crate::spec::scenario::{FaultKind, PlatformKind, Target, words};
use wavetank_sim::Nanos;

/// Those that ended in a run.
pub(super) fn ended(setup: &Setup<'_>, run: &Measurement, has_lost: bool) -> Vec<EndedPromise> {
    let kept = (has_lost && run.acked_lost > 0).then(|| EndedPromise {
        promise: "what is acknowledged is kept".into(),
        why: beyond(setup.platform.kind).into(),
    });
    let ended = setup.scenario.faults.iter().filter_map(|fault| {
        let (FaultKind::AzOutage(Target::Az(zone)), Some(lasts)) = (&fault.kind, fault.lasts) else { return None };
        let log = zonal_log(setup, zone)?;
        waited_for_the_end(run, fault.at + lasts).then(|| EndedPromise {
            promise: "writable while a zone is dark".into(),
            why: format!(
                "{log} in zone {zone}: partitions could not be written until it was back, after {}; {}",
                words(lasts),
                match run.acked_lost {
                    0 => "what was acknowledged was back with it".into(),
                    lost => format!("{lost} acknowledged records were lost"),
                }
            ),
        })
    });
    ended.chain(kept).collect()
}

/// What of the platform's logs is in that zone alone.
fn zonal_log(setup: &Setup<'_>, zone: &str) -> Option<&'static str> {
    match setup.platform.kind {
        // All brokers and their volumes are in the first zone.
        PlatformKind::EbsWal => (setup.scenario.cluster.azs.first()?.as_str() == zone).then_some("all volumes are"),
        PlatformKind::S3ExpressWal => Some("the logs of its brokers are in a bucket"),
        PlatformKind::S3Wal | PlatformKind::RegionalEbsWal | PlatformKind::NfsWal => None,
    }
}

/// Whether something could not be written in the last whole second before.
fn waited_for_the_end(run: &Measurement, end: Nanos) -> bool {
    let last = (end.0 / Nanos::secs(1).0).checked_sub(1);
    last.and_then(|last| run.seconds.get(last as usize)).is_some_and(|second| second.available < run.partitions)
}
