//! The network: TCP-like connections over hosts, zones and regions.
//!
//! # Contract of faults
//! It **may**:
//! - be slow, by its latency, its queues and grey links, without bound but never without end;
//! - deliver late: what was sent before a partition, or before its sender died, may arrive after the heal;
//! - let messages of *different* connections overtake each other, whoever sent first;
//! - lose whatever was under way when a connection is reset, and not say how much of it had arrived;
//! - leave one end in ignorance: after a power loss or a cut an idle peer learns nothing until it sends;
//! - cut one direction only.
//!
//! It **never**:
//! - reorders, repeats, changes or skips messages within one connection and direction: a receiver gets a prefix of
//!   what was sent;
//! - delivers to another incarnation than the one that accepted (or opened) the connection;
//! - delivers anything to an end after that end's reset or close;
//! - forgets a message: each ends as exactly one [`Done::Deliver`] or one [`Done::Discarded`]; nor a device's transfer
//!   ([`Network::transfer`]): each ends as exactly one [`Done::Transferred`].
//!
//! # Steps of a message
//! 1. The sender's card, first in, first out, shared with transfers to storage (`card.rs`);
//!    [`NicSpec::bandwidth_bytes_per_sec`]; EC2 User Guide, "Amazon EC2 instance network bandwidth".
//! 2. The limit of the single flow, per connection and direction (5 Gbit/s on EC2, same page, row NET-flow).
//! 3. The link of the ordered pair of zones, where [`LinkProfile::bandwidth_bytes_per_sec`] limits it. Served in the
//!    order in which messages come to it.
//! 4. Propagation: a draw of the class's latency (rows NET-OS-*, NET-LL-*, NET-XK-*, NET-NM-*). Never before, and never
//!    at the same nanosecond as, the message sent before on the same connection: head-of-line blocking (RFC 9293).
//! 5. The receiver's card, in the order of arrival. Cut-through: an idle card that is as fast as the way adds nothing.
//!
//! One event per message where the receiver's card is free and the link is not limited.
//!
//! A connection is opened by SYN and SYN-ACK, one way each; what is sent before flows after. Nothing listens: RST. A
//! dark host or a cut: SYNs are repeated until `connect_timeout`. A cut makes packets vanish: the flow holds them in
//! order and sends them again when its retransmission timer fires (RFC 6298, doubling) and the way is open; its
//! sender gives up after `tcp_user_timeout` (tcp(7), `tcp_retries2`). A killed process's kernel sends what was sent,
//! then ends the connection; a host without power says nothing, and answers RST once it is back.
//!
//! # What is simpler than reality, and what that can hide
//! - Messages are not cut into packets; a message passes each queue as a whole (pipelined between them). A small
//!   message behind a big one of *another* connection waits for all of it on a card: latency under load is a little
//!   too high where messages are large.
//! - No congestion window, no slow start, no loss by overload, no receive window: a sender is limited by rates alone,
//!   and queues are unbounded. Hidden: ramp-up of idle connections, incast collapse, back-pressure by a slow reader
//!   (the process model bounds what it sends).
//! - Acknowledgements are not modelled. With one direction cut, the other delivers at once and only once; in reality
//!   its sender would retransmit, slow down, and give up after the user timeout.
//! - After a retransmission time-out all that is held is sent at once. What a cut takes out of a card's queue has used
//!   the card's time all the same.
//! - Headers cost no bytes; SYN, FIN and RST have no size. No keep-alive (Linux: 2 h): a connection to a host that
//!   lost power stays half-open until somebody sends or closes.
//! - The acceptor is told when the SYN arrives, half a round trip before `accept(2)` would say so; a SYN-ACK that gets
//!   lost leaves it half-open until its first message comes back as a reset.
//! - Burst credits, placement groups, ENA Express and the lower limits towards other regions are not modelled, nor is
//!   the loss of a single flow's path (ECMP). Volumes have their own bandwidth unless the profile says otherwise.

mod accounting;
mod card;
mod connection;
mod devices;
mod faults;
mod link;
mod profile;
#[cfg(test)]
mod tests;
mod topology;

pub use accounting::{Accounting, Traffic};
pub use faults::{GreyFactor, NetworkFault, NetworkFaultError, PartitionDirection, Scope};
pub use profile::{LinkProfile, NetworkProfile};
pub use topology::{AzId, Direction, HostId, LinkClass, NicSpec, RegionId, Topology};

use super::Output;
use crate::fault::FaultId;
use connection::{Cargo, Connection, End, Life, Way};
use faults::{Map, Overlays, Path, Site};
use link::Fabric;
use slotmap::{Key, SecondaryMap};
use wavetank_sim::{Choices, Domain, Incarnation, Nanos, NodeEpoch, NodeId, SortedMap, Stream};

slotmap::new_key_type! {
    /// A connection. The driver hands the keys out and may free one after its [`Done::Closed`].
    pub struct ConnId;
}

/// One life of a process, where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host.
    pub host: HostId,
    /// The process and its life.
    pub incarnation: Incarnation,
}

/// How an incarnation dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process ends, its host's kernel lives: peers get what was sent, then a reset.
    Process,
    /// The host loses power: silence.
    Host,
}

/// Why a connection ended, as far as the end that is told can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// Nothing listened where the SYN arrived (ECONNREFUSED).
    Refused,
    /// No answer to the SYN within `connect_timeout`.
    ConnectTimeout,
    /// The peer closed it; all that the peer had sent has arrived (end of file).
    ClosedByPeer,
    /// The peer died, or its host does not know the connection any more (ECONNRESET).
    ResetByPeer,
    /// What was sent could not be brought over within `tcp_user_timeout` (ETIMEDOUT).
    TimedOut,
    /// Something in between reset it, see [`NetworkFault::ResetStorm`]. A process can't tell this from `ResetByPeer`.
    ResetByNetwork,
}

/// What the network asks to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A message may enter the link between the zones.
    Enter { conn: ConnId, way: Way },
    /// A message's last byte is at the receiver's card.
    Arrive { conn: ConnId, way: Way },
    /// The receiver's card has passed a message up.
    Deliver { conn: ConnId, way: Way },
    /// A flow's retransmission timer fires.
    Retransmit { conn: ConnId, way: Way },
    /// The initiator has waited long enough.
    ConnectDeadline { conn: ConnId },
    /// A transfer may be through a card.
    Card { host: HostId, direction: Direction },
    /// The next round of a reset storm.
    Storm { fault: FaultId, serial: u32 },
}

const _: () = assert!(size_of::<Step>() <= 16, "steps lie in the tank's queue by the million");

impl Step {
    /// A word that tells steps apart, for the digest.
    pub fn fingerprint(self) -> u64 {
        let conn = |stage: u64, conn: ConnId, way: Way| conn.data().as_ffi() ^ stage << 60 ^ (way as u64) << 59;
        match self.0 {
            Kind::Enter { conn: c, way } => conn(1, c, way),
            Kind::Arrive { conn: c, way } => conn(2, c, way),
            Kind::Deliver { conn: c, way } => conn(3, c, way),
            Kind::Retransmit { conn: c, way } => conn(4, c, way),
            Kind::ConnectDeadline { conn: c } => conn(5, c, Way::Forward),
            Kind::Card { host, direction } => 7 << 60 ^ u64::from(host.0) << 8 ^ direction as u64,
            Kind::Storm { fault, serial } => 6 << 60 ^ u64::from(fault.0) << 32 ^ u64::from(serial),
        }
    }
}

impl Kind {
    fn at<M>(self, at: Nanos) -> NetworkOutput<M> {
        Output::Wake { at, step: Step(self) }
    }
}

/// What has happened, for whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done<M> {
    /// The initiator's connection is up.
    Connected {
        /// Which.
        conn: ConnId,
        /// The initiator.
        at: Endpoint,
    },
    /// A listener has a new connection.
    Accepted {
        /// Which.
        conn: ConnId,
        /// The acceptor: whoever listened when the SYN arrived.
        at: Endpoint,
        /// The initiator.
        from: Endpoint,
    },
    /// A message is there.
    Deliver {
        /// On which connection.
        conn: ConnId,
        /// To whom.
        to: Endpoint,
        /// The message.
        msg: M,
        /// Its size.
        bytes: u64,
    },
    /// A message will never be delivered: its payload may be freed. Nobody in the world learns of this.
    Discarded {
        /// The message.
        msg: M,
    },
    /// One end learns that its connection is over.
    Reset {
        /// Which.
        conn: ConnId,
        /// Who learns it.
        at: Endpoint,
        /// Why.
        why: ResetReason,
    },
    /// A transfer that [`Network::transfer`] began is through.
    Transferred {
        /// Which way it went.
        direction: Direction,
        /// As given.
        tag: u64,
    },
    /// The network has forgotten the connection: its key may be freed. The last output of a connection.
    Closed {
        /// Which.
        conn: ConnId,
    },
}

/// What the network answers with.
pub type NetworkOutput<M> = Output<Step, Done<M>>;

type Out<M> = Vec<NetworkOutput<M>>;

/// Where a node was last seen.
#[derive(Clone, Copy, Debug)]
struct Place {
    host: HostId,
    epoch: NodeEpoch,
    listening: bool,
}

type Places = SortedMap<NodeId, Place>;

/// The network. `M` stands for a message's payload, which the driver keeps.
#[derive(Clone, Debug)]
pub struct Network<M: Copy> {
    fabric: Fabric,
    overlays: Overlays,
    places: Places,
    connections: SecondaryMap<ConnId, Connection<M>>,
    storm_draws: Stream,
}

impl<M: Copy> Network<M> {
    /// A network without connections and without faults.
    pub fn new(topology: Topology, profile: NetworkProfile, choices: &Choices) -> Network<M> {
        Network {
            fabric: Fabric::new(topology, profile, choices),
            overlays: Overlays::default(),
            places: Places::new(),
            connections: SecondaryMap::new(),
            storm_draws: choices.stream(Domain::new("network/reset_storm"), 0),
        }
    }

    /// The map.
    pub fn topology(&self) -> &Topology {
        &self.fabric.topology
    }

    /// The numbers.
    pub fn profile(&self) -> &NetworkProfile {
        &self.fabric.profile
    }

    /// What has passed so far.
    pub fn accounting(&self) -> &Accounting {
        &self.fabric.accounting
    }

    /// How many connections the network knows, half-open ones included.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// An incarnation is up and accepts connections. Its host has power, then.
    ///
    /// # Panics
    /// When another life of the node still listens, or the host is not on the map.
    pub fn listen(&mut self, endpoint: Endpoint) {
        self.seen(endpoint);
        let place = self.places.get_mut(&endpoint.incarnation.node).expect("just seen");
        place.listening = true;
    }

    /// Notes where an incarnation is.
    fn seen(&mut self, Endpoint { host, incarnation: Incarnation { node, epoch } }: Endpoint) {
        assert!(self.fabric.topology.has_host(host), "{host:?} is not on the map");
        self.fabric.set_dark(host, false);
        let place = self.places.entry(node).or_insert(Place { host, epoch, listening: false });
        assert!(!place.listening || place.epoch == epoch, "{node} lives already, as {:?}", place.epoch);
        if place.epoch != epoch {
            *place = Place { host, epoch, listening: false };
        }
        assert!(place.host == host, "{node} has moved from {:?} to {host:?} within one life", place.host);
    }

    /// Opens a connection. Ends in [`Done::Connected`] or [`Done::Reset`] at `from`, unless `from` closes it or dies
    /// first. Messages may be sent at once; they flow when it is up.
    ///
    /// # Panics
    /// When the key is in use, the target's host is not on the map, or a node connects to itself (a process talks to
    /// itself without a network).
    pub fn connect(&mut self, now: Nanos, conn: ConnId, from: Endpoint, to: (HostId, NodeId), out: &mut Out<M>) {
        assert!(!self.connections.contains_key(conn), "{conn:?} is in use");
        assert!(self.fabric.topology.has_host(to.0), "{:?} is not on the map", to.0);
        assert!(from.incarnation.node != to.1, "{} connects to itself", to.1);
        self.seen(from);
        let Incarnation { node, epoch } = from.incarnation;
        let ends = [
            End { host: from.host, node, epoch, life: Life::Open },
            End { host: to.0, node: to.1, epoch: NodeEpoch::default(), life: Life::Waiting },
        ];
        let paths = [self.path_between(&ends[0], &ends[1]), self.path_between(&ends[1], &ends[0])];
        let deadline = now + self.fabric.profile.connect_timeout;
        let mut connection = Connection::new(ends, deadline, &self.fabric, paths);
        connection.push(Way::Forward, Cargo::Syn, 0);
        connection.pump(now, conn, Way::Forward, &mut self.fabric, out);
        self.connections.insert(conn, connection);
        out.push(Kind::ConnectDeadline { conn }.at(deadline));
    }

    /// Sends a message of so many bytes. Discarded at once when the sender's end is over or was never its.
    pub fn send(&mut self, now: Nanos, conn: ConnId, from: Incarnation, msg: M, bytes: u64, out: &mut Out<M>) {
        let open = self.connections.get_mut(conn).and_then(|connection| {
            let way = connection.way_of(from)?;
            connection.sender(way).is_open().then_some((connection, way))
        });
        let Some((connection, way)) = open else {
            out.push(Output::Done(Done::Discarded { msg }));
            return;
        };
        connection.push(way, Cargo::Message(msg), bytes);
        connection.pump(now, conn, way, &mut self.fabric, out);
    }

    /// Closes one's end, gracefully: what was sent before arrives, then the peer is told. Nothing is delivered to the
    /// closing end any more, and it is not told of anything. Closing before [`Done::Connected`] discards what was
    /// sent.
    pub fn close(&mut self, now: Nanos, conn: ConnId, from: Incarnation, out: &mut Out<M>) {
        let Some(connection) = self.connections.get(conn) else { return };
        if let Some(way) = connection.way_of(from)
            && connection.sender(way).is_open()
        {
            self.leave(now, conn, way, ResetReason::ClosedByPeer, out);
        }
    }

    /// A process is through with its end; its kernel sends what is left.
    fn leave(&mut self, now: Nanos, conn: ConnId, way: Way, tell_peer: ResetReason, out: &mut Out<M>) {
        let connection = &mut self.connections[conn];
        assert!(connection.sender(way).is_open(), "left twice");
        connection.ends[way as usize].life = Life::Over;
        if way == Way::Forward && !connection.established {
            connection.drop_unlanded(way, out);
        } else {
            connection.push(way, Cargo::End(tell_peer), 0);
            connection.pump(now, conn, way, &mut self.fabric, out);
        }
        self.forget_if_over(conn, out);
    }

    /// An incarnation has died. With [`Death::Host`] its host is dark until somebody there listens or connects; the
    /// driver says so for each incarnation on the host.
    pub fn endpoint_died(&mut self, now: Nanos, incarnation: Incarnation, death: Death, out: &mut Out<M>) {
        let Some(place) = self.places.get_mut(&incarnation.node).filter(|place| place.epoch == incarnation.epoch)
        else {
            return; // It never listened or connected: the network does not know it.
        };
        place.listening = false;
        let host = place.host;
        match death {
            Death::Process => {
                for conn in self.keys() {
                    let connection = &self.connections[conn];
                    if let Some(way) = connection.way_of(incarnation)
                        && connection.sender(way).is_open()
                    {
                        self.leave(now, conn, way, ResetReason::ResetByPeer, out);
                    }
                }
            }
            Death::Host => {
                self.fabric.set_dark(host, true);
                for conn in self.keys() {
                    self.lose_host(now, conn, host, incarnation, out);
                }
            }
        }
    }

    fn lose_host(&mut self, now: Nanos, conn: ConnId, host: HostId, died: Incarnation, out: &mut Out<M>) {
        let connection = &mut self.connections[conn];
        for way in Way::BOTH {
            let end = &mut connection.ends[way as usize];
            // What other processes have left to the kernel is lost with it.
            let lost = end.host == host && (end.is(died) || matches!(end.life, Life::Over | Life::Lost));
            if lost {
                end.life = Life::Lost;
                connection.lose_sender(now, way, out);
            }
        }
        for way in Way::BOTH {
            if connection.receiver(way).host == host {
                connection.lose_in_flight(way, true, out);
                connection.pump(now, conn, way, &mut self.fabric, out);
            }
        }
        self.forget_if_over(conn, out);
    }

    /// The driver brings a wake-up back.
    pub fn step(&mut self, now: Nanos, Step(kind): Step, out: &mut Out<M>) {
        match kind {
            Kind::Enter { conn, way } => {
                if let Some(connection) = self.connections.get_mut(conn) {
                    connection.enter(now, conn, way, &mut self.fabric, out);
                }
            }
            Kind::Arrive { conn, way } => {
                if let Some(connection) = self.connections.get_mut(conn)
                    && connection.arrive(now, conn, way, &mut self.fabric, out)
                {
                    self.deliver(now, conn, way, out);
                }
            }
            Kind::Deliver { conn, way } => self.deliver(now, conn, way, out),
            Kind::Retransmit { conn, way } => {
                if let Some(connection) = self.connections.get_mut(conn)
                    && connection.retransmit(now, conn, way, &mut self.fabric, out)
                {
                    self.give_up(conn, way, out);
                }
            }
            Kind::ConnectDeadline { conn } => self.connect_deadline(now, conn, out),
            Kind::Card { host, direction } => self.card_woken(now, host, direction, out),
            Kind::Storm { fault, serial } => self.storm(now, fault, serial, out),
        }
    }

    /// What the receiver's card has passed up reaches the end, or what is left of it.
    fn deliver(&mut self, now: Nanos, conn: ConnId, way: Way, out: &mut Out<M>) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let Some(segment) = connection.take_landed(now, way) else { return };
        let receiver = *connection.receiver(way);
        match segment.cargo {
            Cargo::Syn => self.syn_arrived(now, conn, out),
            Cargo::SynAck if receiver.is_open() => {
                connection.established = true;
                out.push(Output::Done(Done::Connected { conn, at: receiver.endpoint() }));
                connection.pump(now, conn, Way::Forward, &mut self.fabric, out);
            }
            Cargo::Message(msg) if receiver.is_open() => {
                let (to, bytes) = (receiver.endpoint(), segment.bytes);
                out.push(Output::Done(Done::Deliver { conn, to, msg, bytes }));
            }
            Cargo::SynAck => connection.answer_with_reset(now, conn, way.reverse(), &mut self.fabric, out),
            Cargo::Message(msg) => {
                out.push(Output::Done(Done::Discarded { msg }));
                connection.answer_with_reset(now, conn, way.reverse(), &mut self.fabric, out);
            }
            Cargo::End(why) => {
                if receiver.is_open() {
                    self.reset_end(conn, way.reverse(), why, out);
                }
            }
        }
    }

    fn syn_arrived(&mut self, now: Nanos, conn: ConnId, out: &mut Out<M>) {
        let connection = &mut self.connections[conn];
        let [initiator, acceptor] = connection.ends;
        assert!(acceptor.life == Life::Waiting, "a second SYN");
        match self.places.get(&acceptor.node) {
            Some(place) if place.listening && place.host == acceptor.host => {
                let accepted = End { epoch: place.epoch, life: Life::Open, ..acceptor };
                connection.ends[1] = accepted;
                let (at, from) = (accepted.endpoint(), initiator.endpoint());
                out.push(Output::Done(Done::Accepted { conn, at, from }));
                connection.push(Way::Backward, Cargo::SynAck, 0);
            }
            Some(_) | None => connection.push(Way::Backward, Cargo::End(ResetReason::Refused), 0),
        }
        connection.pump(now, conn, Way::Backward, &mut self.fabric, out);
    }

    /// The end that sends in `way` learns that its connection is over.
    fn reset_end(&mut self, conn: ConnId, way: Way, why: ResetReason, out: &mut Out<M>) {
        let connection = &mut self.connections[conn];
        let end = &mut connection.ends[way as usize];
        assert!(end.is_open(), "told after its end");
        out.push(Output::Done(Done::Reset { conn, at: end.endpoint(), why }));
        end.life = Life::Over;
        connection.drop_unlanded(way, out);
        self.forget_if_over(conn, out);
    }

    /// A sender's kernel has retransmitted for too long.
    fn give_up(&mut self, conn: ConnId, way: Way, out: &mut Out<M>) {
        let connection = &mut self.connections[conn];
        if connection.sender(way).is_open() {
            self.reset_end(conn, way, ResetReason::TimedOut, out);
        } else {
            connection.drop_unlanded(way, out);
        }
    }

    fn connect_deadline(&mut self, now: Nanos, conn: ConnId, out: &mut Out<M>) {
        let Some(connection) = self.connections.get(conn) else { return };
        debug_assert!(connection.connect_deadline <= now, "a deadline before its time");
        if !connection.established && connection.ends[0].is_open() {
            self.reset_end(conn, Way::Forward, ResetReason::ConnectTimeout, out);
        }
    }

    fn forget_if_over(&mut self, conn: ConnId, out: &mut Out<M>) {
        if self.connections[conn].is_over()
            && let Some(connection) = self.connections.remove(conn)
        {
            connection.discard_all(out);
            out.push(Output::Done(Done::Closed { conn }));
        }
    }

    /// Keys in the order of the slots: the same in every run.
    fn keys(&self) -> Vec<ConnId> {
        self.connections.keys().collect()
    }
}

/// Faults.
impl<M: Copy> Network<M> {
    /// A fault begins.
    ///
    /// # Panics
    /// When the id holds already, or the fault does not pass [`NetworkFault::validate`].
    pub fn inject(&mut self, now: Nanos, id: FaultId, fault: NetworkFault, out: &mut Out<M>) {
        if let Err(why) = fault.validate() {
            panic!("{id}: {why}");
        }
        let serial = self.overlays.insert(id, fault);
        if let NetworkFault::ResetStorm { every, .. } = fault {
            out.push(Kind::Storm { fault: id, serial }.at(now.saturating_add(every)));
        } else {
            self.apply_overlays(now, out);
        }
    }

    /// A fault ends. Nothing happens when it does not hold.
    pub fn heal(&mut self, now: Nanos, id: FaultId, out: &mut Out<M>) {
        if self.overlays.remove(id) {
            self.apply_overlays(now, out);
        }
    }

    /// Whether nothing passes from one host to another, or nothing comes back: cut or held.
    pub fn is_cut(&self, a: HostId, b: HostId) -> bool {
        let (a, b) = (Site::Host(a), Site::Host(b));
        self.is_cut_between(a, b)
    }

    /// Whether nothing passes from a host to its storage services of a class, or nothing comes back.
    pub fn is_cut_from_storage(&self, host: HostId, class: LinkClass) -> bool {
        self.is_cut_between(Site::Host(host), Site::Storage { class, used_by: host })
    }

    fn is_cut_between(&self, a: Site, b: Site) -> bool {
        let paths = [self.overlays.path(self.map(), a, b), self.overlays.path(self.map(), b, a)];
        paths.iter().any(|path| path.cut || path.clogged)
    }

    fn apply_overlays(&mut self, now: Nanos, out: &mut Out<M>) {
        let overlays = &self.overlays;
        let divisor = |host, direction| overlays.card_divisor(host, direction);
        self.fabric.set_divisors(now, divisor, |host, direction, at| {
            out.push(Kind::Card { host, direction }.at(at));
        });
        for conn in self.keys() {
            for way in Way::BOTH {
                let connection = &self.connections[conn];
                let path = self.path_between(connection.sender(way), connection.receiver(way));
                let connection = &mut self.connections[conn];
                connection.set_path(way, path);
                if path.cut || path.clogged {
                    connection.lose_in_flight(way, false, out);
                }
                connection.pump(now, conn, way, &mut self.fabric, out);
            }
        }
    }

    fn path_between(&self, from: &End, to: &End) -> Path {
        let site = |end: &End| Site::Process { host: end.host, node: end.node };
        let route = self.fabric.route(from.host, to.host);
        let link = self.fabric.profile.link(route.class).bandwidth_bytes_per_sec;
        self.overlays.flow_path(self.map(), site(from), site(to), route, link)
    }

    fn map(&self) -> Map<'_> {
        Map { topology: &self.fabric.topology, places: &self.places }
    }

    /// One round of a reset storm.
    fn storm(&mut self, now: Nanos, id: FaultId, serial: u32, out: &mut Out<M>) {
        let Some(fault) = self.overlays.get(id, serial) else { return };
        let NetworkFault::ResetStorm { every, ratio_ppm, .. } = fault else {
            unreachable!("a storm's wake-up for {fault:?}");
        };
        for conn in self.keys() {
            let [a, b] = self.connections[conn].ends;
            let site = |end: End| Site::Process { host: end.host, node: end.node };
            if self.overlays.storms(self.map(), &fault, site(a), site(b))
                && self.storm_draws.ratio(ratio_ppm, 1_000_000)
            {
                self.reset_both(conn, out);
            }
        }
        out.push(Kind::Storm { fault: id, serial }.at(now.saturating_add(every)));
    }

    fn reset_both(&mut self, conn: ConnId, out: &mut Out<M>) {
        for way in Way::BOTH {
            // Telling the last end forgets the connection.
            if self.connections.get(conn).is_some_and(|connection| connection.sender(way).is_open()) {
                self.reset_end(conn, way, ResetReason::ResetByNetwork, out);
            }
        }
        debug_assert!(!self.connections.contains_key(conn), "nobody is left");
    }
}
