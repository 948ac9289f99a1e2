//! What ended Kafka's promises about a key, and when.

use super::class::Class;
use super::context::{Context, KeyContext, LossyShutdown, TopicSettings};

/// An event after which records may be gone, doubled or replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    from: i64,
    to: i64,
    /// The first offset that may have changed.
    pub point: i64,
    /// It ends no promise that was given when all in-sync replicas had the record.
    spares_acks_all: bool,
    /// What it makes of a finding.
    pub class: Class,
}

impl Breach {
    fn at(time: i64, offset: Option<u64>, class: Class) -> Breach {
        Breach { from: time, to: time, point: offset.map_or(0, super::signed), spares_acks_all: false, class }
    }

    /// Whether it ends promises about what was sent at or after one time and found missing, or wrong, by another.
    pub fn concerns(&self, since: i64, until: i64, acks_all: bool) -> bool {
        self.from <= until && self.to >= since && !(self.spares_acks_all && acks_all)
    }
}

/// All that concern a key.
pub fn breaches(context: &Context, name: &str) -> Vec<Breach> {
    let topic = context.topic(name);
    let mut all = context.key(name).map(|key| of_key(key, &topic)).unwrap_or_default();
    let shutdowns = context.lossy_shutdowns.iter().filter(|shutdown| strikes(shutdown.keys.as_ref(), name));
    all.extend(shutdowns.map(|shutdown| of_shutdown(shutdown, &topic)));
    for fault in context.faults.iter().filter(|fault| strikes(fault.keys.as_ref(), name)) {
        let class = Class::ended(format!("{}, from {} ns", fault.name, fault.from));
        all.push(Breach { to: fault.to.unwrap_or(i64::MAX), ..Breach::at(fault.from, None, class) });
    }
    all
}

fn strikes(keys: Option<&Vec<String>>, name: &str) -> bool {
    keys.is_none_or(|keys| keys.iter().any(|key| key == name))
}

fn of_key(key: &KeyContext, topic: &TopicSettings) -> Vec<Breach> {
    let deletions = key.deletions.iter().map(|deletion| {
        let class = Class::allowed(format!("the deletion of the topic at {} ns", deletion.at));
        Breach::at(deletion.at, None, class)
    });
    let may_be_unclean = topic.unclean_leader_election != Some(false);
    let elections = key.unclean_elections.iter().flatten();
    let elections = elections.filter(|election| may_be_unclean || election.requested).map(|election| {
        let class = Class::ended(format!("an unclean leader election at {} ns", election.at));
        Breach::at(election.at, election.offset, class)
    });
    let changes = key.leader_changes.iter().flatten().map(|change| {
        let class = Class::ended(format!("a change of the leader at {} ns, which acks=1 does not survive", change.at));
        Breach { spares_acks_all: true, ..Breach::at(change.at, change.offset, class) }
    });
    deletions.chain(elections).chain(changes).collect()
}

fn of_shutdown(shutdown: &LossyShutdown, topic: &TopicSettings) -> Breach {
    let LossyShutdown { at, replicas, last_in_sync, .. } = shutdown;
    let too_many = *replicas >= topic.min_insync_replicas();
    let last_standing = *last_in_sync && topic.eligible_leader_replicas == Some(false);
    let by = if too_many {
        format!(
            "{replicas} in-sync replicas lost unflushed data at {at} ns, with min.insync.replicas={}",
            topic.min_insync_replicas()
        )
    } else if last_standing {
        format!("the last in-sync replica lost unflushed data at {at} ns (KIP-966, last replica standing)")
    } else {
        format!("a replica lost unflushed data at {at} ns, which acks=1 does not survive")
    };
    Breach { spares_acks_all: !too_many && !last_standing, ..Breach::at(*at, None, Class::ended(by)) }
}
