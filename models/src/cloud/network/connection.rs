//! One connection: two ends, two flows of segments, and the transport's steps between them.
//!
//! A flow is one queue with four zones, front to back:
//!
//! ```text
//!   landed            on the wire         in the card          held
//!   (receiver's card) (arrival is known)  (waits for the link) (not sent, or lost and to be sent again)
//!   0 ..........landed ............entered ..........released ......... len
//! ```
//!
//! A cut moves everything but the landed back to *held*; nothing else ever moves backwards, so the order is the order
//! of sending for ever.

use super::faults::Path;
use super::link::{Departure, Fabric, Route};
use super::topology::{Direction, HostId, LinkClass};
use super::{ConnId, Done, Endpoint, Kind, Out, ResetReason};
use crate::cloud::Output;
use std::collections::VecDeque;
use wavetank_sim::{Incarnation, Nanos, NodeEpoch, NodeId};

/// Which of a connection's two flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// From the initiator.
    Forward,
    /// To the initiator.
    Backward,
}

impl Way {
    pub const BOTH: [Way; 2] = [Way::Forward, Way::Backward];

    pub fn reverse(self) -> Way {
        match self {
            Way::Forward => Way::Backward,
            Way::Backward => Way::Forward,
        }
    }
}

/// What has become of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The acceptor before the SYN has come.
    Waiting,
    /// A process holds it.
    Open,
    /// The process is through with it (closed it, was told of a reset, or died); the kernel still sends what is left.
    Over,
    /// The host lost power: nobody knows of it any more.
    Lost,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub host: HostId,
    pub node: NodeId,
    pub epoch: NodeEpoch,
    pub life: Life,
}

impl End {
    pub fn endpoint(&self) -> Endpoint {
        assert!(self.life != Life::Waiting, "nobody is at this end yet");
        Endpoint { host: self.host, incarnation: Incarnation { node: self.node, epoch: self.epoch } }
    }

    pub fn is(&self, incarnation: Incarnation) -> bool {
        self.life != Life::Waiting && self.node == incarnation.node && self.epoch == incarnation.epoch
    }

    pub fn is_open(&self) -> bool {
        self.life == Life::Open
    }
}

/// What a segment carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cargo<M> {
    Syn,
    SynAck,
    Message(M),
    /// FIN or RST: the last of its flow.
    End(ResetReason),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<M> {
    pub cargo: Cargo<M>,
    pub bytes: u64,
    /// When it leaves its zone: enters the link, arrives, is delivered.
    due: Nanos,
    /// When its last byte has left the host.
    out_at: Nanos,
    span: Nanos,
}

#[derive(Clone, Debug)]
struct Flow<M> {
    queue: VecDeque<Segment<M>>,
    landed: usize,
    entered: usize,
    released: usize,
    path: Path,
    route: Route,
    /// Until when the single flow's bandwidth is taken.
    paced_until: Nanos,
    last_arrival: Nanos,
    last_delivery: Nanos,
    /// The armed retransmission timer, or [`Nanos::MAX`].
    retransmit_at: Nanos,
    backoff: Nanos,
    /// Since when nothing has got through, or [`Nanos::MAX`].
    stuck_since: Nanos,
    /// A FIN or RST is in the queue.
    ending: bool,
}

impl<M: Copy> Flow<M> {
    fn new(route: Route, path: Path) -> Flow<M> {
        Flow {
            queue: VecDeque::new(),
            landed: 0,
            entered: 0,
            released: 0,
            path,
            route,
            paced_until: Nanos::ZERO,
            last_arrival: Nanos::ZERO,
            last_delivery: Nanos::ZERO,
            retransmit_at: Nanos::MAX,
            backoff: Nanos::ZERO,
            stuck_since: Nanos::MAX,
            ending: false,
        }
    }

    fn check(&self) {
        debug_assert!(self.landed <= self.entered && self.entered <= self.released, "zones out of order");
        debug_assert!(self.released <= self.queue.len(), "more released than there is");
    }

    /// Drops what is in the queue from `keep` on.
    fn discard_from(&mut self, keep: usize, out: &mut Out<M>) {
        for segment in self.queue.drain(keep..) {
            match segment.cargo {
                Cargo::Message(msg) => out.push(Output::Done(Done::Discarded { msg })),
                Cargo::End(_) => self.ending = false,
                Cargo::Syn | Cargo::SynAck => {}
            }
        }
        self.landed = self.landed.min(keep);
        self.entered = self.entered.min(keep);
        self.released = self.released.min(keep);
        self.check();
    }
}

#[derive(Clone, Debug)]
pub(super) struct Connection<M> {
    /// Initiator, acceptor.
    pub ends: [End; 2],
    pub established: bool,
    pub connect_deadline: Nanos,
    flows: [Flow<M>; 2],
}

impl<M: Copy> Connection<M> {
    pub fn new(ends: [End; 2], connect_deadline: Nanos, fabric: &Fabric, paths: [Path; 2]) -> Connection<M> {
        let (a, b) = (ends[0].host, ends[1].host);
        let [forward, backward] = paths;
        let flows = [Flow::new(fabric.route(a, b), forward), Flow::new(fabric.route(b, a), backward)];
        Connection { ends, established: false, connect_deadline, flows }
    }

    pub fn sender(&self, way: Way) -> &End {
        &self.ends[way as usize]
    }

    pub fn receiver(&self, way: Way) -> &End {
        &self.ends[way.reverse() as usize]
    }

    pub fn set_path(&mut self, way: Way, path: Path) {
        self.flows[way as usize].path = path;
    }

    /// The way in which an incarnation sends.
    pub fn way_of(&self, from: Incarnation) -> Option<Way> {
        Way::BOTH.into_iter().find(|&way| self.sender(way).is(from))
    }

    /// Nobody is left who could be told anything.
    pub fn is_over(&self) -> bool {
        self.ends.iter().all(|end| !end.is_open())
    }

    pub fn push(&mut self, way: Way, cargo: Cargo<M>, bytes: u64) {
        let flow = &mut self.flows[way as usize];
        debug_assert!(!flow.ending, "something after a flow's end");
        flow.ending = matches!(cargo, Cargo::End(_));
        flow.queue.push_back(Segment { cargo, bytes, due: Nanos::ZERO, out_at: Nanos::ZERO, span: Nanos::ZERO });
    }

    /// Sends what may be sent: the sender's card, the flow's limit and, where it does not matter, the link at once.
    pub fn pump(&mut self, now: Nanos, conn: ConnId, way: Way, fabric: &mut Fabric, out: &mut Out<M>) {
        let established = self.established;
        let flow = &mut self.flows[way as usize];
        if flow.retransmit_at != Nanos::MAX {
            return; // The first of the held waits for its timer, the others wait behind it.
        }
        while let Some(segment) = flow.queue.get_mut(flow.released) {
            if !established && way == Way::Forward && matches!(segment.cargo, Cargo::Message(_)) {
                break;
            }
            if flow.path.cut || fabric.is_dark(flow.route.to) {
                self.arm_retransmission(now, conn, way, fabric, out);
                break;
            }
            if flow.path.clogged {
                break;
            }
            if let Cargo::Message(_) = segment.cargo {
                fabric.accounting.count(flow.route.class, Direction::Out, segment.bytes);
            }
            let left = fabric.depart(now, flow.route, &flow.path, &mut flow.paced_until, segment.bytes);
            segment.due = left.enter_at;
            segment.out_at = left.out_at;
            segment.span = left.span;
            flow.released += 1;
            let at_once = left.enter_at == now || !fabric.has_link_limit(flow.route.class);
            if at_once && flow.entered + 1 == flow.released {
                Self::enter_link(flow, now, conn, way, fabric, out);
            } else {
                out.push(Kind::Enter { conn, way }.at(left.enter_at));
            }
        }
    }

    /// The next segment's turn to enter the link has come.
    pub fn enter(&mut self, now: Nanos, conn: ConnId, way: Way, fabric: &mut Fabric, out: &mut Out<M>) {
        let flow = &mut self.flows[way as usize];
        // A cut may have taken it back since.
        if flow.entered < flow.released && flow.queue[flow.entered].due <= now {
            Self::enter_link(flow, now, conn, way, fabric, out);
        }
    }

    fn enter_link(flow: &mut Flow<M>, now: Nanos, conn: ConnId, way: Way, fabric: &mut Fabric, out: &mut Out<M>) {
        let segment = &mut flow.queue[flow.entered];
        let left = Departure { enter_at: segment.due, out_at: segment.out_at, span: segment.span };
        let (arrive_at, span) = fabric.cross(now, flow.route, &flow.path, left, segment.bytes);
        // Head-of-line blocking: never before what was sent before.
        let arrive_at = arrive_at.max(flow.last_arrival + Nanos(1));
        flow.last_arrival = arrive_at;
        segment.due = arrive_at;
        segment.span = span;
        flow.entered += 1;
        flow.check();
        out.push(Kind::Arrive { conn, way }.at(arrive_at));
    }

    /// A segment's last byte is at the receiver's card. Returns whether it is to be delivered now; if not, a wake-up
    /// for that has been asked for.
    pub fn arrive(&mut self, now: Nanos, conn: ConnId, way: Way, fabric: &mut Fabric, out: &mut Out<M>) -> bool {
        let flow = &mut self.flows[way as usize];
        if flow.landed == flow.entered || flow.queue[flow.landed].due > now {
            return false; // Lost since, and perhaps sent again.
        }
        let segment = &mut flow.queue[flow.landed];
        if let Cargo::Message(_) = segment.cargo {
            fabric.accounting.count(flow.route.class, Direction::In, segment.bytes);
            if flow.route.class != LinkClass::SameHost {
                fabric.accounting.count_pair(flow.route.pair, segment.bytes);
            }
        }
        let passed = fabric.land(now, flow.route, segment.span, segment.bytes);
        let deliver_at = passed.max(flow.last_delivery + Nanos(1));
        flow.last_delivery = deliver_at;
        segment.due = deliver_at;
        flow.landed += 1;
        flow.stuck_since = Nanos::MAX;
        flow.check();
        if deliver_at == now {
            debug_assert!(flow.landed == 1, "delivered before its predecessor");
            return true;
        }
        out.push(Kind::Deliver { conn, way }.at(deliver_at));
        false
    }

    /// Takes the next segment that the receiver's card has passed up by now.
    pub fn take_landed(&mut self, now: Nanos, way: Way) -> Option<Segment<M>> {
        let flow = &mut self.flows[way as usize];
        if flow.landed == 0 || flow.queue[0].due > now {
            return None;
        }
        flow.landed -= 1;
        flow.entered -= 1;
        flow.released -= 1;
        let segment = flow.queue.pop_front();
        flow.check();
        segment
    }

    /// Starts the retransmission timer of a flow that can't get through.
    fn arm_retransmission(&mut self, now: Nanos, conn: ConnId, way: Way, fabric: &Fabric, out: &mut Out<M>) {
        let flow = &mut self.flows[way as usize];
        let profile = &fabric.profile;
        if flow.stuck_since == Nanos::MAX {
            flow.stuck_since = now;
            flow.backoff = if self.established { profile.rto_min } else { profile.handshake_rto };
        }
        let give_up_at = flow.stuck_since.saturating_add(profile.tcp_user_timeout);
        flow.retransmit_at = now.saturating_add(flow.backoff).min(give_up_at).max(now);
        flow.backoff = (flow.backoff * 2).min(profile.rto_max);
        out.push(Kind::Retransmit { conn, way }.at(flow.retransmit_at));
    }

    /// The retransmission timer fires. Returns whether the sender is to give up.
    pub fn retransmit(&mut self, now: Nanos, conn: ConnId, way: Way, fabric: &mut Fabric, out: &mut Out<M>) -> bool {
        let flow = &mut self.flows[way as usize];
        if flow.retransmit_at != now {
            return false; // An older timer's wake-up.
        }
        flow.retransmit_at = Nanos::MAX;
        let blocked = flow.path.cut || fabric.is_dark(flow.route.to);
        let waits = flow.released < flow.queue.len();
        if blocked && waits && now >= flow.stuck_since.saturating_add(fabric.profile.tcp_user_timeout) {
            return true;
        }
        self.pump(now, conn, way, fabric, out);
        false
    }

    /// What is on the way gets lost (or stuck), and will be sent again by whoever still has it.
    pub fn lose_in_flight(&mut self, way: Way, landed_too: bool, out: &mut Out<M>) {
        let sender_has_it = self.sender(way).life != Life::Lost;
        let flow = &mut self.flows[way as usize];
        if landed_too {
            flow.landed = 0;
        }
        flow.entered = flow.landed;
        flow.released = flow.landed;
        if !sender_has_it {
            flow.discard_from(flow.landed, out);
        }
    }

    /// The sender's memory is gone: only what has left its card is still on the way.
    pub fn lose_sender(&mut self, now: Nanos, way: Way, out: &mut Out<M>) {
        let flow = &mut self.flows[way as usize];
        let gone = flow.queue.iter().take(flow.entered).take_while(|segment| segment.out_at <= now).count();
        flow.discard_from(gone.max(flow.landed), out);
    }

    /// The sender drops what the receiver's card does not have yet.
    pub fn drop_unlanded(&mut self, way: Way, out: &mut Out<M>) {
        let flow = &mut self.flows[way as usize];
        flow.discard_from(flow.landed, out);
        flow.stuck_since = Nanos::MAX;
    }

    /// Something came for an end that knows nothing of the connection: RST, unless its FIN or RST is on the way.
    pub fn answer_with_reset(&mut self, now: Nanos, conn: ConnId, way: Way, fabric: &mut Fabric, out: &mut Out<M>) {
        debug_assert!(!self.sender(way).is_open(), "an open end does not reset");
        if self.receiver(way).is_open() && !self.flows[way as usize].ending {
            self.push(way, Cargo::End(ResetReason::ResetByPeer), 0);
            self.pump(now, conn, way, fabric, out);
        }
    }

    /// Drops all that is left.
    pub fn discard_all(mut self, out: &mut Out<M>) {
        for flow in &mut self.flows {
            flow.discard_from(0, out);
        }
    }
}
