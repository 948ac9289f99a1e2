//! What a bare log lies on: each kind of log, on each device that one can be on.

use crate::scenario::UnknownName;
use crate::storm::{Role, Roster};
use serde::{Deserialize, Serialize};
use wavetank_models::cloud::latency::Latency;
use wavetank_models::cloud::network::{AzId, HostId};
use wavetank_models::cloud::nfs::{NfsShare, NfsSpec};
use wavetank_models::cloud::object_store::BucketId;
use wavetank_models::cloud::volume::{ControlTimes, Volume, VolumeFormat, VolumeSpec};
use wavetank_models::kafka::object_client::ObjectPlace;
use wavetank_models::kafka::wal::block::{BlockFencing, BlockWalOptions};
use wavetank_models::kafka::wal::file::FileWalOptions;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::ring::RingOptions;
use wavetank_models::kafka::wal::{WalMode, WalSpec};
use wavetank_models::world::{ExpressId, ShareId, StoreId, VolumeId, World};
use wavetank_sim::{Choices, Domain, Nanos, SortedMap, SortedSet};

/// What the log is, and what it lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// Objects in the region's store.
    Object,
    /// Objects in a store of one zone.
    Express,
    /// A ring on a gp3 volume, which is detached from a fenced owner.
    Gp3,
    /// A ring on an io2 volume, which is reserved.
    Io2,
    /// A ring on a volume of two zones, which is reserved.
    Regional,
    /// A ring in a file of an NFS share.
    Nfs,
}

/// Where everything is: the owner's host, another one in its zone, and one in another zone.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) azs: [AzId; 3],
    pub(super) owner: HostId,
    pub(super) near: HostId,
    pub(super) far: HostId,
    pub(super) store: StoreId,
    pub(super) bucket: BucketId,
    /// In the owner's zone.
    pub(super) express: ExpressId,
    pub(super) express_bucket: BucketId,
}

/// What a log lies on.
pub(super) struct Berth {
    pub(super) spec: Box<dyn Fn(WalMode) -> WalSpec + Send + Sync>,
    pub(super) volume: Option<VolumeId>,
    pub(super) share: Option<ShareId>,
    /// Where the rescuer is: in another zone where the medium reaches there.
    pub(super) rescuer: HostId,
}

/// What any log in a ring on a volume gets to.
const RING_MARKS: [&str; 3] =
    ["wal: over capacity", "wal: a trim lay between crash and recovery", "wal: the device refused a fenced owner"];

impl Medium {
    /// All of them.
    pub const ALL: [Medium; 6] =
        [Medium::Object, Medium::Express, Medium::Gp3, Medium::Io2, Medium::Regional, Medium::Nfs];

    /// What names it, after the `@` of the scenario.
    pub fn name(self) -> &'static str {
        match self {
            Medium::Object => "object",
            Medium::Express => "express",
            Medium::Gp3 => "gp3",
            Medium::Io2 => "io2",
            Medium::Regional => "regional",
            Medium::Nfs => "nfs",
        }
    }

    /// The scenario with it, as the command line knows it.
    pub fn scenario(self) -> &'static str {
        match self {
            Medium::Object => "bare-log@object",
            Medium::Express => "bare-log@express",
            Medium::Gp3 => "bare-log@gp3",
            Medium::Io2 => "bare-log@io2",
            Medium::Regional => "bare-log@regional",
            Medium::Nfs => "bare-log@nfs",
        }
    }

    /// The medium of that name.
    ///
    /// # Errors
    /// When there is none: says which there are.
    pub fn by_name(name: &str) -> Result<Medium, UnknownName> {
        let unknown = || UnknownName::new("medium of a bare log", name, Medium::ALL.iter().map(|medium| medium.name()));
        Medium::ALL.into_iter().find(|medium| medium.name() == name).ok_or_else(unknown)
    }

    /// Whom and what a storm can aim at.
    pub(super) fn roster(self) -> Roster {
        let has_volume = matches!(self, Medium::Gp3 | Medium::Io2 | Medium::Regional);
        Roster {
            members: SortedMap::from([(Role::Owner, 1), (Role::Rescuer, 1)]),
            zones: 3,
            with_volumes: if has_volume { SortedSet::from([Role::Owner]) } else { SortedSet::new() },
            volumes: u32::from(has_volume),
            express: 1,
            has_share: self == Medium::Nfs,
            partitions: Vec::new(),
            groups: 0,
            slots: Vec::new(),
        }
    }

    /// Situations that a sweep must reach.
    pub(super) fn must_reach(self) -> &'static [&'static str] {
        match self {
            Medium::Object => &[
                "wal: a fenced owner's PUT landed after the new owner's list",
                "wal: list crossed a page",
                "wal: over capacity",
                "wal: a trim lay between crash and recovery",
                "wal: verify found another owner",
                "object client: a refused PUT was one's own success",
                "object client: a slow PUT was sent again",
            ],
            Medium::Express => &["wal: list crossed a page", "wal: a trim lay between crash and recovery"],
            Medium::Gp3 | Medium::Io2 | Medium::Regional => &RING_MARKS,
            Medium::Nfs => &[
                "wal: over capacity",
                "wal: a trim lay between crash and recovery",
                "wal: the device refused a fenced owner",
                "wal: an owner's client was fenced",
            ],
        }
    }

    /// Puts the log's device into the world.
    pub(super) fn furnish(self, world: &mut World, choices: &Choices, place: &Place) -> Berth {
        let object = |objects| {
            let spec = move |_| WalSpec::Object { place: objects, options: object_options() };
            Berth { spec: Box::new(spec), volume: None, share: None, rescuer: place.near }
        };
        let capacity = ring_options().capacity_bytes;
        let az = place.azs[0];
        match self {
            Medium::Object => object(ObjectPlace::Regional(place.store, place.bucket)),
            Medium::Express => object(ObjectPlace::Express(place.express, place.express_bucket)),
            Medium::Gp3 => block(world, choices, place.near, place, VolumeSpec::gp3(az, VolumeFormat::Raw, capacity)),
            Medium::Io2 => {
                block(world, choices, place.near, place, VolumeSpec::io2(az, VolumeFormat::Raw, capacity, 2_000, true))
            }
            Medium::Regional => {
                let azs = vec![az, place.azs[1]];
                block(world, choices, place.far, place, VolumeSpec::regional(azs, VolumeFormat::Raw, capacity))
            }
            Medium::Nfs => file(world, choices, place),
        }
    }
}

/// Small, so that its limits are reached within seconds.
fn object_options() -> ObjectWalOptions {
    let mut options = ObjectWalOptions {
        batch_interval: Nanos::millis(60),
        bulk_bytes_max: 24 << 10,
        unflushed_bytes_max: 200 << 10,
        in_flight_max: 6,
        readahead_bytes: 64 << 10,
        ..ObjectWalOptions::default()
    };
    options.client.page_keys = 5;
    options
}

/// Small, so that it is full, and begins again at its start, within seconds.
fn ring_options() -> RingOptions {
    RingOptions {
        capacity_bytes: 256 << 10,
        block_soft_limit_bytes: 12 << 10,
        io_threads: 4,
        iops: 400,
        window_initial_bytes: 16 << 10,
        window_max_bytes: 64 << 10,
        window_unit_bytes: 16 << 10,
        recovery_read_bytes: 20 << 10,
        ..RingOptions::default()
    }
}

/// A raw volume whose control plane is quick, so that much happens.
fn block(world: &mut World, choices: &Choices, rescuer: HostId, place: &Place, mut spec: VolumeSpec) -> Berth {
    spec.control = ControlTimes {
        attach: Latency::constant(Nanos::millis(800)),
        detach: Latency::constant(Nanos::millis(700)),
        detach_terminated: Latency::constant(Nanos::secs(5)),
        force_detach: Latency::constant(Nanos::secs(2)),
    };
    let fencing = if spec.kind.is_shared() { BlockFencing::Reservation } else { BlockFencing::Detach };
    let volume = world.add_volume(Volume::new(spec, choices, 0));
    let victim = place.owner;
    let make = move |mode| {
        let victim = (mode == WalMode::Failover).then_some(victim);
        WalSpec::Block(BlockWalOptions { volume, fencing, victim, ring: ring_options() })
    };
    Berth { spec: Box::new(make), volume: Some(volume), share: None, rescuer }
}

/// A share with short leases, so that some are lost within a pause.
fn file(world: &mut World, choices: &Choices, place: &Place) -> Berth {
    let mut spec = NfsSpec::fsx_ontap_multi_az(512 << 20, 1 << 30);
    // Half of the servers let anybody write who has the file open, and keep unstable writes in memory.
    let ontap = choices.stream(Domain::new("bare-log/share"), 0).ratio(1, 2);
    (spec.nvram, spec.mandatory_locks) = (ontap, ontap);
    (spec.lease_time, spec.grace_period) = (Nanos::secs(6), Nanos::secs(3));
    spec.retransmit_after = Nanos::secs(3);
    let share = world.add_share(NfsShare::new(spec, choices, 0));
    let mut options = FileWalOptions::on(share);
    (options.ring, options.renew_interval) = (ring_options(), Nanos::secs(2));
    let spec = move |_| WalSpec::File(options.clone());
    Berth { spec: Box::new(spec), volume: None, share: Some(share), rescuer: place.far }
}
