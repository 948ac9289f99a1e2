//! Tests of the whole volume, and the small driver they share.

mod behaviour;
mod fencing;
mod reference;
mod throughput;

use super::*;
use crate::blob::Blob;
use wavetank_sim::{NodeEpoch, NodeId};

pub(super) const H1: HostId = HostId(1);
pub(super) const H2: HostId = HostId(2);
pub(super) const AZ: AzId = AzId(0);

pub(super) fn owner(host: HostId) -> Owner {
    Owner { host, incarnation: Incarnation { node: NodeId(host.0), epoch: NodeEpoch(1) } }
}

/// A volume, its clock, and what it has answered.
pub(super) struct Bench {
    pub(super) volume: Volume,
    pub(super) now: Nanos,
    wakes: SortedMap<(Nanos, u64), VolumeStep>,
    order: u64,
    pub(super) done: Vec<(Nanos, VolumeDone)>,
    tokens: u64,
}

impl Bench {
    pub(super) fn new(spec: VolumeSpec, seed: u64) -> Bench {
        let mut volume = Volume::new(spec, &Choices::new(seed), 7);
        volume.attach_at_start(H1, AZ).unwrap();
        Bench { volume, now: Nanos::ZERO, wakes: SortedMap::new(), order: 0, done: Vec::new(), tokens: 0 }
    }

    pub(super) fn with<R>(&mut self, f: impl FnOnce(&mut Volume, Nanos, &mut Vec<VolumeOutput>) -> R) -> R {
        let mut out = Vec::new();
        let result = f(&mut self.volume, self.now, &mut out);
        for output in out {
            match output {
                Output::Wake { at, step } => {
                    assert!(at >= self.now, "a wake in the past");
                    self.order += 1;
                    self.wakes.insert((at, self.order), step);
                }
                Output::Done(done) => self.done.push((self.now, done)),
            }
        }
        result
    }

    pub(super) fn submit_as(&mut self, host: HostId, op: VolumeOp, fate: VolumeFate) -> u64 {
        self.tokens += 1;
        let token = self.tokens;
        self.with(|volume, now, out| volume.submit(now, owner(host), token, op, fate, out));
        token
    }

    pub(super) fn submit(&mut self, op: VolumeOp) -> u64 {
        self.submit_as(H1, op, VolumeFate::None)
    }

    /// One wake-up; false when there is none.
    pub(super) fn pump(&mut self) -> bool {
        let Some(((at, _), step)) = self.wakes.pop_first() else { return false };
        self.now = at;
        self.with(|volume, now, out| volume.step(now, step, out));
        true
    }

    pub(super) fn run_until(&mut self, end: Nanos) {
        while self.wakes.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.pump();
        }
        self.now = self.now.max(end);
    }

    pub(super) fn answer(&self, token: u64) -> Option<&Result<VolumeAnswer, VolumeError>> {
        self.done.iter().find(|(_, done)| done.token == token).map(|(_, done)| &done.result)
    }

    /// Runs until the operation is answered.
    pub(super) fn wait(&mut self, token: u64) -> Result<VolumeAnswer, VolumeError> {
        loop {
            if let Some(result) = self.answer(token) {
                return result.clone();
            }
            assert!(self.pump(), "operation {token} is never answered");
        }
    }

    pub(super) fn ask(&mut self, op: VolumeOp) -> Result<VolumeAnswer, VolumeError> {
        let token = self.submit(op);
        self.wait(token)
    }

    pub(super) fn create(&mut self, name: &str) -> FileId {
        match self.ask(VolumeOp::Create { name: name.into() }) {
            Ok(VolumeAnswer::Created(file)) => file,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn read(&mut self, file: FileId, offset: u64, len: u64) -> Blob {
        match self.ask(VolumeOp::Read { file, offset, len, mode: IoMode::Buffered }) {
            Ok(VolumeAnswer::Read(data)) => data,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn list(&mut self) -> Vec<FileEntry> {
        match self.ask(VolumeOp::List { prefix: "".into() }) {
            Ok(VolumeAnswer::Listed(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn power_loss(&mut self, survival: Survival) -> Survival {
        self.with(|volume, now, out| volume.power_loss(now, H1, survival, out))
    }
}

pub(super) fn write(file: FileId, offset: u64, data: Blob, mode: IoMode) -> VolumeOp {
    VolumeOp::Write { file, offset, data, mode }
}

pub(super) fn bytes(byte: u8, len: u64) -> Blob {
    Blob::real(vec![byte; len as usize])
}

/// A small file system: sectors of 512 bytes.
pub(super) fn small() -> VolumeSpec {
    VolumeSpec { sector_bytes: 512, ..VolumeSpec::gp3(AZ, VolumeFormat::FileSystem, 1 << 20) }
}
