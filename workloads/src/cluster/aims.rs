//! Faults of a drawn storm that wait for steps of protocols: in some seeds some of those that hit a process strike just when
//! it, or another one, has done something after which a death is awkward.

use crate::storm::{Aim, Blow, Entry, Kind, Member, Place, Role, Step, Storm, VolumeBlow};
use wavetank_sim::{Choices, Domain, Nanos, Stream};

/// How often a step comes: what decides which of its occurrences a fault waits for.
#[derive(Clone, Copy)]
enum Pace {
    /// Some times a run at most.
    Seldom,
    /// Some times a second.
    Often,
}

use Pace::{Often, Seldom};

/// Steps of brokers.
const BROKERS: [(Step, Pace); 19] = [
    (Step::Said(Kind::Started), Seldom),
    (Step::Said(Kind::WalAcquired), Seldom),
    (Step::Said(Kind::WalRecoveryEnded), Seldom),
    (Step::Said(Kind::WalReset), Seldom),
    (Step::Said(Kind::BrokerUnfenced), Seldom),
    (Step::Said(Kind::BrokerFenced), Seldom),
    (Step::Said(Kind::FailoverBegan), Seldom),
    (Step::Said(Kind::WalTakenOver), Seldom),
    (Step::Said(Kind::FailoverDone), Seldom),
    (Step::Said(Kind::LeaderReady), Seldom),
    (Step::Said(Kind::LeaderResigned), Seldom),
    (Step::Said(Kind::Appended), Often),
    (Step::Said(Kind::WalDurable), Often),
    (Step::Said(Kind::Acked), Often),
    (Step::Said(Kind::WalTrimmed), Often),
    (Step::Said(Kind::StreamCommitted), Often),
    (Step::Mark("storage: objects were prepared"), Often),
    (Step::Mark("storage: a commit was asked for"), Often),
    (Step::Mark("compaction: stream-set objects were compacted"), Seldom),
];
/// Steps of controllers.
const CONTROLLERS: [(Step, Pace); 4] = [
    (Step::Said(Kind::Started), Seldom),
    (Step::Said(Kind::ControllerElected), Seldom),
    (Step::Said(Kind::ObjectDeleted), Often),
    (Step::Mark("controller: a change waits for its majority"), Often),
];
/// Steps of job managers.
const JOB_MANAGERS: [(Step, Pace); 5] = [
    (Step::Said(Kind::Started), Seldom),
    (Step::Said(Kind::CheckpointChosen), Seldom),
    (Step::Said(Kind::JobRestored), Seldom),
    (Step::Said(Kind::CheckpointCompleted), Seldom),
    (Step::Mark("flink: a checkpoint's metadata is written, and the pointer not moved"), Seldom),
];
/// Steps of task managers.
const TASK_MANAGERS: [(Step, Pace); 1] = [(Step::Said(Kind::Started), Seldom)];
/// Steps of producers.
const PRODUCERS: [(Step, Pace); 2] = [(Step::Said(Kind::Started), Seldom), (Step::Said(Kind::Produced), Often)];
/// Steps of consumers.
const CONSUMERS: [(Step, Pace); 3] =
    [(Step::Said(Kind::Started), Seldom), (Step::Said(Kind::Assigned), Seldom), (Step::Said(Kind::Consumed), Often)];

fn steps(of: Role) -> &'static [(Step, Pace)] {
    match of {
        Role::Broker => &BROKERS,
        Role::Controller => &CONTROLLERS,
        Role::JobManager => &JOB_MANAGERS,
        Role::TaskManager => &TASK_MANAGERS,
        Role::Producer => &PRODUCERS,
        Role::Consumer => &CONSUMERS,
        Role::Owner | Role::Rescuer | Role::Pier | Role::Boat | Role::Watchman => &[],
    }
}

/// Aims some of a storm's faults, in some seeds. They wait until the load ends.
pub(super) fn aim_some(storm: &mut Storm, ends: Nanos, choices: &Choices) {
    let mut stream = choices.stream(Domain::new("cluster/storm/aims"), 0);
    if !stream.ratio(1, 2) {
        return;
    }
    for entry in &mut storm.entries {
        if let Some(member) = can_be_aimed(&entry.what)
            && stream.ratio(1, 2)
        {
            aim(entry, member, ends, &mut stream);
        }
    }
}

/// Whom it hits, if it is one that a step can set off.
fn can_be_aimed(what: &Blow) -> Option<Member> {
    match what {
        Blow::Kill(_)
        | Blow::Terminate(_)
        | Blow::Pause(_)
        | Blow::PowerLoss(_)
        | Blow::PauseHost(_)
        | Blow::Cut { to: Place::Everywhere, .. }
        | Blow::Volume { fault: VolumeBlow::Detach, .. }
        | Blow::Clock { .. } => what.member(),
        Blow::SlowHost { .. }
        | Blow::ZoneDown(_)
        | Blow::Cut { .. }
        | Blow::Clog { .. }
        | Blow::Grey { .. }
        | Blow::Resets { .. }
        | Blow::Volume { .. }
        | Blow::Store(_)
        | Blow::ExpressDown(_)
        | Blow::ExpressLost(_)
        | Blow::Share(_)
        | Blow::MovePartition { .. }
        | Blow::Retain { .. }
        | Blow::ResetOffsets { .. }
        | Blow::Rescale { .. } => None,
    }
}

/// At whoever does a step, or at the one that it hits anyhow, when that one does it, or when anybody does.
fn aim(entry: &mut Entry, member: Member, ends: Nanos, stream: &mut Stream) {
    let (step, pace) = *stream.pick(steps(member.role));
    let nth = match pace {
        Seldom => 1 + stream.weighted(&[6, 2, 1]) as u32,
        Often => 1 + stream.range(0..60) as u32,
    };
    let (by, at_doer) = match stream.weighted(&[4, 2, 1]) {
        0 => (None, true),
        1 => (Some(member), false),
        _ => (None, false),
    };
    let (lasts, after) = (entry.end - entry.start, draw_delay(stream));
    entry.aim = Some(Aim { step, by, nth, after, lasts, at_doer });
    entry.end = ends;
}

/// From a step to its fault: none, less than a message takes, as long as a request, or as long as a recovery.
pub(crate) fn draw_delay(stream: &mut Stream) -> Nanos {
    match stream.weighted(&[2, 2, 3, 1]) {
        0 => Nanos::ZERO,
        1 => stream.nanos(Nanos::micros(10)..Nanos::millis(1)),
        2 => stream.nanos(Nanos::millis(1)..Nanos::millis(100)),
        _ => stream.nanos(Nanos::millis(100)..Nanos::secs(3)),
    }
}
