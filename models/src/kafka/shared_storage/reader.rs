//! Reads from objects, through the block cache (AutoMQ's `StreamReader`, `ObjectReader`, `DataBlockCache`).
//!
//! 1. At most twelve reads at a time go to objects (the slow pool of `ElasticReplicaManager`); the others wait for their
//!    turn, so reads of what is long past take a bounded share of the broker.
//! 2. The image says which object holds the offset; one that is not there yet is waited for.
//! 3. The object's last mebibyte holds footer and index; the index is kept.
//! 4. The blocks that the read wants are got at once; what somebody else is getting already is waited for.
//! 5. Beside it, what follows is read ahead, in the class of traffic that waits longest: 512 KiB, and 512 KiB more with each
//!    miss of that stream, up to 32 MiB. When blocks leave the cache unread, that begins anew, a minute later.
//!
//! An object that is gone was compacted meanwhile: twice the image is asked again at once, then its next change is awaited.
//!
//! Blocks leave by least recent use, and a minute after their last use.
//!
//! Simpler than reality: a stream has one place that is read ahead, not one a reader, so readers of one partition at
//! different places disturb each other; a block that has been read to its end stays until its minute is over, where AutoMQ
//! frees it at once.

use super::StorageOptions;
use super::network::TrafficClass;
use super::object_format::{
    BlockIndex, FOOTER_BYTES, Malformed, decode_block, decode_footer, decode_index, object_key,
};
use super::objects::{ObjectAnswer, ObjectCall, Objects};
use crate::blob::Blob;
use crate::cloud::object_store::ByteRange;
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::ClusterImage;
use crate::kafka::wal::WalRecord;
use crate::world::{Cx, On, Wait, Want};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

const TAIL_BYTES: u64 = 1 << 20;
const READ_AHEAD_UNIT: u64 = 512 << 10;
const READ_AHEAD_MAX: u64 = 32 << 20;
const READ_AHEAD_PAUSE: Nanos = Nanos::secs(60);
const BLOCK_TTL: Nanos = Nanos::secs(60);
const INDEXES_MAX: usize = 512;
/// How often the image is asked again at once when an object is gone.
const RETRIES: u32 = 2;

/// A read of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// A read that is done.
#[derive(Clone, Debug)]
pub struct ReadDone {
    /// Which.
    pub id: ReadId,
    /// Contiguous records from the one that holds the asked offset on; none, when the stream begins later by now.
    pub records: Vec<Arc<WalRecord>>,
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of which stream.
    pub stream: StreamId,
    /// Which offsets.
    pub offsets: std::ops::Range<u64>,
    /// Bytes, about; at least one record.
    pub max_bytes: u64,
    /// From here on the stream is at hand without objects: no need to read ahead beyond.
    pub horizon: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Somebody waits for it.
    User,
    /// Somebody may want it soon.
    Ahead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Turn,
    /// The image to know an object that holds the offset.
    Metadata,
    /// What is being got.
    Bytes,
}

struct Read {
    stream: StreamId,
    at: u64,
    until: u64,
    horizon: u64,
    bytes_left: u64,
    records: Vec<Arc<WalRecord>>,
    purpose: Purpose,
    wants: Wants,
    retries: u32,
    has_missed: bool,
}

struct CachedBlock {
    stream: StreamId,
    records: Vec<Arc<WalRecord>>,
    bytes: u64,
    used: u64,
    used_at: Nanos,
    /// It was read ahead, and nobody has wanted it yet.
    is_unread: bool,
}

/// How far a stream is read ahead.
#[derive(Default)]
struct Ahead {
    bytes: u64,
    /// What was read ahead last begins here; when a read comes there, it is time for more.
    mark: u64,
    next: u64,
    is_busy: bool,
    quiet_until: Nanos,
}

type BlockKey = (ObjectId, u64);

/// What is being got of an object.
enum Fetch {
    Index(ObjectId),
    Blocks(ObjectId, Vec<BlockIndex>, Purpose),
}

/// An object's index, or the block at that position.
type Part = (ObjectId, Option<u64>);

/// See the [module](self).
pub struct Reader {
    namespace: Arc<str>,
    capacity: u64,
    reads_max: usize,
    next: u64,
    reads: SortedMap<ReadId, Read>,
    turns: VecDeque<ReadId>,
    running: usize,
    fetches: SortedMap<ObjectCall, Fetch>,
    waiting: SortedMap<Part, Vec<ReadId>>,
    indexes: SortedMap<ObjectId, Arc<[BlockIndex]>>,
    /// Objects whose index did not fit into the tail.
    long_index: SortedSet<ObjectId>,
    blocks: SortedMap<BlockKey, CachedBlock>,
    by_use: SortedMap<u64, BlockKey>,
    clock: u64,
    bytes: u64,
    unread_bytes: u64,
    ahead: SortedMap<StreamId, Ahead>,
    /// Reads that came to an end: where, and whether anything had to be got.
    ended: VecDeque<(StreamId, u64, u64, bool)>,
    done: VecDeque<ReadDone>,
}

impl Reader {
    /// What reads wait for that somebody waits for.
    pub fn waits(&self, objects: &Objects) -> Option<Wait> {
        let mut reads = self.reads.values().filter(|read| read.purpose == Purpose::User);
        let read = reads.next()?;
        let what = format!("reads stream {} at {}", read.stream, read.at);
        Some(match read.wants {
            Wants::Metadata => {
                let what = format!("{what}, which is in no object that it knows");
                Wait::new(what, On::Quorum, Want::Answer)
            }
            Wants::Turn | Wants::Bytes => match objects.waits() {
                Some(wait) => Wait { what: format!("{what}: it {}", wait.what), ..wait },
                None => Wait::on(what, On::Nobody),
            },
        })
    }

    /// An empty block cache.
    pub fn new(options: &StorageOptions) -> Reader {
        Reader {
            namespace: options.namespace.clone(),
            capacity: options.block_cache_bytes,
            reads_max: options.slow_reads,
            next: 0,
            reads: SortedMap::new(),
            turns: VecDeque::new(),
            running: 0,
            fetches: SortedMap::new(),
            waiting: SortedMap::new(),
            indexes: SortedMap::new(),
            long_index: SortedSet::new(),
            blocks: SortedMap::new(),
            by_use: SortedMap::new(),
            clock: 0,
            bytes: 0,
            unread_bytes: 0,
            ahead: SortedMap::new(),
            ended: VecDeque::new(),
            done: VecDeque::new(),
        }
    }

    /// Reads.
    pub fn read(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, objects: &mut Objects, span: Span) -> ReadId {
        let id = self.begin(span, Purpose::User);
        if self.running >= self.reads_max {
            cx.mark("storage: catch-up reads waited for their turn");
        }
        self.turns.push_back(id);
        self.settle(cx, image, objects);
        id
    }

    fn begin(&mut self, span: Span, purpose: Purpose) -> ReadId {
        let id = ReadId(self.next);
        self.next += 1;
        let read = Read {
            stream: span.stream,
            at: span.offsets.start,
            until: span.offsets.end,
            horizon: span.horizon,
            bytes_left: span.max_bytes,
            records: Vec::new(),
            purpose,
            wants: Wants::Turn,
            retries: 0,
            has_missed: false,
        };
        self.reads.insert(id, read);
        id
    }

    /// Whose turn it is, and what to read ahead now that reads have ended.
    fn settle(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, objects: &mut Objects) {
        loop {
            if let Some((stream, at, horizon, has_missed)) = self.ended.pop_front() {
                self.read_ahead(cx, image, objects, (stream, at, horizon), has_missed);
            } else if self.running < self.reads_max
                && let Some(id) = self.turns.pop_front()
            {
                self.running += 1;
                self.go_on(cx, image, objects, id);
            } else {
                return;
            }
        }
    }

    /// A stream is not this broker's any more.
    pub fn forget(&mut self, stream: StreamId) {
        self.ahead.remove(&stream);
    }

    /// The image has moved on.
    pub fn image_moved(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, objects: &mut Objects) {
        let is_waiting = |(id, read): (&ReadId, &Read)| matches!(read.wants, Wants::Metadata).then_some(*id);
        let waiting: Vec<ReadId> = self.reads.iter().filter_map(is_waiting).collect();
        for id in waiting {
            self.go_on(cx, image, objects, id);
        }
        self.settle(cx, image, objects);
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
        let Some(fetch) = self.fetches.remove(&call) else { return false };
        let parts: Vec<Part> = match &fetch {
            Fetch::Index(object) => vec![(*object, None)],
            Fetch::Blocks(object, blocks, _) => blocks.iter().map(|block| (*object, Some(block.position))).collect(),
        };
        let waiting: SortedSet<ReadId> = parts.iter().filter_map(|part| self.waiting.remove(part)).flatten().collect();
        let kept = match (fetch, answer) {
            (Fetch::Index(object), ObjectAnswer::Got(tail)) => self.keep_index(object, tail),
            (Fetch::Blocks(object, blocks, purpose), ObjectAnswer::Got(bytes)) => {
                self.keep_blocks(cx, object, &blocks, bytes, purpose)
            }
            (_, ObjectAnswer::Missing) => {
                cx.mark("compaction: a read raced with it");
                self.look_again(cx, image, objects, &waiting);
                self.settle(cx, image, objects);
                return true;
            }
            (_, ObjectAnswer::Put) => unreachable!("a reader only gets"),
        };
        for id in waiting {
            match &kept {
                Ok(()) => self.go_on(cx, image, objects, id),
                Err(malformed) => {
                    cx.fail(format!("a committed object: {malformed}"));
                    self.finish(id);
                }
            }
        }
        self.settle(cx, image, objects);
        true
    }

    /// Compacted away meanwhile: the image knows, or will know, where it is now.
    fn look_again(
        &mut self,
        cx: &mut Cx<'_>,
        image: &ClusterImage,
        objects: &mut Objects,
        waiting: &SortedSet<ReadId>,
    ) {
        for id in waiting {
            let Some(read) = self.reads.get_mut(id) else { continue };
            read.wants = Wants::Metadata;
            read.retries += 1;
            if read.retries <= RETRIES {
                self.go_on(cx, image, objects, *id);
            }
        }
    }

    /// Reads that are done, in order.
    pub fn poll(&mut self) -> Option<ReadDone> {
        self.done.pop_front()
    }

    /// Takes what is cached, and asks for what is not.
    fn go_on(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, objects: &mut Objects, id: ReadId) {
        loop {
            let Some(read) = self.reads.get(&id) else { return };
            let has_enough = read.bytes_left == 0 && (!read.records.is_empty() || read.purpose == Purpose::Ahead);
            if read.at >= read.until || has_enough {
                return self.finish(id);
            }
            let Some((object, range)) = image.piece_at(read.stream, read.at).map(|piece| (piece.object, piece.range))
            else {
                return self.starve(image, id);
            };
            let Some(index) = self.indexes.get(&object).cloned() else {
                return self.get_index(cx, image, objects, id, object);
            };
            let first = index.partition_point(|block| (block.range.stream, block.range.end) <= (read.stream, read.at));
            let Some(block) = index.get(first).filter(|block| block.range.stream == read.stream) else {
                cx.fail(format!("object {object} does not hold what the metadata says: {range:?}"));
                return self.finish(id);
            };
            if !self.take_cached(cx, id, object, *block) {
                return self.get_blocks(cx, objects, id, object, &index[first..]);
            }
        }
    }

    /// Nothing more can be had now: what there is, is enough, or the image is waited for.
    fn starve(&mut self, image: &ClusterImage, id: ReadId) {
        let read = self.reads.get_mut(&id).expect("it goes on");
        let is_trimmed = image.streams.get(&read.stream).is_none_or(|stream| read.at < stream.start_offset);
        if read.records.is_empty() && read.purpose == Purpose::User && !is_trimmed {
            read.wants = Wants::Metadata;
        } else {
            self.finish(id);
        }
    }

    fn finish(&mut self, id: ReadId) {
        let Some(read) = self.reads.remove(&id) else { return };
        match read.purpose {
            Purpose::User => {
                self.running -= 1;
                self.ended.push_back((read.stream, read.at, read.horizon, read.has_missed));
                self.done.push_back(ReadDone { id, records: read.records });
            }
            Purpose::Ahead => {
                if let Some(ahead) = self.ahead.get_mut(&read.stream) {
                    ahead.is_busy = false;
                    ahead.next = read.at;
                }
            }
        }
    }

    fn take_cached(&mut self, cx: &Cx<'_>, id: ReadId, object: ObjectId, block: BlockIndex) -> bool {
        let key = (object, block.position);
        let Some(cached) = self.blocks.get_mut(&key) else { return false };
        let read = self.reads.get_mut(&id).expect("it goes on");
        if read.purpose == Purpose::Ahead {
            read.at = block.range.end;
            read.bytes_left = read.bytes_left.saturating_sub(cached.bytes);
            return true;
        }
        if std::mem::take(&mut cached.is_unread) {
            self.unread_bytes -= cached.bytes;
        }
        self.by_use.remove(&cached.used);
        self.clock += 1;
        (cached.used, cached.used_at) = (self.clock, cx.monotonic());
        self.by_use.insert(self.clock, key);
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

    /// Waits for a part of an object; whether somebody is getting it already.
    fn wait_for(&mut self, id: ReadId, part: Part) -> bool {
        self.reads.get_mut(&id).expect("it goes on").wants = Wants::Bytes;
        match self.waiting.get_mut(&part) {
            Some(waiting) => {
                waiting.push(id);
                true
            }
            None => {
                self.waiting.insert(part, vec![id]);
                false
            }
        }
    }

    fn class_of(&self, id: ReadId) -> TrafficClass {
        match self.reads[&id].purpose {
            Purpose::User => TrafficClass::Bypass,
            Purpose::Ahead => TrafficClass::CatchUp,
        }
    }

    fn get_index(
        &mut self,
        cx: &mut Cx<'_>,
        image: &ClusterImage,
        objects: &mut Objects,
        id: ReadId,
        object: ObjectId,
    ) {
        let Some(size) = image.object_size(object) else { return self.starve(image, id) };
        if self.wait_for(id, (object, None)) {
            return;
        }
        let tail = if self.long_index.contains(&object) { size } else { size.min(TAIL_BYTES) };
        let key = object_key(&self.namespace, object);
        let call = objects.get(cx, self.class_of(id), key, ByteRange::Suffix(tail));
        self.fetches.insert(call, Fetch::Index(object));
    }

    fn keep_index(&mut self, object: ObjectId, tail: &Blob) -> Result<(), Malformed> {
        let (_, bytes) = decode_footer(tail)?;
        let from_end = u64::from(bytes) + FOOTER_BYTES;
        if from_end > tail.len() {
            self.long_index.insert(object);
            return Ok(());
        }
        let start = tail.len() - from_end;
        let index = decode_index(&tail.slice(start..start + u64::from(bytes)))?;
        self.long_index.remove(&object);
        if self.indexes.len() >= INDEXES_MAX {
            self.indexes.pop_first();
        }
        self.indexes.insert(object, index.into());
        Ok(())
    }

    fn get_blocks(
        &mut self,
        cx: &mut Cx<'_>,
        objects: &mut Objects,
        id: ReadId,
        object: ObjectId,
        index: &[BlockIndex],
    ) {
        let part = |block: &BlockIndex| (object, Some(block.position));
        self.reads.get_mut(&id).expect("it goes on").has_missed = true;
        if self.wait_for(id, part(&index[0])) {
            return;
        }
        let read = &self.reads[&id];
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for block in index.iter().take_while(|block| block.range.stream == read.stream) {
            let is_first = blocks.is_empty();
            let is_known =
                self.blocks.contains_key(&(object, block.position)) || self.waiting.contains_key(&part(block));
            if !is_first && (bytes >= read.bytes_left || block.range.start >= read.until || is_known) {
                break;
            }
            bytes += u64::from(block.size);
            blocks.push(*block);
        }
        for block in &blocks {
            self.waiting.entry(part(block)).or_default();
        }
        let first = blocks[0].position;
        let range = ByteRange::Span { first, last: first + bytes - 1 };
        let (class, purpose) = (self.class_of(id), self.reads[&id].purpose);
        let call = objects.get(cx, class, object_key(&self.namespace, object), range);
        self.fetches.insert(call, Fetch::Blocks(object, blocks, purpose));
    }

    fn keep_blocks(
        &mut self,
        cx: &mut Cx<'_>,
        object: ObjectId,
        blocks: &[BlockIndex],
        bytes: &Blob,
        purpose: Purpose,
    ) -> Result<(), Malformed> {
        let (mut at, now) = (0, cx.monotonic());
        for block in blocks {
            let size = u64::from(block.size);
            let records = decode_block(&bytes.slice(at..(at + size).min(bytes.len())))?;
            at += size;
            let key = (object, block.position);
            self.clock += 1;
            let cached = CachedBlock {
                stream: block.range.stream,
                records: records.into_iter().map(Arc::new).collect(),
                bytes: size,
                used: self.clock,
                used_at: now,
                is_unread: purpose == Purpose::Ahead,
            };
            self.remove(key);
            self.unread_bytes += if cached.is_unread { size } else { 0 };
            self.blocks.insert(key, cached);
            self.by_use.insert(self.clock, key);
            self.bytes += size;
        }
        // What was just got stays, however small the cache is.
        while self.blocks.len() > blocks.len() {
            let (_, key) = self.by_use.first_key_value().expect("every block was used");
            let is_old = now - self.blocks[key].used_at >= BLOCK_TTL;
            if self.bytes <= self.capacity && !is_old {
                break;
            }
            self.evict(cx, *key);
        }
        Ok(())
    }

    fn remove(&mut self, key: BlockKey) -> Option<CachedBlock> {
        let block = self.blocks.remove(&key)?;
        self.by_use.remove(&block.used);
        self.bytes -= block.bytes;
        self.unread_bytes -= if block.is_unread { block.bytes } else { 0 };
        Some(block)
    }

    fn evict(&mut self, cx: &mut Cx<'_>, key: BlockKey) {
        let block = self.remove(key).expect("it was looked at");
        if block.is_unread
            && let Some(ahead) = self.ahead.get_mut(&block.stream)
        {
            cx.mark("reader: blocks that were read ahead left unread");
            ahead.bytes = 0;
            ahead.quiet_until = cx.monotonic() + READ_AHEAD_PAUSE;
        }
    }

    /// After a read up to `at`.
    fn read_ahead(
        &mut self,
        cx: &mut Cx<'_>,
        image: &ClusterImage,
        objects: &mut Objects,
        (stream, at, horizon): (StreamId, u64, u64),
        has_missed: bool,
    ) {
        let ahead = self.ahead.entry(stream).or_default();
        if has_missed {
            ahead.bytes = (ahead.bytes + READ_AHEAD_UNIT).min(READ_AHEAD_MAX);
        }
        let is_time = has_missed || at >= ahead.mark;
        let has_room = self.unread_bytes + ahead.bytes + READ_AHEAD_MAX.min(self.capacity / 4) <= self.capacity;
        if ahead.bytes == 0 || ahead.is_busy || cx.monotonic() < ahead.quiet_until || !is_time || !has_room {
            return;
        }
        let from = if (ahead.mark..=ahead.next).contains(&at) { ahead.next } else { at };
        (ahead.mark, ahead.next, ahead.is_busy) = (from, from, true);
        let span = Span { stream, offsets: from..horizon, max_bytes: ahead.bytes, horizon };
        let id = self.begin(span, Purpose::Ahead);
        self.go_on(cx, image, objects, id);
    }
}
