//! A pier's records on disk: a real header, a virtual body, one checksum over both.

use wavetank_models::blob::Blob;

const MAGIC: u32 = 0x7069_6572;
/// Bytes of a header.
const HEADER: u64 = 32;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A boat's cargo.
    Cargo { boat: u32, number: u64 },
    /// The segment that begins at this record number is in the object store.
    Uploaded { segment: u64 },
}

impl Record {
    fn body_len(self) -> u64 {
        match self {
            // Some records are larger than a sector, so that a power loss can tear them in the middle.
            Record::Cargo { number, .. } => 300 + number % 7 * 1_500,
            Record::Uploaded { .. } => 0,
        }
    }

    fn words(self) -> (u32, u64) {
        match self {
            Record::Cargo { boat, number } => (boat, number),
            Record::Uploaded { segment } => (u32::MAX, segment),
        }
    }

    /// Bytes on disk.
    pub fn len(self) -> u64 {
        HEADER + self.body_len()
    }

    /// As it is written.
    pub fn encode(self, at: u64) -> Blob {
        let (kind, number) = self.words();
        let body = Blob::named(u64::from(kind) << 32 | number, self.body_len());
        let mut header = Vec::with_capacity(HEADER as usize);
        header.extend_from_slice(&MAGIC.to_le_bytes());
        header.extend_from_slice(&kind.to_le_bytes());
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&at.to_le_bytes());
        header.extend_from_slice(&body.crc32c().to_le_bytes());
        let crc = Blob::real(header.clone()).crc32c();
        header.extend_from_slice(&crc.to_le_bytes());
        let mut out = Blob::real(header);
        out.append(&body);
        out
    }

    /// Reads the record at `at`, if a whole and valid one is there. With `trusting` no checksum is looked at.
    pub fn decode(log: &Blob, at: u64, trusting: bool) -> Option<Record> {
        if at + HEADER > log.len() {
            return None;
        }
        let header = log.slice(at..at + HEADER).to_bytes()?;
        let word = |from: usize| u32::from_le_bytes(header[from..from + 4].try_into().expect("four bytes"));
        let long = |from: usize| u64::from_le_bytes(header[from..from + 8].try_into().expect("eight bytes"));
        if word(0) != MAGIC || long(16) != at {
            return None;
        }
        let record = match word(4) {
            u32::MAX => Record::Uploaded { segment: long(8) },
            boat => Record::Cargo { boat, number: long(8) },
        };
        let end = at + record.len();
        if trusting {
            return (end <= log.len()).then_some(record);
        }
        let sound = Blob::real(header.slice(..28)).crc32c() == word(28)
            && end <= log.len()
            && log.slice(at + HEADER..end).crc32c() == word(24);
        sound.then_some(record)
    }

    /// Whether the record's body at `at` is what was written, checksum or not.
    pub fn is_intact(self, log: &Blob, at: u64) -> bool {
        log.slice(at..at + self.len()) == self.encode(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_any_changed_byte_ends_the_log() {
        let record = Record::Cargo { boat: 2, number: 5 };
        let log = record.encode(0);
        assert_eq!(Record::decode(&log, 0, false), Some(record));
        assert!(record.is_intact(&log, 0));
        for at in (0..log.len()).step_by(37) {
            assert_eq!(Record::decode(&log.rotted(at), 0, false), None, "byte {at}");
        }
        assert_eq!(Record::decode(&log.slice(0..log.len() - 1), 0, false), None);
        assert_eq!(Record::decode(&log, 1, false), None);
    }
}
