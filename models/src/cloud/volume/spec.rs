//! What a volume is: kind, size, limits, latencies, times of the control plane.

use crate::cloud::latency::Latency;
use crate::cloud::network::AzId;
use wavetank_sim::Nanos;

/// Most hosts of one Multi-Attach volume ("up to 16 Nitro-based instances in the same Availability Zone": AWS API
/// reference, `MultiAttachEnabled`).
pub const MULTI_ATTACH_MAX: usize = 16;

/// What kind of volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeKind {
    /// A disk inside one instance: lost for good with it, never attached elsewhere.
    LocalNvme {
        /// The instance's zone.
        az: AzId,
    },
    /// EBS gp3: replicated within one zone, attached to one host.
    Gp3 {
        /// The volume's zone.
        az: AzId,
    },
    /// EBS io2: one zone; NVMe reservations.
    Io2 {
        /// The volume's zone.
        az: AzId,
        /// Whether several hosts may attach it at once.
        multi_attach: bool,
    },
    /// Synchronously replicated over two or three zones, attached to one host at a time: Azure ZRS, GCP Regional PD,
    /// Alibaba regional ESSD. Not sold on AWS: needs a price book of its own.
    Regional {
        /// The zones with a replica.
        azs: Vec<AzId>,
    },
}

impl VolumeKind {
    /// The zones with a replica.
    pub fn azs(&self) -> &[AzId] {
        match self {
            VolumeKind::LocalNvme { az } | VolumeKind::Gp3 { az } | VolumeKind::Io2 { az, multi_attach: _ } => {
                std::slice::from_ref(az)
            }
            VolumeKind::Regional { azs } => azs,
        }
    }

    /// Whether several hosts may have it at once.
    pub fn is_shared(&self) -> bool {
        match self {
            VolumeKind::Io2 { multi_attach, .. } => *multi_attach,
            VolumeKind::LocalNvme { .. } | VolumeKind::Gp3 { .. } | VolumeKind::Regional { .. } => false,
        }
    }

    /// Whether it understands NVMe reservations.
    pub fn has_reservations(&self) -> bool {
        match self {
            VolumeKind::Io2 { .. } => true,
            VolumeKind::LocalNvme { .. } | VolumeKind::Gp3 { .. } | VolumeKind::Regional { .. } => false,
        }
    }

    /// Whether AWS sells it, so that the AWS price book covers it.
    pub fn sold_on_aws(&self) -> bool {
        match self {
            VolumeKind::LocalNvme { .. } | VolumeKind::Gp3 { .. } | VolumeKind::Io2 { .. } => true,
            VolumeKind::Regional { .. } => false,
        }
    }
}

/// What is on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeFormat {
    /// Nothing: the device itself is the one file, [`FileId::RAW`](super::FileId::RAW).
    Raw,
    /// A journalled file system (ext4, XFS).
    FileSystem,
}

/// How long the control plane takes. Rows EBS-reattach (unmount, detach, attach, mount: 10-20 s together, halved
/// here), EBS-detach-term, EBS-force.
#[derive(Clone, Debug)]
pub struct ControlTimes {
    /// From the request to a usable, mounted device.
    pub attach: Latency,
    /// Graceful: from the last flushed page to detached.
    pub detach: Latency,
    /// Detach after the instance was terminated.
    pub detach_terminated: Latency,
    /// Forced detach of a volume on a lost host: the attach/detach controller's wait and the call.
    pub force_detach: Latency,
}

/// The page cache's knobs (Linux `vm.*` and jbd2), in bytes rather than ratios of memory.
#[derive(Clone, Copy, Debug)]
pub struct CacheSpec {
    /// Most clean bytes kept for reads.
    pub capacity_bytes: u64,
    /// `vm.dirty_background_bytes`: background writeback starts above.
    pub dirty_background_bytes: u64,
    /// `vm.dirty_bytes`: a writer waits above (`balance_dirty_pages`).
    pub dirty_limit_bytes: u64,
    /// `vm.dirty_expire_centisecs`, default 30 s: older dirty pages are written back.
    pub dirty_expire: Nanos,
    /// `vm.dirty_writeback_centisecs` and jbd2's `commit=`, both 5 s: how often the flusher and the journal wake.
    pub flush_interval: Nanos,
    /// What a system call costs.
    pub call: Nanos,
    /// Memory copy, bytes/s; 0 for free.
    pub copy_bytes_per_sec: u64,
}

impl Default for CacheSpec {
    /// A host of 32 GiB with Linux's default ratios (10 %, 20 %); call and copy costs are assumptions.
    fn default() -> CacheSpec {
        CacheSpec {
            capacity_bytes: 24 << 30,
            dirty_background_bytes: 3 << 30,
            dirty_limit_bytes: 6 << 30,
            dirty_expire: Nanos::secs(30),
            flush_interval: Nanos::secs(5),
            call: Nanos::micros(2),
            copy_bytes_per_sec: 8 << 30,
        }
    }
}

/// What an EBS-optimised instance lets through to its volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceLimit {
    /// Operations a second; 0 for no limit.
    pub iops: u64,
    /// Bytes a second; 0 for no limit.
    pub bytes_per_sec: u64,
}

/// A volume's data sheet.
#[derive(Clone, Debug)]
pub struct VolumeSpec {
    /// Kind and zones.
    pub kind: VolumeKind,
    /// Raw or with a file system.
    pub format: VolumeFormat,
    /// Size in bytes.
    pub capacity_bytes: u64,
    /// Operations a second; 0 for no limit.
    pub iops: u64,
    /// Bytes a second, reads and writes together; 0 for no limit.
    pub throughput_bytes_per_sec: u64,
    /// What the instance lets through to its volumes, where that is less than what was bought for this one. (The limit
    /// is the instance's, for all its volumes together: right for one volume an instance.)
    pub instance_limit: Option<InstanceLimit>,
    /// An I/O larger than this counts as several ("I/O size is capped at 256 KiB for SSD volumes": EBS user guide,
    /// I/O characteristics).
    pub io_size_max_bytes: u64,
    /// How much unused time the limits give back as a burst (the token buckets' depth, in time). EBS does not publish
    /// its own; an assumption.
    pub burst: Nanos,
    /// Device time of a read, from admission to completion.
    pub latency_read: Latency,
    /// Device time of a write, from admission to completion.
    pub latency_write: Latency,
    /// What a sync costs on top of its data: journal commit and device flush.
    pub latency_sync: Latency,
    /// The unit that a power loss keeps or drops; a multiple of 512.
    pub sector_bytes: u64,
    /// Whether a sector is never torn. (EBS and Azure managed disks document torn write prevention for 16 KiB when the
    /// I/O stays whole; most local disks promise nothing.)
    pub atomic_sectors: bool,
    /// The control plane.
    pub control: ControlTimes,
    /// The page cache of the host that has it attached.
    pub cache: CacheSpec,
}

impl VolumeSpec {
    /// Operations and bytes a second that get through: what was bought, or the instance's limit where that is less.
    pub fn effective_rates(&self) -> (u64, u64) {
        let least = |bought: u64, limit: u64| if bought == 0 || (limit > 0 && limit < bought) { limit } else { bought };
        match self.instance_limit {
            Some(limit) => (least(self.iops, limit.iops), least(self.throughput_bytes_per_sec, limit.bytes_per_sec)),
            None => (self.iops, self.throughput_bytes_per_sec),
        }
    }

    /// gp3 with what its price includes: 3,000 IOPS, 125 MiB/s (row EBS-gp3-base). Latency: below one millisecond
    /// (row AMQ-ebslat); a flush 2.6 ms under load (row EBS-gp3-flush; what queueing adds is computed, so the bare
    /// flush is an assumption).
    pub fn gp3(az: AzId, format: VolumeFormat, capacity_bytes: u64) -> VolumeSpec {
        VolumeSpec {
            kind: VolumeKind::Gp3 { az },
            format,
            capacity_bytes,
            iops: 3_000,
            throughput_bytes_per_sec: 125 << 20,
            instance_limit: None,
            io_size_max_bytes: 256 << 10,
            burst: Nanos::millis(10),
            latency_read: Latency::constant(Nanos::micros(700)),
            latency_write: Latency::constant(Nanos::micros(700)),
            latency_sync: Latency::constant(Nanos::micros(1_200)),
            sector_bytes: 4096,
            atomic_sectors: false,
            control: ControlTimes {
                attach: Latency::constant(Nanos::millis(7_500)),
                detach: Latency::constant(Nanos::millis(7_500)),
                detach_terminated: Latency::constant(Nanos::secs(60)),
                force_detach: Latency::constant(Nanos::secs(360)),
            },
            cache: CacheSpec::default(),
        }
    }

    /// io2 (Block Express): provisioned IOPS; 0.256 MiB/s of throughput each, at most 4 GiB/s (row EBS-io2-max);
    /// write latency 318 us (row EBS-io2-p50).
    pub fn io2(az: AzId, format: VolumeFormat, capacity_bytes: u64, iops: u64, multi_attach: bool) -> VolumeSpec {
        VolumeSpec {
            kind: VolumeKind::Io2 { az, multi_attach },
            iops,
            throughput_bytes_per_sec: (iops * (256 << 10)).min(4 << 30),
            latency_read: Latency::constant(Nanos::micros(318)),
            latency_write: Latency::constant(Nanos::micros(318)),
            latency_sync: Latency::constant(Nanos::micros(318)),
            ..VolumeSpec::gp3(az, format, capacity_bytes)
        }
    }

    /// A local NVMe disk: reads 100 us (row SSD-NM-rand), an 8 KiB write with fsync 300 us together (row SSD-NM-fsync;
    /// the halves are an assumption), 655 MB/s (row NVME-wthr). Attached with its instance, at once.
    pub fn local_nvme(az: AzId, format: VolumeFormat, capacity_bytes: u64) -> VolumeSpec {
        VolumeSpec {
            kind: VolumeKind::LocalNvme { az },
            iops: 0,
            throughput_bytes_per_sec: 655_000_000,
            burst: Nanos::ZERO,
            latency_read: Latency::constant(Nanos::micros(100)),
            latency_write: Latency::constant(Nanos::micros(50)),
            latency_sync: Latency::constant(Nanos::micros(250)),
            control: ControlTimes {
                attach: Latency::constant(Nanos::ZERO),
                detach: Latency::constant(Nanos::ZERO),
                detach_terminated: Latency::constant(Nanos::ZERO),
                force_detach: Latency::constant(Nanos::ZERO),
            },
            ..VolumeSpec::gp3(az, format, capacity_bytes)
        }
    }

    /// A regional volume: gp3's limits; writes wait for another zone ("the write latency for LRS disks is better than
    /// ZRS disks": Azure, disks redundancy; how much is an assumption), forced attach within a minute (assumption).
    pub fn regional(azs: Vec<AzId>, format: VolumeFormat, capacity_bytes: u64) -> VolumeSpec {
        let base = VolumeSpec::gp3(AzId(0), format, capacity_bytes);
        VolumeSpec {
            kind: VolumeKind::Regional { azs },
            latency_write: Latency::constant(Nanos::micros(1_700)),
            latency_sync: Latency::constant(Nanos::micros(2_200)),
            control: ControlTimes { force_detach: Latency::constant(Nanos::secs(60)), ..base.control },
            ..base
        }
    }
}
