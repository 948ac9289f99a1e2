//! What the host promises, job by job.

use super::*;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use wavetank_sim::{NodeEpoch, NodeId};

pub(super) const P1: Incarnation = Incarnation { node: NodeId(1), epoch: NodeEpoch(1) };
pub(super) const P2: Incarnation = Incarnation { node: NodeId(2), epoch: NodeEpoch(1) };

/// A host and a driver that keeps its wake-ups.
pub(super) struct Rig {
    pub host: Host<u32>,
    wakes: BinaryHeap<Reverse<(Nanos, u64, usize)>>,
    steps: Vec<HostStep>,
    free: Vec<usize>,
    seq: u64,
    pub now: Nanos,
    pub out: Vec<HostOutput<u32>>,
    pub wakes_seen: u64,
}

impl Rig {
    pub fn new(spec: HostSpec, seed: u64) -> Rig {
        Rig {
            host: Host::new(spec, &Choices::new(seed), 0).unwrap(),
            wakes: BinaryHeap::new(),
            steps: Vec::new(),
            free: Vec::new(),
            seq: 0,
            now: Nanos::ZERO,
            out: Vec::new(),
            wakes_seen: 0,
        }
    }

    /// Runs to `until` and hands over everything done on the way.
    pub fn run(&mut self, until: Nanos, mut done: impl FnMut(Nanos, HostDone<u32>)) {
        self.collect(&mut done);
        while let Some(&Reverse((at, _, slot))) = self.wakes.peek() {
            if at > until {
                break;
            }
            self.wakes.pop();
            self.free.push(slot);
            self.now = at;
            self.host.step(at, self.steps[slot], &mut self.out);
            self.collect(&mut done);
        }
        self.now = until.max(self.now);
    }

    fn collect(&mut self, done: &mut impl FnMut(Nanos, HostDone<u32>)) {
        for output in self.out.drain(..) {
            match output {
                Output::Wake { at, step } => {
                    assert!(at >= self.now, "a wake-up in the past");
                    let slot = self.free.pop().unwrap_or(self.steps.len());
                    if slot == self.steps.len() {
                        self.steps.push(step);
                    } else {
                        self.steps[slot] = step;
                    }
                    self.seq += 1;
                    self.wakes_seen += 1;
                    self.wakes.push(Reverse((at, self.seq, slot)));
                }
                Output::Done(d) => done(self.now, d),
            }
        }
    }

    fn drain(&mut self) -> Vec<(Nanos, HostDone<u32>)> {
        let mut all = Vec::new();
        self.run(self.now, |at, d| all.push((at, d)));
        while let Some(&Reverse((at, ..))) = self.wakes.peek() {
            self.run(at, |at, d| all.push((at, d)));
        }
        all
    }

    fn served(&mut self) -> Vec<(u32, Nanos)> {
        self.drain()
            .into_iter()
            .map(|(at, d)| match d {
                HostDone::Serve { job, .. } => (job, at),
                HostDone::Discarded { job } => panic!("job {job} was discarded"),
                HostDone::CollectionBegan | HostDone::CollectionEnded => panic!("this host collects no garbage"),
            })
            .collect()
    }
}

/// Only handlers cost time: `bytes` is the service time in ns.
pub(super) fn byte_a_nano(cores: u32) -> HostSpec {
    HostSpec {
        cores,
        request_handler_threads: cores,
        request_queue_max: 1_000_000,
        network: ServiceTime::ZERO,
        handler: ServiceTime { per_request: Nanos::ZERO, per_byte_picos: 1_000 },
        time_slice: Nanos::MAX,
        ..HostSpec::kafka(cores)
    }
}

#[test]
fn steps_are_small() {
    assert!(size_of::<HostStep>() <= 16);
}

#[test]
fn an_instant_host_passes_jobs_at_once_and_makes_no_events() {
    let mut rig = Rig::new(HostSpec::instant(), 1);
    for i in 0..100 {
        rig.host.submit(Nanos(5), i, P1, u64::from(i % 3), 1 << 20, &mut rig.out);
    }
    let done: Vec<_> = rig.drain();
    assert_eq!(done.len(), 100);
    assert!(
        done.iter()
            .enumerate()
            .all(|(i, (_, d))| *d == HostDone::Serve { job: i as u32, waited: Nanos::ZERO, service: Nanos::ZERO })
    );
    assert_eq!(rig.wakes_seen, 0);
}

#[test]
fn a_paused_instant_host_serves_nothing_until_healed() {
    let mut rig = Rig::new(HostSpec::instant(), 1);
    rig.host.inject(Nanos(10), FaultId(1), HostFault::Pause, &mut rig.out);
    rig.host.submit(Nanos(20), 1, P1, 1, 1, &mut rig.out);
    rig.host.submit(Nanos(30), 2, P1, 1, 1, &mut rig.out);
    assert!(rig.out.is_empty());
    rig.host.heal(Nanos(50), FaultId(1), &mut rig.out);
    assert_eq!(
        rig.out,
        [
            Output::Done(HostDone::Serve { job: 1, waited: Nanos(30), service: Nanos::ZERO }),
            Output::Done(HostDone::Serve { job: 2, waited: Nanos(20), service: Nanos::ZERO })
        ]
    );
}

#[test]
fn a_spec_on_which_nothing_runs_is_refused() {
    let spec = HostSpec { request_queue_max: 0, ..HostSpec::instant() };
    let error = Host::<u32>::new(spec, &Choices::new(1), 0).unwrap_err();
    assert_eq!(error, HostSpecError::Zero { field: "request_queue_max" });
}

#[test]
fn a_full_request_queue_blocks_network_threads_and_nothing_is_lost() {
    // One handler (100 ns), a queue of 2, two network threads (1 ns each).
    let spec = HostSpec {
        network_threads: 2,
        request_handler_threads: 1,
        request_queue_max: 2,
        network: ServiceTime { per_request: Nanos(1), per_byte_picos: 0 },
        handler: ServiceTime { per_request: Nanos(100), per_byte_picos: 0 },
        ..HostSpec::kafka(4)
    };
    let mut rig = Rig::new(spec, 1);
    for i in 0..10 {
        rig.host.submit(Nanos::ZERO, i, P1, u64::from(i), 0, &mut rig.out);
    }
    rig.run(Nanos(50), |_, _| panic!("nothing is served in 50 ns"));
    // 1 served, 2 queued, 2 held by blocked threads, the rest still in their sockets: none of them was read.
    let p = rig.host.processes.values().next().unwrap();
    assert_eq!((p.queue.len(), p.blocked.len(), p.readable.len(), p.network_free), (2, 2, 5, 0));
    assert_eq!(rig.host.running.len(), 1, "a blocked thread holds no core");
    let served = rig.served();
    assert_eq!(served.iter().map(|s| s.0).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(served.last().unwrap().1, Nanos(1 + 10 * 100));
    let stats = rig.host.stats(Nanos::secs(1));
    assert_eq!(stats.request_queue_longest, 2);
    assert!(stats.blocked_network_threads_nanos > 0);
}

#[test]
fn until_its_response_is_out_a_connection_stays_muted() {
    let mut rig = Rig::new(HostSpec { unmute: Unmute::OnResponse, ..byte_a_nano(2) }, 1);
    rig.host.submit(Nanos::ZERO, 1, P1, 7, 10, &mut rig.out);
    rig.host.submit(Nanos::ZERO, 2, P1, 7, 10, &mut rig.out);
    rig.host.responded(Nanos(1), P1, 7, &mut rig.out); // nobody owes one yet
    assert_eq!(rig.served(), [(1, Nanos(10))]);
    rig.host.responded(rig.now, P1, 7, &mut rig.out);
    rig.host.responded(rig.now, P1, 7, &mut rig.out);
    assert_eq!(rig.served().len(), 1);
}

#[test]
fn a_closed_connection_drops_what_nobody_read_and_serves_what_was() {
    for unmute in [Unmute::OnServed, Unmute::OnResponse] {
        let mut rig = Rig::new(HostSpec { unmute, ..byte_a_nano(1) }, 1);
        for i in 0..3 {
            rig.host.submit(Nanos::ZERO, i, P1, 7, 10, &mut rig.out);
        }
        rig.host.connection_closed(Nanos(1), P1, 7, &mut rig.out);
        rig.host.submit(Nanos(2), 9, P1, 7, 10, &mut rig.out);
        let done: Vec<_> = rig.drain().into_iter().map(|d| d.1).collect();
        assert_eq!(done[..2], [HostDone::Discarded { job: 1 }, HostDone::Discarded { job: 2 }]);
        assert!(matches!(done[2..], [HostDone::Serve { job: 0, .. }, HostDone::Serve { job: 9, .. }]), "{done:?}");
    }
}

#[test]
fn a_dead_process_frees_its_cores_and_leaves_others_alone() {
    let mut rig = Rig::new(byte_a_nano(1), 1);
    for i in 0..4 {
        rig.host.submit(Nanos::ZERO, i, P1, u64::from(i), 100, &mut rig.out);
    }
    rig.host.work(Nanos::ZERO, 50, P1, WorkPool::Background, Nanos(1_000), &mut rig.out);
    rig.host.submit(Nanos::ZERO, 10, P2, 0, 100, &mut rig.out);
    rig.host.process_died(Nanos(30), P1, &mut rig.out);
    let done = rig.drain();
    let discarded: Vec<u32> = done
        .iter()
        .filter_map(|(_, d)| match d {
            HostDone::Discarded { job } => Some(*job),
            HostDone::Serve { .. } | HostDone::CollectionBegan | HostDone::CollectionEnded => None,
        })
        .collect();
    assert_eq!(discarded, [0, 1, 2, 3, 50]);
    assert_eq!(
        done.last().unwrap(),
        &(Nanos(130), HostDone::Serve { job: 10, waited: Nanos(30), service: Nanos(100) })
    );
    assert_eq!(rig.host.jobs_open(), 0);
}

#[test]
fn long_background_work_shares_its_core_slice_by_slice() {
    let mut rig = Rig::new(HostSpec { time_slice: Nanos(100), ..byte_a_nano(1) }, 1);
    rig.host.work(Nanos::ZERO, 1, P1, WorkPool::Background, Nanos(1_000), &mut rig.out);
    rig.run(Nanos(250), |_, _| panic!("too early"));
    rig.host.submit(Nanos(250), 2, P1, 1, 30, &mut rig.out);
    assert_eq!(rig.served(), [(2, Nanos(330)), (1, Nanos(1_030))]);
}

#[test]
fn slow_faults_multiply_and_heal_exactly() {
    let mut rig = Rig::new(byte_a_nano(1), 1);
    rig.host.submit(Nanos::ZERO, 1, P1, 1, 1_000, &mut rig.out);
    let slow = |num| HostFault::Slow { num, den: 1 };
    for (at, id, fault) in [(100, 1, Some(slow(2))), (300, 2, Some(slow(3))), (900, 1, None), (1_200, 2, None)] {
        rig.run(Nanos(at), |_, _| panic!("too early"));
        match fault {
            Some(fault) => rig.host.inject(Nanos(at), FaultId(id), fault, &mut rig.out),
            None => rig.host.heal(Nanos(at), FaultId(id), &mut rig.out),
        }
    }
    // 100 + 200/2 + 600/6 + 300/3 done by 1200; 600 left.
    assert_eq!(rig.served(), [(1, Nanos(1_800))]);
}

#[test]
fn cores_offline_take_no_new_thread_until_healed() {
    let mut rig = Rig::new(byte_a_nano(2), 1);
    rig.host.inject(Nanos::ZERO, FaultId(1), HostFault::CoresOffline { cores: 1 }, &mut rig.out);
    rig.host.inject(Nanos::ZERO, FaultId(2), HostFault::CoresOffline { cores: 5 }, &mut rig.out);
    for i in 0..3 {
        rig.host.submit(Nanos::ZERO, i, P1, u64::from(i), 100, &mut rig.out);
    }
    rig.run(Nanos(1_000), |_, _| panic!("no core"));
    rig.host.heal(Nanos(1_000), FaultId(2), &mut rig.out);
    rig.run(Nanos(1_050), |_, _| panic!("too early"));
    rig.host.heal(Nanos(1_050), FaultId(1), &mut rig.out);
    assert_eq!(rig.served(), [(0, Nanos(1_100)), (1, Nanos(1_150)), (2, Nanos(1_200))]);
}

#[test]
fn gc_pauses_come_by_themselves_and_delay_by_their_length() {
    use crate::cloud::latency::Latency;
    let gc = GcProfile { every: Latency::constant(Nanos(1_000)), duration: Latency::constant(Nanos(100)) };
    let mut rig = Rig::new(HostSpec { gc: Some(gc), ..byte_a_nano(1) }, 1);
    rig.host.start(Nanos::ZERO, &mut rig.out);
    rig.host.submit(Nanos(500), 1, P1, 1, 2_000, &mut rig.out);
    let mut seen = Vec::new();
    rig.run(Nanos(2_700), |at, done| seen.push((at.0, done)));
    // Pauses at 1000..1100 and 2100..2200.
    let served = HostDone::Serve { job: 1, waited: Nanos(200), service: Nanos(2_000) };
    let (began, ended) = (HostDone::CollectionBegan, HostDone::CollectionEnded);
    assert_eq!(seen, [(1_000, began), (1_100, ended), (2_100, began), (2_200, ended), (2_700, served)]);
    assert_eq!(rig.host.stats(Nanos(2_700)).paused, Nanos(200));
}

#[test]
fn without_credits_service_stretches_to_the_baseline_and_with_them_it_does_not() {
    // t3.micro: 12 credits an hour on 2 vCPUs: 10 % of each.
    let credits = CpuCredits { launch_milli: 1, ..CpuCredits::standard(12) };
    assert_eq!(credits.baseline_percent(2), 10);
    let mut rig = Rig::new(HostSpec { credits: Some(credits), ..byte_a_nano(2) }, 1);
    // One thousandth of a credit is 60 ms of a core. Two busy cores drain 2 - 0.2 core: gone after 33.333 ms.
    for i in 0..2 {
        rig.host.submit(Nanos::ZERO, i, P1, u64::from(i), 100_000_000, &mut rig.out);
    }
    let gone = 33_333_334;
    let expect = Nanos(gone + (100_000_000 - gone) * 10);
    assert!(rig.served().iter().all(|s| s.1.0.abs_diff(expect.0) < 20), "{expect:?}");
    assert_eq!(rig.host.credits_milli(), Some(0));
    // Idle for an hour at 12 credits an hour.
    let later = rig.now + Nanos::secs(3_600);
    rig.host.stats(later);
    assert!(rig.host.credits_milli().unwrap() >= 12_000);
    rig.now = later;
    rig.host.submit(later, 5, P1, 1, 1_000, &mut rig.out);
    let mut at = Vec::new();
    rig.run(later + Nanos::secs(1), |now, _| at.push(now));
    assert_eq!(at, [later + Nanos(1_000)]);
}

#[test]
fn one_busy_core_may_use_what_both_earn() {
    let credits = CpuCredits::standard(12);
    let mut rig = Rig::new(HostSpec { credits: Some(credits), ..byte_a_nano(2) }, 1);
    rig.host.submit(Nanos::ZERO, 1, P1, 1, 1_000, &mut rig.out);
    rig.run(Nanos(2_500), |_, _| panic!("too early"));
    rig.host.submit(Nanos(2_500), 2, P1, 2, 1_000, &mut rig.out);
    // 500 done at a fifth; both at a tenth until the first is through, then the second at a fifth.
    assert_eq!(rig.served(), [(1, Nanos(7_500)), (2, Nanos(10_000))]);
}

#[test]
fn unlimited_credits_never_slow_and_are_billed() {
    let credits = CpuCredits { unlimited: true, ..CpuCredits::standard(12) };
    let mut rig = Rig::new(HostSpec { credits: Some(credits), ..byte_a_nano(2) }, 1);
    rig.host.submit(Nanos::ZERO, 1, P1, 1, 1_000, &mut rig.out);
    assert_eq!(rig.served(), [(1, Nanos(1_000))]);
    assert_eq!(rig.host.surplus_core_nanos(), 800);
}

#[derive(Clone, Debug)]
enum Act {
    Submit { flow: u64, bytes: u64 },
    Work { service: u64 },
    Pause(u32),
    Slow(u32, u32),
    Offline(u32),
    Heal(u32),
    Die(bool),
    Close(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0u64..5, 0u64..60).prop_map(|(flow, bytes)| Act::Submit { flow, bytes }),
        2 => (0u64..300).prop_map(|service| Act::Work { service }),
        1 => (0u32..4).prop_map(Act::Pause),
        1 => (0u32..4, 1u32..5).prop_map(|(id, num)| Act::Slow(id, num)),
        1 => (0u32..4).prop_map(Act::Offline),
        3 => (0u32..4).prop_map(Act::Heal),
        1 => any::<bool>().prop_map(Act::Die),
        1 => (0u64..5).prop_map(Act::Close),
    ]
}

fn small_spec() -> impl Strategy<Value = HostSpec> {
    ((1u32..4, 1u32..4, 1u32..4, 1u32..4), (0u64..20, 0u64..40, 1u64..50), any::<bool>(), any::<bool>()).prop_map(
        |((cores, network_threads, request_handler_threads, request_queue_max), (net, handle, slice), poor, exp)| {
            HostSpec {
                network_threads,
                request_handler_threads,
                background_threads: 1,
                request_queue_max,
                network: ServiceTime { per_request: Nanos(net), per_byte_picos: 0 },
                handler: ServiceTime { per_request: Nanos(handle), per_byte_picos: 500 },
                service_shape: if exp { ServiceShape::Exponential } else { ServiceShape::Constant },
                time_slice: Nanos(slice),
                credits: poor.then(|| CpuCredits::standard(12)),
                ..HostSpec::kafka(cores)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The bounds are asserted inside the host at each change (queue, threads, no idle core while a thread waits).
    #[test]
    fn every_job_ends_once_and_each_connection_in_order(
        spec in small_spec(),
        acts in prop::collection::vec((act(), 0u64..40), 1..80),
    ) {
        let mut rig = Rig::new(spec.clone(), 1);
        let mut submitted: Vec<(Incarnation, Option<u64>)> = Vec::new();
        let mut done = Vec::new();
        let mut now = Nanos::ZERO;
        for (act, gap) in acts {
            now += Nanos(gap);
            rig.run(now, |_, d| done.push(d));
            let job = submitted.len() as u32;
            let owner = if job % 4 == 3 { P2 } else { P1 };
            match act {
                Act::Submit { flow, bytes } => {
                    submitted.push((owner, Some(flow)));
                    rig.host.submit(now, job, owner, flow, bytes, &mut rig.out);
                }
                Act::Work { service } => {
                    submitted.push((owner, None));
                    rig.host.work(now, job, owner, WorkPool::Background, Nanos(service), &mut rig.out);
                }
                Act::Pause(id) => rig.host.inject(now, FaultId(id), HostFault::Pause, &mut rig.out),
                Act::Slow(id, num) => rig.host.inject(now, FaultId(id), HostFault::Slow { num, den: 1 }, &mut rig.out),
                Act::Offline(id) => rig.host.inject(now, FaultId(id), HostFault::CoresOffline { cores: 1 }, &mut rig.out),
                Act::Heal(id) => rig.host.heal(now, FaultId(id), &mut rig.out),
                Act::Die(second) => {
                    let owner = if second { P2 } else { P1 };
                    rig.host.process_died(now, owner, &mut rig.out);
                }
                Act::Close(flow) => rig.host.connection_closed(now, P1, flow, &mut rig.out),
            }
        }
        rig.run(now, |_, d| done.push(d));
        for id in 0..4 {
            rig.host.heal(now, FaultId(id), &mut rig.out);
        }
        rig.run(now + Nanos::secs(1), |_, d| done.push(d));
        prop_assert_eq!(rig.host.jobs_open(), 0);
        let mut ends = vec![0; submitted.len()];
        let mut last = SortedMap::new();
        for d in &done {
            match *d {
                HostDone::Serve { job, .. } => {
                    ends[job as usize] += 1;
                    if let (owner, Some(flow)) = submitted[job as usize] {
                        let before = last.insert((owner, flow), job);
                        prop_assert!(before.is_none_or(|b| b < job), "{job} after {before:?} on one connection");
                    }
                }
                HostDone::Discarded { job } => ends[job as usize] += 1,
                HostDone::CollectionBegan | HostDone::CollectionEnded => {}
            }
        }
        prop_assert!(ends.iter().all(|n| *n == 1), "{ends:?}");
        let stats = rig.host.stats(now + Nanos::secs(1));
        prop_assert!(stats.request_queue_longest <= spec.request_queue_max);
        prop_assert_eq!(stats.submitted, stats.served + stats.discarded);
    }

    /// Kiefer and Wolfowitz: each job starts when the first of k servers is free. Pauses stop the clock that all of
    /// this is measured on, so a job is late by exactly its overlap with them, and nothing remains after the heal.
    #[test]
    fn k_cores_with_pauses_equal_the_recursion(
        k in 1u32..4,
        jobs in prop::collection::vec((0u64..30, 1u64..80), 1..60),
        pauses in prop::collection::vec((0u64..200, 1u64..60), 0..4),
        by_cores in any::<bool>(),
    ) {
        let spec = HostSpec { request_handler_threads: if by_cores { 100 } else { k }, cores: if by_cores { k } else { 100 }, ..byte_a_nano(k) };
        let mut rig = Rig::new(spec, 1);
        let mut edges = Vec::new();
        let mut at = 0;
        for (gap, len) in &pauses {
            at += gap;
            edges.push((at, true));
            at += len;
            edges.push((at, false));
        }
        // Work time of a moment: what is left of it without the pauses before it.
        let work_time = |t: u64| {
            let paused: u64 = edges.chunks(2).map(|p| t.min(p[1].0) - t.min(p[0].0)).sum();
            t - paused
        };
        let mut free = vec![0u64; k as usize];
        let (mut arrival, mut expect) = (0, Vec::new());
        let mut events: Vec<(u64, u32, usize)> = edges.iter().enumerate().map(|(i, e)| (e.0, 0, i)).collect();
        for (i, (gap, service)) in jobs.iter().enumerate() {
            arrival += gap;
            events.push((arrival, 1, i));
            free.sort_unstable();
            free[0] = free[0].max(work_time(arrival)) + service;
            expect.push(free[0]);
        }
        events.sort_unstable();
        let mut got = vec![0; jobs.len()];
        let mut done = |at: Nanos, d: HostDone<u32>| match d {
            HostDone::Serve { job, .. } => got[job as usize] = at.0,
            HostDone::Discarded { .. } | HostDone::CollectionBegan | HostDone::CollectionEnded => {}
        };
        for (at, kind, i) in events {
            rig.run(Nanos(at), &mut done);
            match (kind, edges.get(i)) {
                (0, Some((_, true))) => rig.host.inject(Nanos(at), FaultId(1), HostFault::Pause, &mut rig.out),
                (0, _) => rig.host.heal(Nanos(at), FaultId(1), &mut rig.out),
                _ => rig.host.submit(Nanos(at), i as u32, P1, i as u64, jobs[i].1, &mut rig.out),
            }
        }
        rig.run(Nanos::secs(1), &mut done);
        let got: Vec<u64> = got.into_iter().map(work_time).collect();
        prop_assert_eq!(got, expect);
        // Work conservation, from outside: exactly the service asked for was spent.
        let asked: u64 = jobs.iter().map(|j| j.1).sum();
        prop_assert_eq!(rig.host.stats(Nanos::secs(1)).busy_core_nanos, u128::from(asked));
    }
}
