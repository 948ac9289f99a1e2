//! A ring of blocks on a device or in a file: S3Stream's block WAL (`s3/wal/impl/block/`, the last version in the open,
//! parent of ddc8e3a6a7) without the device.
//!
//! ```text
//!   | header | header | block | block | ...                      | physical = logical % (capacity - 8192) + 8192
//!                       trim ^      ^ window start  ^ next
//! ```
//!
//! # Steps
//! *Append*: 1. refused where the ring would run into what is not durably trimmed; 2. into the current block, sealed at
//! `block_soft_limit_bytes` or at the next poll, one each `max(1 ms, 1 / rate)`; 3. a block that would cross the ring's end
//! begins at its start; 4. a block beyond the window waits until a header with a longer window is durable; 5. written,
//! up to `io_threads` at once, within `max(iops - 20, iops / 2)` writes a second and the bandwidth; 6. acknowledged in order.
//!
//! *Trim*: in memory, and into a header when none is being written.
//!
//! *Open*: 1. both headers; a higher epoch in the newer one means fenced; 2. a header with one's own epoch; 3. from the
//! trimmed record on: an entry that is whole and says that it lies there, the next one after it; where there is none, at the
//! next 4 KiB, until a window's length after the first such place. A record of an earlier cycle of the ring says another
//! place and is none. A log that was shut down in good order is empty.
//!
//! *Reset*: the next record goes to `align(trim + capacity)`: so far no owner can have written, so whatever is left in the
//! ring, or is still on its way there from a life that is over, says another place.
//!
//! Other than there: acknowledgements are in the order of the log, not by stream; after a gap the search for its end
//! begins anew; the header's timestamp never goes back with the wall clock.

mod header;
mod recovery;

pub use header::{RING_HEADER_BYTES, RingHeader, ShutdownType};

use self::recovery::Scan;
use super::mutant::WalMutant;
use super::record::{EntryWriter, PlaceCheck, logged_bytes};
use super::voice::Voice;
use super::{OverCapacity, WalEvent, WalMode, WalOffset, WalRecord};
use crate::blob::Blob;
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, On, Wait};
use std::collections::VecDeque;
use wavetank_sim::Nanos;

/// Alignment of blocks, and size of a header's block (`automq.ebswal.blocksize`).
pub const BLOCK: u64 = 4096;
/// Bytes before the ring begins.
pub const HEADERS: u64 = 2 * BLOCK;

/// How a ring behaves.
#[derive(Clone, Debug)]
pub struct RingOptions {
    /// Bytes of the device or file, headers included: a multiple of 4096. Default 2 GiB (`s3.wal.capacity`).
    pub capacity_bytes: u64,
    /// A block of so many bytes is sealed. Default 256 KiB.
    pub block_soft_limit_bytes: u64,
    /// Writes at once. Default 8 (`s3.wal.thread`).
    pub io_threads: usize,
    /// Writes a second that were bought. Default 3,000 (`s3.wal.iops`).
    pub iops: u64,
    /// Bytes a second, counted in blocks of 4 KiB; 0, the default: not limited.
    pub bandwidth_bytes_per_sec: u64,
    /// The window at first. Default 1 MiB.
    pub window_initial_bytes: u64,
    /// It never gets longer. Default 512 MiB.
    pub window_max_bytes: u64,
    /// It grows to multiples of this. Default 4 MiB.
    pub window_unit_bytes: u64,
    /// Recovery reads so much at once. Default 1 MiB.
    pub recovery_read_bytes: u64,
}

impl Default for RingOptions {
    fn default() -> RingOptions {
        RingOptions {
            capacity_bytes: 2 << 30,
            block_soft_limit_bytes: 256 << 10,
            io_threads: 8,
            iops: 3_000,
            bandwidth_bytes_per_sec: 0,
            window_initial_bytes: 1 << 20,
            window_max_bytes: 512 << 20,
            window_unit_bytes: 4 << 20,
            recovery_read_bytes: 1 << 20,
        }
    }
}

/// What a ring needs: reads and writes that are durable when answered.
pub(super) trait RingDevice {
    /// Answered with [`Ring::written`].
    fn write(&mut self, cx: &mut Cx<'_>, id: u64, offset: u64, data: Blob);

    /// Answered with [`Ring::was_read`].
    fn read(&mut self, cx: &mut Cx<'_>, offset: u64, len: u64);
}

/// The write of a header; blocks have numbers from 1.
const HEADER: u64 = 0;
/// The ring's one timer.
pub(super) const POLL: u64 = 0;
const POLL_MIN: Nanos = Nanos::millis(1);
/// Unused rate is kept for so long: buckets of `rate / 10`.
const BURST: Nanos = Nanos::millis(100);
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    ReadingHeaders,
    Claiming,
    Recovering,
    Recovered,
    Resetting,
    Releasing,
    Open,
    Released,
}

/// A block that has its place.
struct Placed {
    id: u64,
    start: u64,
    end: u64,
    bytes: u64,
    records: Vec<(WalOffset, WalRecord)>,
    /// Until it is on its way.
    data: Option<Blob>,
    done: bool,
}

/// See the [module](self).
pub(super) struct Ring {
    options: RingOptions,
    space: TokenSpace,
    mutant: Option<WalMutant>,
    pub voice: Voice,
    phase: Phase,
    /// As it is wanted.
    header: RingHeader,
    /// As it is durable.
    durable: RingHeader,
    slot: u64,
    /// What the header on its way says.
    writing: Option<RingHeader>,
    scan: Option<Scan>,
    next: u64,
    current: Vec<WalRecord>,
    current_bytes: u64,
    blocks: VecDeque<Placed>,
    next_block: u64,
    flying: usize,
    write_free_at: Nanos,
    bytes_free_at: Nanos,
    polling: bool,
    unflushed: u64,
    refused: bool,
}

impl Ring {
    pub fn new(options: RingOptions, space: TokenSpace, mutant: Option<WalMutant>) -> Ring {
        assert!(
            options.capacity_bytes.is_multiple_of(BLOCK) && options.capacity_bytes > HEADERS,
            "capacity_bytes = {}: a ring takes a multiple of 4096 above 8192",
            options.capacity_bytes
        );
        let header = RingHeader {
            capacity: options.capacity_bytes,
            trim_offset: None,
            last_write: 0,
            window: options.window_initial_bytes,
            shutdown: ShutdownType::Graceful,
            broker: Default::default(),
            epoch: Default::default(),
        };
        Ring {
            options,
            space,
            mutant,
            voice: Voice::default(),
            phase: Phase::Closed,
            header,
            durable: header,
            slot: 1,
            writing: None,
            scan: None,
            next: 0,
            current: Vec::new(),
            current_bytes: 0,
            blocks: VecDeque::new(),
            next_block: 1,
            flying: 0,
            write_free_at: Nanos::ZERO,
            bytes_free_at: Nanos::ZERO,
            polling: false,
            unflushed: 0,
            refused: false,
        }
    }

    /// Bytes of the ring itself.
    fn len(&self) -> u64 {
        self.options.capacity_bytes - HEADERS
    }

    /// The device is one's own: reads it.
    pub fn begin(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice) {
        self.phase = Phase::ReadingHeaders;
        // An earlier try may have lost the device under its claim.
        self.writing = None;
        device.read(cx, 0, HEADERS);
    }

    /// Whether the header that ends a release is durable.
    pub fn is_released(&self) -> bool {
        self.phase == Phase::Released
    }

    /// Whether the log has been acquired.
    pub fn is_acquired(&self) -> bool {
        !matches!(self.phase, Phase::Closed | Phase::ReadingHeaders | Phase::Claiming)
    }

    pub fn unflushed(&self) -> u64 {
        self.unflushed
    }

    /// What it waits for of its device, which is `on`.
    pub fn waits(&self, on: On) -> Option<Wait> {
        let (what, on) = match self.phase {
            Phase::Closed | Phase::Recovered | Phase::Released => return None,
            Phase::ReadingHeaders => ("reads the log's headers", on),
            Phase::Claiming => ("claims the log", on),
            Phase::Recovering => ("reads the log", on),
            Phase::Resetting => ("empties the log", on),
            Phase::Releasing => ("gives the log back", on),
            Phase::Open if self.flying > 0 || self.writing.is_some() => ("writes to the log", on),
            Phase::Open if self.polling => ("gathers records for a write", On::Time),
            Phase::Open => return None,
        };
        Some(Wait::on(what, on))
    }

    // ---- headers ----

    /// Writes the header as it is wanted, once the one on its way is durable.
    fn write_header(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice) {
        if self.writing.is_some() {
            return;
        }
        let wall = cx.wall().0 / 1_000_000;
        self.header.last_write = match self.mutant {
            Some(WalMutant::HeaderByWallClock) => wall,
            _ => wall.max(self.header.last_write + 1),
        };
        self.slot = 1 - self.slot;
        self.writing = Some(self.header);
        device.write(cx, HEADER, self.slot * BLOCK, self.header.encode());
    }

    fn header_written(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice) {
        self.durable = self.writing.take().expect("on its way");
        let wanted = RingHeader { last_write: self.durable.last_write, ..self.header };
        if wanted != self.durable {
            return self.write_header(cx, device);
        }
        match self.phase {
            Phase::Claiming => {
                self.voice.acquired(cx);
                self.recover(cx, device);
            }
            Phase::Resetting => {
                self.phase = Phase::Open;
                self.voice.say(WalEvent::Ready);
            }
            Phase::Releasing => self.phase = Phase::Released,
            Phase::Open => {
                self.room();
                self.write_more(cx, device);
            }
            Phase::Closed | Phase::ReadingHeaders | Phase::Recovering | Phase::Recovered | Phase::Released => (),
        }
    }

    fn headers_read(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice, blocks: &Blob) {
        let owner = self.voice.owner();
        if let Some((slot, header)) = RingHeader::newest(blocks) {
            if header.epoch > owner.epoch {
                return self.voice.fenced();
            }
            if header.capacity != self.options.capacity_bytes || header.broker != owner.broker {
                let found = (header.broker, header.capacity);
                return self.voice.failed(format!("the log on this device is another one: {found:?}"));
            }
            self.slot = slot;
            self.header = header;
        }
        self.header.broker = owner.broker;
        self.header.epoch = owner.epoch;
        self.phase = Phase::Claiming;
        self.write_header(cx, device);
    }

    // ---- recovery ----

    fn recover(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice) {
        self.phase = Phase::Recovering;
        if self.header.shutdown == ShutdownType::Graceful {
            return self.recovered(cx);
        }
        let check = match self.mutant {
            Some(WalMutant::NoRingCycleCheck) => PlaceCheck::Trusting,
            _ => PlaceCheck::Strict,
        };
        let scan = Scan::new(&self.header, self.len(), self.options.recovery_read_bytes, check);
        let (offset, len) = scan.wants();
        self.scan = Some(scan);
        device.read(cx, offset, len);
    }

    /// What was asked of the device.
    pub fn was_read(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice, data: &Blob) {
        if self.phase == Phase::ReadingHeaders {
            return self.headers_read(cx, device, data);
        }
        let mut scan = self.scan.take().expect("a recovery reads");
        let more = scan.take(data, |at, record| {
            let off =
                if self.mutant == Some(WalMutant::RecoverBodyOffset) { super::record::RECORD_HEADER_BYTES } else { 0 };
            self.voice.recovered(cx, WalOffset(at + off), record);
        });
        if !more {
            if scan.passed_trimmed {
                cx.mark("wal: a trim lay between crash and recovery");
            }
            return self.recovered(cx);
        }
        let (offset, len) = scan.wants();
        self.scan = Some(scan);
        device.read(cx, offset, len);
    }

    fn recovered(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Recovered;
        self.voice.recovery_ended(cx);
    }

    /// Empties the log after its recovery.
    pub fn empty(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice, mode: WalMode) {
        assert_eq!(self.phase, Phase::Recovered, "a log is emptied after its recovery");
        self.voice.reset(cx);
        self.next = (self.header.trim_offset.unwrap_or(0) + self.len()).next_multiple_of(BLOCK);
        let past_end = self.mutant == Some(WalMutant::ResetTrimsPastEnd);
        self.header.trim_offset = Some(self.next - u64::from(!past_end));
        self.header.window = self.options.window_initial_bytes;
        (self.phase, self.header.shutdown) = match mode {
            WalMode::Own if self.mutant == Some(WalMutant::HeaderLeftGraceful) => {
                (Phase::Resetting, self.header.shutdown)
            }
            WalMode::Own => (Phase::Resetting, ShutdownType::Ungraceful),
            WalMode::Failover => (Phase::Releasing, ShutdownType::Graceful),
        };
        self.write_header(cx, device);
    }

    // ---- appending ----

    /// Where a block of so many bytes would lie.
    fn place(&self, bytes: u64) -> (u64, u64) {
        let size = bytes.next_multiple_of(BLOCK);
        let left = self.len() - self.next % self.len();
        let start = if size > left { self.next + left } else { self.next };
        (start, start + size)
    }

    pub fn append(&mut self, cx: &mut Cx<'_>, record: WalRecord) -> Result<(), OverCapacity> {
        let bytes = logged_bytes(&record);
        if bytes > self.options.window_max_bytes.min(self.len() / 2) {
            self.voice.failed(format!("a record of {bytes} bytes does not fit this log"));
            return Ok(());
        }
        let (_, end) = self.place(self.current_bytes + bytes);
        let full = end - self.durable.trim_offset.unwrap_or(0) > self.len();
        if full || self.phase != Phase::Open || self.voice.is_over() {
            if full {
                cx.mark("wal: over capacity");
            }
            self.refused = true;
            return Err(OverCapacity(record));
        }
        self.unflushed += bytes;
        self.current_bytes += bytes;
        self.current.push(record);
        if self.current_bytes >= self.options.block_soft_limit_bytes {
            self.seal();
        }
        self.arm(cx);
        Ok(())
    }

    fn seal(&mut self) {
        if self.current.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.current_bytes);
        let (start, end) = self.place(bytes);
        let mut writer = EntryWriter::new(start, self.current.len() + 1);
        let records = self.current.drain(..).map(|record| (WalOffset(writer.record(&record)), record)).collect();
        writer.pad_to(BLOCK);
        assert_eq!(writer.at(), end, "a block fills its place");
        let data = Some(writer.finish());
        self.blocks.push_back(Placed { id: self.next_block, start, end, bytes, records, data, done: false });
        self.next_block += 1;
        self.next = end;
    }

    fn rate(&self) -> u64 {
        self.options.iops.saturating_sub(20).max(self.options.iops / 2).max(1)
    }

    fn arm(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.polling, true) {
            self.space.set_timer(cx, POLL_MIN.max(Nanos(SECOND / self.rate())), POLL);
        }
    }

    /// The timer.
    pub fn poll_blocks(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice) {
        self.polling = false;
        if self.flying < self.options.io_threads {
            self.seal();
        }
        self.write_more(cx, device);
    }

    fn write_more(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice) {
        let now = cx.monotonic();
        while self.flying < self.options.io_threads {
            let Some(at) = self.blocks.iter().position(|block| block.data.is_some()) else { break };
            let window_start = self.blocks[0].start;
            let (end, len) = (self.blocks[at].end, self.blocks[at].end - self.blocks[at].start);
            let reach = end - window_start;
            if reach > self.durable.window {
                let wanted = reach.next_multiple_of(self.options.window_unit_bytes).min(self.options.window_max_bytes);
                if wanted >= reach && wanted > self.header.window {
                    self.header.window = wanted;
                    self.write_header(cx, device);
                }
                break;
            }
            if self.write_free_at > now || self.bytes_free_at > now {
                break;
            }
            let earliest = now.saturating_sub(BURST);
            self.write_free_at = self.write_free_at.max(earliest) + Nanos(SECOND / self.rate());
            self.bytes_free_at =
                self.bytes_free_at.max(earliest) + Nanos::transfer(len, self.options.bandwidth_bytes_per_sec);
            let (ring, block) = (self.len(), &mut self.blocks[at]);
            self.flying += 1;
            let data = block.data.take().expect("looked for");
            device.write(cx, block.id, block.start % ring + HEADERS, data);
        }
        if !self.current.is_empty() || self.blocks.iter().any(|block| block.data.is_some()) {
            self.arm(cx);
        }
    }

    /// A write is durable.
    pub fn written(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice, id: u64) {
        if id == HEADER {
            return self.header_written(cx, device);
        }
        self.flying -= 1;
        if let Some(block) = self.blocks.iter_mut().find(|block| block.id == id) {
            block.done = true;
        }
        let durable = match self.mutant {
            Some(WalMutant::ConfirmMax) => self.blocks.iter().rposition(|block| block.done).map_or(0, |at| at + 1),
            _ => self.blocks.iter().take_while(|block| block.done).count(),
        };
        for block in self.blocks.drain(..durable) {
            self.unflushed -= block.bytes;
            for (at, record) in block.records {
                self.voice.durable(cx, at, record);
            }
        }
        self.write_more(cx, device);
    }

    /// What was refused may fit now: the trim offset is durable.
    fn room(&mut self) {
        if std::mem::take(&mut self.refused) {
            self.voice.say(WalEvent::Room);
        }
    }

    pub fn trim(&mut self, cx: &mut Cx<'_>, device: &mut dyn RingDevice, upto: WalOffset) {
        if self.phase != Phase::Open || self.voice.is_over() || self.header.trim_offset >= Some(upto.0) {
            return;
        }
        self.voice.trimmed(cx, upto);
        self.header.trim_offset = Some(upto.0);
        self.write_header(cx, device);
    }
}
