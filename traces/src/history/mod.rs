//! Histories: what clients asked, and what they were told.
//!
//! A [`History`] is a list of operations in the order in which they were observed. Each operation of a client begins
//! with an invocation and ends, if it ends, with a completion: `ok` (it happened), `fail` (it did not) or `info`
//! (nobody knows). The vocabulary is Jepsen's, of `jepsen.tests.kafka`: `send`, `poll` and `txn` carry micro-operations
//! that send a value to a key or poll values of keys, `assign` and `subscribe` choose a consumer's keys. A key is a
//! partition.
//!
//! In memory, records are *runs*: consecutive values at consecutive offsets, whatever their number, are one [`Run`]. So a
//! history of ten million records in a hundred thousand batches costs what its batches cost, here and in the checkers.
//!
//! In files, a history is JSON lines, one operation a line: [`reader`] says what a line may hold, including our one
//! extension, which writes a range of records as one entry; [`writer`] writes them, with that extension or without, and
//! a [`LinesRecorder`] writes them as they happen. [`edn`] makes such lines of the `history.edn` that Jepsen stores.

pub mod edn;
mod line;
mod mops;
mod op;
mod pairing;
mod read_error;
pub mod reader;
mod recorder;
mod store;
mod value;
pub mod writer;

pub use op::{Function, Kind, Op, OpId, Part, Process, Run};
pub use read_error::{ReadError, ReadErrorKind};
pub use reader::Reader;
pub use recorder::{LinesRecorder, RecordError, Recorder};
pub use store::{Draft, History, Refusal};
pub use value::{KeyId, Value};
pub use writer::{Form, Writer};
