//! What a job promises.

use super::broker::Script;
use super::common::*;
use super::harness::{JOB_MANAGER, Setup, Storm};
use wavetank_models::probe::Probe;
use wavetank_models::world::Action;
use wavetank_sim::Nanos;

#[test]
fn a_quiet_day() {
    let ran = Setup::new(1).run();
    assert_eq!(ran.bad(), None);
    assert_eq!(ran.records, 9_000);
    // 300 records a second for 30 s: every second a checkpoint, and each makes the offsets known.
    assert!((70..=74).contains(&ran.checkpoints()), "{}", ran.checkpoints());
    assert_eq!(ran.committed, 9_000);
    assert_eq!(ran.count(|probe| matches!(probe, Probe::JobFailed { .. })), 0);
    let emitted = |probe: &Probe| match probe {
        Probe::Emitted { records, .. } => *records,
        _ => 0,
    };
    assert_eq!(ran.probes.iter().map(|(_, probe)| emitted(probe)).sum::<u64>(), 9_000);
}

#[track_caller]
fn at(ran: &super::harness::Ran, is: impl Fn(&Probe) -> bool) -> Nanos {
    ran.probes.iter().find(|(_, probe)| is(probe)).expect("it happened").0
}

#[test]
fn a_killed_task_manager_costs_detection_restart_and_catching_up() {
    let setup = Setup::new(2);
    let ran = setup.run_with(|world, core, _| {
        world.plan(core, Nanos::secs(10), Action::Kill(setup.task_manager(1)));
        world.plan(core, Nanos::secs(11), Action::Restart(setup.task_manager(1)));
    });
    assert_eq!(ran.bad(), None);
    let failed = at(&ran, |probe| matches!(probe, Probe::JobFailed { .. }));
    let restarted = at(&ran, |probe| matches!(probe, Probe::JobRestarted { .. }));
    let restored = at(&ran, |probe| matches!(probe, Probe::JobRestored { .. }));
    let caught_up = at(&ran, |probe| matches!(probe, Probe::JobCaughtUp { .. }));
    // Its peers' connections break at once; its heartbeats must fail twice before the rest is cancelled.
    assert!(failed < Nanos::secs(10) + ms(10), "{failed}");
    assert!((Nanos::secs(11)..Nanos::secs(13)).contains(&restarted), "{restarted}");
    assert!(restarted < restored && restored < restarted + ms(200), "{restarted} {restored}");
    assert!(restored <= caught_up && caught_up < Nanos::secs(30), "{caught_up}");
}

#[test]
fn a_restarted_job_manager_finds_the_latest_checkpoint() {
    let ran = Setup::new(3).run_with(|world, core, _| {
        world.plan(core, Nanos::secs(10), Action::Kill(JOB_MANAGER));
        world.plan(core, Nanos::secs(12), Action::Restart(JOB_MANAGER));
    });
    assert_eq!(ran.bad(), None);
    let chosen = |probe: &Probe| matches!(probe, Probe::CheckpointChosen { checkpoint, .. } if *checkpoint >= 8);
    assert_eq!(ran.count(chosen), 1);
}

pub fn storm(seed: u64) -> Setup {
    let pick = |n: u64, of: &[u32]| of[(seed / n % of.len() as u64) as usize];
    let script = Script {
        lose_answer: pick(1, &[0, 20]),
        lose_request: pick(3, &[0, 20]),
        deny: pick(9, &[0, 50]),
        forget_session: pick(2, &[0, 30]),
        delay_max: ms(u64::from(pick(5, &[0, 3, 40]))),
        ..Script::default()
    };
    let storm = Storm {
        kills: pick(1, &[0, 1, 3, 6]),
        job_manager_kills: pick(4, &[0, 1, 3]),
        resets: pick(2, &[0, 1]) == 1,
        slow_store: pick(3, &[0, 1]) == 1,
    };
    let (task_managers, parallelism) = [(3, 3), (2, 2), (4, 3), (1, 1)][(seed % 7 % 4) as usize];
    Setup { script, storm, task_managers, parallelism, ..Setup::new(seed) }
}

#[test]
fn exactly_once_whatever_is_killed() {
    let (mut restarts, mut marks) = (0, std::collections::BTreeMap::<String, u64>::new());
    for seed in 0..200 {
        let ran = storm(seed).run();
        assert_eq!(ran.bad(), None, "seed {seed}: {:?} {:#?}", ran.marks, ran.probes_in_short());
        restarts += ran.count(|probe| matches!(probe, Probe::JobRestored { .. }));
        ran.marks.into_iter().for_each(|(name, times)| *marks.entry(name).or_default() += times);
    }
    assert!(restarts > 200, "{restarts}");
    for must in [
        "flink: an acknowledgement of an earlier execution came",
        "flink: a checkpoint was completed after its execution had failed",
        "flink: a sink sent again what it had written",
        "flink: an offset commit failed, and the job went on",
    ] {
        assert!(marks.contains_key(must), "{must}: {marks:?}");
    }
}
