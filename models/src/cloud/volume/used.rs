//! What a volume's device has been used for: beside what is provisioned, which is what is paid for.

use super::work::Direction;

/// Operations that reached the device, and their bytes; what the page cache served is not among them. An operation counts
/// once, however large: AWS counts one of gp3 and io2 for each 256 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeUsed {
    /// Reads.
    pub reads: u64,
    /// Writes; a commit of the file system's journal and a command about reservations are one too.
    pub writes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

impl VolumeUsed {
    pub(super) fn count(&mut self, direction: Direction, bytes: u64) {
        let (operations, all) = match direction {
            Direction::Read => (&mut self.reads, &mut self.read_bytes),
            Direction::Write => (&mut self.writes, &mut self.written_bytes),
        };
        *operations += 1;
        *all += bytes;
    }
}
