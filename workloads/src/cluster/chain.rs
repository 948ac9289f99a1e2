//! Who waits for whom: from what has not become quiet to whoever does nothing about it.
//!
//! Every process is asked what it waits for ([`Wait`]), and whoever that is next, until somebody is found who cannot do
//! anything (dead, stopped, cut off), or who could and waits for nobody. Of all that is found the first of these is told, by
//! the shortest way: something broken; somebody who has something to do and waits for nobody; somebody who does not know that
//! anything is to be done; processes that wait for each other; a device that has not answered yet; time.

use super::build::Cluster;
use super::meter::Meter;
use std::collections::VecDeque;
use std::fmt;
use wavetank_models::kafka::ids::{BrokerId, TopicIdPartition};
use wavetank_models::world::{Event, On, Wait, Want, World};
use wavetank_sim::{Core, NodeId, NodeState, SortedSet};
use wavetank_traces::Concern;

/// Where everybody is.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    brokers: Vec<NodeId>,
    controllers: Vec<NodeId>,
    producers: Vec<NodeId>,
    /// By group.
    consumers: Vec<Vec<NodeId>>,
    /// By job: its job manager and its task managers.
    jobs: Vec<(NodeId, Vec<NodeId>)>,
}

impl Places {
    pub(super) fn of(cluster: &Cluster) -> Places {
        let nodes = |members: &[super::build::Member]| members.iter().map(|member| member.node).collect::<Vec<_>>();
        Places {
            brokers: nodes(&cluster.brokers),
            controllers: nodes(&cluster.controllers),
            producers: nodes(&cluster.producers),
            consumers: cluster.groups.iter().map(|(_, range)| nodes(&cluster.consumers[range.clone()])).collect(),
            jobs: cluster.jobs.iter().map(|job| (job.job_manager.node, nodes(&job.task_managers))).collect(),
        }
    }
}

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Somebody or something that cannot do anything.
    Broken,
    /// Somebody who has something to do, and asked nobody for what it takes.
    Forgotten,
    /// Somebody who does not know that anything is to be done.
    Unaware,
    /// Processes that wait for each other.
    Circle,
    /// A device that has not answered.
    Device,
    /// Nobody: it is tried again.
    Time,
}

impl End {
    /// What is wrong, without names: failures that end alike are alike.
    fn words(&self) -> &'static str {
        match self {
            End::Broken => "is out of reach",
            End::Forgotten => "waits for nobody",
            End::Unaware => "does not know that it is waited for",
            End::Circle => "waits for itself",
            End::Device => "waits for a device",
            End::Time => "tries again and again",
        }
    }
}

/// A chain of waits. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// Who waits for what, a clause each, the last one for what ends it.
    pub(super) links: Vec<String>,
    pub(super) end: End,
    /// Of whom the last clause is: a role.
    role: String,
    /// Who is in it, from its end, and the partition that is waited for.
    pub(super) about: Vec<Concern>,
}

impl fmt::Display for Chain {
    /// For people: how it ends, and how one gets there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.role, self.end.words(), self.links.join(" -> "))
    }
}

/// A process that is asked.
#[derive(Clone, Debug)]
struct Asked {
    node: NodeId,
    want: Want,
    /// Who asks, and its words for why.
    by: Option<(usize, String)>,
}

/// Follows waits.
pub(super) struct Follower<'a> {
    pub(super) world: &'a World,
    pub(super) core: &'a Core<Event>,
    pub(super) places: &'a Places,
    pub(super) meter: &'a Meter,
}

/// Who was asked, and what tells most of all that was found.
#[derive(Default)]
struct Search {
    asked: Vec<Asked>,
    known: SortedSet<(NodeId, Want)>,
    /// Who is asked next: places in `asked`.
    queue: VecDeque<usize>,
    /// How the best chain ends, whose last link it is, and what is said of it.
    best: Option<(End, usize, String)>,
}

impl Search {
    /// Somebody is to be asked; for one who waits for it, or as one of the first. Whoever is asked already, by way of the
    /// one who waits, closes a circle.
    fn ask(&mut self, node: NodeId, want: Want, by: Option<(usize, &str)>) {
        if self.known.insert((node, want)) {
            self.queue.push_back(self.asked.len());
            self.asked.push(Asked { node, want, by: by.map(|(by, what)| (by, what.to_owned())) });
        } else if let Some((at, what)) = by
            && is_before(&self.asked, at, (node, want))
        {
            self.found(End::Circle, at, format!("{what}, and so on in a circle"));
        }
    }

    /// A chain ends so; the first of those that tell most is kept.
    fn found(&mut self, end: End, at: usize, last: String) {
        if self.best.as_ref().is_none_or(|(known, ..)| end < *known) {
            self.best = Some((end, at, last));
        }
    }
}

impl Follower<'_> {
    /// The chain that tells most; none when nobody waits for anything. One that begins with a client is preferred.
    pub(super) fn chain(&self) -> Option<Chain> {
        let of_clients = self.search(self.clients()).filter(|chain| chain.end <= End::Forgotten);
        of_clients.or_else(|| self.search([self.clients(), self.brokers()].concat()))
    }

    fn search(&self, beginnings: Vec<(NodeId, Want)>) -> Option<Chain> {
        let mut search = Search::default();
        beginnings.into_iter().for_each(|(node, want)| search.ask(node, want, None));
        while let Some(at) = search.queue.pop_front() {
            self.ask(&mut search, at);
        }
        let Search { asked, best, .. } = search;
        best.map(|(end, at, last)| self.told(&asked, end, at, last))
    }

    /// Asks one what it waits for.
    fn ask(&self, search: &mut Search, at: usize) {
        let Asked { node, want, by } = search.asked[at].clone();
        let from = by.as_ref().map(|(by, _)| search.asked[*by].node);
        if let Some(obstacle) = self.world.obstacle_to_node(self.core, from, node) {
            return search.found(End::Broken, at, obstacle.to_string());
        }
        let waits = self.world.waits(node, want);
        if waits.is_empty() && by.is_some() {
            search.found(End::Unaware, at, "waits for nothing".into());
        }
        for wait in waits {
            match self.next(node, &wait) {
                Ok(next) => next.into_iter().for_each(|(next, want)| search.ask(next, want, Some((at, &wait.what)))),
                Err((end, last)) => search.found(end, at, last),
            }
        }
    }

    fn told(&self, asked: &[Asked], end: End, mut at: usize, last: String) -> Chain {
        let name = |at: usize| self.core.node_name(asked[at].node);
        let role = name(at).trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-').to_owned();
        let node = |at: usize| Concern::Node(name(at).into());
        let mut about = vec![node(at)];
        let mut links = vec![format!("{} {last}", name(at))];
        while let Some((by, what)) = &asked[at].by {
            links.push(format!("{} {what}", name(*by)));
            at = *by;
            about.push(node(at));
        }
        links.reverse();
        if let Want::Partition(tp) | Want::Lead(tp) = asked[at].want {
            about.push(Concern::Partition(tp.to_string()));
        }
        Chain { links, end, role, about }
    }

    /// Who has not got what it should have.
    fn clients(&self) -> Vec<(NodeId, Want)> {
        let living = |nodes: &[NodeId]| {
            let up: Vec<NodeId> =
                nodes.iter().copied().filter(|node| self.core.node_state(*node) == NodeState::Up).collect();
            if up.is_empty() { nodes.to_vec() } else { up }
        };
        let mut first = Vec::new();
        for tp in self.meter.behind() {
            let readers = self.places.consumers.iter().flat_map(|group| living(group));
            first.extend(readers.map(|node| (node, Want::Partition(tp))));
        }
        // What a dead producer had on its way is nobody's.
        let producers = self.places.producers.iter().filter(|node| self.core.node_state(**node) == NodeState::Up);
        first.extend(producers.map(|node| (*node, Want::Anything)));
        first.extend(self.places.jobs.iter().map(|(job_manager, _)| (*job_manager, Want::Anything)));
        first
    }

    /// Who does not do what it should, whether anybody has noticed or not.
    fn brokers(&self) -> Vec<(NodeId, Want)> {
        let leads = self.meter.led().map(|(tp, leader)| (self.broker(leader), Want::Lead(tp)));
        leads.chain(self.places.brokers.iter().map(|node| (*node, Want::Anything))).collect()
    }

    /// Whether everything is live: nobody has anything on its way to a broker, every partition is led, and no broker has
    /// forgotten what it has to do.
    pub(super) fn is_live(&self) -> bool {
        let waits = |node: NodeId, want| self.world.waits(node, want);
        // What only a timeout ends is not waited for.
        let is_ended_by_time = |wait: &Wait| wait.on == On::Time;
        let has_sent = |node: &NodeId| !self.is_up(*node) || waits(*node, Want::Anything).iter().all(is_ended_by_time);
        let remembers = |node: &NodeId| waits(*node, Want::Anything).iter().all(|wait| wait.on != On::Nobody);
        self.places.producers.iter().all(has_sent) && self.is_led() && self.places.brokers.iter().all(remembers)
    }

    /// Whether all brokers and controllers are up, and every partition is led.
    pub(super) fn is_healed(&self) -> bool {
        self.places.brokers.iter().chain(&self.places.controllers).all(|node| self.is_up(*node)) && self.is_led()
    }

    fn is_up(&self, node: NodeId) -> bool {
        self.core.node_state(node) == NodeState::Up
    }

    fn is_led(&self) -> bool {
        self.meter.led().all(|(tp, leader)| {
            let leader = self.broker(leader);
            self.is_up(leader) && self.world.waits(leader, Want::Lead(tp)).is_empty()
        })
    }

    /// Who is asked next, or how the chain ends.
    fn next(&self, from: NodeId, wait: &Wait) -> Result<Vec<(NodeId, Want)>, (End, String)> {
        let one = |node: NodeId| Ok(vec![(node, wait.want)]);
        match wait.on {
            On::Node(node) => one(node),
            On::Broker(id) => one(self.broker(id)),
            On::Leader(tp) => Ok(self.leader(tp).map_or_else(|| self.quorum(), |node| vec![(node, wait.want)])),
            On::Quorum => Ok(self.quorum()),
            On::Workers(job) => {
                let workers = self.places.jobs.get(job as usize).map(|(_, workers)| workers.clone());
                Ok(workers.unwrap_or_default().into_iter().map(|node| (node, Want::Anything)).collect())
            }
            On::Time => Err((End::Time, wait.what.clone())),
            On::Nobody => Err((End::Forgotten, wait.what.clone())),
            On::Store(_) | On::Express(_) | On::Volume(_) | On::Share(_) => {
                Err(match self.world.obstacle_to_device(from, wait.on) {
                    Some(obstacle) => (End::Broken, format!("{}, and {} {obstacle}", wait.what, device(wait.on))),
                    None => (End::Device, format!("{}, which {} has not answered", wait.what, device(wait.on))),
                })
            }
        }
    }

    fn broker(&self, id: BrokerId) -> NodeId {
        self.places.brokers[id.0 as usize]
    }

    fn leader(&self, tp: TopicIdPartition) -> Option<NodeId> {
        self.meter.leader(tp).map(|id| self.broker(id))
    }

    /// The active controller, or all that could become it.
    fn quorum(&self) -> Vec<(NodeId, Want)> {
        let all = &self.places.controllers;
        let is_fine = |node: NodeId| self.world.obstacle_to_node(self.core, None, node).is_none();
        let active = self.meter.active_controller().map(|place| all[place]);
        let leads = |node: &NodeId| is_fine(*node) && self.world.waits(*node, Want::Answer).is_empty();
        if let Some(active) = active.filter(leads) {
            return vec![(active, Want::Answer)];
        }
        let fine: Vec<NodeId> = all.iter().copied().filter(|node| is_fine(*node)).collect();
        let ask = if fine.is_empty() { all.clone() } else { fine };
        ask.into_iter().map(|node| (node, Want::Answer)).collect()
    }
}

/// Whether somebody was asked on the way to whoever is asked now.
fn is_before(asked: &[Asked], at: usize, who: (NodeId, Want)) -> bool {
    let before = |at: &usize| asked[*at].by.as_ref().map(|(by, _)| *by);
    std::iter::successors(Some(at), before).any(|at| (asked[at].node, asked[at].want) == who)
}

fn device(on: On) -> &'static str {
    match on {
        On::Store(_) => "the object store",
        On::Express(_) => "the express store",
        On::Volume(_) => "the volume",
        On::Share(_) => "the share",
        On::Node(_) | On::Broker(_) | On::Leader(_) | On::Quorum | On::Workers(_) | On::Time | On::Nobody => "nobody",
    }
}
