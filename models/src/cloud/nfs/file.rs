//! A file on the server: what readers see, and what a server that loses its memory still has.

use super::types::StateId;
use crate::blob::Blob;
use crate::extents::Extents;
use std::ops::Range;
use wavetank_sim::Stream;

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    current: Extents,
    size: u64,
    // On stable storage. Not kept where the server's memory is stable itself.
    durable: Extents,
    durable_size: u64,
    // Ranges written since the last commit, in order of writing.
    dirty: Vec<Range<u64>>,
    // Locks held: never an exclusive one beside another client's.
    pub locks: Vec<StateId>,
}

impl File {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn read(&self, range: Range<u64>) -> Blob {
        self.current.read(range.start.min(self.size)..range.end.min(self.size))
    }

    /// Writes to stable storage and memory.
    pub fn write_stable(&mut self, offset: u64, data: &Blob, memory_is_stable: bool) {
        self.write_memory(offset, data);
        // An empty write changes nothing, not even the size (RFC 8881, 18.32.3).
        if !memory_is_stable && !data.is_empty() {
            self.durable.write(offset, data);
            self.durable_size = self.durable_size.max(offset + data.len());
        }
    }

    /// Writes to the server's volatile memory only.
    pub fn write_unstable(&mut self, offset: u64, data: &Blob) {
        self.write_memory(offset, data);
        if !data.is_empty() {
            self.dirty.push(offset..offset + data.len());
        }
    }

    fn write_memory(&mut self, offset: u64, data: &Blob) {
        if !data.is_empty() {
            self.current.write(offset, data);
            self.size = self.size.max(offset + data.len());
        }
    }

    /// Everything in memory becomes stable.
    pub fn commit(&mut self) {
        for range in std::mem::take(&mut self.dirty) {
            self.flush(&range);
        }
    }

    // The newest content goes out, whichever write it came from: a server flushes pages, not writes.
    fn flush(&mut self, range: &Range<u64>) {
        let end = range.end.min(self.size);
        if range.start < end {
            self.durable.write(range.start, &self.current.read(range.start..end));
            self.durable_size = self.durable_size.max(end);
        }
    }

    /// Stable at once: metadata operations always are.
    pub fn set_size(&mut self, size: u64) {
        for extents in [&mut self.current, &mut self.durable] {
            extents.clear(size..u64::MAX);
        }
        for range in &mut self.dirty {
            range.start = range.start.min(size);
            range.end = range.end.min(size);
        }
        self.dirty.retain(|range| !range.is_empty());
        (self.size, self.durable_size) = (size, size);
    }

    /// The server's memory is lost. What was dirty may have been flushed before or not: half of it, at random.
    pub fn lose_memory(&mut self, stream: &mut Stream) {
        for range in std::mem::take(&mut self.dirty) {
            if stream.ratio(1, 2) {
                self.flush(&range);
            }
        }
        self.current = self.durable.clone();
        self.size = self.durable_size;
    }
}
