//! What can be wrong with a volume: overlays that hold for a time, and fates of single operations.

use super::limits::Rates;
use super::op::FileId;
use super::spec::{VolumeKind, VolumeSpec};
use super::witness::Witnessed;
use crate::blob::Blob;
use crate::cloud::network::AzId;
use crate::fault::FaultId;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use wavetank_sim::{Nanos, SortedMap, Stream};

/// A fault that holds from its injection to its healing. What is beneath stays pristine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeFault {
    /// No I/O completes until healed (AWS FIS "Pause I/O"). The page cache still answers.
    Stall,
    /// I/O submitted meanwhile takes longer; several add up as factors.
    Slow {
        /// Device latency is multiplied by this.
        latency_factor: u32,
        /// IOPS and throughput are divided by this.
        throughput_divisor: u32,
    },
    /// ENOSPC for every write and creation, whatever the content.
    Full,
    /// I/O that completes meanwhile fails with EIO.
    IoErrors {
        /// Reads from the medium.
        reads: bool,
        /// Writes to the medium: direct ones, writeback (seen at the next sync) and syncs.
        writes: bool,
    },
    /// The device is gone with all that it held, and whatever was asked of it fails. The heal puts another in its place: empty,
    /// and attached to nobody. (EBS promises an annual failure rate of 0.1 to 0.2 % for gp3, 0.001 % for io2: "Amazon EBS
    /// volume types".)
    Lost,
    /// One byte reads wrong from the medium, until its sector is written again or the fault is healed.
    BitRot {
        /// Which file.
        file: FileId,
        /// Which byte.
        offset: u64,
    },
    /// A zone is cut off or dark. A volume whose every zone is down hangs as if stalled; contents are safe. (Whether a
    /// local disk's instance dies is the host's story: see [`Volume::instance_lost`](super::Volume::instance_lost).)
    AzDown {
        /// The zone.
        az: AzId,
    },
}

/// What happens to one operation beyond the ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VolumeFate {
    /// Nothing.
    #[default]
    None,
    /// It fails with EIO.
    IoError {
        /// Whether it took effect all the same.
        applied: bool,
    },
    /// It completes later than the device's latency says.
    Late {
        /// By this much.
        by: Nanos,
    },
}

/// How often which fate is drawn, in parts per million of operations. All zero by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRates {
    /// EIO, nothing applied.
    pub io_error_ppm: u32,
    /// EIO, though applied.
    pub io_error_applied_ppm: u32,
    /// Late.
    pub late_ppm: u32,
    /// How late at most.
    pub late_max: Nanos,
}

impl VolumeFate {
    /// Draws one operation's fate; always the same number of draws.
    pub fn draw(rates: &VolumeRates, stream: &mut Stream) -> VolumeFate {
        const MILLION: u32 = 1_000_000;
        let lost = stream.ratio(rates.io_error_ppm, MILLION);
        let applied = stream.ratio(rates.io_error_applied_ppm, MILLION);
        let late = stream.ratio(rates.late_ppm, MILLION);
        let by = Nanos(1).max(rates.late_max).scale(u64::from(stream.bits32()), u64::from(u32::MAX));
        if lost {
            VolumeFate::IoError { applied: false }
        } else if applied {
            VolumeFate::IoError { applied: true }
        } else if late {
            VolumeFate::Late { by }
        } else {
            VolumeFate::None
        }
    }

    pub(super) fn delay(self) -> Nanos {
        match self {
            VolumeFate::Late { by } => by,
            VolumeFate::None | VolumeFate::IoError { .. } => Nanos::ZERO,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Rot {
    /// The sector was written since: nothing is left of the rot.
    overwritten: bool,
    /// The page cache holds the rotted byte.
    cached: bool,
}

/// The faults that hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    held: SortedMap<FaultId, (VolumeFault, Rot)>,
}

impl Faults {
    pub(super) fn inject(&mut self, id: FaultId, fault: VolumeFault) {
        let before = self.held.insert(id, (fault, Rot::default()));
        assert!(before.is_none(), "{id} is injected twice");
    }

    pub(super) fn heal(&mut self, id: FaultId) {
        self.held.remove(&id);
    }

    fn any(&self, wanted: impl Fn(&VolumeFault) -> bool) -> bool {
        self.held.values().any(|(fault, _)| wanted(fault))
    }

    /// Whether I/O hangs.
    pub(super) fn stalled(&self, kind: &VolumeKind) -> bool {
        let down = |az: &AzId| self.any(|fault| *fault == VolumeFault::AzDown { az: *az });
        self.any(|fault| *fault == VolumeFault::Stall) || kind.azs().iter().all(down)
    }

    pub(super) fn lost(&self) -> bool {
        self.any(|fault| *fault == VolumeFault::Lost)
    }

    pub(super) fn full(&self) -> bool {
        self.any(|fault| *fault == VolumeFault::Full)
    }

    pub(super) fn reads_fail(&self) -> bool {
        self.any(|fault| matches!(fault, VolumeFault::IoErrors { reads: true, .. }))
    }

    pub(super) fn writes_fail(&self) -> bool {
        self.any(|fault| matches!(fault, VolumeFault::IoErrors { writes: true, .. }))
    }

    /// The limits as they are now.
    pub(super) fn rates(&self, spec: &VolumeSpec) -> Rates {
        let (_, divisor) = self.slowness();
        let slowed = |rate: u64| if rate == 0 { 0 } else { (rate / divisor).max(1) };
        let (iops, bytes_per_sec) = spec.effective_rates();
        Rates {
            iops: slowed(iops),
            bytes_per_sec: slowed(bytes_per_sec),
            io_size_max: spec.io_size_max_bytes,
            burst: spec.burst,
        }
    }

    /// A latency as it is now.
    pub(super) fn slowed(&self, latency: Nanos) -> Nanos {
        latency.scale(self.slowness().0, 1)
    }

    fn slowness(&self) -> (u64, u64) {
        self.held.values().fold((1, 1), |(latency, divisor), (fault, _)| match fault {
            VolumeFault::Slow { latency_factor, throughput_divisor } => (
                latency.saturating_mul(u64::from(*latency_factor).max(1)),
                divisor.saturating_mul(u64::from(*throughput_divisor).max(1)),
            ),
            VolumeFault::Stall
            | VolumeFault::Full
            | VolumeFault::Lost
            | VolumeFault::IoErrors { .. }
            | VolumeFault::BitRot { .. }
            | VolumeFault::AzDown { .. } => (latency, divisor),
        })
    }

    /// The sectors of `range` (whole sectors) were written.
    pub(super) fn rewritten(&mut self, file: FileId, range: &Range<u64>, seen: &mut Witnessed) {
        for (fault, rot) in self.held.values_mut() {
            if let VolumeFault::BitRot { file: rotted, offset } = fault
                && *rotted == file
                && range.contains(offset)
                && !rot.overwritten
            {
                rot.overwritten = true;
                seen.rot_overwritten += 1;
            }
        }
    }

    /// What a read shows: `data` with the rot that it meets. `in_cache(offset)`: whether the byte came from memory.
    pub(super) fn show(
        &mut self,
        file: FileId,
        offset: u64,
        data: Blob,
        in_cache: impl Fn(u64) -> bool,
        fills_cache: bool,
        seen: &mut Witnessed,
    ) -> Blob {
        let range = offset..offset + data.len();
        let mut shown = data;
        for (fault, rot) in self.held.values_mut() {
            let VolumeFault::BitRot { file: rotted, offset: at } = *fault else { continue };
            if rotted != file || !range.contains(&at) || rot.overwritten {
                continue;
            }
            let from_medium = !in_cache(at);
            if from_medium || rot.cached {
                shown = shown.rotted(at - range.start);
                seen.rotted_reads += 1;
            }
            rot.cached |= from_medium && fills_cache;
        }
        shown
    }

    /// The page cache is gone, and its copies of rotted bytes with it.
    pub(super) fn cache_dropped(&mut self) {
        for (_, rot) in self.held.values_mut() {
            rot.cached = false;
        }
    }
}
