//! Reads from objects, through the block cache (AutoMQ's `StreamReader`, `ObjectReader`, `BlockCache`).
//!
//! 1. The image says which object holds the offset; one that is not there yet is waited for.
//! 2. The object's last mebibyte holds footer and index; the index is kept.
//! 3. The blocks of the stream from the offset on are got, as many as the read wants and the read-ahead allows: 512 KiB,
//!    and 512 KiB more with each miss of that stream, up to 32 MiB.
//!
//! An object that is gone was compacted meanwhile: the image knows another soon.
//!
//! Simpler than reality: read-ahead happens with the read that misses, not beside it; blocks leave by least recent use
//! alone.

use super::object_format::{
    BlockIndex, FOOTER_BYTES, Malformed, decode_block, decode_footer, decode_index, object_key,
};
use super::objects::{ObjectAnswer, ObjectCall, Objects};
use crate::blob::Blob;
use crate::cloud::object_store::ByteRange;
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::{ClusterImage, StreamPiece};
use crate::kafka::wal::WalRecord;
use crate::world::Cx;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const TAIL_BYTES: u64 = 1 << 20;
const READ_AHEAD_UNIT: u64 = 512 << 10;
const READ_AHEAD_MAX: u64 = 32 << 20;
const INDEXES_MAX: usize = 512;

/// A read of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// A read that is done.
#[derive(Clone, Debug)]
pub struct ReadDone {
    /// Which.
    pub id: ReadId,
    /// Contiguous records from the one that holds the asked offset on.
    pub records: Vec<Arc<WalRecord>>,
}

enum Wants {
    /// The image to know an object that holds the offset.
    Metadata,
    Index(StreamPiece),
    Blocks(StreamPiece),
}

struct Read {
    stream: StreamId,
    at: u64,
    until: u64,
    bytes_left: u64,
    records: Vec<Arc<WalRecord>>,
    wants: Wants,
}

struct CachedBlock {
    records: Vec<Arc<WalRecord>>,
    bytes: u64,
    used: u64,
}

type BlockKey = (ObjectId, u64);

/// See the [module](self).
pub struct Reader {
    namespace: Arc<str>,
    capacity: u64,
    next: u64,
    reads: BTreeMap<ReadId, Read>,
    calls: BTreeMap<ObjectCall, (ReadId, Vec<BlockIndex>)>,
    indexes: BTreeMap<ObjectId, Arc<[BlockIndex]>>,
    /// Objects whose index did not fit into the tail.
    long_index: BTreeSet<ObjectId>,
    blocks: BTreeMap<BlockKey, CachedBlock>,
    by_use: BTreeMap<u64, BlockKey>,
    clock: u64,
    bytes: u64,
    read_ahead: BTreeMap<StreamId, u64>,
    done: VecDeque<ReadDone>,
}

impl Reader {
    /// An empty block cache of that many bytes.
    pub fn new(namespace: Arc<str>, capacity: u64) -> Reader {
        Reader {
            namespace,
            capacity,
            next: 0,
            reads: BTreeMap::new(),
            calls: BTreeMap::new(),
            indexes: BTreeMap::new(),
            long_index: BTreeSet::new(),
            blocks: BTreeMap::new(),
            by_use: BTreeMap::new(),
            clock: 0,
            bytes: 0,
            read_ahead: BTreeMap::new(),
            done: VecDeque::new(),
        }
    }

    /// Reads `from..until` of a stream, about `max_bytes` of it and at least one record.
    pub fn read(
        &mut self,
        cx: &mut Cx<'_>,
        image: &ClusterImage,
        objects: &mut Objects,
        stream: StreamId,
        offsets: std::ops::Range<u64>,
        max_bytes: u64,
    ) -> ReadId {
        let id = ReadId(self.next);
        self.next += 1;
        let (at, until) = (offsets.start, offsets.end);
        let read = Read { stream, at, until, bytes_left: max_bytes, records: Vec::new(), wants: Wants::Metadata };
        self.reads.insert(id, read);
        self.go_on(cx, image, objects, id);
        id
    }

    /// The image has moved on.
    pub fn image_moved(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, objects: &mut Objects) {
        let is_waiting = |(id, read): (&ReadId, &Read)| matches!(read.wants, Wants::Metadata).then_some(*id);
        let waiting: Vec<ReadId> = self.reads.iter().filter_map(is_waiting).collect();
        for id in waiting {
            self.go_on(cx, image, objects, id);
        }
    }

    /// A get is done; `false` when it is not a reader's.
    pub fn object(
        &mut self,
        cx: &mut Cx<'_>,
        image: &ClusterImage,
        objects: &mut Objects,
        call: ObjectCall,
        answer: &ObjectAnswer,
    ) -> bool {
        let Some((id, blocks)) = self.calls.remove(&call) else { return false };
        let Some(read) = self.reads.get_mut(&id) else { return true };
        let wants = std::mem::replace(&mut read.wants, Wants::Metadata);
        let kept = match (wants, answer) {
            (Wants::Index(piece), ObjectAnswer::Got(tail)) => self.keep_index(piece, tail),
            (Wants::Blocks(piece), ObjectAnswer::Got(bytes)) => self.keep_blocks(piece.object, &blocks, bytes),
            // Compacted away meanwhile: the image will say where it is now.
            (_, ObjectAnswer::Missing) => {
                cx.mark("reader: an object was compacted under a read");
                return true;
            }
            (_, ObjectAnswer::Put) | (Wants::Metadata, _) => unreachable!("a reader only gets"),
        };
        if let Err(malformed) = kept {
            cx.fail(format!("a committed object: {malformed}"));
            self.finish(id);
            return true;
        }
        self.go_on(cx, image, objects, id);
        true
    }

    /// Reads that are done, in order.
    pub fn poll(&mut self) -> Option<ReadDone> {
        self.done.pop_front()
    }

    /// Takes what is cached, and asks for what is not.
    fn go_on(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, objects: &mut Objects, id: ReadId) {
        loop {
            let read = &self.reads[&id];
            if read.at >= read.until || (read.bytes_left == 0 && !read.records.is_empty()) {
                return self.finish(id);
            }
            let Some(piece) = image.piece_at(read.stream, read.at) else { return self.starve(id) };
            let Some(index) = self.indexes.get(&piece.object).cloned() else {
                return self.get_index(cx, image, objects, id, piece);
            };
            let read = &self.reads[&id];
            let first = index.partition_point(|block| (block.range.stream, block.range.end) <= (read.stream, read.at));
            let Some(block) = index.get(first).filter(|block| block.range.stream == read.stream) else {
                cx.fail(format!("object {} does not hold what the metadata says: {:?}", piece.object, piece.range));
                return self.finish(id);
            };
            if !self.take_cached(id, piece.object, *block) {
                return self.get_blocks(cx, objects, id, piece, &index[first..]);
            }
        }
    }

    /// Nothing more can be had now: what there is, is enough, or the image is waited for.
    fn starve(&mut self, id: ReadId) {
        let read = self.reads.get_mut(&id).expect("it goes on");
        if read.records.is_empty() {
            read.wants = Wants::Metadata;
        } else {
            self.finish(id);
        }
    }

    fn finish(&mut self, id: ReadId) {
        let read = self.reads.remove(&id).expect("it goes on");
        self.done.push_back(ReadDone { id, records: read.records });
    }

    fn take_cached(&mut self, id: ReadId, object: ObjectId, block: BlockIndex) -> bool {
        let key = (object, block.position);
        let Some(cached) = self.blocks.get_mut(&key) else { return false };
        self.by_use.remove(&cached.used);
        self.clock += 1;
        cached.used = self.clock;
        self.by_use.insert(self.clock, key);
        let read = self.reads.get_mut(&id).expect("it goes on");
        let first = cached.records.partition_point(|record| record.next_offset() <= read.at);
        for record in &cached.records[first..] {
            if record.base_offset >= read.until || (read.bytes_left == 0 && !read.records.is_empty()) {
                read.until = read.at;
                break;
            }
            if record.base_offset > read.at && !read.records.is_empty() {
                read.until = read.at;
                break;
            }
            read.at = record.next_offset();
            read.bytes_left = read.bytes_left.saturating_sub(record.payload.len());
            read.records.push(record.clone());
        }
        true
    }

    fn get_index(
        &mut self,
        cx: &mut Cx<'_>,
        image: &ClusterImage,
        objects: &mut Objects,
        id: ReadId,
        piece: StreamPiece,
    ) {
        let Some(size) = image.object_size(piece.object) else { return self.starve(id) };
        let tail = if self.long_index.contains(&piece.object) { size } else { size.min(TAIL_BYTES) };
        let call = objects.get(cx, object_key(&self.namespace, piece.object), ByteRange::Suffix(tail));
        self.calls.insert(call, (id, Vec::new()));
        self.reads.get_mut(&id).expect("it goes on").wants = Wants::Index(piece);
    }

    fn keep_index(&mut self, piece: StreamPiece, tail: &Blob) -> Result<(), Malformed> {
        let (_, bytes) = decode_footer(tail)?;
        let from_end = u64::from(bytes) + FOOTER_BYTES;
        if from_end > tail.len() {
            self.long_index.insert(piece.object);
            return Ok(());
        }
        let start = tail.len() - from_end;
        let index = decode_index(&tail.slice(start..start + u64::from(bytes)))?;
        if self.indexes.len() >= INDEXES_MAX {
            self.indexes.pop_first();
        }
        self.indexes.insert(piece.object, index.into());
        Ok(())
    }

    fn get_blocks(
        &mut self,
        cx: &mut Cx<'_>,
        objects: &mut Objects,
        id: ReadId,
        piece: StreamPiece,
        index: &[BlockIndex],
    ) {
        let read = &self.reads[&id];
        let ahead = self.read_ahead.entry(read.stream).or_insert(0);
        *ahead = (*ahead + READ_AHEAD_UNIT).min(READ_AHEAD_MAX);
        let wanted = (*ahead).max(read.bytes_left.min(READ_AHEAD_MAX));
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for block in index.iter().take_while(|block| block.range.stream == read.stream) {
            if bytes >= wanted {
                break;
            }
            bytes += u64::from(block.size);
            blocks.push(*block);
        }
        let first = blocks[0].position;
        let range = ByteRange::Span { first, last: first + bytes - 1 };
        let call = objects.get(cx, object_key(&self.namespace, piece.object), range);
        self.calls.insert(call, (id, blocks));
        self.reads.get_mut(&id).expect("it goes on").wants = Wants::Blocks(piece);
    }

    fn keep_blocks(&mut self, object: ObjectId, blocks: &[BlockIndex], bytes: &Blob) -> Result<(), Malformed> {
        let mut at = 0;
        for block in blocks {
            let size = u64::from(block.size);
            let records = decode_block(&bytes.slice(at..(at + size).min(bytes.len())))?;
            at += size;
            let key = (object, block.position);
            self.clock += 1;
            let cached =
                CachedBlock { records: records.into_iter().map(Arc::new).collect(), bytes: size, used: self.clock };
            if let Some(old) = self.blocks.insert(key, cached) {
                self.by_use.remove(&old.used);
                self.bytes -= old.bytes;
            }
            self.by_use.insert(self.clock, key);
            self.bytes += size;
        }
        // What was just got stays, however small the cache is.
        while self.bytes > self.capacity && self.blocks.len() > blocks.len() {
            let (_, key) = self.by_use.pop_first().expect("every block was used");
            self.bytes -= self.blocks.remove(&key).expect("every use is a block's").bytes;
        }
        Ok(())
    }
}
