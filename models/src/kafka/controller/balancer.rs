//! Moves partitions so that brokers carry about the same traffic (AutoMQ's `AutoBalancer`).
//!
//! Order of steps, every `autobalancer.controller.anomaly.detect.interval.ms` (`AnomalyDetector`):
//! 1. What brokers have reported makes a model: who leads what by the image, how much of it by the reports. A live broker whose
//!    last report is older than `metrics.delay.ms` neither gives nor takes.
//! 2. Goal by goal, bytes in before bytes out (`NetworkInUsageDistributionGoal`, `NetworkOutUsageDistributionGoal`): a broker is
//!    acceptable below the detection threshold, or within a share (`avg.deviation`) of the average. One that carries too much
//!    gives its largest partitions to who carries least; one that carries too little takes from who carries most.
//! 3. A move is made when the goal's own brokers come closer to the average by it, neither end is pushed out on the other side,
//!    and no goal before it is hurt. What would change less than `trivial.change.ratio` of the average is left alone.
//! 4. Moves are carried out as reassignments, `execution.concurrency` at a time, `execution.interval.ms` apart. No new round
//!    begins before that is over.
//!
//! It lives as long as its controller is active: a new one has heard no report yet and moves nothing before the first.
//!
//! Simpler than reality: reports come as requests to the active controller, not through the topic
//! `__auto_balancer_metrics`, so they arrive even while no partition can be written; single moves only, no swaps, so two brokers
//! with one large partition each stay as they are; brokers that are slow by their own latency metrics are not left out.

use super::cluster_control::{is_live, reassign};
use super::draft::Draft;
use super::options::BalancerOptions;
use crate::kafka::ids::{BrokerId, TopicIdPartition};
use crate::kafka::metadata::ClusterImage;
use crate::kafka::protocol::controller::PartitionLoad;
use std::cmp::Reverse;
use std::collections::VecDeque;
use wavetank_sim::{Nanos, SortedMap};

/// What a broker has reported last.
struct Report {
    at: Nanos,
    partitions: SortedMap<TopicIdPartition, [u64; 2]>,
}

/// A goal's place: bytes in, then bytes out.
const GOALS: [usize; 2] = [0, 1];

/// See the [module](self).
pub(super) struct Balancer {
    options: BalancerOptions,
    reports: SortedMap<BrokerId, Report>,
    moves: VecDeque<(TopicIdPartition, BrokerId)>,
    due: Nanos,
}

impl Balancer {
    pub(super) fn new(options: BalancerOptions, now: Nanos) -> Balancer {
        Balancer { options, reports: SortedMap::new(), moves: VecDeque::new(), due: now + options.detect_interval }
    }

    /// When [`Balancer::look`] has something to do.
    pub(super) fn next_due(&self) -> Nanos {
        self.due
    }

    /// A broker says what its partitions carry.
    pub(super) fn heard(&mut self, now: Nanos, broker: BrokerId, loads: &[PartitionLoad]) {
        let each = loads.iter().map(|load| (load.tp, [load.bytes_in_per_sec, load.bytes_out_per_sec]));
        self.reports.insert(broker, Report { at: now, partitions: each.collect() });
    }

    /// Detects what is out of balance, or carries out what was decided.
    pub(super) fn look(&mut self, draft: &mut Draft<'_>) {
        let now = draft.rules.now;
        if now < self.due {
            return;
        }
        if self.moves.is_empty() {
            self.moves = self.plan(draft.image(), now).into();
        }
        let count = self.moves.len().min(self.options.concurrency);
        let moves: Vec<_> = self.moves.drain(..count).collect();
        if !moves.is_empty() {
            draft.marks.push("controller: the balancer moved partitions");
            // What cannot be moved any more, for its new broker is gone, stays.
            let _ = reassign(draft, &moves);
        }
        let is_over = self.moves.is_empty();
        self.due = now + if is_over { self.options.detect_interval } else { self.options.execution_interval };
    }

    fn plan(&self, image: &ClusterImage, now: Nanos) -> Vec<(TopicIdPartition, BrokerId)> {
        let mut model = Model::of(image, &self.reports, |report| now <= report.at + self.options.metrics_delay);
        let mut moves: SortedMap<TopicIdPartition, BrokerId> = SortedMap::new();
        if model.brokers.len() < 2 {
            return Vec::new();
        }
        let bounds = GOALS.map(|goal| Bounds::of(&model, goal, &self.options));
        for goal in GOALS {
            model.optimize(goal, &bounds, &mut moves);
        }
        moves.into_iter().collect()
    }
}

/// What a goal wants.
#[derive(Clone, Copy)]
struct Bounds {
    average: u64,
    lower: u64,
    upper: u64,
    threshold: u64,
    trivial: u64,
}

impl Bounds {
    fn of(model: &Model, goal: usize, options: &BalancerOptions) -> Bounds {
        let sum: u64 = model.brokers.values().map(|broker| broker.sum[goal]).sum();
        let average = sum / model.brokers.len() as u64;
        let share =
            |permille: u32| average / 1_000 * u64::from(permille) + average % 1_000 * u64::from(permille) / 1_000;
        let deviation = share(options.deviation_permille[goal]);
        Bounds {
            average,
            lower: average.saturating_sub(deviation),
            upper: average + deviation,
            threshold: options.usage_threshold[goal],
            trivial: share(options.trivial_permille[goal]),
        }
    }

    fn accepts(self, load: u64) -> bool {
        load < self.threshold || (self.lower..=self.upper).contains(&load)
    }

    /// Whether a change of load hurts: it ends outside what is acceptable, and further from the average than before. One that
    /// carries nothing is acceptable, and may still be given something.
    fn is_hurt(self, before: u64, after: u64) -> bool {
        !self.accepts(after) && self.average.abs_diff(after) > self.average.abs_diff(before)
    }
}

#[derive(Default)]
struct Carried {
    sum: [u64; 2],
    partitions: SortedMap<TopicIdPartition, [u64; 2]>,
}

/// Who carries what.
struct Model {
    brokers: SortedMap<BrokerId, Carried>,
}

impl Model {
    fn of(image: &ClusterImage, reports: &SortedMap<BrokerId, Report>, is_fresh: impl Fn(&Report) -> bool) -> Model {
        let is_known = |broker: &BrokerId| reports.get(broker).is_some_and(&is_fresh);
        let live = image.brokers.iter().filter(|(broker, state)| is_live(state) && is_known(broker));
        let mut brokers: SortedMap<BrokerId, Carried> = live.map(|(broker, _)| (*broker, Carried::default())).collect();
        for (tp, partition) in image.partitions() {
            let Some(leader) = partition.leader else { continue };
            let Some(carried) = brokers.get_mut(&leader) else { continue };
            // Not reported yet by its new leader: nothing is known of it.
            let Some(load) = reports[&leader].partitions.get(&tp) else { continue };
            carried.partitions.insert(tp, *load);
            GOALS.into_iter().for_each(|goal| carried.sum[goal] += load[goal]);
        }
        Model { brokers }
    }

    fn optimize(&mut self, goal: usize, bounds: &[Bounds; 2], moves: &mut SortedMap<TopicIdPartition, BrokerId>) {
        let mut by_load: Vec<BrokerId> = self.brokers.keys().copied().collect();
        by_load.sort_by_key(|broker| Reverse(self.brokers[broker].sum[goal]));
        for broker in by_load {
            let load = self.brokers[&broker].sum[goal];
            if bounds[goal].accepts(load) {
                continue;
            }
            if load > bounds[goal].upper {
                self.shed(goal, bounds, broker, moves);
            } else {
                self.draw(goal, bounds, broker, moves);
            }
        }
    }

    /// A broker that carries too much gives.
    fn shed(
        &mut self,
        goal: usize,
        bounds: &[Bounds; 2],
        from: BrokerId,
        moves: &mut SortedMap<TopicIdPartition, BrokerId>,
    ) {
        for tp in self.largest(goal, from) {
            if self.brokers[&from].sum[goal] <= bounds[goal].upper {
                return;
            }
            let mut others: Vec<BrokerId> = self.brokers.keys().copied().filter(|other| *other != from).collect();
            others.sort_by_key(|other| self.brokers[other].sum[goal]);
            if let Some(to) = others.into_iter().find(|to| self.may_move(goal, bounds, tp, from, *to)) {
                self.move_to(tp, from, to, moves);
            }
        }
    }

    /// A broker that carries too little takes.
    fn draw(
        &mut self,
        goal: usize,
        bounds: &[Bounds; 2],
        to: BrokerId,
        moves: &mut SortedMap<TopicIdPartition, BrokerId>,
    ) {
        let mut others: Vec<BrokerId> = self.brokers.keys().copied().filter(|other| *other != to).collect();
        others.sort_by_key(|other| Reverse(self.brokers[other].sum[goal]));
        for from in others {
            for tp in self.largest(goal, from) {
                if self.brokers[&to].sum[goal] >= bounds[goal].lower {
                    return;
                }
                if self.may_move(goal, bounds, tp, from, to) {
                    self.move_to(tp, from, to, moves);
                }
            }
        }
    }

    fn largest(&self, goal: usize, broker: BrokerId) -> Vec<TopicIdPartition> {
        let partitions = &self.brokers[&broker].partitions;
        let mut all: Vec<TopicIdPartition> = partitions.keys().copied().collect();
        all.sort_by_key(|tp| Reverse(partitions[tp][goal]));
        all
    }

    fn may_move(&self, goal: usize, bounds: &[Bounds; 2], tp: TopicIdPartition, from: BrokerId, to: BrokerId) -> bool {
        let (from, to) = (&self.brokers[&from], &self.brokers[&to]);
        let load = from.partitions[&tp];
        let hurts = |goal: usize| {
            bounds[goal].is_hurt(from.sum[goal], from.sum[goal] - load[goal])
                || bounds[goal].is_hurt(to.sum[goal], to.sum[goal] + load[goal])
        };
        load[goal] > 0 && load[goal] >= bounds[goal].trivial && !GOALS[..=goal].iter().any(|goal| hurts(*goal))
    }

    fn move_to(
        &mut self,
        tp: TopicIdPartition,
        from: BrokerId,
        to: BrokerId,
        moves: &mut SortedMap<TopicIdPartition, BrokerId>,
    ) {
        let giver = self.brokers.get_mut(&from).expect("it was looked at");
        let load = giver.partitions.remove(&tp).expect("it was looked at");
        GOALS.into_iter().for_each(|goal| giver.sum[goal] -= load[goal]);
        let taker = self.brokers.get_mut(&to).expect("it was looked at");
        taker.partitions.insert(tp, load);
        GOALS.into_iter().for_each(|goal| taker.sum[goal] += load[goal]);
        moves.insert(tp, to);
    }
}
