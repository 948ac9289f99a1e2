//! What is left when the power fails.
//!
//! 1. Of the journal a prefix survives, at least up to the last commit.
//! 2. Of each I/O in flight any subset of its sectors is on the medium; its last one may be torn.
//! 3. Of the dirty pages any subset is too (background writeback may have run at any moment); one sector of the whole
//!    volume, the one under the head, may be torn.
//! 4. What waits for an earlier I/O of the same sectors was not submitted yet, so it is lost (pages under writeback are
//!    not written again before that ends; a direct write waits for the pages beneath it).
//! 5. Data in blocks that a lost metadata change would have linked in is unreachable: bytes past the surviving length,
//!    and sectors written after a truncate that did not survive, at or past its cut.

use super::content::{Content, Flight, Inode, is_hole};
use super::journal::Change;
use super::op::FileId;
use super::ranges::Ranges;
use super::witness::Witnessed;
use crate::blob::Blob;
use crate::cloud::network::HostId;
use std::ops::Range;
use wavetank_sim::{Choices, Domain, SortedMap, SortedSet, Stream};

/// What survives of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Drawn from the volume's own stream; the call answers with the [`Survival::Pinned`] that repeats it.
    Drawn,
    /// The draw that this number stands for: what a replay's plan lists.
    Pinned(u64),
    /// Everything: all in flight, all dirty pages, the whole journal; nothing torn.
    KeepAll,
    /// Nothing that was not durable.
    KeepNone,
    /// All data, no uncommitted metadata: the lengths and names are lost.
    KeepData,
    /// All metadata, no data: lengths without their content (zeros).
    KeepMetadata,
}

/// How one layer of unsynced sectors fares.
enum Lot<'a> {
    All,
    None,
    Some { draws: &'a mut Stream, eighths: u32 },
}

impl Lot<'_> {
    fn keeps(&mut self) -> bool {
        match self {
            Lot::All => true,
            Lot::None => false,
            Lot::Some { draws, eighths } => draws.ratio(*eighths, 8),
        }
    }

    /// At which byte the sector tears, if it does.
    fn tear(&mut self, sector: u64) -> Option<u64> {
        match self {
            Lot::All | Lot::None => None,
            Lot::Some { draws, .. } => draws.ratio(1, 2).then(|| draws.range(1..sector)),
        }
    }
}

const PINNED: Domain = Domain::new("volume/survival");

impl Content {
    /// The host's power fails: its page cache and its I/O in flight are gone, except as `survival` says.
    pub(super) fn power_loss(&mut self, host: HostId, survival: Survival, atomic_sectors: bool, seen: &mut Witnessed) {
        let mut draws = match survival {
            Survival::Pinned(number) => Some(Choices::new(number).stream(PINNED, 0)),
            Survival::Drawn | Survival::KeepAll | Survival::KeepNone => None,
            Survival::KeepData | Survival::KeepMetadata => None,
        };
        seen.power_losses += 1;
        let lost = self.lose_journal(survival, draws.as_mut(), seen);
        let cut_of = |file: FileId, seq: u64| {
            let cuts = lost.iter().filter(|cut| cut.file == file && seq > cut.seq);
            cuts.map(|cut| cut.len).min().unwrap_or(u64::MAX)
        };
        let flights: Vec<Flight> = self.flights.values().filter(|f| f.host == host).cloned().collect();
        self.flights.retain(|_, flight| flight.host != host);
        let mut claimed: SortedMap<FileId, Ranges> = SortedMap::new();
        for flight in flights {
            self.writeback_bytes -= if flight.cached { flight.bytes() } else { 0 };
            if flight.landed {
                continue;
            }
            let claims = claimed.entry(flight.file).or_default();
            let limits = Limits { cut: cut_of(flight.file, flight.seq), clip: flight.clip, claims };
            let lot = lot(survival, draws.as_mut());
            self.settle_flight(&flight, limits, lot, !atomic_sectors, seen);
            for (at, data) in &flight.pieces {
                claims.insert(*at..at + data.len());
            }
        }
        let mut may_tear = !atomic_sectors;
        let dirty: Vec<FileId> = self.inodes.iter().filter(|(_, i)| !i.dirty.is_empty()).map(|(f, _)| *f).collect();
        for file in dirty {
            let claims = claimed.entry(file).or_default();
            let limits = Limits { cut: cut_of(file, u64::MAX), clip: u64::MAX, claims };
            let inode = &self.inodes[&file];
            let pieces: Vec<(u64, Blob)> = inode.dirty.iter().map(|r| (r.start, inode.live().read(r))).collect();
            let lot = lot(survival, draws.as_mut());
            let (_, torn) = self.settle(file, &pieces, limits, lot, may_tear, seen);
            may_tear &= !torn;
        }
        self.restart(seen);
    }

    fn lose_journal(
        &mut self,
        survival: Survival,
        draws: Option<&mut Stream>,
        seen: &mut Witnessed,
    ) -> Vec<LostTruncate> {
        let all = self.journal.len();
        let kept = match (survival, draws) {
            (Survival::KeepAll | Survival::KeepMetadata, _) => all,
            (Survival::KeepNone | Survival::KeepData | Survival::Drawn, _) | (Survival::Pinned(_), None) => 0,
            (Survival::Pinned(_), Some(draws)) => draws.index(all + 1),
        };
        if kept > 0 {
            let last = self.journal.nth(kept - 1).expect("within the journal");
            self.commit(last);
        }
        assert_eq!(self.journal.len(), all - kept, "a commit kept another prefix than asked");
        seen.kept_unsynced_metadata += kept as u64;
        seen.lost_metadata += (all - kept) as u64;
        let lost = self.journal.take_all();
        lost.into_iter()
            .filter_map(|(seq, change)| match change {
                Change::Truncate { file, len } => Some(LostTruncate { seq, file, len }),
                Change::Create { .. } | Change::Rename { .. } | Change::Delete { .. } | Change::Grow { .. } => None,
            })
            .collect()
    }

    fn settle_flight(
        &mut self,
        flight: &Flight,
        limits: Limits<'_>,
        lot: Lot<'_>,
        may_tear: bool,
        seen: &mut Witnessed,
    ) {
        let waits = flight.pieces.iter().any(|(at, data)| limits.claims.covered(&(*at..at + data.len())) > 0);
        let lot = if waits && !flight.cached { Lot::None } else { lot };
        let (kept, torn) = self.settle(flight.file, &flight.pieces, limits, lot, may_tear, seen);
        if !flight.cached && flight.bytes() > 0 {
            match (kept, torn) {
                (Kept::All, false) => seen.in_flight_kept += 1,
                (Kept::None, _) => seen.in_flight_lost += 1,
                (Kept::All, true) | (Kept::Part, _) => seen.in_flight_partial += 1,
            }
        }
    }

    /// Puts a subset of the pieces' sectors onto the medium.
    fn settle(
        &mut self,
        file: FileId,
        pieces: &[(u64, Blob)],
        limits: Limits<'_>,
        mut lot: Lot<'_>,
        may_tear: bool,
        seen: &mut Witnessed,
    ) -> (Kept, bool) {
        let sector = self.sector;
        let Some(inode) = self.inodes.get_mut(&file) else { return (Kept::None, false) };
        let (mut kept, mut all) = (0u64, 0u64);
        let mut last_kept = None;
        let mut settled = inode.stable.clone();
        for (at, data) in pieces {
            let mut run: Option<Range<u64>> = None;
            let mut from = 0;
            while from < data.len() {
                // Buffered pieces are whole sectors; a direct write is checked to be.
                let to = (from + sector).min(data.len());
                all += 1;
                let free = limits.claims.covered(&(at + from..at + to)) == 0;
                if lot.keeps() && at + to <= limits.cut && free {
                    kept += 1;
                    last_kept = Some((*at, from..to, data));
                    run = Some(run.map_or(from, |r| r.start)..to);
                } else {
                    write_run(&mut settled, *at, data, run.take(), limits.clip);
                    note_lost(inode, *at + from..at + to, seen);
                }
                from = to;
            }
            write_run(&mut settled, *at, data, run, limits.clip);
        }
        let mut torn = false;
        if may_tear
            && let Some((at, range, data)) = last_kept
            && let Some(tear) = lot.tear(range.end - range.start)
        {
            // New bytes up to the tear, the medium's old ones after it.
            let tail = at + range.start + tear..(at + range.end).min(limits.clip);
            if tail.start < tail.end {
                let old = inode.stable.read(tail.clone());
                torn = old != data.slice(tail.start - at..tail.end - at);
                settled.write(tail.start, &old);
            }
        }
        inode.stable = settled;
        seen.torn_sectors += u64::from(torn);
        seen.kept_unsynced_sectors += kept - u64::from(torn);
        let share = if kept == 0 {
            Kept::None
        } else if kept == all {
            Kept::All
        } else {
            Kept::Part
        };
        (share, torn)
    }

    /// Everything is written and committed; the page cache goes.
    pub(super) fn unmount(&mut self, seen: &mut Witnessed) {
        assert!(self.dirty_bytes == 0 && self.journal.is_empty(), "unmounted with something unwritten");
        self.restart(seen);
    }

    /// The machine comes up: what it sees is what the medium holds.
    fn restart(&mut self, seen: &mut Witnessed) {
        self.dirty_bytes = 0;
        self.dirty_order.clear();
        self.resident_bytes = 0;
        self.resident_order.clear();
        self.names = self.committed_names.clone();
        let raw = FileId::RAW;
        let named: SortedSet<FileId> = self.names.values().copied().collect();
        self.inodes.retain(|file, _| *file == raw || named.contains(file));
        self.used = 0;
        let sector = self.sector;
        for inode in self.inodes.values_mut() {
            seen.failed_pages_lost += inode.failed.total() / sector;
            let len = inode.committed_len;
            inode.stable.clear(len..u64::MAX);
            inode.show_the_medium();
            inode.live_len = len;
            inode.linked = true;
            inode.dirty.clear();
            inode.queued = false;
            inode.failed.clear();
            inode.resident.clear();
            inode.allocated.remove(len.next_multiple_of(sector)..u64::MAX);
            self.used += inode.allocated.total();
            inode.truncated_at.clear();
            inode.writeback_failed = false;
            inode.flights.retain(|id| self.flights.contains_key(id));
        }
        assert!(self.journal.is_empty() && self.dirty_bytes == 0, "a restart left something unsettled");
    }
}

/// What lost and surviving truncates leave of a layer.
#[derive(Clone, Copy)]
struct Limits<'a> {
    /// Sectors that reach past this were written after a truncate that is lost: unreachable.
    cut: u64,
    /// Bytes from here on lie past a truncate that survived: void.
    clip: u64,
    /// Sectors under an earlier I/O that is still in flight.
    claims: &'a Ranges,
}

struct LostTruncate {
    seq: u64,
    file: FileId,
    len: u64,
}

enum Kept {
    All,
    Part,
    None,
}

fn lot(survival: Survival, draws: Option<&mut Stream>) -> Lot<'_> {
    match (survival, draws) {
        (Survival::KeepAll | Survival::KeepData, _) => Lot::All,
        (Survival::KeepNone | Survival::KeepMetadata | Survival::Drawn, _) | (Survival::Pinned(_), None) => Lot::None,
        (Survival::Pinned(_), Some(draws)) => {
            // All, most, half, few, none: the extremes are as likely as the middle.
            let eighths = *draws.pick(&[0, 1, 4, 7, 8]);
            Lot::Some { draws, eighths }
        }
    }
}

fn write_run(settled: &mut crate::extents::Extents, at: u64, data: &Blob, run: Option<Range<u64>>, clip: u64) {
    let Some(run) = run else { return };
    let end = run.end.min(clip.saturating_sub(at));
    if run.start < end {
        settled.write(at + run.start, &data.slice(run.start..end));
    }
}

fn note_lost(inode: &Inode, sector: Range<u64>, seen: &mut Witnessed) {
    seen.lost_sectors += 1;
    if sector.start >= inode.committed_len {
        seen.lost_beyond_end += 1;
    } else if is_hole(&inode.stable.read(sector)) {
        seen.zero_holes += 1;
    } else {
        seen.old_content_kept += 1;
    }
}
