//! Devices out of profiles: what a data file says of a real thing becomes what a model of it takes.
//!
//! | profile of kind | becomes |
//! | --- | --- |
//! | `object_store` | [`ObjectStoreProfile`] by [`object_store`] |
//! | `object_store_express` | [`ExpressProfile`] by [`express_store`] |
//! | `volume` | [`VolumeSpec`] by [`volume`] |
//! | `nfs` | [`NfsSpec`] by [`nfs_share`] |
//! | `network` | [`NetworkProfile`] by [`network`], and with an instance type [`NicSpec`] by [`nic`] |
//! | `host` | with an instance type, [`HostSpec`] by [`host`] |
//!
//! A profile of another kind is an error that names what would be right. Each conversion says which figures it uses,
//! which have no counterpart in the model, and what of the model no profile speaks of: that stays as the model's own
//! assumed figures have it.
//!
//! ```
//! use wavetank_models::cloud::calibrated;
//! use wavetank_models::cloud::instance::InstanceTypes;
//!
//! let store = calibrated::object_store(&calibrated::profile("s3-standard")?)?;
//! assert_eq!(store.limits.put_per_sec, 3_500);
//! let types = InstanceTypes::builtin();
//! let broker = calibrated::host(types.get("m7g.large").unwrap(), &calibrated::profile("host-kafka")?)?;
//! assert_eq!(broker.cores, 2);
//! # Ok::<(), calibrated::CalibrationError>(())
//! ```

use super::express::ExpressProfile;
use super::host::{CpuCredits, GcProfile, HostSpec, ServiceTime};
use super::instance::InstanceType;
use super::latency::Latency;
use super::network::{LinkClass, LinkProfile, NetworkProfile, NicSpec};
use super::nfs::NfsSpec;
use super::object_store::{ObjectLatencies, ObjectStoreProfile, PARTS_MAX};
use super::profile::{
    Figures, HostFigures, Kind, LinkFigures, NetworkFigures, NfsFigures, ObjectStoreFigures, Profile, VolumeFigures,
};
use super::volume::{ControlTimes, InstanceLimit, VolumeFormat, VolumeKind, VolumeSpec};
use wavetank_sim::Nanos;

/// Why a profile does not make the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// There is no such profile.
    #[error("no profile is called \"{name}\"; those that come with wavetank: {known}")]
    UnknownProfile {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// It is of another kind of device.
    #[error("profile \"{profile}\" is of kind {kind}; needed is one of kind {needed}, such as \"{such_as}\"")]
    WrongKind {
        /// Its name.
        profile: String,
        /// Its kind.
        kind: Kind,
        /// What would be right.
        needed: Kind,
        /// An example that comes with wavetank.
        such_as: &'static str,
    },
    /// It is of the right kind, and says that the thing is another than was asked for.
    #[error("profile \"{profile}\": {problem} (right would be: {help})")]
    WrongThing {
        /// Its name.
        profile: String,
        /// What does not go together.
        problem: &'static str,
        /// What would.
        help: &'static str,
    },
    /// More is asked for than can be bought.
    #[error("profile \"{profile}\": {asked} {figure} are asked for, at most {max} can be bought")]
    BeyondMax {
        /// Its name.
        profile: String,
        /// Of what.
        figure: &'static str,
        /// How much is asked for.
        asked: u64,
        /// The most there is.
        max: u64,
    },
}

/// The profile of that name among those that come with wavetank.
///
/// # Errors
/// When there is none; the error lists those there are.
pub fn profile(name: &str) -> Result<Profile, CalibrationError> {
    Profile::named(name).ok_or_else(|| {
        let known: Vec<String> = Profile::builtin().into_iter().map(|profile| profile.name).collect();
        CalibrationError::UnknownProfile { name: name.to_owned(), known: known.join(", ") }
    })
}

fn wrong_kind(profile: &Profile, needed: Kind) -> CalibrationError {
    let such_as = match needed {
        Kind::ObjectStore => "s3-standard",
        Kind::ObjectStoreExpress => "s3-express",
        Kind::Volume => "ebs-gp3",
        Kind::Network => "network-aws-same-region",
        Kind::Nfs => "fsx-ontap-multi-az",
        Kind::Host => "host-kafka",
    };
    CalibrationError::WrongKind { profile: profile.name.clone(), kind: profile.kind, needed, such_as }
}

fn wrong_thing(profile: &Profile, problem: &'static str, help: &'static str) -> CalibrationError {
    CalibrationError::WrongThing { profile: profile.name.clone(), problem, help }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

// ---- object stores ----

fn object_store_figures(profile: &Profile, needed: Kind) -> Result<&ObjectStoreFigures, CalibrationError> {
    match &profile.figures {
        Figures::ObjectStore(figures) if profile.kind == needed => Ok(figures),
        Figures::ObjectStore(_) | Figures::Volume(_) | Figures::Network(_) | Figures::Nfs(_) | Figures::Host(_) => {
            Err(wrong_kind(profile, needed))
        }
    }
}

fn object_latencies(figures: &ObjectStoreFigures, assumed: ObjectLatencies) -> ObjectLatencies {
    ObjectLatencies {
        first_byte_get: figures.get.first_byte.clone(),
        get_per_mib: figures.get.per_mib.clone(),
        first_byte_put: figures.put.first_byte.clone(),
        put_per_mib: figures.put.per_mib.clone(),
        put_ramp: figures.put.ramp,
        complete: figures.put.first_byte.scaled(2, 1),
        head: figures.head.clone(),
        delete: figures.delete.clone(),
        list: figures.list.clone(),
        ..assumed
    }
}

/// A regional object store.
///
/// Used: `get`, `put` (first byte, time per MiB of one connection, and its ramp), `list`, `head`, `delete`, both request limits and
/// whether they are the bucket's. The time per MiB is that of a client with bandwidth to spare: the caller's own card
/// slows it ([`Network::transfer`](super::network::Network::transfer)).
/// Without counterpart: `appends_per_object` (the model's regional store has no append).
/// No figure for: CompleteMultipartUpload (twice a PUT without a body), a 503's latency and its hint, when in its latency a
/// request takes effect, a client's patience, bursts and the growth of partitions
/// ([`ObjectStoreProfile::assumed`]).
///
/// # Errors
/// When the profile is of another kind, or of a store in one zone.
pub fn object_store(profile: &Profile) -> Result<ObjectStoreProfile, CalibrationError> {
    let figures = object_store_figures(profile, Kind::ObjectStore)?;
    if figures.single_zone {
        let help = "kind = \"object_store_express\" in the file, and calibrated::express_store";
        return Err(wrong_thing(profile, "a store in a single zone is no regional one", help));
    }
    let assumed = ObjectStoreProfile::assumed();
    let mut limits = assumed.limits;
    limits.put_per_sec = figures.write_requests_per_sec;
    limits.get_per_sec = figures.read_requests_per_sec;
    if figures.limits_per_bucket {
        (limits.prefix_depth, limits.scale_max) = (0, 1);
    }
    Ok(ObjectStoreProfile { latencies: object_latencies(figures, assumed.latencies), limits })
}

/// An object store in one zone. As [`object_store`]; the limits are the bucket's always.
///
/// # Errors
/// When the profile is of another kind, of a store of several zones, or with another limit of appends than the model's
/// [`PARTS_MAX`].
pub fn express_store(profile: &Profile) -> Result<ExpressProfile, CalibrationError> {
    let figures = object_store_figures(profile, Kind::ObjectStoreExpress)?;
    if !figures.single_zone || !figures.limits_per_bucket {
        let problem = "an express store is in a single zone and limited by the bucket";
        return Err(wrong_thing(profile, problem, "single_zone = true and limits_per_bucket = true"));
    }
    if figures.appends_per_object != u64::from(PARTS_MAX) {
        let problem = "another number of appends to an object than the model has";
        return Err(wrong_thing(profile, problem, "appends_per_object = 10000"));
    }
    let assumed = ExpressProfile::assumed();
    Ok(ExpressProfile {
        latencies: object_latencies(figures, assumed.latencies),
        put_per_sec: figures.write_requests_per_sec,
        get_per_sec: figures.read_requests_per_sec,
        burst_ms: assumed.burst_ms,
    })
}

// ---- volumes ----

/// What is bought of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeOrder {
    /// What kind, and where.
    pub kind: VolumeKind,
    /// Raw or with a file system.
    pub format: VolumeFormat,
    /// Size in bytes.
    pub capacity_bytes: u64,
    /// Operations a second; `None`: what comes with the volume.
    pub iops: Option<u64>,
    /// Bytes a second; `None`: what comes with the volume.
    pub throughput_bytes_per_sec: Option<u64>,
}

impl VolumeOrder {
    /// With the operations and the throughput that come with the volume.
    pub fn new(kind: VolumeKind, format: VolumeFormat, capacity_bytes: u64) -> VolumeOrder {
        VolumeOrder { kind, format, capacity_bytes, iops: None, throughput_bytes_per_sec: None }
    }
}

/// A volume: gp3, io2, a local disk, a regional one.
///
/// Used: `read`, `write`, `sync`, what is bought by default and at most, `io_bytes`, `sector_bytes`, `atomic_sectors` (one
/// or more: a sector is never torn), `reattach` (half of it each for detach and attach), `force_detach_after`;
/// `instance_local`, `multi_zone` and `attachments_max` must go with the kind that is ordered.
/// Without counterpart: `annual_loss_ppm` (losing a volume is a plan's business), the size of an atomic write beyond one
/// sector.
/// No figure for: the burst of the limits, the detach from a terminated instance, the page cache
/// ([`VolumeSpec::gp3`]).
///
/// # Errors
/// When the profile is of another kind, not of that kind of volume, or when more is ordered than can be bought.
pub fn volume(profile: &Profile, order: VolumeOrder) -> Result<VolumeSpec, CalibrationError> {
    let Figures::Volume(figures) = &profile.figures else { return Err(wrong_kind(profile, Kind::Volume)) };
    check_volume_kind(profile, figures, &order.kind)?;
    let within = |figure, asked: u64, max: u64| {
        let error = || CalibrationError::BeyondMax { profile: profile.name.clone(), figure, asked, max };
        if asked <= max { Ok(asked) } else { Err(error()) }
    };
    let bytes_per_sec = order.throughput_bytes_per_sec.unwrap_or(figures.throughput_bytes_per_sec);
    let assumed = match &order.kind {
        VolumeKind::LocalNvme { az } => VolumeSpec::local_nvme(*az, order.format, order.capacity_bytes),
        VolumeKind::Gp3 { .. } | VolumeKind::Io2 { .. } | VolumeKind::Regional { .. } => {
            VolumeSpec::gp3(order.kind.azs()[0], order.format, order.capacity_bytes)
        }
    };
    Ok(VolumeSpec {
        kind: order.kind,
        capacity_bytes: within("bytes", order.capacity_bytes, figures.capacity_max_bytes)?,
        iops: within("IOPS", order.iops.unwrap_or(figures.iops), figures.iops_max)?,
        throughput_bytes_per_sec: within("bytes/s", bytes_per_sec, figures.throughput_max_bytes_per_sec)?,
        io_size_max_bytes: figures.io_bytes,
        latency_read: figures.read.clone(),
        latency_write: figures.write.clone(),
        latency_sync: figures.sync.clone(),
        sector_bytes: figures.sector_bytes,
        atomic_sectors: figures.atomic_sectors >= 1,
        control: ControlTimes {
            attach: figures.reattach.scaled(1, 2),
            detach: figures.reattach.scaled(1, 2),
            force_detach: Latency::constant(figures.force_detach_after),
            ..assumed.control
        },
        ..assumed
    })
}

fn check_volume_kind(profile: &Profile, figures: &VolumeFigures, kind: &VolumeKind) -> Result<(), CalibrationError> {
    let (fits, problem, help) = match kind {
        VolumeKind::LocalNvme { .. } => {
            (figures.instance_local, "it is no disk of an instance", "a profile with instance_local = true: nvme-local")
        }
        VolumeKind::Regional { .. } => {
            (figures.multi_zone, "it is in one zone only", "a profile with multi_zone = true: gcp-regional-pd")
        }
        VolumeKind::Io2 { .. } => (
            !figures.instance_local && !figures.multi_zone && figures.attachments_max > 1,
            "it is no volume of one zone that several hosts can attach",
            "a profile with attachments_max above 1: ebs-io2",
        ),
        VolumeKind::Gp3 { .. } => (
            !figures.instance_local && !figures.multi_zone && figures.attachments_max == 1,
            "it is no volume of one zone for one host",
            "a profile with attachments_max = 1, in one zone: ebs-gp3",
        ),
    };
    if fits { Ok(()) } else { Err(wrong_thing(profile, problem, help)) }
}

/// That volume on an instance of that type, alone: never faster than what the instance lets through to its volumes.
/// What was bought, and is paid for, stays.
///
/// Used: the volume baselines. Without counterpart: their bursts (30 minutes a day: a run that is long enough to matter is
/// longer than the burst).
pub fn on_instance(spec: VolumeSpec, instance: &InstanceType) -> VolumeSpec {
    if let VolumeKind::LocalNvme { .. } = spec.kind {
        return spec;
    }
    let (iops, bytes_per_sec) = (instance.volume_baseline_iops, instance.volume_baseline_bytes_per_sec);
    VolumeSpec { instance_limit: Some(InstanceLimit { iops, bytes_per_sec }), ..spec }
}

// ---- file shares ----

/// Where a share's servers are, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareOrder {
    /// Zone of the preferred server.
    pub preferred_az: u8,
    /// Zone of the standby; needed where the profile is of a share of several zones, and only there.
    pub standby_az: Option<u8>,
    /// Room for all files, in bytes.
    pub capacity_bytes: u64,
    /// Throughput in bytes a second; `None`: what comes with it.
    pub throughput_bytes_per_sec: Option<u64>,
}

/// A file share.
///
/// Used: `read`, `write` (by size), `commit`, `metadata`, `throughput`, `iops`, `failover_pause`, `multi_zone`; of the network's
/// profile what a round trip between zones takes longer than one within, in the median. An unstable write takes as
/// long as a stable one: the shares that there are profiles of keep whatever they acknowledge (NVRAM, several zones).
/// Without counterpart: `connections_max` (one queue for the share).
/// No figure for: leases, grace, failback, locks, the transfer size, retransmission
/// ([`NfsSpec::fsx_ontap_multi_az`]).
///
/// # Errors
/// When one of the profiles is of another kind, or a standby is missing or too many.
pub fn nfs_share(profile: &Profile, network: &Profile, order: ShareOrder) -> Result<NfsSpec, CalibrationError> {
    let figures: &NfsFigures = match &profile.figures {
        Figures::Nfs(figures) => figures,
        Figures::ObjectStore(_) | Figures::Volume(_) | Figures::Network(_) | Figures::Host(_) => {
            return Err(wrong_kind(profile, Kind::Nfs));
        }
    };
    let ways = network_figures(network)?;
    if figures.multi_zone != order.standby_az.is_some() {
        let (problem, help) = ("zones and servers do not match", "a standby_az exactly where multi_zone = true");
        return Err(wrong_thing(profile, problem, help));
    }
    let bytes_per_sec = order.throughput_bytes_per_sec.unwrap_or(figures.throughput_bytes_per_sec);
    let median = |link: &LinkFigures| link.one_way.quantile(0.5);
    Ok(NfsSpec {
        preferred_az: order.preferred_az,
        standby_az: order.standby_az,
        ops_per_sec: figures.iops,
        read: figures.read.clone(),
        write: figures.write.clone(),
        unstable_write: figures.write.clone(),
        commit: figures.commit.clone(),
        metadata: figures.metadata.clone(),
        cross_az: median(&ways.cross_az).saturating_sub(median(&ways.same_az)) * 2,
        takeover: figures.failover_pause.clone(),
        ..NfsSpec::fsx_ontap_multi_az(bytes_per_sec, order.capacity_bytes)
    })
}

// ---- network ----

fn network_figures(profile: &Profile) -> Result<&NetworkFigures, CalibrationError> {
    match &profile.figures {
        Figures::Network(figures) => Ok(figures),
        Figures::ObjectStore(_) | Figures::Volume(_) | Figures::Nfs(_) | Figures::Host(_) => {
            Err(wrong_kind(profile, Kind::Network))
        }
    }
}

/// A region's network.
///
/// Used: `one_way` of every class. Storage whose own latencies hold the way already (`one_way` zero) gets the way that
/// they hold, between zones for object and file storage, within one for volumes: it counts only while a grey fault
/// stretches it.
/// Without counterpart here: the flows' limits, which are the cards' ([`nic`]).
/// No figure for: bandwidth between zones (not limited), TCP's timers ([`NetworkProfile::assumed`]).
///
/// # Errors
/// When the profile is of another kind.
pub fn network(profile: &Profile) -> Result<NetworkProfile, CalibrationError> {
    let figures = network_figures(profile)?;
    let mut network = NetworkProfile::assumed();
    for class in LinkClass::ALL {
        let (figures, within) = match class {
            LinkClass::SameHost => (&figures.same_host, &figures.same_host),
            LinkClass::SameAz => (&figures.same_az, &figures.same_az),
            LinkClass::CrossAz => (&figures.cross_az, &figures.cross_az),
            LinkClass::CrossRegion => (&figures.cross_region, &figures.cross_region),
            LinkClass::ObjectStorage => (&figures.object_storage, &figures.cross_az),
            LinkClass::BlockStorage => (&figures.block_storage, &figures.same_az),
            LinkClass::FileStorage => (&figures.file_storage, &figures.cross_az),
        };
        let one_way = if figures.one_way.max() > Nanos::ZERO { &figures.one_way } else { &within.one_way };
        *network.link_mut(class) = LinkProfile { one_way: one_way.clone(), bandwidth_bytes_per_sec: 0 };
    }
    Ok(network)
}

/// An instance's network card in that network.
///
/// Used: the instance's network baseline; the least of the flows' limits within and between zones.
/// Without counterpart: the instance's burst (credits of its interface), flows' limits of other classes.
///
/// # Errors
/// When the network's profile is of another kind.
pub fn nic(instance: &InstanceType, network: &Profile) -> Result<NicSpec, CalibrationError> {
    let figures = network_figures(network)?;
    Ok(NicSpec {
        bandwidth_bytes_per_sec: instance.network_baseline_bytes_per_sec,
        single_flow_bytes_per_sec: figures.same_az.flow_bytes_per_sec.min(figures.cross_az.flow_bytes_per_sec),
    })
}

// ---- hosts ----

/// A broker's host: an instance of that type, with those threads and service times.
///
/// Used: `vcpus` and `cpu_credits` of the instance (mode `unlimited`, the default of T3 and T4g; without a launch balance);
/// `network_threads`, `request_handler_threads`, `queued_requests_max`, `network_per_request`, `produce_per_request`,
/// `produce_per_mib`, `pause` and `pause_interval_mean` (exponential, from the end of one pause to the begin of the next).
/// Without counterpart: `fetch_per_request`, `fetch_per_mib`, `replica_append_per_mib`, `per_partition`: the host counts
/// requests and their bytes, a broker's model asks for the rest as work of its own; memory; `baseline_percent` (it
/// follows from the credits).
/// No figure for: background threads, time slices, how service times scatter ([`HostSpec::kafka`]).
///
/// # Errors
/// When the profile is of another kind.
pub fn host(instance: &InstanceType, profile: &Profile) -> Result<HostSpec, CalibrationError> {
    let figures: &HostFigures = match &profile.figures {
        Figures::Host(figures) => figures,
        Figures::ObjectStore(_) | Figures::Volume(_) | Figures::Network(_) | Figures::Nfs(_) => {
            return Err(wrong_kind(profile, Kind::Host));
        }
    };
    let pauses = figures.pause_interval_mean > Nanos::ZERO;
    let every = |mean| GcProfile { every: Latency::exponential(mean), duration: figures.pause.clone() };
    Ok(HostSpec {
        network_threads: narrow(figures.network_threads),
        request_handler_threads: narrow(figures.request_handler_threads),
        request_queue_max: narrow(figures.queued_requests_max),
        network: ServiceTime { per_request: figures.network_per_request, per_byte_picos: 0 },
        handler: ServiceTime {
            per_request: figures.produce_per_request,
            per_byte_picos: figures.produce_per_mib.scale(2_000, 1 << 20).0.div_ceil(2),
        },
        gc: pauses.then(|| every(figures.pause_interval_mean)),
        credits: instance.cpu_credits.map(|credits| CpuCredits {
            earned_per_hour_milli: credits.credits_per_hour.saturating_mul(1_000),
            max_milli: credits.credits_max.saturating_mul(1_000),
            launch_milli: 0,
            unlimited: true,
        }),
        ..HostSpec::kafka(instance.vcpus)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::instance::InstanceTypes;
    use crate::cloud::network::AzId;

    const AZ: AzId = AzId(0);

    fn order(kind: VolumeKind) -> VolumeOrder {
        VolumeOrder::new(kind, VolumeFormat::Raw, 1 << 30)
    }

    fn kinds() -> [VolumeKind; 4] {
        [
            VolumeKind::Gp3 { az: AZ },
            VolumeKind::Io2 { az: AZ, multi_attach: true },
            VolumeKind::LocalNvme { az: AZ },
            VolumeKind::Regional { azs: vec![AZ, AzId(1)] },
        ]
    }

    #[test]
    fn every_builtin_profile_makes_exactly_the_devices_of_its_kind() {
        let network_profile = profile("network-aws-same-region").unwrap();
        let types = InstanceTypes::builtin();
        let instance = types.get("m7g.large").unwrap();
        for profile in Profile::builtin() {
            let share = |standby_az| ShareOrder {
                preferred_az: 0,
                standby_az,
                capacity_bytes: 1 << 30,
                throughput_bytes_per_sec: None,
            };
            let made = [
                (Kind::ObjectStore, usize::from(object_store(&profile).is_ok())),
                (Kind::ObjectStoreExpress, usize::from(express_store(&profile).is_ok())),
                (
                    Kind::Volume,
                    kinds().into_iter().filter(|kind| volume(&profile, order(kind.clone())).is_ok()).count(),
                ),
                (
                    Kind::Nfs,
                    [None, Some(1)]
                        .into_iter()
                        .filter(|az| nfs_share(&profile, &network_profile, share(*az)).is_ok())
                        .count(),
                ),
                (Kind::Network, usize::from(network(&profile).is_ok())),
                (Kind::Host, usize::from(host(instance, &profile).is_ok())),
            ];
            for (kind, count) in made {
                assert_eq!(count, usize::from(kind == profile.kind), "{} as {kind}", profile.name);
            }
        }
    }

    #[test]
    fn errors_say_what_would_be_right() {
        let text = |error: CalibrationError| error.to_string();
        let gp3 = profile("ebs-gp3").unwrap();
        assert_eq!(
            text(object_store(&gp3).unwrap_err()),
            "profile \"ebs-gp3\" is of kind volume; needed is one of kind object_store, such as \"s3-standard\""
        );
        assert_eq!(
            text(volume(&gp3, order(VolumeKind::LocalNvme { az: AZ })).unwrap_err()),
            "profile \"ebs-gp3\": it is no disk of an instance (right would be: a profile with instance_local = true: \
             nvme-local)"
        );
        let greedy = VolumeOrder { iops: Some(90_000), ..order(VolumeKind::Gp3 { az: AZ }) };
        assert_eq!(
            text(volume(&gp3, greedy).unwrap_err()),
            "profile \"ebs-gp3\": 90000 IOPS are asked for, at most 80000 can be bought"
        );
        assert!(text(profile("s3").unwrap_err()).contains("s3-standard, s3-standard-2019"));
    }

    #[test]
    fn figures_arrive_in_the_devices_units() {
        let types = InstanceTypes::builtin();
        let kafka = profile("host-kafka").unwrap();
        let ways = profile("network-aws-same-region").unwrap();
        let broker = host(types.get("t3.large").unwrap(), &kafka).unwrap();
        broker.validate().unwrap();
        // 1.6 ms for a MiB.
        let handled = broker.handler.mean(1 << 20).as_millis_f64();
        assert!((handled / 1.64 - 1.0).abs() < 1e-3, "{handled}");
        let credits = types.get("t3.large").unwrap().cpu_credits.unwrap();
        assert_eq!(broker.credits.unwrap().baseline_percent(broker.cores), u64::from(credits.baseline_percent));
        let gc = broker.gc.unwrap();
        assert!((gc.every.mean().as_secs_f64() - 5.0).abs() < 0.01);
        let card = nic(types.get("m7g.large").unwrap(), &ways).unwrap();
        assert_eq!(card, NicSpec { bandwidth_bytes_per_sec: 117_125_000, single_flow_bytes_per_sec: 625_000_000 });
        let gp3 = volume(&profile("ebs-gp3").unwrap(), order(VolumeKind::Gp3 { az: AZ })).unwrap();
        assert_eq!((gp3.iops, gp3.throughput_bytes_per_sec), (3_000, 125 << 20));
        let slow = on_instance(gp3, types.get("m7g.large").unwrap());
        assert_eq!((slow.iops, slow.effective_rates()), (3_000, (3_000, 78_750_000)));
        let fsx = profile("fsx-ontap-multi-az").unwrap();
        let order = ShareOrder {
            preferred_az: 0,
            standby_az: Some(1),
            capacity_bytes: 1 << 40,
            throughput_bytes_per_sec: None,
        };
        let share = nfs_share(&fsx, &ways, order).unwrap();
        // Two ways of 410 us instead of 42.
        assert!((730..740).contains(&(share.cross_az.0 / 1_000)), "{:?}", share.cross_az);
    }
}
