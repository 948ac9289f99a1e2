//! When failures became inevitable: runs that are drawn anew from a moment on.

use std::path::Path;
use std::sync::{Arc, Mutex};
use wavetank_sim::{Digest, Nanos, Reseed};
use wavetank_workloads::lab::{CurvePlan, Failure, Fingerprint, INEVITABLE, Point, curve, outcome, run_case};
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

fn kept(name: &str) -> Failure {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus").join(name);
    Failure::read(&path).expect("it is there")
}

/// What happened before a moment, as a digest and a count; and the digest of the whole.
fn run_until(failure: &Failure, until: Nanos, reseed: Option<Reseed>) -> (Digest, u64, Digest) {
    let before = Arc::new(Mutex::new((Digest::default(), 0)));
    let into = before.clone();
    let observer = move |record: &wavetank_sim::Record<_>| {
        if record.at < until {
            let [at, to, x, y] = record.words();
            let (digest, count) = &mut *into.lock().unwrap();
            digest.mix(at, to);
            digest.mix(x, y);
            *count += 1;
        }
        true
    };
    let listeners = Listeners { observer: Some(Box::new(observer)), ..Listeners::default() };
    let options = RunOptions { reseed, ..failure.options };
    let report = run_case(failure.scenario, failure.seed, &failure.case, &options, listeners).expect("no panic");
    let (digest, count) = *before.lock().unwrap();
    (digest, count, report.digest)
}

#[test]
fn a_run_that_is_drawn_anew_is_the_same_before_and_another_one_after() {
    let harbour = Scenario::Harbour;
    let harbour = Failure::of_case(
        harbour,
        8,
        harbour.draw(8, &RunOptions::default()),
        &RunOptions::default(),
        kept(BARE).outcome,
    );
    for failure in [kept(BARE), kept("broker-failover@s3-wal-storage-failover-trims-own-wal.json"), harbour] {
        for at in [Nanos::millis(500), Nanos::millis(5_001)] {
            let as_it_was = run_until(&failure, at, None);
            let anew = run_until(&failure, at, Some(Reseed { at, seed: 77 }));
            let name = failure.scenario.name();
            assert_eq!((as_it_was.0, as_it_was.1), (anew.0, anew.1), "{name}: before {at} nothing is changed");
            assert!(as_it_was.1 > 30, "{name}: something happens before {at}");
            assert_ne!(as_it_was.2, anew.2, "{name}: after {at} it is another run");
            assert_eq!(anew, run_until(&failure, at, Some(Reseed { at, seed: 77 })), "{name}: and the same each time");
        }
    }
}

const BARE: &str = "bare-log@object-wal-confirm-max.json";

#[test]
fn a_planted_bug_s_curve_rises_to_certainty_whatever_runs_at_once() {
    let failure = kept(BARE);
    let of = |jobs| curve(&failure, &CurvePlan { samples: 20, points: 10, jobs }, |_, _| {}).expect("it comes again");
    let once = of(1);
    assert_eq!(once.fingerprint, Fingerprint::of(&failure.outcome).expect("it failed"));
    assert_eq!(once.points.len(), 10);
    assert!(once.points.is_sorted_by_key(|point| point.at) && once.points[0].at == Nanos::ZERO);
    let (first, last) = (once.points[0], once.points[9]);
    assert!(first.share() < 0.7, "it is not certain from the start: {:?}", once.points);
    assert!(last.share() >= INEVITABLE, "it is at the end: {:?}", once.points);
    let (open, from) = once.inevitable();
    // The owner loses its power at 5 s, and what it had acknowledged is not in the log.
    assert!(open.is_some_and(|open| open < from) && from <= Nanos::millis(5_400), "{open:?} {from}");
    assert_eq!(of(2).points, once.points);
    let told: Vec<String> = once.beats.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|what| what.contains("loses power")), "{told:?}");
}

#[test]
fn the_gap_is_halved_over_which_the_share_changes_most() {
    let failure = kept(BARE);
    let of = |points| curve(&failure, &CurvePlan { samples: 20, points, jobs: 2 }, |_, _| {}).expect("it comes again");
    let (open, from) = of(8).inevitable();
    assert!(from - open.expect("not from the start") <= Nanos::millis(1_500 / 4), "{open:?} {from}");
    let (few, more) = (of(8).points, of(10).points);
    let spread: Vec<Nanos> = (0..4).map(|n| Nanos::millis(1_500 * n)).collect();
    assert!(spread.iter().all(|at| few.iter().any(|point| point.at == *at)), "{few:?}");
    let halved: Vec<&Point> = few.iter().filter(|point| !spread.contains(&point.at)).collect();
    assert_eq!(halved.len(), 4);
    assert!(more.len() == 10 && halved.iter().all(|point| point.samples == 20), "{more:?}");
}

#[test]
fn what_holds_and_what_does_not_come_again_is_refused() {
    let mut failure = kept(BARE);
    failure.options.mutant = None;
    let plan = CurvePlan { samples: 2, points: 2, jobs: 1 };
    let error = curve(&failure, &plan, |_, _| {}).expect_err("the bug is off").to_string();
    assert!(error.contains("everything held, and it was a violation of durable-is-recovered (epoch)"), "{error}");
    failure.outcome = outcome(&failure.replay(Listeners::default()));
    let error = curve(&failure, &plan, |_, _| {}).expect_err("nothing is wrong").to_string();
    assert!(error.contains("nothing is wrong in it"), "{error}");
}
