//! The balancer, on images of its own.

use super::super::balancer::Balancer;
use super::super::options::BalancerOptions;
use super::*;
use crate::kafka::ids::TopicId;
use crate::kafka::protocol::controller::PartitionLoad;

const MIB: u64 = 1 << 20;

struct Scale {
    desk: Desk,
    balancer: Balancer,
    options: BalancerOptions,
}

impl Scale {
    /// Brokers, and a topic whose partitions they lead in turn.
    fn new(brokers: u32, partitions: u32, options: BalancerOptions) -> Scale {
        let mut desk = Desk::with_brokers(brokers);
        desk.topic("t", partitions);
        let balancer = Balancer::new(options, desk.now);
        Scale { desk, balancer, options }
    }

    /// Each broker reports what it leads, at so many bytes a second for each partition.
    fn report(&mut self, bytes_in: impl Fn(u32) -> u64, bytes_out: impl Fn(u32) -> u64) {
        for broker in self.desk.image.brokers.keys().copied() {
            let led = self.desk.image.partitions().filter(|(_, partition)| partition.leader == Some(broker));
            let load = |tp: TopicIdPartition| PartitionLoad {
                tp,
                bytes_in_per_sec: bytes_in(tp.partition),
                bytes_out_per_sec: bytes_out(tp.partition),
            };
            let loads: Vec<_> = led.map(|(tp, _)| load(tp)).collect();
            self.balancer.heard(self.desk.now, broker, &loads);
        }
    }

    /// The next thing that is due; how many partitions moved.
    fn look(&mut self) -> usize {
        self.desk.now = self.balancer.next_due();
        let balancer = &mut self.balancer;
        self.desk.entry(|draft, _| balancer.look(draft)).1.len()
    }

    fn led_by(&self, broker: u32) -> usize {
        self.desk.leaders().iter().filter(|leader| **leader == Some(broker)).count()
    }
}

#[test]
fn a_new_broker_gets_its_share() {
    let mut scale = Scale::new(2, 8, BalancerOptions::default());
    scale.desk.register(2, 2).unwrap();
    scale.desk.heartbeat(2, false, false).unwrap();
    scale.report(|_| 3 * MIB, |_| 0);
    assert_eq!(scale.led_by(2), 0);
    // 12 MiB/s each on two brokers: the average of three is 8, its bounds 7.2 and 8.8; a partition carries 3.
    assert_eq!(scale.look(), 2, "one of each: with a second the giver would be further off than before");
    assert_eq!(scale.led_by(2), 2);
    assert_eq!(scale.look(), 0, "who has not reported what it leads now is not drawn on");
}

#[test]
fn what_is_idle_or_balanced_stays() {
    let mut scale = Scale::new(2, 4, BalancerOptions::default());
    scale.report(|_| 3 * MIB, |_| 9 * MIB);
    assert_eq!(scale.look(), 0);
    let mut idle = Scale::new(2, 4, BalancerOptions::default());
    idle.report(|partition| if partition.is_multiple_of(2) { MIB / 3 } else { 0 }, |_| 0);
    assert_eq!(idle.look(), 0, "below the threshold nothing is an anomaly");
}

#[test]
fn bytes_out_are_balanced_without_hurting_bytes_in() {
    let mut scale = Scale::new(2, 4, BalancerOptions::default());
    // Broker 0 leads 0 and 2: all the reading is there.
    scale.report(|_| 2 * MIB, |partition| if partition.is_multiple_of(2) { 20 * MIB } else { 0 });
    assert_eq!(scale.look(), 0, "any single move would put 6 MiB/s in on one side and 2 on the other");
    let mut lighter = Scale::new(2, 4, BalancerOptions::default());
    lighter.report(|_| MIB / 8, |partition| if partition.is_multiple_of(2) { 20 * MIB } else { 0 });
    assert_eq!(lighter.look(), 1, "with so few bytes in, that goal does not mind");
}

#[test]
fn reports_that_are_old_count_for_nothing() {
    let mut scale = Scale::new(2, 4, BalancerOptions::default());
    scale.report(|partition| if partition.is_multiple_of(2) { 9 * MIB } else { MIB }, |_| 0);
    scale.desk.now += scale.options.metrics_delay + Nanos::millis(1);
    let balancer = &mut scale.balancer;
    assert_eq!(scale.desk.entry(|draft, _| balancer.look(draft)).1, []);
}

#[test]
fn a_round_moves_so_many_at_a_time() {
    let options = BalancerOptions { concurrency: 3, ..BalancerOptions::default() };
    let mut scale = Scale::new(1, 20, options);
    scale.desk.register(1, 1).unwrap();
    scale.desk.heartbeat(1, false, false).unwrap();
    scale.report(|_| MIB, |_| 0);
    let began = scale.balancer.next_due();
    let moved: Vec<usize> = (0..4).map(|_| scale.look()).collect();
    assert_eq!(moved, [3, 3, 3, 0], "nine of twenty: eleven are within a tenth of ten");
    assert_eq!(
        scale.balancer.next_due(),
        began + options.execution_interval.scale(2, 1) + options.detect_interval.scale(2, 1)
    );
    assert!(scale.desk.marks.contains(&"controller: the balancer moved partitions"));
}

#[test]
fn a_broker_that_leaves_is_given_nothing() {
    let mut scale = Scale::new(3, 6, BalancerOptions::default());
    scale.report(|_| 3 * MIB, |_| 0);
    scale.desk.heartbeat(2, false, true).unwrap();
    scale.desk.now += Nanos::secs(30);
    scale.report(|partition| u64::from(partition) * MIB, |_| 0);
    scale.look();
    assert_eq!(scale.led_by(2), 0);
    assert!(scale.desk.image.partition(TopicIdPartition { topic: TopicId(0), partition: 0 }).is_some());
}
