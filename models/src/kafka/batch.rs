//! Record batches: what producers send, logs hold and consumers get.
//!
//! On the wire and at rest a batch is Kafka's `RecordBatch` v2: a header of 61 bytes, real, and the records. Records of
//! the load are a range of identities (writer, partition, first index): 16 real bytes say which, the rest is virtual and
//! named by them, so any tear or mix-up shows in the checksum. What brokers write themselves (group offsets, a
//! partition's metadata) is real to the last byte.
//!
//! Simpler than reality: the 16 bytes lie after the header where Kafka has the first record; CRC-32C covers all after the
//! checksum, as Kafka's does.

use super::ids::{LeaderEpoch, ProducerEpoch, ProducerId, TopicIdPartition, WriterId};
use crate::blob::{Blob, Segment};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::borrow::Cow;
use std::ops::Range;
use thiserror::Error;
use wavetank_sim::Nanos;

/// Bytes of a v2 batch's header (`DefaultRecordBatch.RECORD_BATCH_OVERHEAD`).
pub const BATCH_HEADER_BYTES: u32 = 61;
const IDENTITY_BYTES: u32 = 16;
const MAGIC: u8 = 2;
const LENGTH_FIELDS: u32 = 12;

/// What an idempotent producer stamps a batch with (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerStamp {
    /// Its session.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Of the first record; the next batch's is `base_sequence + count`, wrapping to 0 after `i32::MAX`.
    pub base_sequence: u32,
}

/// What is in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Records {
    /// Records of the load: `count` identities of one writer in one partition.
    Range {
        /// Who made them.
        writer: WriterId,
        /// Index of the first one in (writer, partition).
        first: u64,
    },
    /// A broker's own records.
    Inline(Bytes),
}

/// A batch of records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordBatch {
    /// Offset of the first record; 0 until the leader gives it.
    pub base_offset: u64,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Of an idempotent producer.
    pub producer: Option<ProducerStamp>,
    /// How many records; at least 1.
    pub count: u32,
    /// Timestamp of the first record, in virtual time: when the load wanted it sent.
    pub base_timestamp: Nanos,
    /// Timestamp of the last.
    pub max_timestamp: Nanos,
    /// Bytes of the records, as they are in the batch (compressed or not), without the header.
    pub records_bytes: u32,
    /// The records.
    pub records: Records,
}

/// Bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// Too short, or the length field says more than there is.
    #[error("a batch is cut off")]
    Truncated,
    /// Another magic, or a field that cannot be.
    #[error("not a record batch of version 2")]
    Malformed,
    /// The checksum is another one.
    #[error("a batch's checksum does not match")]
    Crc,
}

impl RecordBatch {
    /// Offset after the last record.
    pub fn next_offset(&self) -> u64 {
        self.base_offset + u64::from(self.count)
    }

    /// Bytes with the header.
    pub fn size_bytes(&self) -> u32 {
        BATCH_HEADER_BYTES + self.records_bytes
    }

    /// Its bytes, for a partition's log: virtual data is named by the writer, the partition and the first index.
    pub fn encode(&self, partition: TopicIdPartition) -> Blob {
        let mut real = BytesMut::with_capacity((BATCH_HEADER_BYTES + IDENTITY_BYTES) as usize);
        real.put_u64(self.base_offset);
        real.put_u32(self.size_bytes() - LENGTH_FIELDS);
        real.put_u32(self.leader_epoch.0);
        real.put_u8(MAGIC);
        real.put_u32(0);
        let after_crc = real.len();
        real.put_u16(match self.records {
            Records::Range { .. } => 0,
            Records::Inline(_) => 1 << 15,
        });
        real.put_u32(self.count - 1);
        real.put_u64(self.base_timestamp.0);
        real.put_u64(self.max_timestamp.0);
        real.put_u64(self.producer.map_or(u64::MAX, |p| p.id.0));
        real.put_u16(self.producer.map_or(u16::MAX, |p| p.epoch.0));
        real.put_u32(self.producer.map_or(u32::MAX, |p| p.base_sequence));
        real.put_u32(self.count);
        let header_crc = crc32c::crc32c(&real[after_crc..]);
        let (body_crc, rest) = match &self.records {
            Records::Inline(bytes) => (crc32c::crc32c(bytes), Segment::Real(bytes.clone())),
            Records::Range { writer, first } => {
                let identity = real.len();
                real.put_u32(writer.0);
                real.put_u64(*first);
                real.put_u32(partition.topic.0 << 20 | partition.partition);
                let crc = crc32c::crc32c(&real[identity..]);
                let name = u64::from(crc) << 24 ^ u64::from(writer.0) << 52 ^ *first;
                let len = u64::from(self.records_bytes.saturating_sub(IDENTITY_BYTES));
                let rest = Segment::Virtual { identity: name, from: 0, len };
                (if len == 0 { crc } else { rest.crc32c_append(crc, 0..len) }, rest)
            }
        };
        let crc = header_crc ^ body_crc.rotate_left(1);
        real[after_crc - 4..after_crc].copy_from_slice(&crc.to_be_bytes());
        let mut out = Blob::real(real.freeze());
        out.push(rest);
        out
    }

    /// The batch at the start of some bytes, and how many of them it takes.
    ///
    /// # Errors
    /// When there is none that is whole.
    pub fn decode(bytes: &Blob) -> Result<(RecordBatch, u64), BatchError> {
        let header_bytes = u64::from(BATCH_HEADER_BYTES);
        if bytes.len() < header_bytes {
            return Err(BatchError::Truncated);
        }
        let header = real(bytes, 0..header_bytes)?;
        let mut at = &header[..];
        let base_offset = at.get_u64();
        let size = u64::from(at.get_u32()) + u64::from(LENGTH_FIELDS);
        let leader_epoch = LeaderEpoch(at.get_u32());
        if at.get_u8() != MAGIC || size < header_bytes {
            return Err(BatchError::Malformed);
        }
        if bytes.len() < size {
            return Err(BatchError::Truncated);
        }
        let crc = at.get_u32();
        if crc != crc32c::crc32c(at) ^ bytes.crc32c_of(header_bytes..size).rotate_left(1) {
            return Err(BatchError::Crc);
        }
        let inline = at.get_u16() & 1 << 15 != 0;
        at.advance(4);
        let (base_timestamp, max_timestamp) = (Nanos(at.get_u64()), Nanos(at.get_u64()));
        let (id, epoch, base_sequence) = (at.get_u64(), at.get_u16(), at.get_u32());
        let count = at.get_u32();
        let producer = (id != u64::MAX).then_some(ProducerStamp {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            base_sequence,
        });
        let records = if inline {
            Records::Inline(bytes.slice(header_bytes..size).to_bytes().ok_or(BatchError::Malformed)?)
        } else {
            let end = header_bytes + u64::from(IDENTITY_BYTES);
            if size < end {
                return Err(BatchError::Malformed);
            }
            let identity = real(bytes, header_bytes..end)?;
            let mut identity = &identity[..];
            Records::Range { writer: WriterId(identity.get_u32()), first: identity.get_u64() }
        };
        let records_bytes = (size - header_bytes) as u32;
        let batch = RecordBatch {
            base_offset,
            leader_epoch,
            producer,
            count,
            base_timestamp,
            max_timestamp,
            records_bytes,
            records,
        };
        Ok((batch, size))
    }
}

/// Bytes that must be real; they are copied only where they do not lie together.
fn real(bytes: &Blob, range: Range<u64>) -> Result<Cow<'_, [u8]>, BatchError> {
    match bytes.real_in(range.clone()) {
        Some(found) => Ok(Cow::Borrowed(found)),
        None => Ok(Cow::Owned(bytes.slice(range).to_bytes().ok_or(BatchError::Malformed)?.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TP: TopicIdPartition = TopicIdPartition { topic: super::super::ids::TopicId(3), partition: 9 };

    fn batch() -> impl Strategy<Value = RecordBatch> {
        let records = prop_oneof![
            (any::<u32>(), any::<u32>(), 16u32..5000)
                .prop_map(|(w, f, n)| { (Records::Range { writer: WriterId(w), first: u64::from(f) }, n) }),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(|v| (Records::Inline(v.clone().into()), v.len() as u32)),
        ];
        let stamp = prop::option::of((0u64..99, any::<u16>(), any::<u32>()));
        (records, stamp, 1u32..1000, any::<u32>(), 0u64..1 << 40).prop_map(
            |((records, n), stamp, count, epoch, base)| RecordBatch {
                base_offset: base,
                leader_epoch: LeaderEpoch(epoch),
                producer: stamp.map(|(id, epoch, base_sequence)| ProducerStamp {
                    id: ProducerId(id),
                    epoch: ProducerEpoch(epoch),
                    base_sequence,
                }),
                count,
                base_timestamp: Nanos(base),
                max_timestamp: Nanos(base + 7),
                records_bytes: n,
                records,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(batch in batch(), more in 0u64..9) {
            let mut bytes = batch.encode(TP);
            prop_assert_eq!(bytes.len(), u64::from(batch.size_bytes()));
            bytes.append(&Blob::zeros(more));
            prop_assert_eq!(RecordBatch::decode(&bytes), Ok((batch.clone(), u64::from(batch.size_bytes()))));
        }

        #[test]
        fn a_torn_or_rotted_batch_is_no_batch(batch in batch(), at in any::<u64>()) {
            let bytes = batch.encode(TP);
            let at = at % bytes.len();
            prop_assert!(RecordBatch::decode(&bytes.slice(0..at)).is_err());
            // Offset and epoch are the leader's to set and outside the checksum, as in Kafka.
            if at >= 16 {
                prop_assert!(RecordBatch::decode(&bytes.rotted(at)).is_err());
            }
        }
    }
}
