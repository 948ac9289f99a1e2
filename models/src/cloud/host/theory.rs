//! The host's queues against queueing theory, within 2 %.
//!
//! At a load of 0.9 the plain mean of a simulated wait converges slowly (a relative error of about 21 / sqrt(n) for
//! M/M/1). So the estimator has a control variate: `w x ((s - E s) / k - (a - E a))`, where `w` is a job's wait, `s` its
//! service time and `a` the time to the next arrival. Neither `s` nor `a` depends on `w`, so its mean is zero whatever
//! the theory says, and it carries nearly all of the estimator's noise (it is the martingale part of the squared
//! wait).

use super::tests::{P1, Rig, byte_a_nano};
use super::*;

const MEAN_SERVICE: Nanos = Nanos::micros(100);

/// Mean wait in service times, and its standard error relative to it (from batch means over so many runs).
fn simulate(mut spec: HostSpec, k: u32, rho: f64, runs: u64) -> (f64, f64) {
    spec.handler = ServiceTime { per_request: MEAN_SERVICE, per_byte_picos: 0 };
    let batches: Vec<f64> = (0..runs).flat_map(|seed| waits_in_batches(&spec, k, rho, seed)).collect();
    let mean = batches.iter().sum::<f64>() / batches.len() as f64;
    let variance = batches.iter().map(|b| (b - mean) * (b - mean)).sum::<f64>() / (batches.len() - 1) as f64;
    (mean / MEAN_SERVICE.0 as f64, (variance / batches.len() as f64).sqrt() / mean)
}

/// One run of 400,000 jobs: the mean waits of thirty batches, with the control variate.
fn waits_in_batches(spec: &HostSpec, k: u32, rho: f64, seed: u64) -> Vec<f64> {
    const JOBS: usize = 400_000;
    let mean_gap = Nanos((MEAN_SERVICE.0 as f64 / (rho * f64::from(k))) as u64);
    let mut arrivals = Choices::new(seed).stream(Domain::new("test/arrivals"), 0);
    let mut rig = Rig::new(spec.clone(), seed);
    let mut seen = vec![(0.0, 0.0); JOBS];
    let mut gaps = vec![0.0; JOBS];
    let mut now = Nanos::ZERO;
    let mut done = |_: Nanos, d: HostDone<u32>| {
        if let HostDone::Serve { job, waited, service } = d {
            seen[job as usize] = (waited.0 as f64, service.0 as f64);
        }
    };
    for (i, to_next) in gaps.iter_mut().enumerate() {
        rig.run(now, &mut done);
        rig.host.submit(now, i as u32, P1, i as u64, 0, &mut rig.out);
        let gap = arrivals.exponential(mean_gap);
        *to_next = gap.0 as f64;
        now += gap;
    }
    rig.run(Nanos::MAX, &mut done);
    let (mean_s, mean_a, k) = (MEAN_SERVICE.0 as f64, mean_gap.0 as f64, f64::from(k));
    let controlled = |i: usize| {
        let ((w, s), a) = (seen[i], gaps[i]);
        w - w * ((s - mean_s) / k - (a - mean_a)) / (mean_a - mean_s / k)
    };
    // The first tenth fills the empty system.
    let kept: Vec<f64> = (JOBS / 10..JOBS).map(controlled).collect();
    kept.chunks_exact(kept.len() / 30).map(|batch| batch.iter().sum::<f64>() / batch.len() as f64).collect()
}

/// Erlang C: mean wait in service times.
fn erlang_c_wait(k: u32, rho: f64) -> f64 {
    let load = rho * f64::from(k);
    let blocked = (1..=k).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    let waits = blocked / (1.0 - rho * (1.0 - blocked));
    waits / (f64::from(k) * (1.0 - rho))
}

#[track_caller]
fn within_two_percent(what: &str, simulated: (f64, f64), theory: f64) {
    let off = simulated.0 / theory - 1.0;
    println!(
        "{what}: {:.4} simulated, {theory:.4} in theory, {:+.2} % +- {:.2} %",
        simulated.0,
        off * 100.0,
        simulated.1 * 100.0
    );
    assert!(simulated.1 < 0.008, "{what}: the estimate is too rough to tell, +-{}", simulated.1);
    assert!(off.abs() < 0.02, "{what}: {} simulated, {theory} in theory", simulated.0);
}

fn exponential(spec: HostSpec) -> HostSpec {
    HostSpec { service_shape: ServiceShape::Exponential, ..spec }
}

#[test]
fn erlang_c_has_its_known_values() {
    assert!((erlang_c_wait(1, 0.9) - 9.0).abs() < 1e-12);
    // k = 2: rho^2 / (1 - rho^2).
    assert!((erlang_c_wait(2, 0.5) - 1.0 / 3.0).abs() < 1e-12);
}

fn handlers_match_erlang_c(k: u32) {
    // At half load few jobs wait at all, the fewer the more threads: more runs.
    for (rho, runs) in [(0.5, u64::from(k * k / 6 + 2)), (0.8, 1 + u64::from(k / 4)), (0.9, 2 + u64::from(k / 4))] {
        // Handler threads are what is short; cores abound.
        let spec = exponential(HostSpec { cores: 64, request_handler_threads: k, ..byte_a_nano(k) });
        within_two_percent(&format!("M/M/{k} at {rho}"), simulate(spec, k, rho, runs), erlang_c_wait(k, rho));
    }
}

#[test]
fn one_handler_thread_is_m_m_1() {
    handlers_match_erlang_c(1);
}

#[test]
fn two_handler_threads_are_m_m_2() {
    handlers_match_erlang_c(2);
}

#[test]
fn four_handler_threads_are_m_m_4() {
    handlers_match_erlang_c(4);
}

#[test]
fn eight_handler_threads_are_m_m_8() {
    handlers_match_erlang_c(8);
}

#[test]
fn two_cores_under_many_threads_are_m_m_2() {
    let spec = exponential(HostSpec { cores: 2, request_handler_threads: 10_000, ..byte_a_nano(2) });
    within_two_percent("M/M/2 by cores at 0.8", simulate(spec, 2, 0.8, 1), erlang_c_wait(2, 0.8));
}

#[test]
fn constant_service_is_m_d_1_by_pollaczek_and_khinchine() {
    for rho in [0.5, 0.8, 0.9] {
        let spec = HostSpec { cores: 64, request_handler_threads: 1, ..byte_a_nano(1) };
        within_two_percent(&format!("M/D/1 at {rho}"), simulate(spec, 1, rho, 1), rho / (2.0 * (1.0 - rho)));
    }
}

#[test]
fn little_s_law_holds_between_the_request_queue_s_length_and_its_waits() {
    let spec = HostSpec {
        handler: ServiceTime { per_request: MEAN_SERVICE, per_byte_picos: 0 },
        ..exponential(HostSpec { cores: 64, request_handler_threads: 2, ..byte_a_nano(2) })
    };
    let mut rig = Rig::new(spec, 3);
    let mut arrivals = Choices::new(3).stream(Domain::new("test/arrivals"), 0);
    let mut now = Nanos::ZERO;
    for i in 0..20_000 {
        rig.run(now, |_, _| {});
        rig.host.submit(now, i, P1, u64::from(i), 0, &mut rig.out);
        now += arrivals.exponential(Nanos::micros(60));
    }
    rig.run(Nanos::secs(1_000), |_, _| {});
    // Exact, not statistical: both are the same area, counted by time and by job.
    let stats = rig.host.stats(rig.now);
    assert_eq!(stats.request_queue_nanos, u128::from(stats.waits(WaitStage::RequestQueue).total.0));
    assert!(stats.request_queue_nanos > 0);
}
