//! Brokers, topics, leaders (Kafka's `ClusterControlManager`, `BrokerHeartbeatManager`, `ReplicationControlManager`).
//!
//! * A broker registers fenced, and is unfenced by a heartbeat that says it has applied its own registration. Without
//!   heartbeats for a session it is fenced: one broker a check, so that a slow controller does not fence all at once.
//! * A partition has one replica: shared storage keeps the data, so any broker can lead. When its leader is fenced or
//!   leaves, the live broker that leads least takes over, one leader epoch later; when none lives, nobody leads.
//! * A broker that wants to shut down leads nothing from then on. It may end once every live broker has applied who leads
//!   instead, and it has no stream open and owes no upload: else it would be failed over.
//! * A new active controller has heard nobody yet: every session begins anew.

use super::draft::Draft;
use super::stream_control::uncommitted_of;
use crate::kafka::ids::{BrokerEpoch, BrokerId, LeaderEpoch, MetadataOffset, ProducerId, TopicId, TopicIdPartition};
use crate::kafka::metadata::{BrokerState, ClusterImage, MetadataRecord, TopicSetting};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::ControllerAnswer;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

/// Producer ids in a block (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const PRODUCER_ID_BLOCK: u64 = 1_000;

/// What the active controller has heard of a broker.
#[derive(Clone, Copy, Debug)]
struct Contact {
    last: Nanos,
    /// How far it has applied the metadata log.
    current: MetadataOffset,
    /// It may end once every live broker has applied everything before (`controlledShutdownOffset`).
    shut_down_at: Option<MetadataOffset>,
}

/// Sessions of brokers: soft state of the active controller (`BrokerHeartbeatManager`).
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    contacts: SortedMap<BrokerId, Contact>,
}

impl Sessions {
    /// Everybody's session begins now.
    pub(super) fn begin(image: &ClusterImage, now: Nanos) -> Sessions {
        let contact = Contact { last: now, current: MetadataOffset(0), shut_down_at: None };
        Sessions { contacts: image.brokers.keys().map(|broker| (*broker, contact)).collect() }
    }

    fn touch(&mut self, broker: BrokerId, now: Nanos, current: MetadataOffset) -> &mut Contact {
        let contact = self.contacts.entry(broker).or_insert(Contact { last: now, current, shut_down_at: None });
        contact.last = now;
        contact.current = contact.current.max(current);
        contact
    }

    fn is_alive(&self, broker: BrokerId, now: Nanos, session: Nanos) -> bool {
        self.contacts.get(&broker).is_some_and(|contact| now < contact.last + session)
    }

    /// How far the live broker that is most behind has come.
    fn lowest_active(&self, image: &ClusterImage) -> MetadataOffset {
        let live = image.brokers.iter().filter(|(_, state)| !state.fenced).map(|(broker, _)| broker);
        let current = live.filter_map(|broker| self.contacts.get(broker)).map(|contact| contact.current);
        current.min().unwrap_or(MetadataOffset(u64::MAX))
    }
}

/// Whether a broker may lead.
pub(super) fn is_live(state: &BrokerState) -> bool {
    !state.fenced && !state.shutting_down
}

/// A broker's process has begun.
pub(super) fn register(
    draft: &mut Draft<'_>,
    sessions: &mut Sessions,
    broker: BrokerId,
    incarnation: u64,
    epoch: BrokerEpoch,
    rack: u32,
) -> Result<ControllerAnswer, ErrorCode> {
    let now = draft.rules.now;
    if let Some(known) = draft.image().brokers.get(&broker).cloned() {
        if known.incarnation == incarnation {
            return Ok(ControllerAnswer::Done);
        }
        let is_alive = sessions.is_alive(broker, now, draft.rules.options.session_timeout);
        if is_alive && !known.shutting_down {
            return Err(ErrorCode::DuplicateBrokerRegistration);
        }
        if !known.fenced {
            fence(draft, broker, known.epoch);
        }
    }
    draft.push(MetadataRecord::RegisterBroker { broker, incarnation, epoch, rack });
    sessions.contacts.remove(&broker);
    sessions.touch(broker, now, MetadataOffset(0));
    Ok(ControllerAnswer::Done)
}

/// What a heartbeat says.
pub(super) struct Heartbeat {
    pub(super) broker: BrokerId,
    pub(super) epoch: BrokerEpoch,
    pub(super) current: MetadataOffset,
    pub(super) want_fence: bool,
    pub(super) want_shut_down: bool,
}

/// A broker is still there (`BrokerHeartbeatManager.calculateNextBrokerState`).
pub(super) fn heartbeat(
    draft: &mut Draft<'_>,
    sessions: &mut Sessions,
    heartbeat: &Heartbeat,
) -> Result<ControllerAnswer, ErrorCode> {
    let Heartbeat { broker, epoch, current, want_fence, want_shut_down } = *heartbeat;
    let state = draft.image().brokers.get(&broker).ok_or(ErrorCode::BrokerIdNotRegistered)?.clone();
    if state.epoch != epoch {
        return Err(ErrorCode::StaleBrokerEpoch);
    }
    let shut_down_at = sessions.touch(broker, draft.rules.now, current).shut_down_at;
    let is_caught_up = current > state.registered_at;
    let mut should_shut_down = false;
    if state.fenced {
        should_shut_down = want_shut_down;
        if is_caught_up && !want_fence && !want_shut_down {
            draft.push(MetadataRecord::UnfenceBroker { broker, epoch });
            lead_the_leaderless(draft);
        }
    } else if want_fence {
        fence(draft, broker, epoch);
    } else if want_shut_down || state.shutting_down {
        if !state.shutting_down {
            draft.push(MetadataRecord::ShutDownBroker { broker, epoch });
        }
        move_leaders_away(draft, broker);
        let at = shut_down_at.unwrap_or(draft.image().next);
        sessions.touch(broker, draft.rules.now, current).shut_down_at = Some(at);
        // Everybody who may be asked knows by then who leads instead.
        if sessions.lowest_active(draft.image()) > at && !has_streams(draft.image(), broker) {
            fence(draft, broker, epoch);
            should_shut_down = true;
        }
    }
    let is_fenced = draft.image().brokers[&broker].fenced;
    Ok(ControllerAnswer::Heartbeat { is_caught_up, is_fenced, should_shut_down })
}

/// Whether a broker has something open or left to upload.
pub(super) fn has_streams(image: &ClusterImage, broker: BrokerId) -> bool {
    image.opened_by(broker).next().is_some() || uncommitted_of(image, broker).next().is_some()
}

fn fence(draft: &mut Draft<'_>, broker: BrokerId, epoch: BrokerEpoch) {
    draft.push(MetadataRecord::FenceBroker { broker, epoch });
    move_leaders_away(draft, broker);
}

/// Fences the broker that has been silent longest, if that is longer than a session.
pub(super) fn fence_a_stale_one(draft: &mut Draft<'_>, sessions: &Sessions) {
    let (now, session) = (draft.rules.now, draft.rules.options.session_timeout);
    let unfenced = draft.image().brokers.iter().filter(|(_, state)| !state.fenced);
    let stale = unfenced.filter(|(broker, _)| !sessions.is_alive(**broker, now, session));
    let last = |broker: &BrokerId| sessions.contacts.get(broker).map_or(Nanos::ZERO, |contact| contact.last);
    let oldest = stale.min_by_key(|(broker, _)| last(broker)).map(|(broker, state)| (*broker, state.epoch));
    if let Some((broker, epoch)) = oldest {
        fence(draft, broker, epoch);
    }
}

// ---- leaders ----

/// Live brokers and how many partitions each leads.
struct Loads(SortedMap<BrokerId, usize>);

impl Loads {
    fn of(image: &ClusterImage) -> Loads {
        let live = image.brokers.iter().filter(|(_, state)| is_live(state));
        let mut loads: SortedMap<BrokerId, usize> = live.map(|(broker, _)| (*broker, 0)).collect();
        for (_, partition) in image.partitions() {
            if let Some(load) = partition.leader.and_then(|leader| loads.get_mut(&leader)) {
                *load += 1;
            }
        }
        Loads(loads)
    }

    /// The one that leads least leads one more.
    fn take(&mut self) -> Option<BrokerId> {
        let (broker, load) = self.0.iter_mut().min_by_key(|(_, load)| **load)?;
        *load += 1;
        Some(*broker)
    }
}

fn give(draft: &mut Draft<'_>, tp: TopicIdPartition, leader: Option<BrokerId>) {
    let present = draft.image().partition(tp).expect("it exists");
    let leader_epoch = LeaderEpoch(present.leader_epoch.0 + 1);
    draft.push(MetadataRecord::Partition { tp, leader, leader_epoch });
}

/// What that broker leads is led by others, or by nobody.
fn move_leaders_away(draft: &mut Draft<'_>, broker: BrokerId) {
    let led = draft.image().partitions().filter(|(_, partition)| partition.leader == Some(broker));
    let led: Vec<TopicIdPartition> = led.map(|(tp, _)| tp).collect();
    let mut loads = Loads::of(draft.image());
    for tp in led {
        let leader = loads.take();
        give(draft, tp, leader);
    }
}

/// What nobody leads is led by who is there.
fn lead_the_leaderless(draft: &mut Draft<'_>) {
    let leaderless = draft.image().partitions().filter(|(_, partition)| partition.leader.is_none());
    let leaderless: Vec<TopicIdPartition> = leaderless.map(|(tp, _)| tp).collect();
    let mut loads = Loads::of(draft.image());
    for tp in leaderless {
        if let Some(leader) = loads.take() {
            give(draft, tp, Some(leader));
        }
    }
}

/// A topic, unless there is one of that name.
pub(super) fn create_topic(
    draft: &mut Draft<'_>,
    name: &Arc<str>,
    partitions: u32,
) -> Result<ControllerAnswer, ErrorCode> {
    if let Some((topic, _)) = draft.image().topics.iter().find(|(_, image)| image.name == *name) {
        return Ok(ControllerAnswer::Topic(*topic));
    }
    if partitions == 0 || name.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let topic = TopicId(draft.image().topics.last_key_value().map_or(0, |(last, _)| last.0 + 1));
    draft.push(MetadataRecord::Topic { topic, name: name.clone() });
    let mut loads = Loads::of(draft.image());
    for partition in 0..partitions {
        let (tp, leader) = (TopicIdPartition { topic, partition }, loads.take());
        draft.push(MetadataRecord::Partition { tp, leader, leader_epoch: LeaderEpoch(0) });
    }
    Ok(ControllerAnswer::Topic(topic))
}

/// Partitions are to be led elsewhere.
pub(super) fn reassign(
    draft: &mut Draft<'_>,
    moves: &[(TopicIdPartition, BrokerId)],
) -> Result<ControllerAnswer, ErrorCode> {
    let mut each = Vec::with_capacity(moves.len());
    for (tp, to) in moves {
        let is_live = draft.image().brokers.get(to).is_some_and(is_live);
        let error = match draft.image().partition(*tp) {
            None => Some(ErrorCode::UnknownTopicOrPartition),
            Some(_) if !is_live => Some(ErrorCode::InvalidRequest),
            Some(_) => None,
        };
        let leads = draft.image().partition(*tp).is_some_and(|partition| partition.leader == Some(*to));
        if error.is_none() && !leads {
            give(draft, *tp, Some(*to));
        }
        each.push(error);
    }
    Ok(ControllerAnswer::Each(each))
}

/// A topic has other settings: all of them, or none. What it has already is not written again
/// (`ConfigurationControlManager.incrementalAlterConfigs`).
pub(super) fn alter_topic(
    draft: &mut Draft<'_>,
    topic: TopicId,
    settings: &[(TopicSetting, Option<i64>)],
) -> Result<ControllerAnswer, ErrorCode> {
    if !draft.image().topics.contains_key(&topic) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if settings.iter().any(|(_, value)| value.is_some_and(|value| value < -1)) {
        return Err(ErrorCode::InvalidConfig);
    }
    for (setting, value) in settings.iter().copied() {
        if draft.image().topic_configs.get(topic, setting) != value {
            draft.push(MetadataRecord::TopicConfig { topic, setting, value });
        }
    }
    Ok(ControllerAnswer::Done)
}

/// Whether a broker's life is the registered one.
pub(super) fn known(draft: &Draft<'_>, broker: BrokerId, epoch: BrokerEpoch) -> Result<ControllerAnswer, ErrorCode> {
    let state = draft.image().brokers.get(&broker).ok_or(ErrorCode::BrokerIdNotRegistered)?;
    if state.epoch == epoch { Ok(ControllerAnswer::Done) } else { Err(ErrorCode::StaleBrokerEpoch) }
}

/// A block of producer ids (KIP-730).
pub(super) fn allocate_producer_ids(
    draft: &mut Draft<'_>,
    broker: BrokerId,
    epoch: BrokerEpoch,
) -> Result<ControllerAnswer, ErrorCode> {
    known(draft, broker, epoch)?;
    let first = draft.image().next_producer_id;
    draft.push(MetadataRecord::ProducerIds(ProducerId(first.0 + PRODUCER_ID_BLOCK)));
    Ok(ControllerAnswer::ProducerIds(first))
}
