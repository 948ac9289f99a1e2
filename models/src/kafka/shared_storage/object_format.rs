//! Objects in shared storage: data blocks, an index, a footer (AutoMQ's `ObjectWriter`, `ObjectReader`).
//!
//! ```text
//!   data block | data block | ... | index block | footer (48 B)
//!   data block: magic 0x5A, flag 0x02, record count, data length (10 B) | records
//!   record:     StreamRecordBatch header (33 B) | payload
//!   index:      per data block 36 B: stream 8, start offset 8, end offset delta 4, record count 4, position 8, size 4
//!   footer:     index position 8, index size 4, 28 zero bytes, magic 0x88e241b785f4cff7
//! ```
//!
//! A block holds one stream's records and is cut at `s3.object.block.size`. Where a compaction has joined small blocks, an
//! index entry covers several of them, back to back.

use super::mutant::StorageMutant;
use crate::blob::{Blob, BlobReader, Segment};
use crate::kafka::ids::{ObjectId, StreamEpoch, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::WalRecord;
use bytes::{Buf, BufMut, BytesMut};
use std::sync::Arc;
use thiserror::Error;

/// Bytes of the footer.
pub const FOOTER_BYTES: u64 = 48;
/// Bytes of an index entry.
pub const INDEX_ENTRY_BYTES: u64 = 36;
const BLOCK_HEADER_BYTES: u64 = 10;
const RECORD_HEADER_BYTES: u64 = 33;
/// Real bytes of a payload's beginning that are copied.
const SHORT: usize = 128;
const BLOCK_MAGIC: u8 = 0x5a;
const BLOCK_FLAG: u8 = 0x02;
const RECORD_MAGIC: u8 = 0x22;
const FOOTER_MAGIC: u64 = 0x88e2_41b7_85f4_cff7;
/// Where offsets overflow with [`StorageMutant::DeltaOverflows`]: 2^31 there, less here, so that a short run meets it.
const MUTANT_DELTA: u64 = 1 << 3;

/// The bytes are not an object's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an object's {what} is malformed")]
pub struct Malformed {
    /// Which part.
    pub what: &'static str,
}

/// The key of an object: its id's hexadecimal digits reversed, so that keys spread over the store's partitions
/// (`ObjectUtils.genKey`).
pub fn object_key(namespace: &str, object: ObjectId) -> Arc<str> {
    let reversed: String = format!("{:08x}", object.0).chars().rev().collect();
    format!("{reversed}/{namespace}/{}", object.0).into()
}

/// Where a block lies in an object, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockIndex {
    /// Of which stream.
    pub range: StreamRange,
    /// How many records.
    pub records: u32,
    /// First byte in the object.
    pub position: u64,
    /// Bytes.
    pub size: u32,
}

/// Writes an object: records by ascending stream, in order within it.
pub struct ObjectWriter {
    block_bytes: u64,
    body: Blob,
    block: Blob,
    /// The block that is being filled.
    open: Option<(StreamRange, u32)>,
    index: Vec<BlockIndex>,
    delta_overflows: bool,
}

impl ObjectWriter {
    /// An empty object with blocks of about that size.
    pub fn new(block_bytes: u64) -> ObjectWriter {
        let (body, block) = (Blob::new(), Blob::new());
        ObjectWriter { block_bytes, body, block, open: None, index: Vec::new(), delta_overflows: false }
    }

    /// An empty object, for a compaction.
    pub fn of_compaction(block_bytes: u64, mutant: Option<StorageMutant>) -> ObjectWriter {
        let delta_overflows = mutant == Some(StorageMutant::DeltaOverflows);
        ObjectWriter { delta_overflows, ..ObjectWriter::new(block_bytes) }
    }

    /// The next record.
    pub fn push(&mut self, record: &WalRecord) {
        let fits = self.open.is_some_and(|(range, _)| {
            range.stream == record.stream && range.end == record.base_offset && self.block.len() < self.block_bytes
        });
        if !fits {
            self.cut();
        }
        let start = StreamRange { stream: record.stream, start: record.base_offset, end: record.base_offset };
        let (range, count) = self.open.get_or_insert((start, 0));
        range.end = record.next_offset();
        *count += 1;
        write_record(&mut self.block, record);
    }

    /// A data block of another object, as it is. Blocks that go on where the last one ends share its index entry while both
    /// are within the block size (AutoMQ's `CompactionUtils.groupStreamDataBlocks`).
    pub fn push_block(&mut self, block: &BlockIndex, bytes: &Blob) {
        self.cut();
        let position = self.body.len();
        self.body.append(bytes);
        let overflows = self.delta_overflows;
        let end_from = |start: u64| {
            let delta = block.range.end - start;
            start + if overflows { delta % MUTANT_DELTA } else { delta }
        };
        if let Some(last) = self.index.last_mut()
            && last.range.stream == block.range.stream
            && last.range.end == block.range.start
            && u64::from(last.size) + bytes.len() <= self.block_bytes
        {
            last.range.end = end_from(last.range.start);
            last.records += block.records;
            last.size += block.size;
            return;
        }
        let range = StreamRange { end: end_from(block.range.start), ..block.range };
        self.index.push(BlockIndex { range, position, ..*block });
    }

    fn cut(&mut self) {
        let Some((range, records)) = self.open.take() else { return };
        let mut header = BytesMut::with_capacity(BLOCK_HEADER_BYTES as usize);
        header.put_u8(BLOCK_MAGIC);
        header.put_u8(BLOCK_FLAG);
        header.put_u32(records);
        header.put_u32(self.block.len() as u32);
        let position = self.body.len();
        self.body.push(Segment::Real(header.freeze()));
        self.body.append_all(std::mem::take(&mut self.block));
        let size = (self.body.len() - position) as u32;
        self.index.push(BlockIndex { range, records, position, size });
    }

    /// The whole object, and what is in it, by stream.
    pub fn finish(mut self) -> (Blob, Vec<StreamRange>) {
        self.cut();
        let position = self.body.len();
        let index = encode_index(&self.index);
        let index_bytes = index.len();
        self.body.append(&index);
        let mut footer = BytesMut::with_capacity(FOOTER_BYTES as usize);
        footer.put_u64(position);
        footer.put_u32(index_bytes as u32);
        footer.put_bytes(0, 28);
        footer.put_u64(FOOTER_MAGIC);
        self.body.push(Segment::Real(footer.freeze()));
        let mut ranges: Vec<StreamRange> = Vec::new();
        for block in &self.index {
            match ranges.last_mut() {
                Some(last) if last.stream == block.range.stream && last.end == block.range.start => {
                    last.end = block.range.end;
                }
                Some(_) | None => ranges.push(block.range),
            }
        }
        (self.body, ranges)
    }
}

/// Adds a record; a short real piece, such as a batch's header, is copied: that costs less than a piece of its own.
fn write_record(to: &mut Blob, record: &WalRecord) {
    let (short, rest) = match record.payload.segments() {
        [Segment::Real(bytes), rest @ ..] if bytes.len() <= SHORT => (&bytes[..], rest),
        rest => (&[][..], rest),
    };
    let mut header = BytesMut::with_capacity(RECORD_HEADER_BYTES as usize + short.len());
    header.put_u8(RECORD_MAGIC);
    header.put_u64(record.stream.0);
    header.put_u64(record.epoch.0);
    header.put_u64(record.base_offset);
    header.put_u32(record.count);
    header.put_u32(record.payload.len() as u32);
    header.put_slice(short);
    to.push(Segment::Real(header.freeze()));
    rest.iter().for_each(|segment| to.push(segment.clone()));
}

fn encode_index(index: &[BlockIndex]) -> Blob {
    let mut out = BytesMut::with_capacity(index.len() * INDEX_ENTRY_BYTES as usize);
    for block in index {
        out.put_u64(block.range.stream.0);
        out.put_u64(block.range.start);
        out.put_u32((block.range.end - block.range.start) as u32);
        out.put_u32(block.records);
        out.put_u64(block.position);
        out.put_u32(block.size);
    }
    Blob::real(out.freeze())
}

/// Where the index lies, from an object's last bytes.
///
/// # Errors
/// When they are no footer.
pub fn decode_footer(last: &Blob) -> Result<(u64, u32), Malformed> {
    const WHAT: Malformed = Malformed { what: "footer" };
    if last.len() < FOOTER_BYTES {
        return Err(WHAT);
    }
    let mut footer = last.slice(last.len() - FOOTER_BYTES..last.len()).to_bytes().ok_or(WHAT)?;
    let (position, size) = (footer.get_u64(), footer.get_u32());
    footer.advance(28);
    if footer.get_u64() == FOOTER_MAGIC { Ok((position, size)) } else { Err(WHAT) }
}

/// The index.
///
/// # Errors
/// When the bytes are none.
pub fn decode_index(bytes: &Blob) -> Result<Vec<BlockIndex>, Malformed> {
    const WHAT: Malformed = Malformed { what: "index" };
    let mut bytes = bytes.to_bytes().ok_or(WHAT)?;
    if !(bytes.len() as u64).is_multiple_of(INDEX_ENTRY_BYTES) {
        return Err(WHAT);
    }
    let mut out = Vec::with_capacity(bytes.len() / INDEX_ENTRY_BYTES as usize);
    while bytes.has_remaining() {
        let (stream, start) = (StreamId(bytes.get_u64()), bytes.get_u64());
        let end = start + u64::from(bytes.get_u32());
        let (records, position, size) = (bytes.get_u32(), bytes.get_u64(), bytes.get_u32());
        out.push(BlockIndex { range: StreamRange { stream, start, end }, records, position, size });
    }
    Ok(out)
}

/// The records that an index entry covers: those of one data block, or of several back to back.
///
/// # Errors
/// When the bytes are none.
pub fn decode_block(bytes: &Blob) -> Result<Vec<WalRecord>, Malformed> {
    let (mut out, mut from) = (Vec::new(), BlobReader::new(bytes));
    while from.left() > 0 {
        decode_one(&mut from, &mut out)?;
    }
    if out.is_empty() { Err(BAD_BLOCK) } else { Ok(out) }
}

const BAD_BLOCK: Malformed = Malformed { what: "data block" };

fn real(from: &mut BlobReader<'_>, len: u64) -> Result<bytes::Bytes, Malformed> {
    from.take(len).and_then(|bytes| bytes.to_bytes()).ok_or(BAD_BLOCK)
}

/// The next data block.
fn decode_one(from: &mut BlobReader<'_>, out: &mut Vec<WalRecord>) -> Result<(), Malformed> {
    let mut header = real(from, BLOCK_HEADER_BYTES)?;
    if header.get_u8() != BLOCK_MAGIC || header.get_u8() != BLOCK_FLAG {
        return Err(BAD_BLOCK);
    }
    let (count, len) = (header.get_u32() as usize, u64::from(header.get_u32()));
    let before = out.len();
    let end = from.left().checked_sub(len).ok_or(BAD_BLOCK)?;
    while from.left() > end {
        let mut header = real(from, RECORD_HEADER_BYTES)?;
        if header.get_u8() != RECORD_MAGIC {
            return Err(BAD_BLOCK);
        }
        let (stream, epoch) = (StreamId(header.get_u64()), StreamEpoch(header.get_u64()));
        let (base_offset, count, len) = (header.get_u64(), header.get_u32(), u64::from(header.get_u32()));
        let payload = from.take(len).filter(|_| from.left() >= end).ok_or(BAD_BLOCK)?;
        out.push(WalRecord { stream, epoch, base_offset, count, payload });
    }
    if from.left() == end && out.len() - before == count { Ok(()) } else { Err(BAD_BLOCK) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> impl Strategy<Value = Vec<WalRecord>> {
        let per_stream = prop::collection::vec((1u32..9, 0u64..3000, any::<bool>()), 1..12);
        prop::collection::vec(per_stream, 1..5).prop_map(|streams| {
            let mut out = Vec::new();
            for (stream, records) in streams.into_iter().enumerate() {
                let mut base_offset = 10;
                for (n, (count, len, gap)) in records.into_iter().enumerate() {
                    base_offset += u64::from(gap) * 5;
                    let payload = Blob::named((stream * 100 + n) as u64, len);
                    let (stream, epoch) = (StreamId(stream as u64), StreamEpoch(3));
                    out.push(WalRecord { stream, epoch, base_offset, count, payload });
                    base_offset += u64::from(count);
                }
            }
            out
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_block_by_block(records in records(), block in 1u64..5000) {
            let mut writer = ObjectWriter::new(block);
            records.iter().for_each(|record| writer.push(record));
            let (object, ranges) = writer.finish();
            let (position, size) = decode_footer(&object.slice(object.len() - FOOTER_BYTES..object.len())).unwrap();
            let index = decode_index(&object.slice(position..position + u64::from(size))).unwrap();
            let mut read = Vec::new();
            for block in &index {
                let end = block.position + u64::from(block.size);
                let records = decode_block(&object.slice(block.position..end)).unwrap();
                prop_assert_eq!(records.first().unwrap().base_offset, block.range.start);
                prop_assert_eq!(records.last().unwrap().next_offset(), block.range.end);
                prop_assert_eq!(records.len(), block.records as usize);
                read.extend(records);
            }
            prop_assert_eq!(&read, &records);
            let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            prop_assert_eq!(total, records.iter().map(|record| u64::from(record.count)).sum::<u64>());
        }
    }

    fn joined(mutant: Option<StorageMutant>) -> (Blob, Vec<BlockIndex>) {
        let mut writer = ObjectWriter::new(1);
        for n in 0..12u64 {
            let (stream, epoch, payload) = (StreamId(n / 6), StreamEpoch(1), Blob::named(n, 100));
            writer.push(&WalRecord { stream, epoch, base_offset: n % 6 * 6, count: 6, payload });
        }
        let (source, _) = writer.finish();
        let (position, size) = decode_footer(&source).unwrap();
        let index = decode_index(&source.slice(position..position + u64::from(size))).unwrap();
        assert_eq!(index.len(), 12);
        let mut writer = ObjectWriter::of_compaction(450, mutant);
        for block in &index {
            writer.push_block(block, &source.slice(block.position..block.position + u64::from(block.size)));
        }
        let (object, _) = writer.finish();
        let (position, size) = decode_footer(&object).unwrap();
        let index = decode_index(&object.slice(position..position + u64::from(size))).unwrap();
        (object, index)
    }

    #[test]
    fn joined_blocks_share_an_index_entry_and_hold_the_same_records() {
        let (object, index) = joined(None);
        let ranges: Vec<_> = index.iter().map(|b| (b.range.stream.0, b.range.start, b.range.end, b.records)).collect();
        assert_eq!(ranges, [(0, 0, 18, 3), (0, 18, 36, 3), (1, 0, 18, 3), (1, 18, 36, 3)]);
        for block in &index {
            let end = block.position + u64::from(block.size);
            let records = decode_block(&object.slice(block.position..end)).unwrap();
            let offsets: Vec<u64> = records.iter().map(|record| record.base_offset).collect();
            assert_eq!(offsets, [0, 6, 12].map(|n| block.range.start + n));
            assert_eq!(records[0].payload, Blob::named(block.range.stream.0 * 6 + block.range.start / 6, 100));
        }
        assert_eq!(decode_block(&object.slice(1..200)), Err(BAD_BLOCK));
        let broken: Vec<u64> = joined(Some(StorageMutant::DeltaOverflows)).1.iter().map(|b| b.range.end).collect();
        assert_eq!(broken, [4, 16, 28, 4, 16, 28], "12 offsets are four");
    }

    #[test]
    fn keys_spread() {
        assert_eq!(&*object_key("ns", ObjectId(0x1a2b)), "b2a10000/ns/6699");
    }
}
