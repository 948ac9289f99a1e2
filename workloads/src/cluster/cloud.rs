//! The cloud that clusters stand in: calibrated profiles, read once, and the devices that a platform needs.

use crate::compare::measurement::ProfileUse;
use crate::spec::scenario::PlatformKind;
use std::sync::LazyLock;
use wavetank_models::cloud::calibrated::{self, ShareOrder, VolumeOrder};
use wavetank_models::cloud::express::ExpressProfile;
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::instance::{InstanceType, InstanceTypes};
use wavetank_models::cloud::network::{AzId, NetworkProfile, NicSpec};
use wavetank_models::cloud::nfs::NfsSpec;
use wavetank_models::cloud::object_store::ObjectStoreProfile;
use wavetank_models::cloud::profile::Profile;
use wavetank_models::cloud::volume::{VolumeFormat, VolumeKind, VolumeSpec};

/// Room of a volume that holds a write-ahead log: ten times what AutoMQ keeps in it (`s3.wal.capacity`, 2 GiB), as its
/// documents recommend for the I/O that comes with it.
pub(super) const WAL_VOLUME_BYTES: u64 = 20 << 30;
/// Room of a controller's volume.
const CONTROLLER_VOLUME_BYTES: u64 = 20 << 30;
/// Room of the share.
const SHARE_BYTES: u64 = 1 << 40;

/// Controllers' instances: a small one, as they idle.
pub(super) const CONTROLLER_INSTANCE: &str = "m7g.large";
/// Clients' instances: with bandwidth to spare.
pub(super) const CLIENT_INSTANCE: &str = "m7g.2xlarge";

/// What was measured of a cloud.
pub(super) struct Cloud {
    network_profile: Profile,
    host_profile: Profile,
    gp3: Profile,
    regional: Profile,
    share: Profile,
    pub(super) network: NetworkProfile,
    pub(super) store: ObjectStoreProfile,
    pub(super) express: ExpressProfile,
    types: InstanceTypes,
}

pub(super) static CLOUD: LazyLock<Cloud> = LazyLock::new(Cloud::read);

const FITS: &str = "a profile that comes with wavetank fits its kind";

impl Cloud {
    fn read() -> Cloud {
        let profile = |name| calibrated::profile(name).expect("it comes with wavetank");
        let network_profile = profile("network-aws-same-region");
        Cloud {
            network: calibrated::network(&network_profile).expect(FITS),
            store: calibrated::object_store(&profile("s3-standard")).expect(FITS),
            express: calibrated::express_store(&profile("s3-express")).expect(FITS),
            host_profile: profile("host-kafka"),
            gp3: profile("ebs-gp3"),
            regional: profile("alibaba-regional-essd"),
            share: profile("fsx-ontap-multi-az"),
            types: InstanceTypes::builtin(),
            network_profile,
        }
    }

    pub(super) fn instance(&self, name: &str) -> &InstanceType {
        self.types.get(name).expect("a scenario names instance types that there are")
    }

    pub(super) fn nic(&self, instance: &str) -> NicSpec {
        calibrated::nic(self.instance(instance), &self.network_profile).expect(FITS)
    }

    /// A broker's or a controller's host: CPU time as a Kafka broker takes it.
    pub(super) fn host(&self, instance: &str) -> HostSpec {
        calibrated::host(self.instance(instance), &self.host_profile).expect(FITS)
    }

    pub(super) fn controller_volume(&self, az: AzId) -> VolumeSpec {
        let order = VolumeOrder::new(VolumeKind::Gp3 { az }, VolumeFormat::FileSystem, CONTROLLER_VOLUME_BYTES);
        let spec = calibrated::volume(&self.gp3, order).expect("less than can be bought");
        calibrated::on_instance(spec, self.instance(CONTROLLER_INSTANCE))
    }

    pub(super) fn wal_volume(&self, az: AzId, instance: &str) -> VolumeSpec {
        let order = VolumeOrder::new(VolumeKind::Gp3 { az }, VolumeFormat::Raw, WAL_VOLUME_BYTES);
        let spec = calibrated::volume(&self.gp3, order).expect("less than can be bought");
        calibrated::on_instance(spec, self.instance(instance))
    }

    pub(super) fn regional_volume(&self, azs: Vec<AzId>, instance: &str) -> VolumeSpec {
        let order = VolumeOrder::new(VolumeKind::Regional { azs }, VolumeFormat::Raw, WAL_VOLUME_BYTES);
        let spec = calibrated::volume(&self.regional, order).expect("less than can be bought");
        calibrated::on_instance(spec, self.instance(instance))
    }

    pub(super) fn share(&self) -> NfsSpec {
        let order = ShareOrder {
            preferred_az: 0,
            standby_az: Some(1),
            capacity_bytes: SHARE_BYTES,
            throughput_bytes_per_sec: None,
        };
        calibrated::nfs_share(&self.share, &self.network_profile, order).expect(FITS)
    }

    /// The profiles that a platform's figures rest on.
    pub(super) fn profiles(&self, platform: PlatformKind) -> Vec<ProfileUse> {
        let uses = |name: &str, role: &str| {
            let profile = Profile::named(name).expect("it comes with wavetank");
            ProfileUse { name: name.into(), grade: profile.grade, role: role.into() }
        };
        let wal = match platform {
            PlatformKind::S3Wal => uses("s3-standard", "write-ahead log"),
            PlatformKind::S3ExpressWal => uses("s3-express", "write-ahead log"),
            PlatformKind::EbsWal => uses("ebs-gp3", "write-ahead log"),
            PlatformKind::RegionalEbsWal => uses("alibaba-regional-essd", "write-ahead log"),
            PlatformKind::NfsWal => uses("fsx-ontap-multi-az", "write-ahead log"),
        };
        vec![
            wal,
            uses("s3-standard", "object store"),
            uses("network-aws-same-region", "network"),
            uses("host-kafka", "broker hosts"),
            uses("ebs-gp3", "controllers' volumes"),
        ]
    }
}
