//! Page cache and medium of one volume, without time: what the kernel shows, what the medium holds, and what is on its
//! way from one to the other.
//!
//! A file has two contents. `live` is what the kernel shows: page cache over medium; it is kept only where it may be another
//! thing than `stable` (a device that is only ever written past the cache has one content). `stable` is what the medium holds,
//! as the *committed* metadata see it. Between them: `dirty` sectors (only in memory), *flights* (I/O submitted and not
//! completed), `failed` pages (a write of them failed: clean in the cache, absent on the medium).

use super::journal::{Change, Journal};
use super::op::{FileEntry, FileId, FileName, VolumeError};
use super::ranges::Ranges;
use super::spec::VolumeFormat;
use super::witness::Witnessed;
use crate::blob::{Blob, Segment};
use crate::cloud::network::HostId;
use crate::extents::Extents;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use wavetank_sim::{Nanos, SortedMap};

/// The kernel reads a file into the cache, and forgets it, in pieces of at most this.
const RESIDENT_CHUNK_BYTES: u64 = 1 << 20;
/// The order of eviction is swept when it is this long, and twice as long as after the last sweep.
const RESIDENT_ORDER_MIN: usize = 1024;

/// A flight's number: later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlightId(pub(super) u64);

/// Sectors on their way to the medium.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) host: HostId,
    pub(super) file: FileId,
    pub(super) pieces: SmallVec<[(u64, Blob); 1]>,
    /// Position in the journal when it was submitted.
    pub(super) seq: u64,
    /// A truncate that was committed meanwhile: bytes from here on are void.
    pub(super) clip: u64,
    /// From the page cache (writeback, sync) or past it (direct)?
    pub(super) cached: bool,
    /// Already on the medium, though nobody has been told (see fencing).
    pub(super) landed: bool,
}

impl Flight {
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|(_, data)| data.len()).sum()
    }

    fn overlaps(&self, other: &Flight) -> bool {
        let hit = |(a, x): &(u64, Blob), (b, y): &(u64, Blob)| *a < b + y.len() && *b < a + x.len();
        self.pieces.iter().any(|x| other.pieces.iter().any(|y| hit(x, y)))
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// None: the same as `stable`.
    live: Option<Extents>,
    pub(super) live_len: u64,
    /// Has a name in the kernel's view.
    pub(super) linked: bool,
    pub(super) stable: Extents,
    pub(super) committed_len: u64,
    pub(super) dirty: Ranges,
    pub(super) dirty_since: Nanos,
    /// Listed in the flusher's queue.
    pub(super) queued: bool,
    pub(super) failed: Ranges,
    pub(super) allocated: Ranges,
    pub(super) resident: Ranges,
    /// Journal positions of the truncates that are not committed, in order.
    pub(super) truncated_at: Vec<u64>,
    /// A background write failed; the next sync says so, once (errseq_t).
    pub(super) writeback_failed: bool,
    /// Flights in progress, oldest first.
    pub(super) flights: Vec<FlightId>,
}

impl Inode {
    pub(super) fn live(&self) -> &Extents {
        self.live.as_ref().unwrap_or(&self.stable)
    }

    fn live_mut(&mut self) -> &mut Extents {
        self.live.get_or_insert_with(|| self.stable.clone())
    }

    /// Nothing is in memory any more.
    pub(super) fn show_the_medium(&mut self) {
        self.live = None;
    }
}

/// Everything a volume holds.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) sector: u64,
    pub(super) capacity: u64,
    pub(super) format: VolumeFormat,
    pub(super) inodes: SortedMap<FileId, Inode>,
    pub(super) names: SortedMap<FileName, FileId>,
    pub(super) committed_names: SortedMap<FileName, FileId>,
    pub(super) journal: Journal,
    pub(super) flights: SortedMap<FlightId, Flight>,
    pub(super) used: u64,
    pub(super) dirty_bytes: u64,
    pub(super) writeback_bytes: u64,
    /// Files with dirty pages, longest dirty first. May list a file that has become clean.
    pub(super) dirty_order: VecDeque<FileId>,
    pub(super) resident_bytes: u64,
    /// What was read or written, oldest first. May list what has gone from memory since.
    pub(super) resident_order: VecDeque<(FileId, Range<u64>)>,
    resident_order_max: usize,
    next_file: u64,
    next_flight: u64,
}

impl Content {
    pub(super) fn new(format: VolumeFormat, capacity: u64, sector: u64) -> Content {
        assert!(sector >= 512 && sector.is_multiple_of(512), "a sector of {sector} bytes is not a multiple of 512");
        assert!(capacity.is_multiple_of(sector), "a volume of {capacity} bytes is not whole sectors");
        let mut inodes = SortedMap::new();
        match format {
            VolumeFormat::Raw => {
                let device = Inode { live_len: capacity, committed_len: capacity, linked: true, ..Inode::default() };
                inodes.insert(FileId::RAW, device);
            }
            VolumeFormat::FileSystem => {}
        }
        Content {
            sector,
            capacity,
            format,
            inodes,
            names: SortedMap::new(),
            committed_names: SortedMap::new(),
            journal: Journal::default(),
            flights: SortedMap::new(),
            used: 0,
            dirty_bytes: 0,
            writeback_bytes: 0,
            dirty_order: VecDeque::new(),
            resident_bytes: 0,
            resident_order: VecDeque::new(),
            resident_order_max: RESIDENT_ORDER_MIN,
            next_file: 1,
            next_flight: 1,
        }
    }

    /// The file, where it has a name.
    pub(super) fn file(&self, file: FileId) -> Result<&Inode, VolumeError> {
        let wrong_format = (file == FileId::RAW) != (self.format == VolumeFormat::Raw);
        if wrong_format {
            return Err(VolumeError::WrongFormat);
        }
        self.inodes.get(&file).filter(|inode| inode.linked).ok_or(VolumeError::NotFound)
    }

    pub(super) fn sectors_of(&self, range: &Range<u64>) -> Range<u64> {
        range.start / self.sector * self.sector..range.end.next_multiple_of(self.sector)
    }

    /// Whether the bytes fit, and how many of them need new space.
    pub(super) fn check_space(&self, file: FileId, range: &Range<u64>) -> Result<(), VolumeError> {
        let inode = self.file(file)?;
        let fits = match self.format {
            VolumeFormat::Raw => range.end <= self.capacity,
            VolumeFormat::FileSystem => {
                let sectors = self.sectors_of(range);
                let new = sectors.end - sectors.start - inode.allocated.covered(&sectors);
                self.used + new <= self.capacity
            }
        };
        if fits { Ok(()) } else { Err(VolumeError::NoSpace) }
    }

    fn allocate(&mut self, file: FileId, range: &Range<u64>) {
        let sectors = self.sectors_of(range);
        let inode = self.inodes.get_mut(&file).expect("checked by the caller");
        match self.format {
            VolumeFormat::Raw => {}
            VolumeFormat::FileSystem => self.used += inode.allocated.insert(sectors),
        }
    }

    /// A buffered write: into the page cache; the length grows at once in the kernel's view, and in the journal.
    pub(super) fn write_cached(&mut self, now: Nanos, file: FileId, offset: u64, data: &Blob) {
        if data.is_empty() {
            return;
        }
        let range = offset..offset + data.len();
        let sectors = self.sectors_of(&range);
        self.allocate(file, &range);
        let inode = self.inodes.get_mut(&file).expect("checked by the caller");
        inode.live_mut().write(offset, data);
        if inode.dirty.is_empty() {
            inode.dirty_since = now;
            if !std::mem::replace(&mut inode.queued, true) {
                self.dirty_order.push_back(file);
            }
        }
        self.dirty_bytes += inode.dirty.insert(sectors.clone());
        inode.failed.remove(sectors);
        if range.end > inode.live_len {
            inode.live_len = range.end;
            self.journal.push(Change::Grow { file, len: range.end });
        }
        self.make_resident(file, range);
    }

    /// What the kernel shows of `range`; shorter where the file ends.
    pub(super) fn read(&self, file: FileId, range: Range<u64>) -> Result<Blob, VolumeError> {
        let inode = self.file(file)?;
        let end = range.end.min(inode.live_len);
        Ok(if range.start < end { inode.live().read(range.start..end) } else { Blob::new() })
    }

    /// What a read past the cache shows (`generic_file_read_iter`, O_DIRECT). The kernel writes dirty pages there first,
    /// so they count as written. Pages whose write has failed are clean, and the medium does not have them. Pages under
    /// writeback the kernel waits for; here the read counts as having come first, because their write may yet fail and
    /// tell only whoever asked for it.
    pub(super) fn read_past_cache(&self, file: FileId, range: Range<u64>) -> Result<Blob, VolumeError> {
        let shown = self.read(file, range.clone())?;
        let inode = self.file(file)?;
        let held = range.start..range.start + shown.len();
        let under_way = inode.flights.iter().filter_map(|id| self.flights.get(id));
        let written_back = under_way.filter(|flight| flight.cached && !flight.landed).flat_map(|flight| &flight.pieces);
        let pending = written_back.map(|(at, data)| (*at).max(held.start)..(at + data.len()).min(held.end));
        let mut extents = Extents::new();
        extents.write(held.start, &shown);
        for part in pending.chain(inode.failed.overlaps(&held)).filter(|part| part.start < part.end) {
            // What was written since is dirty, and counts as written.
            for clean in inode.dirty.gaps(&part) {
                extents.write(clean.start, &inode.stable.read(clean));
            }
        }
        Ok(extents.read(held))
    }

    /// Takes up to `max` bytes of a file's dirty pages into a flight.
    pub(super) fn begin_writeback(&mut self, host: HostId, file: FileId, max: u64) -> FlightId {
        let mut pieces = SmallVec::new();
        let mut left = max;
        if let Some(inode) = self.inodes.get_mut(&file) {
            while left > 0
                && let Some(range) = inode.dirty.take_first(left)
            {
                left -= range.end - range.start;
                pieces.push((range.start, inode.live_mut().read_joined(range)));
            }
        }
        self.launch(host, file, pieces, true)
    }

    /// The dirty pages under a direct write go first (`filemap_write_and_wait_range`).
    pub(super) fn begin_writeback_under(&mut self, host: HostId, file: FileId, range: &Range<u64>) -> Option<FlightId> {
        let inode = self.inodes.get_mut(&file)?;
        let held: Vec<Range<u64>> = inode.dirty.overlaps(range).collect();
        if held.is_empty() {
            return None;
        }
        let mut pieces = SmallVec::new();
        for part in held {
            inode.dirty.remove(part.clone());
            pieces.push((part.start, inode.live().read(part)));
        }
        Some(self.launch(host, file, pieces, true))
    }

    pub(super) fn begin_direct(&mut self, host: HostId, file: FileId, offset: u64, data: Blob) -> FlightId {
        self.allocate(file, &(offset..offset + data.len()));
        let mut pieces = SmallVec::new();
        if !data.is_empty() {
            pieces.push((offset, data));
        }
        self.launch(host, file, pieces, false)
    }

    fn launch(&mut self, host: HostId, file: FileId, pieces: SmallVec<[(u64, Blob); 1]>, cached: bool) -> FlightId {
        let id = FlightId(self.next_flight);
        self.next_flight += 1;
        let flight = Flight { host, file, pieces, seq: self.journal.next_seq(), clip: u64::MAX, cached, landed: false };
        if cached {
            let bytes = flight.bytes();
            assert!(bytes <= self.dirty_bytes, "more bytes take off than were dirty");
            self.dirty_bytes -= bytes;
            self.writeback_bytes += bytes;
        }
        if let Some(inode) = self.inodes.get_mut(&file) {
            inode.flights.push(id);
        }
        self.flights.insert(id, flight);
        id
    }

    /// Whether an earlier flight must complete first: pages of one file are written back in order
    /// (`wait_on_page_writeback`), and nothing overtakes what it overlaps.
    pub(super) fn blocked(&self, id: FlightId) -> bool {
        let Some(flight) = self.flights.get(&id) else { return false };
        let Some(inode) = self.inodes.get(&flight.file) else { return false };
        let earlier = inode.flights.iter().take_while(|&&other| other < id);
        earlier
            .filter_map(|other| self.flights.get(other))
            .any(|other| (other.cached && flight.cached) || other.overlaps(flight))
    }

    fn retire(&mut self, id: FlightId) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        if flight.cached {
            self.writeback_bytes -= flight.bytes();
        }
        if let Some(inode) = self.inodes.get_mut(&flight.file) {
            inode.flights.retain(|other| *other != id);
        }
        Some(flight)
    }

    /// The flight's sectors reach the medium now; the flight itself stays until it completes.
    pub(super) fn land_early(&mut self, id: FlightId) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        flight.landed = true;
        let flight = flight.clone();
        self.put(&flight);
    }

    /// The flight completes: its sectors are on the medium. Answers the ranges written.
    pub(super) fn land(&mut self, id: FlightId) -> SmallVec<[(FileId, Range<u64>); 1]> {
        let Some(flight) = self.retire(id) else { return SmallVec::new() };
        if !flight.landed {
            self.put(&flight);
        }
        flight.pieces.iter().map(|(at, data)| (flight.file, *at..at + data.len())).collect()
    }

    fn put(&mut self, flight: &Flight) {
        // Blocks allocated after a truncate hang on metadata after it: data in them is durable only when the truncate
        // is. A commit may come at any time, so it comes now.
        let truncated_at = self.inodes.get(&flight.file).map_or(&[][..], |inode| &inode.truncated_at);
        if let Some(&seq) = truncated_at.iter().rfind(|&&seq| seq < flight.seq) {
            self.commit(seq);
        }
        let Some(inode) = self.inodes.get_mut(&flight.file) else { return };
        for (at, data) in &flight.pieces {
            let keep = flight.clip.saturating_sub(*at).min(data.len());
            let data = if keep == data.len() { Cow::Borrowed(data) } else { Cow::Owned(data.slice(0..keep)) };
            let range = *at..at + keep;
            inode.stable.write(*at, &data);
            if flight.cached {
                continue;
            }
            // Past the cache: the kernel drops its clean pages there; pages dirtied since are newer and stay.
            for gap in inode.dirty.gaps(&range) {
                if let Some(live) = &mut inode.live {
                    live.write(gap.start, &data.slice(gap.start - at..gap.end - at));
                }
                inode.failed.remove(gap.clone());
                self.resident_bytes -= inode.resident.remove(gap);
            }
            if range.end > inode.live_len && inode.linked {
                inode.live_len = range.end;
                self.journal.push(Change::Grow { file: flight.file, len: range.end });
            }
        }
    }

    /// The flight fails. Pages of the cache are marked clean all the same and keep their new content until they are
    /// evicted (ext4 and XFS: "Can Applications Recover from fsync Failures?", ATC 2020, section 3).
    pub(super) fn fail(&mut self, id: FlightId) {
        let Some(flight) = self.retire(id) else { return };
        if !flight.cached {
            return;
        }
        let Some(inode) = self.inodes.get_mut(&flight.file) else { return };
        for (at, data) in &flight.pieces {
            for gap in inode.dirty.gaps(&(*at..at + data.len())) {
                if gap.start < inode.live_len {
                    inode.failed.insert(gap);
                }
            }
        }
    }

    /// The file that has been dirty longest, when it has been so since `since` at least.
    pub(super) fn oldest_dirty(&mut self, since: Nanos) -> Option<FileId> {
        while let Some(&file) = self.dirty_order.front() {
            match self.inodes.get_mut(&file) {
                Some(inode) if !inode.dirty.is_empty() => return (inode.dirty_since <= since).then_some(file),
                Some(inode) => inode.queued = false,
                None => {}
            }
            self.dirty_order.pop_front();
        }
        None
    }

    /// Puts the flusher's queue in order again (files that were synced and written since stand too early in it).
    pub(super) fn sort_dirty(&mut self) {
        let inodes = &self.inodes;
        let since = |file: &FileId| inodes.get(file).map_or(Nanos::ZERO, |inode| inode.dirty_since);
        self.dirty_order.make_contiguous().sort_by_key(since);
    }

    // ---- metadata -------------------------------------------------------------------------------------------------

    fn expect_file_system(&self) -> Result<(), VolumeError> {
        match self.format {
            VolumeFormat::FileSystem => Ok(()),
            VolumeFormat::Raw => Err(VolumeError::WrongFormat),
        }
    }

    pub(super) fn create(&mut self, name: &FileName) -> Result<FileId, VolumeError> {
        self.expect_file_system()?;
        if self.names.contains_key(name) {
            return Err(VolumeError::AlreadyExists);
        }
        let file = FileId(self.next_file);
        self.next_file += 1;
        self.inodes.insert(file, Inode { linked: true, ..Inode::default() });
        self.names.insert(name.clone(), file);
        self.journal.push(Change::Create { name: name.clone(), file });
        Ok(file)
    }

    pub(super) fn rename(&mut self, from: &FileName, to: &FileName) -> Result<(), VolumeError> {
        self.expect_file_system()?;
        let file = *self.names.get(from).ok_or(VolumeError::NotFound)?;
        if from == to {
            return Ok(());
        }
        self.names.remove(from);
        if let Some(replaced) = self.names.insert(to.clone(), file) {
            self.unlink(replaced);
        }
        self.journal.push(Change::Rename { from: from.clone(), to: to.clone() });
        Ok(())
    }

    pub(super) fn delete(&mut self, name: &FileName) -> Result<(), VolumeError> {
        self.expect_file_system()?;
        let file = self.names.remove(name).ok_or(VolumeError::NotFound)?;
        self.unlink(file);
        self.journal.push(Change::Delete { name: name.clone() });
        Ok(())
    }

    fn unlink(&mut self, file: FileId) {
        let inode = self.inodes.get_mut(&file).expect("a name leads to a file");
        inode.linked = false;
        inode.live = Some(Extents::new());
        self.dirty_bytes -= inode.dirty.total();
        self.resident_bytes -= inode.resident.total();
        self.used -= inode.allocated.total();
        inode.dirty.clear();
        inode.resident.clear();
        inode.failed.clear();
    }

    pub(super) fn truncate(&mut self, file: FileId, len: u64) -> Result<(), VolumeError> {
        self.expect_file_system()?;
        self.file(file)?;
        let cut = len.next_multiple_of(self.sector);
        let inode = self.inodes.get_mut(&file).expect("found above");
        inode.live_mut().clear(len..u64::MAX);
        inode.live_len = len;
        self.dirty_bytes -= inode.dirty.remove(cut..u64::MAX);
        self.resident_bytes -= inode.resident.remove(cut..u64::MAX);
        self.used -= inode.allocated.remove(cut..u64::MAX);
        inode.failed.remove(cut..u64::MAX);
        inode.truncated_at.push(self.journal.push(Change::Truncate { file, len }));
        Ok(())
    }

    pub(super) fn lookup(&self, name: &FileName) -> Result<FileEntry, VolumeError> {
        self.expect_file_system()?;
        let file = *self.names.get(name).ok_or(VolumeError::NotFound)?;
        Ok(FileEntry { name: name.clone(), file, len: self.file(file)?.live_len })
    }

    pub(super) fn list(&self, prefix: &FileName) -> Result<Vec<FileEntry>, VolumeError> {
        self.expect_file_system()?;
        let from = self.names.range(prefix.clone()..);
        from.take_while(|(name, _)| name.as_str().starts_with(prefix.as_str()))
            .map(|(name, _)| self.lookup(name))
            .collect()
    }

    // ---- the page cache's clean part ------------------------------------------------------------------------------

    /// The pages are in memory from now on (first in, first out; Linux's inactive list to a first approximation).
    pub(super) fn make_resident(&mut self, file: FileId, range: Range<u64>) {
        let Some(inode) = self.inodes.get_mut(&file) else { return };
        let new = inode.resident.insert(range.clone());
        if new == 0 {
            return;
        }
        self.resident_bytes += new;
        match self.resident_order.back_mut() {
            Some((last, held))
                if *last == file && held.end == range.start && held.end - held.start < RESIDENT_CHUNK_BYTES =>
            {
                held.end = range.end;
            }
            Some(_) | None => self.resident_order.push_back((file, range)),
        }
        if self.resident_order.len() > self.resident_order_max {
            self.sweep_resident_order();
        }
    }

    /// Drops what is listed and has gone (deleted, cut off, overwritten past the cache): files that come and go would
    /// make the list grow for ever below the cache's capacity.
    fn sweep_resident_order(&mut self) {
        let (inodes, sector) = (&self.inodes, self.sector);
        self.resident_order.retain(|(file, range)| {
            let sectors = range.start / sector * sector..range.end.next_multiple_of(sector);
            let held = |inode: &Inode| inode.resident.covered(range) > 0 || inode.failed.covered(&sectors) > 0;
            inodes.get(file).is_some_and(held)
        });
        self.resident_order_max = RESIDENT_ORDER_MIN.max(2 * self.resident_order.len());
    }

    /// Forgets clean pages until at most `capacity` bytes are in memory. Pages whose write failed go back to what the
    /// medium holds.
    pub(super) fn evict(&mut self, capacity: u64, seen: &mut Witnessed) {
        while self.resident_bytes > capacity {
            let Some((file, range)) = self.resident_order.pop_front() else { break };
            self.forget(file, &range, seen);
        }
        if self.resident_bytes == 0 {
            self.resident_order.clear();
        }
    }

    fn forget(&mut self, file: FileId, range: &Range<u64>, seen: &mut Witnessed) {
        let sector = self.sector;
        let sectors = self.sectors_of(range);
        let Some(inode) = self.inodes.get_mut(&file) else { return };
        self.resident_bytes -= inode.resident.remove(range.clone());
        let lost: Vec<Range<u64>> = inode.failed.overlaps(&sectors).collect();
        for part in lost {
            inode.failed.remove(part.clone());
            seen.failed_pages_lost += (part.end - part.start) / sector;
            let end = part.end.min(inode.live_len);
            if part.start < end {
                let medium = inode.stable.read(part.start..end);
                inode.live_mut().write(part.start, &medium);
            }
        }
    }
}

/// Whether a blob is nothing but a hole.
pub(super) fn is_hole(blob: &Blob) -> bool {
    blob.segments().iter().all(|segment| match segment {
        Segment::Zero(_) => true,
        Segment::Real(_) | Segment::Virtual { .. } => false,
    })
}
