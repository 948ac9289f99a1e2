//! Reading a ring after a crash. See the ring's module for the rules.

use super::super::WalRecord;
use super::super::record::{Entry, EntryError, EntryReader, PlaceCheck, RECORD_HEADER_BYTES};
use super::{BLOCK, HEADERS, RingHeader};
use crate::blob::Blob;

/// A recovery in progress.
pub(super) struct Scan {
    trim_offset: Option<u64>,
    window: u64,
    ring: u64,
    read_bytes: u64,
    check: PlaceCheck,
    /// Where the next entry is looked for.
    at: u64,
    /// No owner can have written there.
    end: u64,
    /// The first place without an entry since the last entry.
    first_invalid: Option<u64>,
    /// The entry there needs so many bytes.
    needs: u64,
    pub passed_trimmed: bool,
}

impl Scan {
    pub fn new(header: &RingHeader, ring: u64, read_bytes: u64, check: PlaceCheck) -> Scan {
        let at = header.trim_offset.unwrap_or(0);
        Scan {
            trim_offset: header.trim_offset,
            window: header.window,
            ring,
            read_bytes,
            check,
            at,
            end: (at + ring).next_multiple_of(BLOCK),
            first_invalid: None,
            needs: RECORD_HEADER_BYTES,
            passed_trimmed: false,
        }
    }

    /// Bytes from the block of `at` to where the ring goes back to its start.
    fn straight(&self) -> u64 {
        let block = self.block();
        self.ring - block % self.ring
    }

    fn block(&self) -> u64 {
        self.at - self.at % BLOCK
    }

    /// What is to be read: where on the device, and how much.
    pub fn wants(&self) -> (u64, u64) {
        let needed = (self.at - self.block() + self.needs).next_multiple_of(BLOCK);
        let len = self.read_bytes.next_multiple_of(BLOCK).max(needed).min(self.straight());
        (self.block() % self.ring + HEADERS, len)
    }

    /// Takes what was read; `found` hears of records that are not trimmed. Whether there is more to read.
    pub fn take(&mut self, data: &Blob, mut found: impl FnMut(u64, WalRecord)) -> bool {
        let (from, to_ring_end) = (self.block(), self.straight());
        let mut reader = EntryReader::new(data);
        reader.skip(self.at - from);
        loop {
            if self.at >= self.end || self.first_invalid.is_some_and(|first| self.at >= first + self.window) {
                return false;
            }
            if self.at - from >= data.len() {
                self.needs = RECORD_HEADER_BYTES;
                return true;
            }
            match reader.entry(self.at, self.check) {
                Ok((entry, len)) => {
                    match entry {
                        Entry::Record(_) if self.trim_offset.is_some_and(|trimmed| self.at <= trimmed) => {
                            self.passed_trimmed = true;
                        }
                        Entry::Record(record) => found(self.at, record),
                        Entry::Trim | Entry::Padding => (),
                    }
                    self.at += len;
                    self.first_invalid = None;
                }
                // It may go on in what was not read; but nothing goes on beyond the ring's end.
                Err(EntryError::Short { needs })
                    if self.at - from + needs <= to_ring_end && self.at - from + needs > data.len() =>
                {
                    self.needs = needs;
                    return true;
                }
                Err(_) => {
                    self.first_invalid.get_or_insert(self.at);
                    let next = self.at - self.at % BLOCK + BLOCK;
                    reader.skip(next - self.at);
                    self.at = next;
                }
            }
        }
    }
}
