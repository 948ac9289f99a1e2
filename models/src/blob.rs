//! `Blob`: what is stored and sent, as a rope of real and virtual segments.
//!
//! What recovery depends on (headers, checksums, index blocks, reservation objects) is real bytes. Bulk record data is
//! a *virtual* segment: an identity and a range of it, so that a gibibyte costs forty bytes. Both kinds can be cut,
//! torn, rotted, checksummed and compared alike, so a torn write shows whichever kind it hits.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;

/// One piece of a [`Blob`].
#[derive(Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes that exist.
    Real(Bytes),
    /// The bytes `from .. from + len` of the data that `identity` names. Two ranges of one identity that touch are
    /// one range; different identities never hold equal bytes.
    Virtual {
        /// Which data: a batch's identity, a segment's, anything unique in the world.
        identity: u64,
        /// First byte, counted from the start of the named data.
        from: u64,
        /// How many bytes.
        len: u64,
    },
    /// A run of zero bytes: what was never written.
    Zero(u64),
}

impl Segment {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Segment::Real(bytes) => bytes.len() as u64,
            Segment::Virtual { len, .. } | Segment::Zero(len) => *len,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in `range`, counted from this segment's start.
    ///
    /// # Panics
    /// When the range leaves the segment.
    pub fn slice(&self, range: Range<u64>) -> Segment {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {} bytes", self.len());
        match self {
            Segment::Real(bytes) => Segment::Real(bytes.slice(range.start as usize..range.end as usize)),
            Segment::Virtual { identity, from, .. } => {
                Segment::Virtual { identity: *identity, from: from + range.start, len: range.end - range.start }
            }
            Segment::Zero(_) => Segment::Zero(range.end - range.start),
        }
    }

    /// Goes on with a checksum over the bytes in `range`: see [`Blob::crc32c`].
    pub fn crc32c_append(&self, crc: u32, range: Range<u64>) -> u32 {
        const ZEROS: [u8; 4096] = [0; 4096];
        match self {
            Segment::Real(bytes) => crc32c::crc32c_append(crc, &bytes[range.start as usize..range.end as usize]),
            Segment::Zero(_) => {
                let (mut crc, mut left) = (crc, (range.end - range.start) as usize);
                while left > 0 {
                    let n = left.min(ZEROS.len());
                    crc = crc32c::crc32c_append(crc, &ZEROS[..n]);
                    left -= n;
                }
                crc
            }
            Segment::Virtual { identity, from, .. } => {
                let mut words = [0u8; 24];
                words[..8].copy_from_slice(&identity.to_le_bytes());
                words[8..16].copy_from_slice(&(from + range.start).to_le_bytes());
                words[16..].copy_from_slice(&(range.end - range.start).to_le_bytes());
                crc32c::crc32c_append(crc, &words)
            }
        }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Real(bytes) if bytes.len() <= 24 => write!(f, "{bytes:?}"),
            Segment::Real(bytes) => write!(f, "{:?}..({} bytes)", bytes.slice(..24), bytes.len()),
            Segment::Virtual { identity, from, len } => write!(f, "#{identity:x}[{from}..{}]", from + len),
            Segment::Zero(len) => write!(f, "0x{len}"),
        }
    }
}

/// An immutable string of bytes, real, virtual or both. Cloning and slicing copy no payload.
#[derive(Clone, Default)]
pub struct Blob {
    // Invariant: no empty segment; neighbours that could be one segment (virtual or zero) are one.
    segments: SmallVec<[Segment; 2]>,
    len: u64,
}

impl Blob {
    /// The empty blob.
    pub fn new() -> Blob {
        Blob::default()
    }

    /// Real bytes.
    pub fn real(bytes: impl Into<Bytes>) -> Blob {
        Blob::from(Segment::Real(bytes.into()))
    }

    /// The first `len` bytes of the data that `identity` names.
    pub fn named(identity: u64, len: u64) -> Blob {
        Blob::from(Segment::Virtual { identity, from: 0, len })
    }

    /// A run of zero bytes.
    pub fn zeros(len: u64) -> Blob {
        Blob::from(Segment::Zero(len))
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, segment: Segment) {
        let added = segment.len();
        if added == 0 {
            return;
        }
        self.len += added;
        match (self.segments.last_mut(), &segment) {
            (Some(Segment::Zero(len)), Segment::Zero(more)) => *len += more,
            (
                Some(Segment::Virtual { identity, from, len }),
                Segment::Virtual { identity: other, from: next, len: more },
            ) if identity == other && *from + *len == *next => *len += more,
            _ => self.segments.push(segment),
        }
    }

    /// Room for so many more pieces.
    pub fn reserve(&mut self, segments: usize) {
        self.segments.reserve(segments);
    }

    /// Adds all of another blob at the end, which is not needed any more.
    pub fn append_all(&mut self, other: Blob) {
        self.segments.reserve(other.segments.len());
        other.segments.into_iter().for_each(|segment| self.push(segment));
    }

    /// Adds all of another blob at the end.
    pub fn append(&mut self, other: &Blob) {
        for segment in &other.segments {
            self.push(segment.clone());
        }
    }

    /// The bytes in `range`.
    ///
    /// # Panics
    /// When the range leaves the blob.
    pub fn slice(&self, range: Range<u64>) -> Blob {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of a blob of {} bytes", self.len);
        let mut out = Blob::new();
        let mut at = 0;
        for segment in &self.segments {
            let end = at + segment.len();
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                out.push(segment.slice(from - at..to - at));
            }
            at = end;
            if at >= range.end {
                break;
            }
        }
        out
    }

    /// The bytes, when every one of them is real (or zero); `None` when a part is virtual.
    pub fn to_bytes(&self) -> Option<Bytes> {
        if let [Segment::Real(bytes)] = self.segments.as_slice() {
            return Some(bytes.clone());
        }
        // Looked at first: room for a gibibyte of virtual data would be made only to be thrown away.
        if self.segments.iter().any(|segment| matches!(segment, Segment::Virtual { .. })) {
            return None;
        }
        let mut out = BytesMut::with_capacity(self.len as usize);
        for segment in &self.segments {
            match segment {
                Segment::Real(bytes) => out.extend_from_slice(bytes),
                Segment::Zero(len) => out.resize(out.len() + *len as usize, 0),
                Segment::Virtual { .. } => unreachable!("looked for above"),
            }
        }
        Some(out.freeze())
    }

    /// CRC-32C over the content. Real and zero bytes count as themselves; a maximal virtual range counts as its
    /// identity, start and length, so that any tear, shift or rot of it shows too.
    pub fn crc32c(&self) -> u32 {
        self.segments.iter().fold(0, |crc, segment| segment.crc32c_append(crc, 0..segment.len()))
    }

    /// The checksum of the bytes in `range`, as [`slice`](Blob::slice) would give them.
    ///
    /// # Panics
    /// When the range leaves the blob.
    pub fn crc32c_of(&self, range: Range<u64>) -> u32 {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of a blob of {} bytes", self.len);
        let (mut at, mut crc) = (0, 0);
        for segment in &self.segments {
            let end = at + segment.len();
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                crc = segment.crc32c_append(crc, from - at..to - at);
            }
            at = end;
        }
        crc
    }

    /// The bytes in `range`, where they lie together and are real.
    pub fn real_in(&self, range: Range<u64>) -> Option<&[u8]> {
        let mut at = 0;
        for segment in &self.segments {
            let end = at + segment.len();
            if range.start < end {
                let Segment::Real(bytes) = segment else { return None };
                return bytes.get((range.start - at) as usize..range.end.checked_sub(at)? as usize);
            }
            at = end;
        }
        None
    }

    /// A word that tells contents apart, for the digest: of equal blobs that were cut alike. What is virtual or zero is
    /// told by its name and length, so it costs nothing however long it is.
    pub fn fingerprint(&self) -> u64 {
        self.segments.iter().fold(self.len, |word, segment| {
            let next = match segment {
                Segment::Real(bytes) => u64::from(crc32c::crc32c(bytes)) << 32 | u64::from(bytes.len() as u32),
                Segment::Virtual { identity, from, len } => {
                    identity.rotate_left(32) ^ from.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ len
                }
                Segment::Zero(len) => *len,
            };
            (word.rotate_left(23) ^ next).wrapping_mul(0xd6e8_feb8_6659_fd93)
        })
    }

    /// The same blob with the byte at `at` changed: what bit rot does. Rotting a byte twice restores it.
    ///
    /// # Panics
    /// When `at` is outside.
    pub fn rotted(&self, at: u64) -> Blob {
        let mut out = self.slice(0..at);
        let byte = self.slice(at..at + 1);
        out.push(match &byte.segments[0] {
            Segment::Real(bytes) => Segment::Real(Bytes::copy_from_slice(&[bytes[0] ^ 0x10])),
            Segment::Zero(_) => Segment::Real(Bytes::from_static(&[0x10])),
            Segment::Virtual { identity, from, len } => {
                Segment::Virtual { identity: identity ^ ROT, from: *from, len: *len }
            }
        });
        out.append(&self.slice(at + 1..self.len));
        out
    }
}

/// Marks the identity of a virtual byte that has rotted.
const ROT: u64 = 1 << 63;

impl From<Segment> for Blob {
    fn from(segment: Segment) -> Blob {
        let mut out = Blob::new();
        out.push(segment);
        out
    }
}

impl FromIterator<Segment> for Blob {
    fn from_iter<I: IntoIterator<Item = Segment>>(iter: I) -> Blob {
        let mut out = Blob::new();
        iter.into_iter().for_each(|segment| out.push(segment));
        out
    }
}

impl PartialEq for Blob {
    /// By content: how real bytes are cut into segments does not matter.
    fn eq(&self, other: &Blob) -> bool {
        if self.len != other.len {
            return false;
        }
        let mut at = 0;
        let (mut left, mut right) = (Cursor::new(&self.segments), Cursor::new(&other.segments));
        while at < self.len {
            let step = left.left().min(right.left());
            if !same(&left.take(step), &right.take(step)) {
                return false;
            }
            at += step;
        }
        true
    }
}
impl Eq for Blob {}

fn same(a: &Segment, b: &Segment) -> bool {
    match (a, b) {
        (Segment::Real(bytes), Segment::Zero(_)) | (Segment::Zero(_), Segment::Real(bytes)) => {
            bytes.iter().all(|&b| b == 0)
        }
        _ => a == b,
    }
}

/// Walks segments in steps of any size.
struct Cursor<'a> {
    segments: &'a [Segment],
    used: u64,
}

impl<'a> Cursor<'a> {
    fn new(segments: &'a [Segment]) -> Cursor<'a> {
        Cursor { segments, used: 0 }
    }
    fn left(&self) -> u64 {
        self.segments[0].len() - self.used
    }
    fn take(&mut self, n: u64) -> Segment {
        let piece = self.segments[0].slice(self.used..self.used + n);
        self.used += n;
        if self.left() == 0 {
            self.segments = &self.segments[1..];
            self.used = 0;
        }
        piece
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes: ", self.len)?;
        f.debug_list().entries(&self.segments).finish()?;
        f.write_str(")")
    }
}

/// Reads a blob from front to back. What a piece costs follows from its own segments, not from where it lies.
#[derive(Clone, Debug)]
pub struct BlobReader<'a> {
    segments: &'a [Segment],
    /// Bytes of the first segment that were taken.
    into: u64,
    left: u64,
}

impl<'a> BlobReader<'a> {
    /// From the beginning.
    pub fn new(blob: &'a Blob) -> BlobReader<'a> {
        BlobReader { segments: &blob.segments, into: 0, left: blob.len() }
    }

    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Hands the next bytes over piece by piece; none, and nothing is read, when fewer are left.
    pub fn read(&mut self, len: u64, mut each: impl FnMut(Segment)) -> Option<()> {
        self.left = self.left.checked_sub(len)?;
        let mut missing = len;
        while missing > 0 {
            let (first, rest) = self.segments.split_first().expect("as many bytes are left");
            let end = first.len().min(self.into + missing);
            each(first.slice(self.into..end));
            missing -= end - self.into;
            self.into = end;
            if end == first.len() {
                (self.segments, self.into) = (rest, 0);
            }
        }
        Some(())
    }

    /// The next bytes; none when fewer are left.
    pub fn take(&mut self, len: u64) -> Option<Blob> {
        let mut out = Blob::new();
        self.read(len, |segment| out.push(segment)).map(|()| out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment() -> impl Strategy<Value = Segment> {
        prop_oneof![
            prop::collection::vec(0u8..3, 0..9).prop_map(|v| Segment::Real(v.into())),
            (1u64..3, 0u64..4, 0u64..9).prop_map(|(identity, from, len)| Segment::Virtual { identity, from, len }),
            (0u64..9).prop_map(Segment::Zero),
        ]
    }

    fn blob() -> impl Strategy<Value = Blob> {
        prop::collection::vec(segment(), 0..6).prop_map(|v| v.into_iter().collect())
    }

    proptest! {
        #[test]
        fn cutting_and_joining_gives_the_same_blob(b in blob(), cut in 0u64..40) {
            let cut = cut.min(b.len());
            let mut joined = b.slice(0..cut);
            joined.append(&b.slice(cut..b.len()));
            prop_assert_eq!(&joined, &b);
            prop_assert_eq!(joined.crc32c(), b.crc32c());
            let mut moved = b.slice(0..cut);
            moved.append_all(b.slice(cut..b.len()));
            prop_assert_eq!(&moved, &b);
        }

        #[test]
        fn a_look_inside_is_a_look_at_a_slice(b in blob(), from in 0u64..40, to in 0u64..40) {
            let to = to.min(b.len());
            let from = from.min(to);
            let slice = b.slice(from..to);
            prop_assert_eq!(b.crc32c_of(from..to), slice.crc32c());
            if let (Some(bytes), true) = (b.real_in(from..to), from < to) {
                prop_assert_eq!(Blob::real(bytes.to_vec()), slice);
            } else if let [Segment::Real(_)] = slice.segments() {
                prop_assert!(false, "{:?} is there", slice);
            }
        }

        #[test]
        fn rot_always_shows_and_twice_restores(b in blob(), at in 0u64..40) {
            prop_assume!(!b.is_empty());
            let at = at % b.len();
            let rotted = b.rotted(at);
            prop_assert_eq!(rotted.len(), b.len());
            prop_assert_ne!(&rotted, &b);
            prop_assert_ne!(rotted.crc32c(), b.crc32c());
            prop_assert_eq!(rotted.rotted(at), b);
        }

        #[test]
        fn equal_blobs_have_equal_checksums(a in blob(), b in blob()) {
            if a == b {
                prop_assert_eq!(a.crc32c(), b.crc32c());
            }
        }
    }

    #[test]
    fn real_zeros_equal_a_zero_run() {
        assert_eq!(Blob::real(vec![0u8; 5000]), Blob::zeros(5000));
        assert_eq!(Blob::real(vec![0u8; 5000]).crc32c(), Blob::zeros(5000).crc32c());
        assert_ne!(Blob::named(1, 3), Blob::zeros(3));
    }

    #[test]
    fn a_fingerprint_tells_what_a_checksum_tells() {
        let blobs = [
            Blob::new(),
            Blob::real("ab"),
            Blob::real("ba"),
            Blob::named(1, 2),
            Blob::named(2, 1),
            Blob::named(1, 8).slice(1..3),
            Blob::zeros(2),
            Blob::zeros(1 << 40),
        ];
        for (i, a) in blobs.iter().enumerate() {
            assert_eq!(a.fingerprint(), a.clone().fingerprint());
            assert!(blobs[i + 1..].iter().all(|b| a.fingerprint() != b.fingerprint()), "{a:?}");
        }
    }

    #[test]
    fn only_real_content_becomes_bytes() {
        let mut b = Blob::real("ab");
        b.append(&Blob::zeros(2));
        assert_eq!(b.to_bytes().unwrap(), Bytes::from_static(b"ab\0\0"));
        b.append(&Blob::named(1, 1));
        assert_eq!(b.to_bytes(), None);
        assert_eq!(Blob::named(1, u64::MAX).to_bytes(), None, "no room is made for what is never copied");
    }
}
