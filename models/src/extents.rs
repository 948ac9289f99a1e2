//! A sparse, overwritable string of bytes: the content of a file or a raw device.

use crate::blob::{Blob, Segment};
use std::collections::BTreeMap;
use std::ops::Range;

/// Pieces are joined up to this length: a page.
const JOINED_BYTES_MAX: u64 = 4096;
/// Fewer pieces are not worth the copy.
const JOINED_PIECES_MIN: usize = 4;

/// Byte offset -> piece. Holes read as zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    // Invariant: pieces do not overlap and are not empty.
    pieces: BTreeMap<u64, Segment>,
}

impl Extents {
    /// Nothing but holes.
    pub fn new() -> Extents {
        Extents::default()
    }

    /// Puts `data` at `offset`, over whatever was there.
    pub fn write(&mut self, offset: u64, data: &Blob) {
        let end = offset + data.len();
        let mut segments = data.segments();
        let mut at = offset;
        // A sector that is written again with something more in it is cut as it was before: those pieces stay in place.
        for (start, piece) in self.pieces.range_mut(offset..end) {
            match segments.split_first() {
                Some((first, rest)) if *start == at && piece.len() == first.len() => {
                    piece.clone_from(first);
                    at += first.len();
                    segments = rest;
                }
                Some(_) | None => break,
            }
        }
        self.clear(at..end);
        for segment in segments {
            self.pieces.insert(at, segment.clone());
            at += segment.len();
        }
    }

    /// The bytes in `range`; what was never written is zero.
    pub fn read(&self, range: Range<u64>) -> Blob {
        let mut out = Blob::new();
        let mut at = range.start;
        for (start, piece) in self.overlapping(&range) {
            if start > at {
                out.push(Segment::Zero(start - at));
                at = start;
            }
            let end = (start + piece.len()).min(range.end);
            let is_whole = at == start && end == start + piece.len();
            out.push(if is_whole { piece.clone() } else { piece.slice(at - start..end - start) });
            at = end;
        }
        out.push(Segment::Zero(range.end.saturating_sub(at)));
        out
    }

    /// As [`Extents::read`], and short real pieces side by side become one: a file that grows by small records is cut into
    /// as many pieces, which every read of its last sector would walk over again.
    pub fn read_joined(&mut self, range: Range<u64>) -> Blob {
        let mut runs: Vec<(u64, u64, usize)> = Vec::new();
        for (start, piece) in self.overlapping(&range) {
            let Segment::Real(bytes) = piece else { continue };
            let end = start + bytes.len() as u64;
            match runs.last_mut() {
                Some((from, to, pieces)) if *to == start && end - *from <= JOINED_BYTES_MAX => {
                    *to = end;
                    *pieces += 1;
                }
                Some(_) | None => runs.push((start, end, 1)),
            }
        }
        for (from, to, _) in runs.into_iter().filter(|(_, _, pieces)| *pieces >= JOINED_PIECES_MIN) {
            let bytes = self.read(from..to).to_bytes().expect("all of it is real");
            self.clear(from..to);
            self.pieces.insert(from, Segment::Real(bytes));
        }
        self.read(range)
    }

    /// Makes a hole of `range` (trim, discard, truncate).
    pub fn clear(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let touched: Vec<u64> = self.overlapping(&range).map(|(start, _)| start).collect();
        for start in touched {
            let piece = self.pieces.remove(&start).expect("listed above");
            let end = start + piece.len();
            if start < range.start {
                self.pieces.insert(start, piece.slice(0..range.start - start));
            }
            if end > range.end {
                self.pieces.insert(range.end, piece.slice(range.end - start..end - start));
            }
        }
    }

    /// The end of the last piece; zero when there is none.
    pub fn end(&self) -> u64 {
        self.pieces.last_key_value().map_or(0, |(start, piece)| start + piece.len())
    }

    /// How many bytes are held, holes not counted.
    pub fn allocated(&self) -> u64 {
        self.pieces.values().map(Segment::len).sum()
    }

    fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, &Segment)> {
        let first = match self.pieces.range(..=range.start).next_back() {
            Some((&start, piece)) if start + piece.len() > range.start => start,
            _ => range.start,
        };
        let end = range.end.max(first);
        self.pieces.range(first..end).map(|(&start, piece)| (start, piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extents_equal_a_flat_array(ops in prop::collection::vec((0u64..60, 0u64..20, any::<bool>()), 0..40)) {
            let mut flat = vec![0u8; 100];
            let mut extents = Extents::new();
            for (i, (offset, len, write)) in ops.into_iter().enumerate() {
                let range = offset..offset + len;
                let byte = (i + 1) as u8;
                if write {
                    extents.write(offset, &Blob::real(vec![byte; len as usize]));
                } else {
                    extents.clear(range.clone());
                }
                flat[range.start as usize..range.end as usize].fill(if write { byte } else { 0 });
                prop_assert_eq!(extents.read(0..100), Blob::real(flat.clone()));
                prop_assert_eq!(extents.read(offset..70), Blob::real(flat[offset as usize..70].to_vec()));
                prop_assert_eq!(extents.read_joined(range.clone()), extents.read(range));
                prop_assert_eq!(extents.read(0..100), Blob::real(flat.clone()));
            }
        }
    }

    #[test]
    fn a_file_that_grows_by_small_records_does_not_stay_in_small_pieces() {
        let mut e = Extents::new();
        for at in 0..40 {
            e.write(at * 50, &Blob::real(vec![1; 50]));
            e.read_joined(0..(at + 1) * 50);
        }
        assert!(e.pieces.len() <= JOINED_PIECES_MIN, "{} pieces", e.pieces.len());
    }

    #[test]
    fn the_end_and_the_holes_are_counted_right() {
        let mut e = Extents::new();
        e.write(10, &Blob::named(1, 10));
        e.write(30, &Blob::named(2, 5));
        assert_eq!((e.end(), e.allocated()), (35, 15));
        e.clear(15..32);
        assert_eq!((e.end(), e.allocated()), (35, 8));
    }
}
