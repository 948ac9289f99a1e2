//! What a producer's sends are in the history: each batch is one `send` of a range.
//!
//! A producer has several batches on their way to one partition, and a client of a history does one thing at a time: so
//! each partition has as many clients as it had batches on their way at once, and takes the one that was used last.

use crate::kafka::ids::{TopicIdPartition, WriterId};
use crate::world::{ClientId, Cx, Ended, Invocation};
use wavetank_traces::Offset;
use wavetank_traces::history::{Function, KeyId, Value};

/// Bits of a value that are the record's index; the writer is above them.
const INDEX_BITS: u32 = 40;

/// A record in the history: which one of which writer. Unique within its partition.
pub fn value(writer: WriterId, index: u64) -> Value {
    assert!(index >> INDEX_BITS == 0 && u64::from(writer.0) < Value::NUMBERS >> INDEX_BITS, "a value has 63 bits");
    Value(u64::from(writer.0) << INDEX_BITS | index)
}

/// A partition's key in the history.
pub fn key(cx: &mut Cx<'_>, tp: TopicIdPartition) -> KeyId {
    cx.history_key(&tp.to_string())
}

/// A send that is open: by which of the partition's clients.
#[derive(Clone, Copy, Debug)]
pub struct OpenSend {
    client: ClientId,
    invocation: Invocation,
}

/// The sends to one partition.
pub struct Sends {
    key: KeyId,
    writer: WriterId,
    free: Vec<ClientId>,
}

impl Sends {
    pub fn new(cx: &mut Cx<'_>, tp: TopicIdPartition, writer: WriterId) -> Sends {
        Sends { key: key(cx, tp), writer, free: Vec::new() }
    }

    /// A batch is on its way. `next_client`: the producer's next client that is not in use by any partition.
    pub fn invoke(&mut self, cx: &mut Cx<'_>, next_client: &mut u32, first: u64, count: u32) -> OpenSend {
        let client = self.free.pop().unwrap_or_else(|| {
            *next_client += 1;
            ClientId(*next_client - 1)
        });
        let (key, value) = (self.key, value(self.writer, first));
        let invocation = cx.invoke(client, Function::Send, |draft| draft.send_batch(key, None, value, count));
        OpenSend { client, invocation }
    }

    /// It is in the log, as far as the producer was told at that offset.
    pub fn ok(&mut self, cx: &mut Cx<'_>, send: OpenSend, first: u64, count: u32, offset: Option<u64>) {
        let (key, value) = (self.key, value(self.writer, first));
        let offset = offset.map(|offset| Offset(offset as i64));
        cx.complete(send.invocation, Ended::Ok, |draft| draft.send_batch(key, offset, value, count));
        self.free.push(send.client);
    }

    /// A batch is written again under a new epoch, and an earlier write of it may have landed.
    pub fn rewritten(&self, cx: &mut Cx<'_>, first: u64, count: u32) {
        let first = value(self.writer, first).0;
        cx.rewritten_in_history(self.key, first..first + u64::from(count));
    }

    /// It was given up.
    pub fn gave_up(&mut self, cx: &mut Cx<'_>, send: OpenSend, ended: Ended) {
        cx.complete_as_invoked(send.invocation, ended);
        self.free.push(send.client);
    }
}
