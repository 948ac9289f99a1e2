//! Kafka's `quorum-state` file: the epoch, and who has this voter's vote in it. It is durable before a vote is answered.
//!
//! Two slots of one sector each are written in turn, past the page cache, so a torn write leaves the one before.
//!
//! Simpler than reality: Kafka writes a temporary file, syncs it and renames it (`FileQuorumStateStore`); that has the
//! same two outcomes at a crash.

use super::storage::{SECTOR, StorageError};
use crate::blob::Blob;
use crate::cloud::volume::{FileId, FileName, IoMode, VolumeAnswer, VolumeDone, VolumeError, VolumeOp};
use crate::kafka::ids::{ControllerEpoch, ControllerId};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, VolumeId};

/// What a voter never forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Promise {
    /// The greatest epoch it knows.
    pub(super) epoch: ControllerEpoch,
    /// Who has its vote in that.
    pub(super) voted_for: Option<ControllerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Lookup,
    Create,
    NameDurable,
    Read,
    Write,
}

/// Something to know.
pub(super) enum QuorumStateEvent {
    /// The file as it survived.
    Recovered(Promise),
    /// What was to be written is durable.
    Durable,
}

/// See the [module](self).
pub(super) struct QuorumStateFile {
    space: TokenSpace,
    volume: VolumeId,
    file: Option<FileId>,
    step: Option<Step>,
    sequence: u64,
}

impl QuorumStateFile {
    pub(super) fn new(space: TokenSpace, volume: VolumeId) -> QuorumStateFile {
        QuorumStateFile { space, volume, file: None, step: None, sequence: 0 }
    }

    pub(super) fn open(&mut self, cx: &mut Cx<'_>) {
        self.ask(cx, Step::Lookup, VolumeOp::Lookup { name: FileName::from("quorum-state") });
    }

    /// Writes; [`QuorumStateEvent::Durable`] says that it is done.
    pub(super) fn write(&mut self, cx: &mut Cx<'_>, promise: Promise) {
        self.sequence += 1;
        let (file, offset) = (self.file.expect("it is open"), self.sequence % 2 * SECTOR);
        let data = encode(self.sequence, promise);
        self.ask(cx, Step::Write, VolumeOp::Write { file, offset, data, mode: IoMode::Direct });
    }

    fn ask(&mut self, cx: &mut Cx<'_>, step: Step, op: VolumeOp) {
        assert!(self.step.is_none(), "the quorum state is written once at a time");
        self.step = Some(step);
        cx.volume(self.volume, self.space.token(0), op);
    }

    /// The volume has answered.
    pub(super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        done: VolumeDone,
    ) -> Result<Option<QuorumStateEvent>, StorageError> {
        let step = self.step.take().expect("something was asked");
        match (step, done.result) {
            (Step::Lookup, Ok(VolumeAnswer::Found(entry))) => {
                self.file = Some(entry.file);
                let op = VolumeOp::Read { file: entry.file, offset: 0, len: 2 * SECTOR, mode: IoMode::Direct };
                self.ask(cx, Step::Read, op);
            }
            (Step::Lookup, Err(VolumeError::NotFound)) => {
                self.ask(cx, Step::Create, VolumeOp::Create { name: FileName::from("quorum-state") });
            }
            (Step::Lookup, Err(error)) => return Err(StorageError::NotThereYet(error)),
            (Step::Create, Ok(VolumeAnswer::Created(file))) => {
                self.file = Some(file);
                self.ask(cx, Step::NameDurable, VolumeOp::SyncDirectory);
            }
            (Step::NameDurable, Ok(_)) => return Ok(Some(QuorumStateEvent::Recovered(Promise::default()))),
            (Step::Read, Ok(VolumeAnswer::Read(content))) => {
                let bytes = content.to_bytes().expect("the quorum state is real bytes");
                let newest = bytes.chunks(SECTOR as usize).filter_map(decode).max_by_key(|(sequence, _)| *sequence);
                let (sequence, promise) = newest.unwrap_or_default();
                self.sequence = sequence;
                return Ok(Some(QuorumStateEvent::Recovered(promise)));
            }
            (Step::Write, Ok(_)) => return Ok(Some(QuorumStateEvent::Durable)),
            (step, Err(error)) => return Err(StorageError::Failed(format!("{step:?} of the quorum state"), error)),
            (step, Ok(answer)) => unreachable!("{step:?} answered {answer:?}"),
        }
        Ok(None)
    }
}

/// CRC-32C 4 | sequence 8 | epoch 4 | vote + 1 or 0, 8; zeros to the sector's end.
fn encode(sequence: u64, promise: Promise) -> Blob {
    let mut bytes = vec![0; SECTOR as usize];
    bytes[4..12].copy_from_slice(&sequence.to_le_bytes());
    bytes[12..16].copy_from_slice(&promise.epoch.0.to_le_bytes());
    bytes[16..24].copy_from_slice(&promise.voted_for.map_or(0, |vote| u64::from(vote.0) + 1).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[4..24]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    Blob::real(bytes)
}

fn decode(slot: &[u8]) -> Option<(u64, Promise)> {
    let crc = u32::from_le_bytes(slot.get(..4)?.try_into().expect("four bytes"));
    let content = slot.get(4..24)?;
    let sequence = u64::from_le_bytes(content[..8].try_into().expect("eight bytes"));
    let epoch = ControllerEpoch(u32::from_le_bytes(content[8..12].try_into().expect("four bytes")));
    let vote = u64::from_le_bytes(content[12..].try_into().expect("eight bytes"));
    let voted_for = vote.checked_sub(1).map(|id| ControllerId(id as u32));
    (sequence > 0 && crc == crc32c::crc32c(content)).then_some((sequence, Promise { epoch, voted_for }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_was_written_or_not_at_all() {
        let promise = Promise { epoch: ControllerEpoch(7), voted_for: Some(ControllerId(0)) };
        let bytes = encode(3, promise).to_bytes().unwrap();
        assert_eq!(decode(&bytes), Some((3, promise)));
        let mut torn = bytes.to_vec();
        torn[12] ^= 1;
        assert_eq!(decode(&torn), None);
        assert_eq!(decode(&[0; 4096]), None);
    }
}
