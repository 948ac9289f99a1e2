//! Beyond the budget: what is never mended, or is lost, drawn from the seed.
//!
//! One thing a seed, of those that can happen to the platform. Most put something out of reach, which is there again when it is
//! mended: some a platform survives all the same (a broker that is gone for good is failed over); for others it
//! [stands still](super::standstill). Every third seed of a platform whose logs are not in the region's object store loses
//! what a log is kept on, and after a while there is an empty one in its place: then [records are lost](super::loss), if some
//! were in no object yet.

use super::case::Crew;
use super::cause::Cause;
use super::size::Setup;
use crate::spec::scenario::PlatformKind;
use crate::storm::{Blow, Direction, Entry, Member, Place, Role, ShareBlow, Storage, StoreBlow, VolumeBlow};
use std::ops::Range;
use wavetank_sim::{Choices, Domain, Nanos, Stream};

/// The family of such entries.
const FAMILY: &str = "over-budget";

/// What a seed never mends, or loses.
pub(super) fn draw(setup: &Setup<'_>, crew: &Crew, during: Range<Nanos>, choices: &Choices) -> Vec<Entry> {
    let mut stream = choices.stream(Domain::new("cluster/beyond"), 0);
    let mut of_loss = choices.stream(Domain::new("cluster/beyond/loss"), 0);
    if let Some(entry) = draw_loss(setup, crew, &during, &mut of_loss) {
        return vec![entry];
    }
    let can_be: Vec<Cause> = Cause::ALL.into_iter().filter(|cause| is_there(*cause, setup, crew)).collect();
    let (cause, start) = (*stream.pick(&can_be), stream.nanos(during.start..during.end));
    let entry = |what| Entry { family: FAMILY.into(), start, end: during.end, permanent: true, aim: None, what };
    blows(cause, setup, crew, &mut stream).into_iter().map(entry).collect()
}

fn draw_loss(setup: &Setup<'_>, crew: &Crew, during: &Range<Nanos>, stream: &mut Stream) -> Option<Entry> {
    let roster = &crew.roster;
    let (is_drawn, start) = (stream.ratio(1, 3), stream.nanos(during.clone()));
    let replaced_after = stream.nanos(Nanos::secs(1)..Nanos::secs(30));
    let what = match setup.platform.kind {
        PlatformKind::S3Wal => return None,
        PlatformKind::S3ExpressWal => Blow::ExpressLost(stream.index(roster.express as usize) as u32),
        PlatformKind::EbsWal | PlatformKind::RegionalEbsWal => {
            Blow::Volume { of: *stream.pick(&roster.all(Role::Broker)), fault: VolumeBlow::Lost }
        }
        PlatformKind::NfsWal => Blow::Share(ShareBlow::Lost),
    };
    let end = during.end.min(start + replaced_after);
    is_drawn.then(|| Entry { family: FAMILY.into(), start, end, permanent: false, aim: None, what })
}

fn is_there(cause: Cause, setup: &Setup<'_>, crew: &Crew) -> bool {
    let (roster, kind) = (&crew.roster, setup.platform.kind);
    match cause {
        Cause::Quorum | Cause::Broker | Cause::Zone | Cause::ObjectStore | Cause::Way | Cause::Client => true,
        Cause::Volume => roster.with_volumes.contains(&Role::Broker),
        Cause::ExpressStore => kind == PlatformKind::S3ExpressWal,
        Cause::Share => roster.has_share,
        Cause::JobManager | Cause::TaskManager => roster.count(Role::JobManager) > 0,
    }
}

/// One thing, or several of a kind.
fn blows(cause: Cause, setup: &Setup<'_>, crew: &Crew, stream: &mut Stream) -> Vec<Blow> {
    let roster = &crew.roster;
    let all = |role: Role| roster.all(role);
    let pick = |stream: &mut Stream, role: Role| *stream.pick(&all(role));
    match cause {
        Cause::Quorum => {
            let majority = all(Role::Controller).len() / 2 + 1;
            all(Role::Controller).into_iter().take(majority).map(Blow::Kill).collect()
        }
        Cause::Broker => vec![broker_is_gone(pick(stream, Role::Broker), stream)],
        Cause::Zone => vec![Blow::ZoneDown(stream.index(roster.zones as usize) as u32)],
        Cause::Volume => {
            let faults = [VolumeBlow::Stall, VolumeBlow::Full, VolumeBlow::WriteErrors];
            vec![Blow::Volume { of: pick(stream, Role::Broker), fault: *stream.pick(&faults) }]
        }
        Cause::ObjectStore => vec![Blow::Store(StoreBlow::Outage)],
        Cause::ExpressStore => vec![Blow::ExpressDown(stream.index(roster.express as usize) as u32)],
        Cause::Share => vec![Blow::Share(ShareBlow::Stall)],
        Cause::Way => vec![way(setup, pick(stream, Role::Broker), stream)],
        Cause::Client if all(Role::Consumer).is_empty() || stream.ratio(1, 4) => {
            vec![Blow::Kill(pick(stream, Role::Producer))]
        }
        Cause::Client => all(Role::Consumer).into_iter().map(Blow::Kill).collect(),
        Cause::JobManager => vec![Blow::Kill(pick(stream, Role::JobManager))],
        Cause::TaskManager => all(Role::TaskManager).into_iter().map(Blow::Kill).collect(),
    }
}

fn broker_is_gone(broker: Member, stream: &mut Stream) -> Blow {
    match stream.range(0..3) {
        0 => Blow::Kill(broker),
        1 => Blow::PowerLoss(broker),
        _ => Blow::PauseHost(broker),
    }
}

/// Between a broker and everybody, or between everybody and the storage of the logs.
fn way(setup: &Setup<'_>, broker: Member, stream: &mut Stream) -> Blow {
    let storage = match setup.platform.kind {
        PlatformKind::S3Wal | PlatformKind::S3ExpressWal => Storage::Object,
        PlatformKind::EbsWal | PlatformKind::RegionalEbsWal => Storage::Block,
        PlatformKind::NfsWal => Storage::File,
    };
    let (from, to) = if stream.ratio(1, 2) {
        (Place::Member(broker), Place::Everywhere)
    } else {
        (Place::Everywhere, Place::Storage(storage))
    };
    Blow::Cut { from, to, direction: Direction::TwoWay }
}
