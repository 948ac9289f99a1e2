//! The active controller: decides, answers once what it decided on is committed, looks after what is due (Kafka's
//! `QuorumController`).
//!
//! It exists as long as its quorum's leadership: with that go the next image, the sessions and everything that waits.

use super::ControllerSpec;
use super::balancer::Balancer;
use super::cluster_control::{self, Heartbeat, Sessions};
use super::draft::{Draft, Rules};
use super::failover_control;
use super::object_control::{self, Deletions};
use super::quorum::{Caller, Quorum};
use super::stream_control::{self, Identity};
use crate::cloud::object_store::ObjectDone;
use crate::kafka::ids::{BrokerEpoch, BrokerId, ControllerEpoch, MetadataOffset, ObjectId};
use crate::kafka::metadata::{ClusterImage, MetadataRecord};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{ControllerAnswer, ControllerRequest, ControllerResponse, StorageRequest};
use crate::kafka::token::TokenSpace;
use crate::probe::Probe;
use crate::world::Cx;
use wavetank_sim::{Nanos, SortedMap};

/// Objects and failovers are looked after as often.
const SCAN: Nanos = Nanos::secs(1);

/// An answer that rests on entries.
struct Waiting {
    caller: Caller,
    response: ControllerResponse,
    /// Of a commit: for whom, in which life, by whom.
    commit: Option<(BrokerId, BrokerEpoch, bool)>,
}

/// Of a commit of objects: for whom, in which life of that broker, and whether its rescuer asks.
fn committer(request: &ControllerRequest) -> Option<(BrokerId, BrokerEpoch, bool)> {
    match request {
        ControllerRequest::Storage {
            broker,
            epoch,
            failover,
            request: StorageRequest::CommitStreamSetObject(_) | StorageRequest::CommitStreamObject(_),
        } => Some((*broker, *epoch, *failover)),
        _ => None,
    }
}

/// When what is due next.
#[derive(Clone, Copy)]
struct Due {
    no_op: Nanos,
    sessions: Nanos,
    objects: Nanos,
    failovers: Nanos,
}

/// See the [module](self).
pub(super) struct Active {
    epoch: ControllerEpoch,
    /// What is committed, and what is on its way.
    next: ClusterImage,
    /// By the high watermark that they wait for.
    waiting: SortedMap<MetadataOffset, Vec<Waiting>>,
    sessions: Sessions,
    deletions: Deletions,
    /// Of a mutant.
    deadlines: SortedMap<ObjectId, i64>,
    last_rescuer: Option<BrokerId>,
    balancer: Option<Balancer>,
    due: Due,
}

impl Active {
    /// The quorum leads now: everything in its log is to be committed.
    pub(super) fn begin(cx: &mut Cx<'_>, spec: &ControllerSpec, quorum: &Quorum, committed: &ClusterImage) -> Active {
        let mut next = committed.clone();
        quorum.log().entries_from(next.next, usize::MAX).for_each(|entry| next.apply(entry));
        let now = cx.monotonic();
        let sweep = spec.options.session_timeout.scale(1, 8);
        Active {
            epoch: quorum.epoch(),
            sessions: Sessions::begin(&next, now),
            next,
            waiting: SortedMap::new(),
            deletions: Deletions::new(OBJECTS, spec.store, spec.bucket, spec.namespace.clone()),
            deadlines: SortedMap::new(),
            last_rescuer: None,
            balancer: spec.options.balancer.map(|options| Balancer::new(options, now)),
            due: Due {
                no_op: now + spec.options.idle_interval,
                sessions: now + sweep,
                objects: now + SCAN,
                failovers: now + SCAN,
            },
        }
    }

    pub(super) fn epoch(&self) -> ControllerEpoch {
        self.epoch
    }

    /// When [`Active::look_after`] has something to do.
    pub(super) fn next_due(&self) -> Nanos {
        let Due { no_op, sessions, objects, failovers } = self.due;
        let balancer = self.balancer.as_ref().map_or(Nanos::MAX, Balancer::next_due);
        no_op.min(sessions).min(objects).min(failovers).min(balancer)
    }

    /// Decides something: what it writes becomes one entry.
    fn decide<R>(
        &mut self,
        cx: &mut Cx<'_>,
        spec: &ControllerSpec,
        quorum: &mut Quorum,
        decide: impl FnOnce(&mut Draft<'_>, &mut Soft<'_>) -> R,
    ) -> R {
        let rules = Rules {
            now: cx.monotonic(),
            now_ms: ClusterImage::wall_ms(cx.wall()),
            options: &spec.options,
            mutant: spec.mutant,
        };
        let mut draft = Draft::new(&mut self.next, rules);
        let mut soft = Soft {
            sessions: &mut self.sessions,
            deadlines: &mut self.deadlines,
            last_rescuer: &mut self.last_rescuer,
            balancer: self.balancer.as_mut(),
        };
        let result = decide(&mut draft, &mut soft);
        let Draft { records, marks, probes, .. } = draft;
        marks.into_iter().for_each(|mark| cx.mark(mark));
        probes.into_iter().for_each(|probe| cx.probe(probe));
        if !records.is_empty() {
            let offset = quorum.append(cx, records);
            cx.mark("controller: a change waits for its majority");
            assert_eq!(offset, self.next.next, "the next image is what the log adds up to");
            self.next.next = MetadataOffset(offset.0 + 1);
            self.due.no_op = cx.monotonic() + spec.options.idle_interval;
        }
        result
    }

    /// A request.
    pub(super) fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        spec: &ControllerSpec,
        quorum: &mut Quorum,
        caller: Caller,
        request: &ControllerRequest,
    ) {
        let result = self.decide(cx, spec, quorum, |draft, soft| {
            let result = handle(draft, soft.sessions, request);
            if let (Ok(_), ControllerRequest::ReportLoad { broker, loads, .. }) = (&result, request)
                && let Some(balancer) = soft.balancer.as_deref_mut()
            {
                balancer.heard(draft.rules.now, *broker, loads);
            }
            assert!(result.is_ok() || is_only_registration(&draft.records), "{request:?} was refused and written");
            result
        });
        if is_failover_event(request) {
            self.decide(cx, spec, quorum, |draft, soft| failover_control::look(draft, soft.last_rescuer));
        }
        // Even a refusal may rest on what is on its way.
        let commit = committer(request).filter(|_| result.is_ok());
        let response = ControllerResponse { leader: Some(spec.id), result };
        self.waiting.entry(self.next.next).or_default().push(Waiting { caller, response, commit });
    }

    /// Answers that rest on nothing beyond the high watermark.
    pub(super) fn committed(
        &mut self,
        cx: &mut Cx<'_>,
        high_watermark: MetadataOffset,
    ) -> Vec<(Caller, ControllerResponse)> {
        let later = self.waiting.split_off(&MetadataOffset(high_watermark.0 + 1));
        let now = std::mem::replace(&mut self.waiting, later);
        let mut answers = Vec::new();
        for (next, waiting) in now {
            for Waiting { caller, response, commit } in waiting {
                if let Some((broker, epoch, failover)) = commit {
                    let at = MetadataOffset(next.0.saturating_sub(1));
                    cx.probe(Probe::CommitAnswered { broker, epoch, failover, at });
                }
                answers.push((caller, response));
            }
        }
        answers
    }

    /// Who still waits: what they asked may be done or not.
    pub(super) fn end(self) -> impl Iterator<Item = Caller> {
        self.waiting.into_values().flatten().map(|waiting| waiting.caller)
    }

    /// Does what is due.
    pub(super) fn look_after(
        &mut self,
        cx: &mut Cx<'_>,
        spec: &ControllerSpec,
        quorum: &mut Quorum,
        committed: &ClusterImage,
    ) {
        let now = cx.monotonic();
        if now >= self.due.sessions {
            self.due.sessions = now + spec.options.session_timeout.scale(1, 8);
            self.decide(cx, spec, quorum, |draft, soft| cluster_control::fence_a_stale_one(draft, soft.sessions));
        }
        if now >= self.due.objects {
            self.due.objects = now + SCAN;
            self.decide(cx, spec, quorum, |draft, soft| object_control::expire(draft, soft.deadlines));
            self.deletions.scan(cx, committed, spec.options.object_retention);
        }
        if now >= self.due.failovers {
            self.due.failovers = now + SCAN;
            self.decide(cx, spec, quorum, |draft, soft| failover_control::look(draft, soft.last_rescuer));
        }
        if self.balancer.as_ref().is_some_and(|balancer| now >= balancer.next_due()) {
            self.decide(cx, spec, quorum, |draft, soft| {
                if let Some(balancer) = soft.balancer.as_deref_mut() {
                    balancer.look(draft);
                }
            });
        }
        if now >= self.due.no_op {
            self.decide(cx, spec, quorum, |draft, _| draft.push(MetadataRecord::NoOp));
        }
    }

    /// The store has answered a deletion.
    pub(super) fn store_answered(
        &mut self,
        cx: &mut Cx<'_>,
        spec: &ControllerSpec,
        quorum: &mut Quorum,
        done: &ObjectDone,
    ) {
        let gone = self.deletions.answered(done);
        self.decide(cx, spec, quorum, |draft, _| {
            for object in gone {
                draft.push(MetadataRecord::RemoveObject(object));
            }
        });
    }
}

/// Token space of deletions.
const OBJECTS: TokenSpace = TokenSpace(5);

/// What decisions may change beside the image.
struct Soft<'a> {
    sessions: &'a mut Sessions,
    deadlines: &'a mut SortedMap<ObjectId, i64>,
    last_rescuer: &'a mut Option<BrokerId>,
    balancer: Option<&'a mut Balancer>,
}

/// A broker's first act is written down even when the act itself is refused.
fn is_only_registration(records: &[MetadataRecord]) -> bool {
    records.iter().all(|record| matches!(record, MetadataRecord::WalNode { .. }))
}

/// Whether who is failed over may have changed.
fn is_failover_event(request: &ControllerRequest) -> bool {
    match request {
        ControllerRequest::RegisterBroker { .. } => true,
        ControllerRequest::Storage { request, .. } => matches!(request, StorageRequest::FailoverDone),
        ControllerRequest::BrokerHeartbeat { .. }
        | ControllerRequest::CreateTopic { .. }
        | ControllerRequest::AllocateProducerIds { .. }
        | ControllerRequest::ReportLoad { .. }
        | ControllerRequest::Reassign { .. }
        | ControllerRequest::AlterTopic { .. } => false,
    }
}

pub(super) fn handle(
    draft: &mut Draft<'_>,
    sessions: &mut Sessions,
    request: &ControllerRequest,
) -> Result<ControllerAnswer, ErrorCode> {
    match request {
        ControllerRequest::RegisterBroker { broker, incarnation, epoch, rack } => {
            cluster_control::register(draft, sessions, *broker, *incarnation, *epoch, *rack)
        }
        ControllerRequest::BrokerHeartbeat { broker, epoch, current, want_fence, want_shut_down } => {
            let (broker, epoch, current) = (*broker, *epoch, *current);
            let (want_fence, want_shut_down) = (*want_fence, *want_shut_down);
            let heartbeat = Heartbeat { broker, epoch, current, want_fence, want_shut_down };
            cluster_control::heartbeat(draft, sessions, &heartbeat)
        }
        ControllerRequest::CreateTopic { name, partitions } => cluster_control::create_topic(draft, name, *partitions),
        ControllerRequest::AllocateProducerIds { broker, epoch } => {
            cluster_control::allocate_producer_ids(draft, *broker, *epoch)
        }
        ControllerRequest::ReportLoad { broker, epoch, .. } => cluster_control::known(draft, *broker, *epoch),
        ControllerRequest::Reassign { moves } => cluster_control::reassign(draft, moves),
        ControllerRequest::AlterTopic { topic, settings } => cluster_control::alter_topic(draft, *topic, settings),
        ControllerRequest::Storage { broker, epoch, failover, request } => {
            let who = Identity { broker: *broker, epoch: *epoch, failover: *failover };
            handle_storage(draft, who, request)
        }
    }
}

fn handle_storage(
    draft: &mut Draft<'_>,
    who: Identity,
    request: &StorageRequest,
) -> Result<ControllerAnswer, ErrorCode> {
    match request {
        StorageRequest::CreateStreams { count, tag } => stream_control::create(draft, who, *count, *tag),
        StorageRequest::OpenStreams(streams) => stream_control::open(draft, who, streams),
        StorageRequest::CloseStreams(streams) => stream_control::close(draft, who, streams),
        StorageRequest::TrimStreams(streams) => stream_control::trim(draft, who, streams),
        StorageRequest::PrepareObjects { count, ttl } => Ok(object_control::prepare(draft, *count, *ttl)),
        StorageRequest::CommitStreamSetObject(commit) => stream_control::commit_stream_set_object(draft, who, commit),
        StorageRequest::CommitStreamObject(commit) => stream_control::commit_stream_object(draft, who, commit),
        StorageRequest::GetOpeningStreams => stream_control::opening(draft, who),
        StorageRequest::KvPut { key, value, if_absent } => {
            let known = draft.image().kv.get(key).filter(|_| *if_absent).cloned();
            if known.is_none() {
                draft.push(MetadataRecord::Kv { key: key.clone(), value: Some(value.clone()) });
            }
            Ok(ControllerAnswer::Kv(known.or(Some(value.clone()))))
        }
        StorageRequest::KvGet { key } => Ok(ControllerAnswer::Kv(draft.image().kv.get(key).cloned())),
        StorageRequest::FailoverDone => Ok(failover_control::done(draft, who)),
    }
}
