//! A ring's header: S3Stream's `BlockWALHeader`. It lies twice at the start, in two blocks of 4 KiB that are written in
//! turn, so that one is always whole.
//!
//! ```text
//!   magic 4 | capacity 8 | trimOffset 8 | lastWriteTimestamp 8 | slidingWindowMaxLength 8 | shutdownType 4 | nodeId 4
//!   | epoch 8 | crc 4
//! ```

use super::BLOCK;
use crate::blob::{Blob, Segment};
use crate::kafka::ids::{BrokerEpoch, BrokerId};
use bytes::{Buf, BufMut, BytesMut};

const MAGIC: u32 = 0x1234_5678;
const CHECKED_BYTES: usize = 52;
/// Bytes of a header that are not zeros.
pub const RING_HEADER_BYTES: usize = CHECKED_BYTES + 4;

/// How a log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownType {
    /// Empty, and closed in good order: nothing is to be recovered.
    Graceful,
    /// In use, or somebody died.
    Ungraceful,
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingHeader {
    /// Of the device or file, both headers included.
    pub capacity: u64,
    /// All up to this offset, included, is not needed. -1 in bytes: nothing is trimmed.
    pub trim_offset: Option<u64>,
    /// Tells which of the two is newer, in milliseconds: the wall clock's, but always later than the one before.
    pub last_write: u64,
    /// Nothing is being written further than this beyond the first byte that is not durable.
    pub window: u64,
    /// How the log was left.
    pub shutdown: ShutdownType,
    /// Whose log.
    pub broker: BrokerId,
    /// Of its last owner.
    pub epoch: BrokerEpoch,
}

impl RingHeader {
    /// A block of the device.
    pub fn encode(&self) -> Blob {
        let mut out = BytesMut::with_capacity(RING_HEADER_BYTES);
        out.put_u32(MAGIC);
        out.put_u64(self.capacity);
        out.put_u64(self.trim_offset.unwrap_or(u64::MAX));
        out.put_u64(self.last_write);
        out.put_u64(self.window);
        out.put_u32(match self.shutdown {
            ShutdownType::Graceful => 0,
            ShutdownType::Ungraceful => 1,
        });
        out.put_u32(self.broker.0);
        out.put_i64(self.epoch.0);
        let crc = crc32c::crc32c(&out);
        out.put_u32(crc);
        let mut block = Blob::real(out.freeze());
        block.push(Segment::Zero(BLOCK - RING_HEADER_BYTES as u64));
        block
    }

    /// The header in a block, if there is a whole one.
    pub fn decode(block: &Blob) -> Option<RingHeader> {
        if block.len() < RING_HEADER_BYTES as u64 {
            return None;
        }
        let bytes = block.slice(0..RING_HEADER_BYTES as u64).to_bytes()?;
        let mut from = bytes.clone();
        if from.get_u32() != MAGIC {
            return None;
        }
        let capacity = from.get_u64();
        let trim_offset = Some(from.get_u64()).filter(|offset| *offset != u64::MAX);
        let (last_write, window) = (from.get_u64(), from.get_u64());
        let shutdown = match from.get_u32() {
            0 => ShutdownType::Graceful,
            1 => ShutdownType::Ungraceful,
            _ => return None,
        };
        let (broker, epoch) = (BrokerId(from.get_u32()), BrokerEpoch(from.get_i64()));
        if from.get_u32() != crc32c::crc32c(&bytes[..CHECKED_BYTES]) {
            return None;
        }
        Some(RingHeader { capacity, trim_offset, last_write, window, shutdown, broker, epoch })
    }

    /// The newer one of both blocks, and which it is.
    pub fn newest(blocks: &Blob) -> Option<(u64, RingHeader)> {
        let at = |slot: u64| {
            let header = RingHeader::decode(&blocks.slice(slot * BLOCK..(slot + 1) * BLOCK))?;
            Some((slot, header))
        };
        at(0).into_iter().chain(at(1)).max_by_key(|(_, header)| header.last_write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_whole_header_counts() {
        let header = |last_write, trim_offset| RingHeader {
            capacity: 1 << 20,
            trim_offset,
            last_write,
            window: 4096,
            shutdown: ShutdownType::Ungraceful,
            broker: BrokerId(3),
            epoch: BrokerEpoch(9),
        };
        let (old, new) = (header(5, None), header(6, Some(77)));
        let mut both = new.encode();
        both.append(&old.encode());
        assert_eq!(both.len(), 2 * BLOCK);
        assert_eq!(RingHeader::newest(&both), Some((0, new)));
        assert_eq!(RingHeader::newest(&both.rotted(20)), Some((1, old)), "a torn header leaves the other one");
        assert_eq!(RingHeader::newest(&Blob::zeros(2 * BLOCK)), None);
    }
}
