//! How a record lies in a log: a header of 24 bytes, then the record as S3Stream writes it.
//!
//! ```text
//!   RecordHeader (24)   magic 4 | bodyLen 4 | bodyOffset 8 | bodyCRC 4 | headerCRC 4
//!   StreamRecordBatch   magic 1 | stream 8 | epoch 8 | baseOffset 8 | lastOffsetDelta 4 | payloadLen 4 | payload
//! ```
//!
//! Big-endian, as Java writes. `bodyOffset` is where the body lies in the log, so a header at another place is not taken for
//! one that belongs there. Sources: `s3/wal/common/RecordHeader.java`, `s3/model/StreamRecordBatch.java`.
//!
//! Simpler than reality: the body's checksum is made of two, of the 33 bytes and of the payload, so that what is virtual
//! stays so.

use super::{STREAM_RECORD_HEADER_BYTES, WalRecord};
use crate::blob::{Blob, BlobReader, Segment};
use crate::kafka::ids::{StreamEpoch, StreamId};
use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;

/// Bytes of a record's header in a log.
pub const RECORD_HEADER_BYTES: u64 = 24;
const RECORD_MAGIC: u32 = 0x8765_4321;
/// Of what fills a block up: `RecordHeader.RECORD_HEADER_EMPTY_MAGIC_CODE`.
const PADDING_MAGIC: u32 = 0x7654_3210;
const STREAM_RECORD_MAGIC: u8 = 0x22;
/// Real bytes of a payload's beginning that are copied.
const SHORT: usize = 128;
const BOTH_HEADERS: usize = (RECORD_HEADER_BYTES + STREAM_RECORD_HEADER_BYTES) as usize;
/// Stream and epoch of the record that only carries a trim offset: -1.
const NO_STREAM: u64 = u64::MAX;

/// Bytes a record takes in a log.
pub fn logged_bytes(record: &WalRecord) -> u64 {
    BOTH_HEADERS as u64 + record.payload.len()
}

/// What lies at a place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A record.
    Record(WalRecord),
    /// A record of no stream: a log writes it so that a trim offset gets to the medium.
    Trim,
    /// Nothing, up to the end of a block.
    Padding,
}

/// There is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// The bytes end before it does; so many are needed from its start.
    #[error("a record of {needs} bytes is cut off")]
    Short {
        /// From the entry's start.
        needs: u64,
    },
    /// Another magic, or a field that cannot be.
    #[error("no record header")]
    Malformed,
    /// A sound header that belongs elsewhere: written in another cycle of a ring, for one.
    #[error("a record's header says that it lies at {says}")]
    Elsewhere {
        /// Where.
        says: u64,
    },
    /// The header's or the body's checksum is another one.
    #[error("a record's checksum does not match")]
    Crc,
}

/// Writes entries one after the other.
pub struct EntryWriter {
    headers: BytesMut,
    body: Blob,
    at: u64,
}

impl EntryWriter {
    /// The first entry will lie at `at`; there will be about so many.
    pub fn new(at: u64, entries: usize) -> EntryWriter {
        let mut body = Blob::new();
        body.reserve(2 * entries);
        EntryWriter { headers: BytesMut::with_capacity(entries * (BOTH_HEADERS + SHORT)), body, at }
    }

    /// Where the next entry will lie.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Writes a record, and says where it lies.
    pub fn record(&mut self, record: &WalRecord) -> u64 {
        self.stream_record(
            [record.stream.0, record.epoch.0, record.base_offset],
            record.count.wrapping_sub(1),
            &record.payload,
        )
    }

    /// Writes a record of no stream.
    pub fn trim(&mut self) -> u64 {
        self.stream_record([NO_STREAM, NO_STREAM, 0], 0, &Blob::new())
    }

    fn stream_record(&mut self, words: [u64; 3], last_offset_delta: u32, payload: &Blob) -> u64 {
        let mut inner = [0u8; STREAM_RECORD_HEADER_BYTES as usize];
        let mut to = &mut inner[..];
        to.put_u8(STREAM_RECORD_MAGIC);
        words.into_iter().for_each(|word| to.put_u64(word));
        to.put_u32(last_offset_delta);
        to.put_u32(payload.len() as u32);
        let crc = body_crc(&inner, payload);
        let at = self.header(RECORD_MAGIC, STREAM_RECORD_HEADER_BYTES + payload.len(), crc);
        self.headers.put_slice(&inner);
        // A short real piece, such as a batch's header, goes along: a copy costs less than a piece of its own.
        let mut rest = payload.segments();
        if let [Segment::Real(bytes), others @ ..] = rest
            && bytes.len() <= SHORT
        {
            self.headers.put_slice(bytes);
            rest = others;
        }
        self.body.push(Segment::Real(self.headers.split().freeze()));
        rest.iter().for_each(|segment| self.body.push(segment.clone()));
        at
    }

    /// Fills up to a multiple of `align`: with a padding entry, or with zeros where none fits.
    pub fn pad_to(&mut self, align: u64) {
        let room = self.at.next_multiple_of(align) - self.at;
        if room < RECORD_HEADER_BYTES {
            self.body.push(Segment::Zero(room));
            self.at += room;
            return;
        }
        let len = room - RECORD_HEADER_BYTES;
        self.header(PADDING_MAGIC, len, 0);
        self.body.push(Segment::Real(self.headers.split().freeze()));
        self.body.push(Segment::Zero(len));
    }

    fn header(&mut self, magic: u32, body_len: u64, body_crc: u32) -> u64 {
        let at = self.at;
        let mut header = [0u8; 20];
        let mut to = &mut header[..];
        to.put_u32(magic);
        to.put_u32(body_len as u32);
        to.put_u64(at + RECORD_HEADER_BYTES);
        to.put_u32(body_crc);
        self.headers.put_slice(&header);
        self.headers.put_u32(crc32c::crc32c(&header));
        self.at += RECORD_HEADER_BYTES + body_len;
        at
    }

    /// All that was written.
    pub fn finish(self) -> Blob {
        self.body
    }
}

fn body_crc(inner: &[u8], payload: &Blob) -> u32 {
    crc32c::crc32c(inner) ^ payload.crc32c().rotate_left(1)
}

/// Whether a reader minds where an entry says that it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceCheck {
    /// As it must.
    Strict,
    /// Takes whatever lies there: for a mutant.
    Trusting,
}

/// Reads entries one after the other; each segment is looked at once.
pub struct EntryReader<'a>(BlobReader<'a>);

impl<'a> EntryReader<'a> {
    /// Begins at the start of some bytes.
    pub fn new(bytes: &'a Blob) -> EntryReader<'a> {
        EntryReader(BlobReader::new(bytes))
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.0.left()
    }

    /// Passes over some bytes, at most all.
    pub fn skip(&mut self, bytes: u64) {
        let read = self.0.read(bytes.min(self.left()), |_| ());
        debug_assert!(read.is_some(), "no more than is left");
    }

    /// The entry at this place of the log, and how many bytes it takes. After an error the reader stays where it was.
    ///
    /// # Errors
    /// When there is none that is whole and sound.
    pub fn entry(&mut self, at: u64, check: PlaceCheck) -> Result<(Entry, u64), EntryError> {
        let mut ahead = EntryReader(self.0.clone());
        let found = ahead.read(at, check)?;
        *self = ahead;
        Ok(found)
    }

    fn read(&mut self, at: u64, check: PlaceCheck) -> Result<(Entry, u64), EntryError> {
        let header: [u8; RECORD_HEADER_BYTES as usize] = self.bytes()?;
        let mut from = &header[..];
        let (magic, len) = (from.get_u32(), u64::from(from.get_u32()));
        let (says, crc) = (from.get_u64(), from.get_u32());
        if magic != RECORD_MAGIC && magic != PADDING_MAGIC {
            return Err(EntryError::Malformed);
        }
        if from.get_u32() != crc32c::crc32c(&header[..20]) {
            return Err(EntryError::Crc);
        }
        if says != at + RECORD_HEADER_BYTES && check == PlaceCheck::Strict {
            return Err(EntryError::Elsewhere { says: says - RECORD_HEADER_BYTES });
        }
        let bytes = RECORD_HEADER_BYTES + len;
        if self.left() < len {
            return Err(EntryError::Short { needs: bytes });
        }
        if magic == PADDING_MAGIC {
            self.skip(len);
            return Ok((Entry::Padding, bytes));
        }
        Ok((self.stream_record(len, crc)?, bytes))
    }

    fn stream_record(&mut self, len: u64, crc: u32) -> Result<Entry, EntryError> {
        let payload_len = len.checked_sub(STREAM_RECORD_HEADER_BYTES).ok_or(EntryError::Malformed)?;
        let inner: [u8; STREAM_RECORD_HEADER_BYTES as usize] = self.bytes()?;
        let payload = self.0.take(payload_len).expect("looked at before");
        if crc != body_crc(&inner, &payload) {
            return Err(EntryError::Crc);
        }
        let mut from = &inner[..];
        if from.get_u8() != STREAM_RECORD_MAGIC {
            return Err(EntryError::Malformed);
        }
        let (stream, epoch, base_offset) = (from.get_u64(), from.get_u64(), from.get_u64());
        let count = from.get_u32().wrapping_add(1);
        if u64::from(from.get_u32()) != payload_len {
            return Err(EntryError::Malformed);
        }
        if stream == NO_STREAM {
            return Ok(Entry::Trim);
        }
        let (stream, epoch) = (StreamId(stream), StreamEpoch(epoch));
        Ok(Entry::Record(WalRecord { stream, epoch, base_offset, count, payload }))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let (mut out, mut filled, mut real) = ([0; N], 0, true);
        let read = self.0.read(N as u64, |segment| {
            match &segment {
                Segment::Real(bytes) => out[filled..filled + bytes.len()].copy_from_slice(bytes),
                Segment::Zero(_) => (),
                Segment::Virtual { .. } => real = false,
            }
            filled += segment.len() as usize;
        });
        read.ok_or(EntryError::Short { needs: N as u64 })?;
        if real { Ok(out) } else { Err(EntryError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = WalRecord> {
        let payload = prop_oneof![
            (any::<u32>(), 0u64..9_000).prop_map(|(id, len)| Blob::named(id.into(), len)),
            prop::collection::vec(any::<u8>(), 0..90).prop_map(Blob::real),
        ];
        (0u64..9, any::<u32>(), any::<u32>(), 1u32..99, payload).prop_map(|(stream, epoch, base, count, payload)| {
            let (stream, epoch) = (StreamId(stream), StreamEpoch(epoch.into()));
            WalRecord { stream, epoch, base_offset: base.into(), count, payload }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_where_it_lies(records in prop::collection::vec(record(), 0..9), at in 0u64..1 << 40) {
            let at = at * 4096;
            let mut writer = EntryWriter::new(at, records.len());
            let places: Vec<u64> = records.iter().map(|record| writer.record(record)).collect();
            writer.trim();
            writer.pad_to(4096);
            let bytes = writer.finish();
            prop_assert!(bytes.len().is_multiple_of(4096));
            let (mut reader, mut here) = (EntryReader::new(&bytes), at);
            for (record, place) in records.iter().zip(places) {
                let (entry, len) = reader.entry(here, PlaceCheck::Strict).unwrap();
                prop_assert_eq!((&entry, here, len), (&Entry::Record(record.clone()), place, logged_bytes(record)));
                here += len;
            }
            let (entry, len) = reader.entry(here, PlaceCheck::Strict).unwrap();
            prop_assert_eq!(entry, Entry::Trim);
            here += len;
            let left = reader.left();
            if left >= RECORD_HEADER_BYTES {
                prop_assert_eq!(reader.entry(here, PlaceCheck::Strict), Ok((Entry::Padding, left)));
            }
        }

        #[test]
        fn what_is_torn_rotted_or_elsewhere_is_no_entry(record in record(), at in any::<u64>(), moved in 1u64..99) {
            let mut writer = EntryWriter::new(0, 1);
            writer.record(&record);
            let bytes = writer.finish();
            let at = at % bytes.len();
            prop_assert!(EntryReader::new(&bytes.slice(0..at)).entry(0, PlaceCheck::Strict).is_err());
            prop_assert!(EntryReader::new(&bytes.rotted(at)).entry(0, PlaceCheck::Strict).is_err());
            let elsewhere = EntryReader::new(&bytes).entry(moved, PlaceCheck::Strict);
            prop_assert_eq!(elsewhere, Err(EntryError::Elsewhere { says: 0 }));
        }
    }
}
