//! What a profile says about each kind of device: plain figures, in the units that the devices count in.

use crate::cloud::latency::{Latency, SizedLatency};
use wavetank_sim::Nanos;

/// One figure of a profile, found by its dotted name in the file (`get.first_byte`, `same_az.one_way`).
#[derive(Clone, Copy, Debug)]
pub enum FigureRef<'a> {
    /// A distribution.
    Latency(&'a Latency),
    /// A distribution that grows with the size of the request.
    Sized(&'a SizedLatency),
    /// A span that never varies.
    Span(Nanos),
    /// A count, a rate or a limit, in the unit that its name ends in.
    Number(u64),
}

/// A profile's figures, by kind of device.
#[derive(Clone, Debug)]
pub enum Figures {
    /// An object store with many zones behind it, or one.
    ObjectStore(ObjectStoreFigures),
    /// A block volume: network-attached or local.
    Volume(VolumeFigures),
    /// Latency and bandwidth between places.
    Network(NetworkFigures),
    /// A shared file system.
    Nfs(NfsFigures),
    /// A broker's own service times.
    Host(HostFigures),
}

/// An object store, seen by a client in the same region. Latencies are request sent to answer received, so they hold
/// the network between client and store already.
#[derive(Clone, Debug)]
pub struct ObjectStoreFigures {
    /// GET of so many bytes (a range counts as its length), alone on its client's network interface.
    pub get: SizedLatency,
    /// PUT, or one part of a multipart upload, of so many bytes.
    pub put: SizedLatency,
    /// One page of LIST (up to 1,000 keys).
    pub list: Latency,
    /// HEAD.
    pub head: Latency,
    /// DELETE, or one DeleteObjects call.
    pub delete: Latency,
    /// PUT, COPY, POST and DELETE that one partitioned prefix (or the bucket, see `limits_per_bucket`) takes in a
    /// second before it answers 503.
    pub write_requests_per_sec: u64,
    /// GET and HEAD that one partitioned prefix (or the bucket) takes in a second before it answers 503.
    pub read_requests_per_sec: u64,
    /// Whether the two limits hold for the whole bucket, not for each prefix.
    pub limits_per_bucket: bool,
    /// Whether the data are in one availability zone and are lost with it.
    pub single_zone: bool,
    /// How often an object can be appended to; 0 where there is no append.
    pub appends_per_object: u64,
}

/// A block volume, seen by the instance that it is attached to (the storage network is in the latencies already).
#[derive(Clone, Debug)]
pub struct VolumeFigures {
    /// Read of up to [`VolumeFigures::io_bytes`], alone.
    pub read: Latency,
    /// Write of up to [`VolumeFigures::io_bytes`], alone, until the device has it (not necessarily durable).
    pub write: Latency,
    /// Flush of the device's cache, after the writes before it: what fsync adds.
    pub sync: Latency,
    /// Operations in a second as bought by default.
    pub iops: u64,
    /// Operations in a second that can be bought at most.
    pub iops_max: u64,
    /// Bytes in a second as bought by default.
    pub throughput_bytes_per_sec: u64,
    /// Bytes in a second that can be bought at most.
    pub throughput_max_bytes_per_sec: u64,
    /// Greatest size that can be bought, in bytes.
    pub capacity_max_bytes: u64,
    /// The most bytes that count as one operation.
    pub io_bytes: u64,
    /// Bytes in a sector, which is never torn.
    pub sector_bytes: u64,
    /// How many aligned sectors are written all or not at all.
    pub atomic_sectors: u64,
    /// Chance in a million that a volume is lost within a year.
    pub annual_loss_ppm: u64,
    /// Whether it dies with its instance (no attach elsewhere).
    pub instance_local: bool,
    /// Whether it survives the loss of an availability zone.
    pub multi_zone: bool,
    /// How many instances may be attached at once.
    pub attachments_max: u64,
    /// Detach here, attach there, mount: the orderly way.
    pub reattach: Latency,
    /// How long an orchestrator waits before it detaches by force from an instance that does not answer.
    pub force_detach_after: Nanos,
}

/// What lies between two places.
#[derive(Clone, Debug)]
pub struct LinkFigures {
    /// One way, first byte, small message.
    pub one_way: Latency,
    /// The most that one flow (one TCP connection) gets, in bytes a second.
    pub flow_bytes_per_sec: u64,
}

/// A region's network. The instances' own interfaces are in the [instance types](crate::cloud::instance).
#[derive(Clone, Debug)]
pub struct NetworkFigures {
    /// Between two processes of one host.
    pub same_host: LinkFigures,
    /// Between hosts of one availability zone.
    pub same_az: LinkFigures,
    /// Between availability zones of one region.
    pub cross_az: LinkFigures,
    /// Between regions.
    pub cross_region: LinkFigures,
    /// To the object store: what is not in the object store's own latencies already.
    pub object_storage: LinkFigures,
    /// To network-attached volumes: what is not in the volume's own latencies already.
    pub block_storage: LinkFigures,
    /// To shared file systems: what is not in their own latencies already.
    pub file_storage: LinkFigures,
}

/// A shared file system, seen by a client in the zone of its active server.
#[derive(Clone, Debug)]
pub struct NfsFigures {
    /// READ.
    pub read: SizedLatency,
    /// WRITE until stable (file-synchronous).
    pub write: SizedLatency,
    /// COMMIT of earlier unstable writes.
    pub commit: Latency,
    /// CREATE, RENAME, REMOVE, GETATTR, LOCK.
    pub metadata: Latency,
    /// Bytes in a second as bought by default.
    pub throughput_bytes_per_sec: u64,
    /// Operations in a second.
    pub iops: u64,
    /// How long the share does not answer while its server fails over.
    pub failover_pause: Latency,
    /// TCP connections of one mount at most.
    pub connections_max: u64,
    /// Whether it survives the loss of an availability zone.
    pub multi_zone: bool,
}

/// A Kafka broker's threads and service times on one core. Times on the disk and the wire are not in them.
#[derive(Clone, Debug)]
pub struct HostFigures {
    /// `num.network.threads`.
    pub network_threads: u64,
    /// `num.io.threads`.
    pub request_handler_threads: u64,
    /// `queued.max.requests`.
    pub queued_requests_max: u64,
    /// A network thread, for each request and its response.
    pub network_per_request: Nanos,
    /// A request handler, for each produce request.
    pub produce_per_request: Nanos,
    /// A request handler, for each MiB produced: checksum, validation, offset assignment, copy.
    pub produce_per_mib: Nanos,
    /// A request handler, for each consumer fetch.
    pub fetch_per_request: Nanos,
    /// A network thread, for each MiB sent to consumers or followers (sendfile, no TLS).
    pub fetch_per_mib: Nanos,
    /// A follower's fetcher thread, for each MiB appended.
    pub replica_append_per_mib: Nanos,
    /// A request handler, for each partition in a request.
    pub per_partition: Nanos,
    /// A stop of the whole process (garbage collection).
    pub pause: Latency,
    /// Time between two such stops, in the mean (exponential).
    pub pause_interval_mean: Nanos,
}

impl Figures {
    /// Every figure with its dotted name in the file.
    pub fn all(&self) -> Vec<(String, FigureRef<'_>)> {
        let mut all = Vec::new();
        match self {
            Figures::ObjectStore(figures) => figures.push_all(&mut all),
            Figures::Volume(figures) => figures.push_all(&mut all),
            Figures::Network(figures) => figures.push_all(&mut all),
            Figures::Nfs(figures) => figures.push_all(&mut all),
            Figures::Host(figures) => figures.push_all(&mut all),
        }
        all
    }

    /// The figure of that name; for a [`SizedLatency`], its own name gives the whole.
    pub fn get(&self, name: &str) -> Option<FigureRef<'_>> {
        let whole = match (self, name) {
            (Figures::ObjectStore(f), "get") => Some(&f.get),
            (Figures::ObjectStore(f), "put") => Some(&f.put),
            (Figures::Nfs(f), "read") => Some(&f.read),
            (Figures::Nfs(f), "write") => Some(&f.write),
            _ => None,
        };
        whole
            .map(FigureRef::Sized)
            .or_else(|| self.all().into_iter().find(|(its_name, _)| its_name == name).map(|(_, figure)| figure))
    }
}

type Names<'a> = Vec<(String, FigureRef<'a>)>;

fn push<'a>(all: &mut Names<'a>, name: &str, figure: FigureRef<'a>) {
    all.push((name.to_owned(), figure));
}

fn push_sized<'a>(all: &mut Names<'a>, name: &str, sized: &'a SizedLatency) {
    push(all, &format!("{name}.first_byte"), FigureRef::Latency(&sized.first_byte));
    push(all, &format!("{name}.per_mib"), FigureRef::Latency(&sized.per_mib));
}

impl ObjectStoreFigures {
    fn push_all<'a>(&'a self, all: &mut Names<'a>) {
        push_sized(all, "get", &self.get);
        push_sized(all, "put", &self.put);
        push(all, "list", FigureRef::Latency(&self.list));
        push(all, "head", FigureRef::Latency(&self.head));
        push(all, "delete", FigureRef::Latency(&self.delete));
        push(all, "write_requests_per_sec", FigureRef::Number(self.write_requests_per_sec));
        push(all, "read_requests_per_sec", FigureRef::Number(self.read_requests_per_sec));
        push(all, "appends_per_object", FigureRef::Number(self.appends_per_object));
    }
}

impl VolumeFigures {
    fn push_all<'a>(&'a self, all: &mut Names<'a>) {
        push(all, "read", FigureRef::Latency(&self.read));
        push(all, "write", FigureRef::Latency(&self.write));
        push(all, "sync", FigureRef::Latency(&self.sync));
        push(all, "iops", FigureRef::Number(self.iops));
        push(all, "iops_max", FigureRef::Number(self.iops_max));
        push(all, "throughput_mib_per_sec", FigureRef::Number(self.throughput_bytes_per_sec >> 20));
        push(all, "throughput_max_mib_per_sec", FigureRef::Number(self.throughput_max_bytes_per_sec >> 20));
        push(all, "capacity_max_gib", FigureRef::Number(self.capacity_max_bytes >> 30));
        push(all, "io_bytes", FigureRef::Number(self.io_bytes));
        push(all, "sector_bytes", FigureRef::Number(self.sector_bytes));
        push(all, "atomic_sectors", FigureRef::Number(self.atomic_sectors));
        push(all, "annual_loss_ppm", FigureRef::Number(self.annual_loss_ppm));
        push(all, "attachments_max", FigureRef::Number(self.attachments_max));
        push(all, "reattach", FigureRef::Latency(&self.reattach));
        push(all, "force_detach_after", FigureRef::Span(self.force_detach_after));
    }
}

impl NetworkFigures {
    fn push_all<'a>(&'a self, all: &mut Names<'a>) {
        let links = [
            ("same_host", &self.same_host),
            ("same_az", &self.same_az),
            ("cross_az", &self.cross_az),
            ("cross_region", &self.cross_region),
            ("object_storage", &self.object_storage),
            ("block_storage", &self.block_storage),
            ("file_storage", &self.file_storage),
        ];
        for (name, link) in links {
            push(all, &format!("{name}.one_way"), FigureRef::Latency(&link.one_way));
            push(all, &format!("{name}.flow_mbit_per_sec"), FigureRef::Number(link.flow_bytes_per_sec / 125_000));
        }
    }
}

impl NfsFigures {
    fn push_all<'a>(&'a self, all: &mut Names<'a>) {
        push_sized(all, "read", &self.read);
        push_sized(all, "write", &self.write);
        push(all, "commit", FigureRef::Latency(&self.commit));
        push(all, "metadata", FigureRef::Latency(&self.metadata));
        push(all, "throughput_mib_per_sec", FigureRef::Number(self.throughput_bytes_per_sec >> 20));
        push(all, "iops", FigureRef::Number(self.iops));
        push(all, "failover_pause", FigureRef::Latency(&self.failover_pause));
        push(all, "connections_max", FigureRef::Number(self.connections_max));
    }
}

impl HostFigures {
    fn push_all<'a>(&'a self, all: &mut Names<'a>) {
        push(all, "network_threads", FigureRef::Number(self.network_threads));
        push(all, "request_handler_threads", FigureRef::Number(self.request_handler_threads));
        push(all, "queued_requests_max", FigureRef::Number(self.queued_requests_max));
        push(all, "network_per_request", FigureRef::Span(self.network_per_request));
        push(all, "produce_per_request", FigureRef::Span(self.produce_per_request));
        push(all, "produce_per_mib", FigureRef::Span(self.produce_per_mib));
        push(all, "fetch_per_request", FigureRef::Span(self.fetch_per_request));
        push(all, "fetch_per_mib", FigureRef::Span(self.fetch_per_mib));
        push(all, "replica_append_per_mib", FigureRef::Span(self.replica_append_per_mib));
        push(all, "per_partition", FigureRef::Span(self.per_partition));
        push(all, "pause", FigureRef::Latency(&self.pause));
        push(all, "pause_interval_mean", FigureRef::Span(self.pause_interval_mean));
    }
}
