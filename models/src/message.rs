//! What processes send each other.

use crate::blob::Blob;
use crate::flink::FlinkMessage;
use crate::kafka::protocol::{Request, Response, fingerprint};

/// A message on a connection. Closed on purpose: a platform's requests and responses become variants here, so that
/// every `match` over them is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A frame whose meaning only its two ends know: what guests and test processes speak.
    Frame(Frame),
    /// A request of a Kafka-compatible platform.
    Request {
        /// Which of its connection, by the requester's own numbering.
        correlation: u64,
        /// What.
        request: Box<Request>,
    },
    /// The answer to a request.
    Response {
        /// To which.
        correlation: u64,
        /// What.
        response: Box<Response>,
    },
    /// What the parts of a checkpointing job say to each other.
    Flink(Box<FlinkMessage>),
}

/// A generic request or response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// What it is, by the ends' own numbering.
    pub kind: u32,
    /// Which request it belongs to.
    pub correlation: u64,
    /// A number of the ends' own.
    pub value: u64,
    /// Its body; none is an empty one.
    pub body: Option<Box<Blob>>,
}

/// A frame's header on the wire: the four bytes of length and what [`Frame`] carries beside its body.
const FRAME_HEADER_BYTES: u64 = 24;

impl Message {
    /// A frame without a body.
    pub fn frame(kind: u32, correlation: u64, value: u64) -> Message {
        Message::Frame(Frame { kind, correlation, value, body: None })
    }

    /// Bytes on the wire, TCP and IP headers not counted.
    pub fn wire_bytes(&self) -> u64 {
        match self {
            Message::Frame(frame) => FRAME_HEADER_BYTES + frame.body.as_ref().map_or(0, |body| body.len()),
            Message::Request { request, .. } => request.wire_bytes(),
            Message::Response { response, .. } => response.wire_bytes(),
            Message::Flink(message) => message.wire_bytes(),
        }
    }

    /// A word that tells messages apart, contents too, for the digest and the trace.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Message::Request { correlation, request } => fingerprint(&(correlation, request)),
            Message::Response { correlation, response } => fingerprint(&(correlation, response)),
            Message::Flink(message) => fingerprint(message),
            Message::Frame(frame) => {
                let body = frame.body.as_ref().map_or(0, |body| body.fingerprint());
                let words = [u64::from(frame.kind), frame.correlation, frame.value, body];
                // Rolled, not merely xored: a value that moves from one field to another must show.
                words
                    .iter()
                    .fold(0, |word: u64, next| (word.rotate_left(23) ^ next).wrapping_mul(0xd6e8_feb8_6659_fd93))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_every_field_and_the_content() {
        let frame = |kind, correlation, value, body| {
            Message::Frame(Frame { kind, correlation, value, body: Some(Box::new(body)) })
        };
        let all = [
            frame(1, 2, 3, Blob::new()),
            frame(2, 1, 3, Blob::new()),
            frame(1, 3, 2, Blob::new()),
            // What the old xor took for one message: 1 << 16 in the value is 1 in the correlation.
            frame(1, 3, 2 ^ 1 << 16, Blob::new()),
            frame(1, 2, 3, Blob::real("ab")),
            frame(1, 2, 3, Blob::real("ba")),
            frame(1, 2, 3, Blob::named(7, 2)),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a.fingerprint() != b.fingerprint()), "{a:?}");
        }
    }
}
