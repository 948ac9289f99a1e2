//! A world with a scripted cluster, producers and consumers, and what came of it.

use super::broker::{Cluster, Script, Shared, broker, tp};
use super::common::*;
use std::sync::{Arc, Mutex};
use wavetank_models::client::consumer::StartAt;
use wavetank_models::client::load::LoadSpec;
use wavetank_models::client::{
    AutoOffsetReset, ConsumerProcess, ConsumerSettings, ConsumerSpec, Directory, ProducerProcess, ProducerSettings,
    ProducerSpec, Subscription,
};
use wavetank_models::cloud::network::HostId;
use wavetank_models::kafka::ids::{BrokerId, GroupId};
use wavetank_models::probe::{BrokenPromise, Probe, ProbeSink};
use wavetank_models::world::{Behaviour, Event, Factory, Input, Recorded, Recording, World};
use wavetank_sim::{Core, Incarnation, Limits, Nanos, NodeId};
use wavetank_traces::check::Options;

#[derive(Clone, Default)]
pub struct Probes(pub Arc<Mutex<Vec<(Nanos, NodeId, Probe)>>>);

impl ProbeSink for Probes {
    fn probe(&mut self, now: Nanos, by: Incarnation, probe: &Probe) -> Result<(), BrokenPromise> {
        self.0.lock().unwrap().push((now, by.node, probe.clone()));
        Ok(())
    }
}

impl Probes {
    pub fn all(&self) -> Vec<(Nanos, NodeId, Probe)> {
        self.0.lock().unwrap().clone()
    }
}

/// A test's world: brokers are the first nodes, then producers, then consumers.
#[derive(Clone)]
pub struct Setup {
    pub seed: u64,
    pub brokers: u32,
    pub partitions: u32,
    pub script: Script,
    pub producers: u32,
    pub producer: ProducerSettings,
    pub load: LoadSpec,
    pub consumers: u32,
    pub consumer: ConsumerSettings,
    pub records_per_sec: Option<u64>,
    pub ends: Nanos,
    pub subscribe: bool,
    /// Where consumers without a group begin; `None`: at the earliest offset.
    pub start_offset: Option<u64>,
    /// Whether the online checker is to find something.
    pub is_wrong: bool,
}

impl Setup {
    pub fn new(seed: u64) -> Setup {
        let load = LoadSpec { stop: Nanos::secs(20), ..LoadSpec::constant(500, 200) };
        Setup {
            seed,
            brokers: 2,
            partitions: 3,
            script: Script::default(),
            producers: 1,
            producer: ProducerSettings::default(),
            load,
            consumers: 1,
            consumer: ConsumerSettings { auto_offset_reset: AutoOffsetReset::Earliest, ..ConsumerSettings::default() },
            records_per_sec: None,
            ends: Nanos::secs(60),
            subscribe: false,
            start_offset: None,
            is_wrong: false,
        }
    }

    fn directory(&self) -> Directory {
        Directory::new((0..self.brokers).map(|b| (BrokerId(b), NodeId(b))).collect())
    }

    pub fn producer_factory(&self, number: u32) -> Factory {
        let spec = ProducerSpec {
            directory: self.directory(),
            topic: super::broker::TOPIC,
            partitions: self.partitions,
            load: self.load.clone(),
            settings: self.producer.clone(),
            number,
            recorded: true,
        };
        Box::new(move |life| Behaviour::Machine(Box::new(ProducerProcess::new(spec.clone(), life.epoch.0))))
    }

    pub fn consumer_factory(&self) -> Factory {
        let subscription = match self.subscribe {
            true => Subscription::Subscribe(vec![(super::broker::TOPIC, self.partitions)]),
            false => {
                let start = self.start_offset.map_or(StartAt::Earliest, StartAt::Offset);
                Subscription::Assign((0..self.partitions).map(|p| (tp(p), start)).collect())
            }
        };
        let spec = ConsumerSpec {
            directory: self.directory(),
            group: GroupId(7),
            subscription,
            settings: self.consumer.clone(),
            records_per_sec: self.records_per_sec,
            recorded: true,
        };
        Box::new(move |_| Behaviour::Machine(Box::new(ConsumerProcess::new(spec.clone()))))
    }

    pub fn first_producer(&self) -> NodeId {
        NodeId(self.brokers)
    }

    pub fn first_consumer(&self) -> NodeId {
        NodeId(self.brokers + self.producers)
    }

    pub fn run(&self) -> Ran {
        self.run_with(|_, _, _| ())
    }

    /// With a plan of faults.
    pub fn run_with(&self, plan: impl FnOnce(&mut World, &mut Core<Event>, &Shared)) -> Ran {
        let cluster = Cluster::shared(self.brokers, self.partitions, self.script);
        let probes = Probes::default();
        let limits = Limits { events_max: 20_000_000, time_max: self.ends, ..Limits::default() };
        let chart = Chart { seed: self.seed, limits, ..Chart::default() };
        chart.run(
            |world, core, sea| {
                world.set_recording(Recording::new().checked(Options { subscribe: self.subscribe, ww_deps: false }));
                world.set_stop_at_failure(!self.is_wrong);
                world.set_probes(Box::new(probes.clone()));
                for b in 0..self.brokers {
                    world.add_node(core, &format!("broker-{b}"), sea.hosts[b as usize], broker(b, &cluster));
                }
                for p in 0..self.producers {
                    world.add_node(core, &format!("producer-{p}"), sea.hosts[2], self.producer_factory(p));
                }
                for c in 0..self.consumers {
                    world.add_node(core, &format!("consumer-{c}"), sea.hosts[3], self.consumer_factory());
                }
                plan(world, core, &cluster);
            },
            |world, core, outcome, _| {
                let recorded = world.finish_recording(core).expect("recorded");
                assert!(self.is_wrong || world.failures().is_empty(), "{:?} {:?}", outcome.reason, world.failures());
                Ran { recorded, cluster: cluster.clone(), probes: probes.clone() }
            },
        )
    }
}

pub struct Ran {
    pub recorded: Recorded,
    pub cluster: Shared,
    pub probes: Probes,
}

impl Ran {
    /// Anomalies that count, in words.
    pub fn bad(&self) -> Vec<String> {
        let (_, report) = self.recorded.checked.as_ref().expect("checked");
        report.bad.iter().map(|anomaly| anomaly.name().to_string()).collect()
    }

    pub fn ended(&self, kind: wavetank_traces::history::Kind) -> u64 {
        let (history, _) = self.recorded.checked.as_ref().expect("checked");
        let sends = |id: &wavetank_traces::history::OpId| {
            let op = history.op(*id);
            op.kind == kind && op.function.sends()
        };
        history.ids().filter(sends).count() as u64
    }

    pub fn records_in_log(&self) -> u64 {
        self.cluster.lock().unwrap().logs.values().map(|log| log.end()).sum()
    }

    pub fn assert_logs_in_order(&self, seed: u64) {
        for (tp, log) in &self.cluster.lock().unwrap().logs {
            if let Err(why) = log.is_in_order() {
                panic!("seed {seed}: {tp}: {why}");
            }
        }
    }
}

/// Does something to the cluster at a time.
pub fn at(
    world: &mut World,
    core: &mut Core<Event>,
    cluster: &Shared,
    time: Nanos,
    what: impl Fn(&mut Cluster) + Clone + Send + 'static,
) {
    let cluster = cluster.clone();
    let operator = actor(&Log::default(), move |cx, input| match input {
        Input::Boot => {
            cx.set_timer(time, 0);
        }
        Input::Timer { .. } => what(&mut cluster.lock().unwrap()),
        _ => {}
    });
    world.add_node(core, "operator", HostId(0), operator);
}
