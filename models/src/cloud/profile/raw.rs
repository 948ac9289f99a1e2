//! A profile as written in TOML, and the way from there to checked figures.

use super::figures::*;
use crate::cloud::data_file::{DataError, DataFile, Span};
use crate::cloud::latency::{Latency, Ramp, Shape, SizedLatency};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use wavetank_sim::{Nanos, SortedMap};

/// The file. Which of the five tables is there follows from `kind`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    pub(super) name: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) grade: Spanned<String>,
    pub(super) about: String,
    #[serde(default)]
    pub(super) rests_on: SortedMap<Spanned<String>, String>,
    #[serde(default)]
    pub(super) rows: Vec<Spanned<RawRow>>,
    pub(super) object_store: Option<RawObjectStore>,
    pub(super) volume: Option<RawVolume>,
    pub(super) network: Option<RawNetwork>,
    pub(super) nfs: Option<RawNfs>,
    pub(super) host: Option<RawHost>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    pub(super) figure: Spanned<String>,
    pub(super) id: String,
    pub(super) at: String,
    pub(super) value: RawValue,
    pub(super) unit: String,
    #[serde(rename = "use")]
    pub(super) role: Spanned<String>,
    pub(super) read_as: Option<Spanned<String>>,
    pub(super) bytes: Option<u64>,
    pub(super) samples: Option<Spanned<u64>>,
    pub(super) connections: Option<u64>,
    pub(super) link_mb_per_sec: Option<Spanned<f64>>,
    pub(super) round_trip: Option<bool>,
    pub(super) disagrees: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawValue {
    Integer(i64),
    Float(f64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLatency {
    constant: Option<Span>,
    min: Option<Span>,
    p50: Option<Span>,
    p90: Option<Span>,
    p99: Option<Span>,
    p99_9: Option<Span>,
    max: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSized {
    first_byte: Spanned<RawLatency>,
    per_mib: Spanned<RawLatency>,
    ramp: Option<RawRamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRamp {
    bytes: Spanned<u64>,
    extra_bytes: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawObjectStore {
    get: RawSized,
    put: RawSized,
    list: Spanned<RawLatency>,
    head: Spanned<RawLatency>,
    delete: Spanned<RawLatency>,
    write_requests_per_sec: Spanned<u64>,
    read_requests_per_sec: Spanned<u64>,
    limits_per_bucket: bool,
    single_zone: bool,
    appends_per_object: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVolume {
    read: Spanned<RawLatency>,
    write: Spanned<RawLatency>,
    sync: Spanned<RawLatency>,
    iops: Spanned<u64>,
    iops_max: Spanned<u64>,
    throughput_mib_per_sec: Spanned<u64>,
    throughput_max_mib_per_sec: Spanned<u64>,
    capacity_max_gib: Spanned<u64>,
    io_bytes: Spanned<u64>,
    sector_bytes: Spanned<u64>,
    atomic_sectors: Spanned<u64>,
    annual_loss_ppm: Spanned<u64>,
    instance_local: bool,
    multi_zone: bool,
    attachments_max: Spanned<u64>,
    reattach: Spanned<RawLatency>,
    force_detach_after: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLink {
    one_way: Spanned<RawLatency>,
    flow_mbit_per_sec: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetwork {
    same_host: RawLink,
    same_az: RawLink,
    cross_az: RawLink,
    cross_region: RawLink,
    object_storage: RawLink,
    block_storage: RawLink,
    file_storage: RawLink,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNfs {
    read: RawSized,
    write: RawSized,
    commit: Spanned<RawLatency>,
    metadata: Spanned<RawLatency>,
    throughput_mib_per_sec: Spanned<u64>,
    iops: Spanned<u64>,
    failover_pause: Spanned<RawLatency>,
    connections_max: Spanned<u64>,
    multi_zone: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHost {
    network_threads: Spanned<u64>,
    request_handler_threads: Spanned<u64>,
    queued_requests_max: Spanned<u64>,
    network_per_request: Span,
    produce_per_request: Span,
    produce_per_mib: Span,
    fetch_per_request: Span,
    fetch_per_mib: Span,
    replica_append_per_mib: Span,
    per_partition: Span,
    pause: Spanned<RawLatency>,
    pause_interval_mean: Span,
}

/// Checks values of one file and turns them into figures. `key` is a figure's dotted name.
pub(super) struct Reader<'a>(pub(super) DataFile<'a>);

impl Reader<'_> {
    fn latency(&self, raw: &Spanned<RawLatency>, key: &str) -> Result<Latency, DataError> {
        let points = raw.get_ref();
        if let Some(constant) = &points.constant {
            if points.given().next().is_some() {
                let problem = "both a constant and percentiles";
                return Err(self.0.error_at(raw, key, problem, "one of the two"));
            }
            return Ok(Latency::constant(constant.nanos(&self.0, key)?));
        }
        let shape = Shape {
            min: self.point(raw, &points.min, key, "min")?,
            p50: self.point(raw, &points.p50, key, "p50")?,
            p90: self.point(raw, &points.p90, key, "p90")?,
            p99: self.point(raw, &points.p99, key, "p99")?,
            p99_9: self.point(raw, &points.p99_9, key, "p99_9")?,
            max: self.point(raw, &points.max, key, "max")?,
        };
        Latency::from_shape(&shape).map_err(|error| {
            let at = points.place_of(error.greater).unwrap_or_else(|| raw.span());
            let help = "min < p50 < p90 < p99 < p99_9 < max, or a constant";
            self.0.error(at, format!("{key}.{}", error.greater), error.to_string(), help)
        })
    }

    fn point(
        &self,
        raw: &Spanned<RawLatency>,
        point: &Option<Span>,
        key: &str,
        name: &str,
    ) -> Result<Nanos, DataError> {
        let Some(point) = point else {
            let help = "all of min, p50, p90, p99, p99_9, max; or constant alone";
            return Err(self.0.error_at(raw, key, format!("`{name}` is missing"), help));
        };
        point.nanos(&self.0, &format!("{key}.{name}"))
    }

    fn sized(&self, raw: &RawSized, key: &str) -> Result<SizedLatency, DataError> {
        Ok(SizedLatency {
            first_byte: self.latency(&raw.first_byte, &format!("{key}.first_byte"))?,
            per_mib: self.latency(&raw.per_mib, &format!("{key}.per_mib"))?,
            ramp: match &raw.ramp {
                Some(ramp) => Ramp {
                    bytes: self.count(&ramp.bytes, &format!("{key}.ramp.bytes"), 1)?,
                    extra_bytes: self.count(&ramp.extra_bytes, &format!("{key}.ramp.extra_bytes"), 1)?,
                },
                None => Ramp::default(),
            },
        })
    }

    /// A whole number above zero, times what its unit has of ours.
    fn count(&self, raw: &Spanned<u64>, key: &str, unit: u64) -> Result<u64, DataError> {
        let value = *raw.get_ref();
        if value == 0 {
            return Err(self.0.error_at(raw, key, "0 is not above zero", "a whole number above zero"));
        }
        let too_great =
            || self.0.error_at(raw, key, format!("{value} is too great"), format!("below {}", u64::MAX / unit));
        value.checked_mul(unit).ok_or_else(too_great)
    }

    fn link(&self, raw: &RawLink, key: &str) -> Result<LinkFigures, DataError> {
        Ok(LinkFigures {
            one_way: self.latency(&raw.one_way, &format!("{key}.one_way"))?,
            flow_bytes_per_sec: self.count(&raw.flow_mbit_per_sec, &format!("{key}.flow_mbit_per_sec"), 125_000)?,
        })
    }

    pub(super) fn object_store(&self, raw: &RawObjectStore) -> Result<ObjectStoreFigures, DataError> {
        Ok(ObjectStoreFigures {
            get: self.sized(&raw.get, "get")?,
            put: self.sized(&raw.put, "put")?,
            list: self.latency(&raw.list, "list")?,
            head: self.latency(&raw.head, "head")?,
            delete: self.latency(&raw.delete, "delete")?,
            write_requests_per_sec: self.count(&raw.write_requests_per_sec, "write_requests_per_sec", 1)?,
            read_requests_per_sec: self.count(&raw.read_requests_per_sec, "read_requests_per_sec", 1)?,
            limits_per_bucket: raw.limits_per_bucket,
            single_zone: raw.single_zone,
            appends_per_object: raw.appends_per_object,
        })
    }

    pub(super) fn volume(&self, raw: &RawVolume) -> Result<VolumeFigures, DataError> {
        let figures = VolumeFigures {
            read: self.latency(&raw.read, "read")?,
            write: self.latency(&raw.write, "write")?,
            sync: self.latency(&raw.sync, "sync")?,
            iops: self.count(&raw.iops, "iops", 1)?,
            iops_max: self.count(&raw.iops_max, "iops_max", 1)?,
            throughput_bytes_per_sec: self.count(&raw.throughput_mib_per_sec, "throughput_mib_per_sec", 1 << 20)?,
            throughput_max_bytes_per_sec: self.count(
                &raw.throughput_max_mib_per_sec,
                "throughput_max_mib_per_sec",
                1 << 20,
            )?,
            capacity_max_bytes: self.count(&raw.capacity_max_gib, "capacity_max_gib", 1 << 30)?,
            io_bytes: self.count(&raw.io_bytes, "io_bytes", 1)?,
            sector_bytes: self.count(&raw.sector_bytes, "sector_bytes", 1)?,
            atomic_sectors: self.count(&raw.atomic_sectors, "atomic_sectors", 1)?,
            annual_loss_ppm: self.count(&raw.annual_loss_ppm, "annual_loss_ppm", 1)?,
            instance_local: raw.instance_local,
            multi_zone: raw.multi_zone,
            attachments_max: self.count(&raw.attachments_max, "attachments_max", 1)?,
            reattach: self.latency(&raw.reattach, "reattach")?,
            force_detach_after: raw.force_detach_after.nanos(&self.0, "force_detach_after")?,
        };
        self.volume_limits(raw, &figures)?;
        Ok(figures)
    }

    fn volume_limits(&self, raw: &RawVolume, figures: &VolumeFigures) -> Result<(), DataError> {
        if figures.iops > figures.iops_max {
            return Err(self.0.error_at(&raw.iops, "iops", "greater than `iops_max`", "at most `iops_max`"));
        }
        if figures.throughput_bytes_per_sec > figures.throughput_max_bytes_per_sec {
            let (key, help) = ("throughput_mib_per_sec", "at most `throughput_max_mib_per_sec`");
            return Err(self.0.error_at(&raw.throughput_mib_per_sec, key, "greater than its maximum", help));
        }
        if figures.annual_loss_ppm > 1_000_000 {
            let (problem, help) = ("more than certain", "at most 1000000");
            return Err(self.0.error_at(&raw.annual_loss_ppm, "annual_loss_ppm", problem, help));
        }
        if !figures.sector_bytes.is_power_of_two() {
            let (problem, help) = ("not a power of two", "512 or 4096");
            return Err(self.0.error_at(&raw.sector_bytes, "sector_bytes", problem, help));
        }
        Ok(())
    }

    pub(super) fn network(&self, raw: &RawNetwork) -> Result<NetworkFigures, DataError> {
        Ok(NetworkFigures {
            same_host: self.link(&raw.same_host, "same_host")?,
            same_az: self.link(&raw.same_az, "same_az")?,
            cross_az: self.link(&raw.cross_az, "cross_az")?,
            cross_region: self.link(&raw.cross_region, "cross_region")?,
            object_storage: self.link(&raw.object_storage, "object_storage")?,
            block_storage: self.link(&raw.block_storage, "block_storage")?,
            file_storage: self.link(&raw.file_storage, "file_storage")?,
        })
    }

    pub(super) fn nfs(&self, raw: &RawNfs) -> Result<NfsFigures, DataError> {
        Ok(NfsFigures {
            read: self.sized(&raw.read, "read")?,
            write: self.sized(&raw.write, "write")?,
            commit: self.latency(&raw.commit, "commit")?,
            metadata: self.latency(&raw.metadata, "metadata")?,
            throughput_bytes_per_sec: self.count(&raw.throughput_mib_per_sec, "throughput_mib_per_sec", 1 << 20)?,
            iops: self.count(&raw.iops, "iops", 1)?,
            failover_pause: self.latency(&raw.failover_pause, "failover_pause")?,
            connections_max: self.count(&raw.connections_max, "connections_max", 1)?,
            multi_zone: raw.multi_zone,
        })
    }

    pub(super) fn host(&self, raw: &RawHost) -> Result<HostFigures, DataError> {
        let span = |raw: &Span, key: &str| raw.nanos(&self.0, key);
        Ok(HostFigures {
            network_threads: self.count(&raw.network_threads, "network_threads", 1)?,
            request_handler_threads: self.count(&raw.request_handler_threads, "request_handler_threads", 1)?,
            queued_requests_max: self.count(&raw.queued_requests_max, "queued_requests_max", 1)?,
            network_per_request: span(&raw.network_per_request, "network_per_request")?,
            produce_per_request: span(&raw.produce_per_request, "produce_per_request")?,
            produce_per_mib: span(&raw.produce_per_mib, "produce_per_mib")?,
            fetch_per_request: span(&raw.fetch_per_request, "fetch_per_request")?,
            fetch_per_mib: span(&raw.fetch_per_mib, "fetch_per_mib")?,
            replica_append_per_mib: span(&raw.replica_append_per_mib, "replica_append_per_mib")?,
            per_partition: span(&raw.per_partition, "per_partition")?,
            pause: self.latency(&raw.pause, "pause")?,
            pause_interval_mean: span(&raw.pause_interval_mean, "pause_interval_mean")?,
        })
    }
}

impl RawLatency {
    /// The points that are there.
    fn given(&self) -> impl Iterator<Item = &Span> {
        [&self.min, &self.p50, &self.p90, &self.p99, &self.p99_9, &self.max].into_iter().flatten()
    }

    fn place_of(&self, name: &str) -> Option<Range<usize>> {
        let point = match name {
            "min" => &self.min,
            "p50" => &self.p50,
            "p90" => &self.p90,
            "p99" => &self.p99,
            "p99_9" => &self.p99_9,
            _ => &self.max,
        };
        point.as_ref().map(Span::span)
    }
}
