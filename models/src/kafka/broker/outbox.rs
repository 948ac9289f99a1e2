//! Responses, in the order of the requests on each connection, as Kafka's protocol promises.

use crate::cloud::network::ConnId;
use crate::kafka::protocol::Response;
use crate::message::Message;
use crate::world::Cx;
use std::collections::VecDeque;
use wavetank_sim::SortedMap;

/// A request that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo {
    conn: ConnId,
    correlation: u64,
}

/// See the [module](self).
#[derive(Default)]
pub struct Outbox {
    conns: SortedMap<ConnId, VecDeque<(u64, Option<Response>)>>,
}

impl Outbox {
    /// A request has come.
    pub fn request(&mut self, conn: ConnId, correlation: u64) -> ReplyTo {
        self.conns.entry(conn).or_default().push_back((correlation, None));
        ReplyTo { conn, correlation }
    }

    /// A request is not to be answered (`acks=0`).
    pub fn no_answer(&mut self, cx: &mut Cx<'_>, to: ReplyTo) {
        if let Some(queue) = self.conns.get_mut(&to.conn) {
            queue.retain(|(correlation, _)| *correlation != to.correlation);
            self.flush(cx, to.conn);
        }
    }

    /// The answer; sent when all earlier requests of its connection are answered.
    pub fn answer(&mut self, cx: &mut Cx<'_>, to: ReplyTo, response: Response) {
        let Some(queue) = self.conns.get_mut(&to.conn) else { return };
        let Some(slot) = queue.iter_mut().find(|(correlation, _)| *correlation == to.correlation) else { return };
        slot.1 = Some(response);
        self.flush(cx, to.conn);
    }

    fn flush(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let Some(queue) = self.conns.get_mut(&conn) else { return };
        while queue.front().is_some_and(|(_, response)| response.is_some()) {
            let (correlation, response) = queue.pop_front().expect("it was looked at");
            let response = Box::new(response.expect("it was looked at"));
            cx.send(conn, Message::Response { correlation, response });
        }
    }

    /// A connection is over.
    pub fn closed(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
    }
}
