//! Control managers, each on an image of its own; the whole thing is tested in worlds (`models/tests/controllers.rs`).

mod balancer;
mod cluster;
mod failover;
mod streams;

use super::active::handle;
use super::cluster_control::Sessions;
use super::draft::{Draft, Rules};
use super::mutant::ControllerMutant;
use super::options::ControllerOptions;
use crate::kafka::ids::{BrokerEpoch, BrokerId, MetadataOffset, ObjectId, StreamEpoch, StreamId, TopicIdPartition};
use crate::kafka::metadata::{ClusterImage, MetadataRecord};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{ControllerAnswer, ControllerRequest, StorageRequest};
use crate::probe::Probe;
use wavetank_sim::Nanos;

/// An image, and what decisions on it need.
pub(super) struct Desk {
    pub(super) image: ClusterImage,
    pub(super) sessions: Sessions,
    pub(super) options: ControllerOptions,
    pub(super) mutant: Option<ControllerMutant>,
    /// Both clocks.
    pub(super) now: Nanos,
    pub(super) marks: Vec<&'static str>,
    pub(super) probes: Vec<Probe>,
}

pub(super) type Answer = Result<ControllerAnswer, ErrorCode>;

impl Desk {
    pub(super) fn new() -> Desk {
        Desk {
            image: ClusterImage::default(),
            sessions: Sessions::default(),
            options: ControllerOptions::default(),
            mutant: None,
            now: Nanos::secs(1_000),
            marks: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// One entry; what it says.
    pub(super) fn entry<R>(&mut self, f: impl FnOnce(&mut Draft<'_>, &mut Sessions) -> R) -> (R, Vec<MetadataRecord>) {
        let now_ms = ClusterImage::wall_ms(self.now);
        let rules = Rules { now: self.now, now_ms, options: &self.options, mutant: self.mutant };
        let mut draft = Draft::new(&mut self.image, rules);
        let result = f(&mut draft, &mut self.sessions);
        let Draft { records, marks, probes, .. } = draft;
        self.marks.extend(marks);
        self.probes.extend(probes);
        if !records.is_empty() {
            self.image.next = MetadataOffset(self.image.next.0 + 1);
        }
        (result, records)
    }

    pub(super) fn ask(&mut self, request: ControllerRequest) -> Answer {
        self.entry(|draft, sessions| handle(draft, sessions, &request)).0
    }

    pub(super) fn storage(&mut self, broker: u32, epoch: i64, request: StorageRequest) -> Answer {
        self.as_someone(broker, epoch, false, request)
    }

    pub(super) fn as_someone(&mut self, broker: u32, epoch: i64, failover: bool, request: StorageRequest) -> Answer {
        let (broker, epoch) = (BrokerId(broker), BrokerEpoch(epoch));
        self.ask(ControllerRequest::Storage { broker, epoch, failover, request })
    }

    pub(super) fn register(&mut self, broker: u32, incarnation: u64) -> Answer {
        let epoch = BrokerEpoch(ClusterImage::wall_ms(self.now));
        self.ask(ControllerRequest::RegisterBroker { broker: BrokerId(broker), incarnation, epoch, rack: 0 })
    }

    pub(super) fn heartbeat(&mut self, broker: u32, want_fence: bool, want_shut_down: bool) -> Answer {
        let (broker, current) = (BrokerId(broker), self.image.next);
        let epoch = self.image.brokers[&broker].epoch;
        self.ask(ControllerRequest::BrokerHeartbeat { broker, epoch, current, want_fence, want_shut_down })
    }

    /// Brokers 0.. that are there and ready.
    pub(super) fn with_brokers(brokers: u32) -> Desk {
        let mut desk = Desk::new();
        for broker in 0..brokers {
            desk.register(broker, u64::from(broker)).unwrap();
            desk.heartbeat(broker, false, false).unwrap();
        }
        desk
    }

    pub(super) fn topic(&mut self, name: &str, partitions: u32) -> ControllerAnswer {
        self.ask(ControllerRequest::CreateTopic { name: name.into(), partitions }).unwrap()
    }

    pub(super) fn leaders(&self) -> Vec<Option<u32>> {
        self.image.partitions().map(|(_, partition)| partition.leader.map(|leader| leader.0)).collect()
    }

    /// So many streams of one partition, from 0 on.
    pub(super) fn streams(&mut self, broker: u32, epoch: i64, count: u32) {
        let tag = TopicIdPartition::default();
        self.storage(broker, epoch, StorageRequest::CreateStreams { count, tag }).unwrap();
    }

    pub(super) fn open(&mut self, broker: u32, epoch: i64, stream: u64, stream_epoch: u64) -> Result<u64, ErrorCode> {
        let open = StorageRequest::OpenStreams(vec![(StreamId(stream), StreamEpoch(stream_epoch))]);
        match self.storage(broker, epoch, open)? {
            ControllerAnswer::Opened(each) => each[0].map(|opened| opened.end_offset),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn prepare(&mut self, broker: u32, epoch: i64, count: u32, ttl: Nanos) -> ObjectId {
        match self.storage(broker, epoch, StorageRequest::PrepareObjects { count, ttl }).unwrap() {
            ControllerAnswer::Objects(first) => first,
            other => panic!("{other:?}"),
        }
    }
}

/// What became of the only item of a request.
pub(super) fn only(answer: Answer) -> Result<(), ErrorCode> {
    match answer? {
        ControllerAnswer::Each(each) => each[0].map_or(Ok(()), Err),
        other => panic!("{other:?}"),
    }
}
