//! Requests over connections: one connection a peer, opened when needed, as Kafka's `NetworkClient` has it.
//!
//! A request that is not answered in time closes its connection, and every request on it fails (`NetworkClient
//! .handleTimedOutRequests`). After a failed connection the next attempt waits: 50 ms, doubled up to 1 s
//! (`reconnect.backoff.ms`, `reconnect.backoff.max.ms`), with 20 % of jitter. Requests on one connection are answered in
//! order.

use super::protocol::{Request, Response};
use super::token::TokenSpace;
use crate::cloud::network::ConnId;
use crate::message::Message;
use crate::world::{Cx, Input, TimerId};
use std::collections::VecDeque;
use wavetank_sim::{Nanos, NodeId, SortedMap};

/// `reconnect.backoff.ms`.
const BACKOFF_MIN: Nanos = Nanos::millis(50);
/// `reconnect.backoff.max.ms`.
const BACKOFF_MAX: Nanos = Nanos::secs(1);

/// A request that was sent, as its sender knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was answered.
    Answer(Response),
    /// It was not, and never will be: whether it was carried out is not known.
    Lost(Lost),
}

/// Why a request was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It was never sent: there was no connection in time, or the attempt failed.
    NotSent,
    /// The connection broke.
    Disconnected,
    /// `request.timeout.ms` was over.
    TimedOut,
}

struct Pending {
    call: CallId,
    correlation: u64,
}

struct Peer {
    conn: Option<ConnId>,
    is_up: bool,
    pending: VecDeque<Pending>,
    backoff: Nanos,
    /// No new connection before.
    not_before: Nanos,
}

/// The requests of one component of a process.
pub struct Rpc {
    space: TokenSpace,
    next: u64,
    peers: SortedMap<NodeId, Peer>,
    by_conn: SortedMap<ConnId, NodeId>,
    /// By call: whom it was sent to, and its deadline.
    calls: SortedMap<CallId, (NodeId, TimerId)>,
    replies: VecDeque<(CallId, Reply)>,
}

impl Rpc {
    /// No connections yet.
    pub fn new(space: TokenSpace) -> Rpc {
        Rpc {
            space,
            next: 0,
            peers: SortedMap::new(),
            by_conn: SortedMap::new(),
            calls: SortedMap::new(),
            replies: VecDeque::new(),
        }
    }

    /// Sends a request; [`Rpc::poll`] says what became of it, within `timeout` for certain.
    pub fn call(&mut self, cx: &mut Cx<'_>, to: NodeId, request: Request, timeout: Nanos) -> CallId {
        let call = CallId(self.next);
        self.next += 1;
        if !self.is_ready(cx, to) {
            self.replies.push_back((call, Reply::Lost(Lost::NotSent)));
            return call;
        }
        let (conn, peer) = self.connection(cx, to);
        cx.send(conn, Message::Request { correlation: call.0, request: Box::new(request) });
        peer.pending.push_back(Pending { call, correlation: call.0 });
        let timer = self.space.set_timer(cx, timeout, call.0);
        self.calls.insert(call, (to, timer));
        call
    }

    /// Sends a request that is never answered (`acks=0`). `false`: it could not be sent, for there was no connection and none
    /// may be opened yet. Whether it arrives nobody says.
    pub fn tell(&mut self, cx: &mut Cx<'_>, to: NodeId, request: Request) -> bool {
        if !self.is_ready(cx, to) {
            return false;
        }
        let correlation = self.next;
        self.next += 1;
        let (conn, _) = self.connection(cx, to);
        cx.send(conn, Message::Request { correlation, request: Box::new(request) });
        true
    }

    /// From when on a request to that peer would be sent.
    pub fn ready_at(&self, to: NodeId) -> Nanos {
        self.peers.get(&to).filter(|peer| peer.conn.is_none()).map_or(Nanos::ZERO, |peer| peer.not_before)
    }

    /// Peers to which no request can be sent yet, and until when.
    pub fn barred(&self, now: Nanos) -> impl Iterator<Item = (NodeId, Nanos)> {
        let waits = move |peer: &Peer| peer.conn.is_none() && peer.not_before > now;
        self.peers.iter().filter(move |(_, peer)| waits(peer)).map(|(node, peer)| (*node, peer.not_before))
    }

    /// Whether a request to that peer would be sent now rather than fail at once.
    pub fn is_ready(&self, cx: &Cx<'_>, to: NodeId) -> bool {
        self.peers.get(&to).is_none_or(|peer| peer.conn.is_some() || cx.monotonic() >= peer.not_before)
    }

    /// Whom a request was sent to that is not answered yet.
    pub fn whom(&self, call: CallId) -> Option<NodeId> {
        self.calls.get(&call).map(|(node, _)| *node)
    }

    /// Requests to that peer that are not answered yet.
    pub fn in_flight(&self, to: NodeId) -> usize {
        self.peers.get(&to).map_or(0, |peer| peer.pending.len())
    }

    /// Gives up what was asked of a peer, with the connection.
    pub fn disconnect(&mut self, cx: &mut Cx<'_>, to: NodeId) {
        if let Some(conn) = self.peers.get(&to).and_then(|peer| peer.conn) {
            cx.close(conn);
            self.broken(cx, to, Lost::Disconnected);
        }
    }

    /// Closes all connections; what was asked on them is not answered any more.
    pub fn close(&mut self, cx: &mut Cx<'_>) {
        for conn in std::mem::take(&mut self.by_conn).into_keys() {
            cx.close(conn);
        }
        for (_, timer) in std::mem::take(&mut self.calls).into_values() {
            cx.cancel_timer(timer);
        }
        self.peers.clear();
        self.replies.clear();
    }

    /// Takes an input that is this component's; gives back one that is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        match input {
            Input::Connected { conn } if let Some(to) = self.whose(conn) => {
                let peer = self.peers.get_mut(&to).expect("a connection is a peer's");
                (peer.is_up, peer.backoff) = (true, BACKOFF_MIN);
                None
            }
            Input::Message { conn, message: Message::Response { correlation, response } }
                if let Some(to) = self.whose(conn) =>
            {
                self.answered(cx, to, correlation, *response);
                None
            }
            Input::Reset { conn, .. } if let Some(to) = self.whose(conn) => {
                let lost = if self.peers[&to].is_up { Lost::Disconnected } else { Lost::NotSent };
                self.broken(cx, to, lost);
                None
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == self.space => {
                let call = CallId(TokenSpace::split(token).1);
                if let Some((to, _)) = self.calls.get(&call).copied() {
                    if let Some(conn) = self.peers[&to].conn {
                        cx.close(conn);
                    }
                    self.broken(cx, to, Lost::TimedOut);
                }
                None
            }
            other => Some(other),
        }
    }

    /// What became of requests, in order.
    pub fn poll(&mut self) -> Option<(CallId, Reply)> {
        self.replies.pop_front()
    }

    /// The connection to a peer, opened if there is none.
    fn connection(&mut self, cx: &mut Cx<'_>, to: NodeId) -> (ConnId, &mut Peer) {
        let peer = self.peers.entry(to).or_insert(Peer {
            conn: None,
            is_up: false,
            pending: VecDeque::new(),
            backoff: BACKOFF_MIN,
            not_before: Nanos::ZERO,
        });
        let conn = *peer.conn.get_or_insert_with(|| {
            let conn = cx.connect(to);
            self.by_conn.insert(conn, to);
            conn
        });
        (conn, peer)
    }

    /// To which peer a connection is, if it is one of these.
    fn whose(&self, conn: ConnId) -> Option<NodeId> {
        self.by_conn.get(&conn).copied()
    }

    fn answered(&mut self, cx: &mut Cx<'_>, to: NodeId, correlation: u64, response: Response) {
        let peer = self.peers.get_mut(&to).expect("a connection is a peer's");
        let Some(at) = peer.pending.iter().position(|pending| pending.correlation == correlation) else { return };
        let pending = peer.pending.remove(at).expect("it was found");
        if let Some((_, timer)) = self.calls.remove(&pending.call) {
            cx.cancel_timer(timer);
        }
        self.replies.push_back((pending.call, Reply::Answer(response)));
    }

    /// A connection is over: whatever was asked on it is lost.
    fn broken(&mut self, cx: &mut Cx<'_>, to: NodeId, lost: Lost) {
        let jitter = cx.random().range(80..121);
        let peer = self.peers.get_mut(&to).expect("it had a connection");
        if let Some(conn) = peer.conn.take() {
            self.by_conn.remove(&conn);
        }
        peer.is_up = false;
        peer.not_before = cx.monotonic() + Nanos(peer.backoff.0 * jitter / 100);
        peer.backoff = Nanos((peer.backoff.0 * 2).min(BACKOFF_MAX.0));
        for pending in peer.pending.drain(..) {
            if let Some((_, timer)) = self.calls.remove(&pending.call) {
                cx.cancel_timer(timer);
            }
            self.replies.push_back((pending.call, Reply::Lost(lost)));
        }
    }
}
