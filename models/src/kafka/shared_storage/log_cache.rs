//! The log cache: what is in the WAL and, for a while, what was (AutoMQ's `LogCache`).
//!
//! Blocks in WAL order. The last one is active and takes records; a full one is archived and uploaded; when its objects are
//! committed it is free and stays for readers until room is needed: free blocks leave from the head when more than 0.9 of
//! the capacity is used or more than 64 blocks are held. A block is full at `s3.wal.upload.threshold` bytes (each record
//! counts 1,024 bytes more than it has) or with 20,000 streams.

use crate::kafka::ids::StreamId;
use crate::kafka::wal::{WalOffset, WalRecord};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::SortedMap;

/// What a record costs beyond its bytes (`StreamRecordBatch.OBJECT_OVERHEAD`).
const RECORD_OVERHEAD: u64 = 1024;
const BLOCKS_MAX: usize = 64;

/// A block of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockState {
    Active,
    Archived,
    Free,
}

struct Block {
    id: BlockId,
    state: BlockState,
    streams: SortedMap<StreamId, Held>,
    bytes: u64,
    last: WalOffset,
}

/// A stream's records in a block, in order.
#[derive(Default)]
struct Held {
    /// By record: the offset after its last. Beside the records, so that looking for one touches none.
    ends: Vec<u64>,
    records: Vec<Arc<WalRecord>>,
}

impl Held {
    /// The place of the first record that ends after an offset. Readers are near the end mostly, so it is looked for from
    /// there.
    fn first_after(&self, offset: u64) -> usize {
        let (mut low, mut step) = (self.ends.len(), 1);
        while low > 0 && self.ends[low - 1] > offset {
            low = low.saturating_sub(step);
            step *= 2;
        }
        low + self.ends[low..].partition_point(|end| *end <= offset)
    }
}

/// An archived block, to be uploaded.
#[derive(Clone, Debug)]
pub struct Archived {
    /// Which.
    pub id: BlockId,
    /// Its records, by ascending stream and in order.
    pub streams: Vec<(StreamId, Vec<Arc<WalRecord>>)>,
    /// The WAL offset of its last record.
    pub last: WalOffset,
}

impl Archived {
    /// Bytes of its records.
    pub fn bytes(&self) -> u64 {
        self.streams.iter().flat_map(|(_, records)| records).map(|record| record.payload.len()).sum()
    }
}

/// See the [module](self).
pub struct LogCache {
    capacity: u64,
    block_bytes: u64,
    block_streams: usize,
    blocks: VecDeque<Block>,
    next: u64,
    bytes: u64,
    /// Bytes of blocks that are not free.
    pinned: u64,
}

impl LogCache {
    /// An empty cache.
    pub fn new(capacity: u64, block_bytes: u64, block_streams: usize) -> LogCache {
        let mut cache =
            LogCache { capacity, block_bytes, block_streams, blocks: VecDeque::new(), next: 0, bytes: 0, pinned: 0 };
        cache.begin_block();
        cache
    }

    fn begin_block(&mut self) {
        let id = BlockId(self.next);
        self.next += 1;
        let (streams, last) = (SortedMap::new(), WalOffset(0));
        self.blocks.push_back(Block { id, state: BlockState::Active, streams, bytes: 0, last });
    }

    /// Whether a record can be taken on at all.
    pub fn has_room(&self) -> bool {
        self.pinned < self.capacity
    }

    /// Whether so much waits for upload that it should not wait longer: four fifths of the capacity.
    pub fn is_pressed(&self) -> bool {
        self.pinned >= self.capacity / 5 * 4
    }

    /// The next record in WAL order. Says whether the active block is full now.
    pub fn put(&mut self, at: WalOffset, record: WalRecord) -> bool {
        assert!(self.active().last <= at, "records come in WAL order");
        self.put_in_any_order(at, record)
    }

    /// As [`put`](LogCache::put), for bugs that do not keep the order.
    pub(super) fn put_in_any_order(&mut self, at: WalOffset, record: WalRecord) -> bool {
        let cost = record.payload.len() + RECORD_OVERHEAD;
        let block = self.active();
        block.last = block.last.max(at);
        block.bytes += cost;
        let held = block.streams.entry(record.stream).or_default();
        held.ends.push(record.next_offset());
        held.records.push(Arc::new(record));
        let (bytes, streams) = (block.bytes, block.streams.len());
        self.bytes += cost;
        self.pinned += cost;
        let is_full = bytes >= self.block_bytes || streams >= self.block_streams;
        self.evict();
        is_full
    }

    fn active(&mut self) -> &mut Block {
        self.blocks.back_mut().expect("there is always an active block")
    }

    /// The active block counts as holding all up to there, whether it does or not: for bugs.
    pub(super) fn claim(&mut self, upto: WalOffset) {
        let block = self.active();
        block.last = block.last.max(upto);
    }

    /// Archives the active block, if there is anything in it.
    pub fn archive(&mut self) -> Option<Archived> {
        let block = self.blocks.back_mut().expect("there is always an active block");
        if block.streams.is_empty() {
            return None;
        }
        block.state = BlockState::Archived;
        let streams = block.streams.iter().map(|(stream, held)| (*stream, held.records.clone())).collect();
        let archived = Archived { id: block.id, streams, last: block.last };
        self.begin_block();
        Some(archived)
    }

    /// Whether the active block has something of a stream.
    pub fn is_in_active(&self, stream: StreamId) -> bool {
        self.blocks.back().is_some_and(|block| block.streams.contains_key(&stream))
    }

    /// A block's objects are committed.
    pub fn free(&mut self, id: BlockId) {
        let block = self.blocks.iter_mut().find(|block| block.id == id).expect("a block is freed once");
        assert_eq!(block.state, BlockState::Archived, "only what was archived is uploaded");
        block.state = BlockState::Free;
        self.pinned -= block.bytes;
        self.evict();
    }

    fn evict(&mut self) {
        while self.blocks.front().is_some_and(|block| block.state == BlockState::Free)
            && (self.bytes > self.capacity / 10 * 9 || self.blocks.len() > BLOCKS_MAX)
        {
            self.bytes -= self.blocks.pop_front().expect("it was looked at").bytes;
        }
    }

    /// The records of a stream from the one that holds `from` on, up to about `max_bytes` and not beyond `until`; empty
    /// when that one is not here.
    pub fn read(&self, stream: StreamId, from: u64, until: u64, max_bytes: u64, out: &mut Vec<Arc<WalRecord>>) {
        let (mut at, mut bytes) = (from, 0);
        for block in &self.blocks {
            let Some(held) = block.streams.get(&stream) else { continue };
            for record in &held.records[held.first_after(at)..] {
                if record.base_offset > at || record.base_offset >= until || (bytes > 0 && bytes >= max_bytes) {
                    return;
                }
                at = record.next_offset();
                bytes += record.payload.len();
                out.push(record.clone());
            }
        }
    }

    /// The first offset of a stream, from `from` on, that is here.
    pub fn first_at_or_after(&self, stream: StreamId, from: u64) -> Option<u64> {
        self.blocks.iter().find_map(|block| {
            let held = block.streams.get(&stream)?;
            held.records.get(held.first_after(from)).map(|record| record.base_offset)
        })
    }

    /// Forgets a stream: its owner is another now.
    pub fn forget(&mut self, stream: StreamId) {
        for block in self.blocks.iter_mut().filter(|block| block.state == BlockState::Free) {
            if let Some(held) = block.streams.remove(&stream) {
                let bytes: u64 = held.records.iter().map(|record| record.payload.len() + RECORD_OVERHEAD).sum();
                block.bytes -= bytes;
                self.bytes -= bytes;
            }
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are not committed yet.
    pub fn pinned_bytes(&self) -> u64 {
        self.pinned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blob;
    use crate::kafka::ids::StreamEpoch;

    fn record(stream: u64, base_offset: u64) -> WalRecord {
        let payload = Blob::named(stream * 1000 + base_offset, 976);
        WalRecord { stream: StreamId(stream), epoch: StreamEpoch(0), base_offset, count: 1, payload }
    }

    fn read(cache: &LogCache, stream: u64, from: u64) -> Vec<u64> {
        let mut out = Vec::new();
        cache.read(StreamId(stream), from, u64::MAX, u64::MAX, &mut out);
        out.iter().map(|record| record.base_offset).collect()
    }

    #[test]
    fn a_read_crosses_blocks_and_stops_at_a_hole() {
        let mut cache = LogCache::new(100_000, 4000, 10);
        assert!(!cache.put(WalOffset(1), record(1, 5)));
        assert!(cache.put(WalOffset(2), record(1, 6)), "two thousand bytes each");
        let first = cache.archive().expect("something is in it");
        assert_eq!(first.last, WalOffset(2));
        cache.put(WalOffset(3), record(1, 7));
        cache.put(WalOffset(4), record(1, 9));
        assert_eq!(read(&cache, 1, 5), [5, 6, 7]);
        assert_eq!(read(&cache, 1, 6), [6, 7]);
        assert_eq!(read(&cache, 1, 4), [0; 0], "what is before the cache is elsewhere");
        assert_eq!(cache.first_at_or_after(StreamId(1), 0), Some(5));
        assert_eq!(cache.first_at_or_after(StreamId(1), 8), Some(9));
        assert_eq!(cache.archive().map(|archived| archived.last), Some(WalOffset(4)));
        assert!(cache.archive().is_none(), "the new block is empty");
    }

    #[test]
    fn only_free_blocks_leave_and_only_from_the_head() {
        let mut cache = LogCache::new(10_000, 2000, 10);
        let mut archived = Vec::new();
        for n in 0..5 {
            assert!(cache.has_room());
            assert!(cache.put(WalOffset(n), record(1, n)));
            archived.push(cache.archive().expect("full").id);
        }
        assert!(!cache.has_room() && cache.is_pressed());
        cache.free(archived[1]);
        assert_eq!(read(&cache, 1, 0), [0, 1, 2, 3, 4], "the head is not free");
        cache.free(archived[0]);
        assert_eq!(read(&cache, 1, 0), [0; 0]);
        assert_eq!(read(&cache, 1, 1), [1, 2, 3, 4], "one was enough");
        assert!(cache.has_room());
    }
}
