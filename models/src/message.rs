//! What processes send each other.

use crate::blob::Blob;

/// A message on a connection. Closed on purpose: a platform's requests and responses become variants here, so that
/// every `match` over them is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A frame whose meaning only its two ends know: what guests and test processes speak.
    Frame(Frame),
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
    /// Its body.
    pub body: Blob,
}

/// A frame's header on the wire: the four bytes of length and what [`Frame`] carries beside its body.
const FRAME_HEADER_BYTES: u64 = 24;

impl Message {
    /// A frame without a body.
    pub fn frame(kind: u32, correlation: u64, value: u64) -> Message {
        Message::Frame(Frame { kind, correlation, value, body: Blob::new() })
    }

    /// Bytes on the wire, TCP and IP headers not counted.
    pub fn wire_bytes(&self) -> u64 {
        match self {
            Message::Frame(frame) => FRAME_HEADER_BYTES + frame.body.len(),
        }
    }

    /// A word that tells messages apart, for the digest and the trace.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Message::Frame(frame) => {
                let head = u64::from(frame.kind).rotate_left(48) ^ frame.correlation.rotate_left(16) ^ frame.value;
                head ^ frame.body.len().rotate_left(32)
            }
        }
    }
}
