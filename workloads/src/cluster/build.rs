//! The world of a cluster: hosts, devices, brokers, controllers, clients.

use super::admin::{Admin, AdminSpec, NewTopic, Notes};
use super::case;
use super::cloud::{CLIENT_INSTANCE, CLOUD, CONTROLLER_INSTANCE};
use super::job_meter::JobMeter;
use super::jobs::{self, Job};
use super::knobs::Knobs;
use super::reader_meter::{Late, Reader, ReaderMeter};
use super::settings;
use super::size::{Purpose, Setup, Size};
use super::sustainable;
use crate::mutant::Mutant;
use crate::spec::scenario::{Fault, FaultKind, Group, PlatformKind, Target};
use crate::storm::Storm;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use wavetank_models::client::Directory;
use wavetank_models::client::load::{LoadSpec, RateSchedule};
use wavetank_models::client::{AutoOffsetReset, ConsumerProcess, ConsumerSettings, ConsumerSpec, Subscription};
use wavetank_models::client::{ProducerProcess, ProducerSettings, ProducerSpec};
use wavetank_models::cloud::express::ExpressStore;
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{AzId, HostId};
use wavetank_models::cloud::nfs::NfsShare;
use wavetank_models::cloud::object_store::{BucketId, ObjectStore};
use wavetank_models::cloud::volume::Volume;
use wavetank_models::flink::{JobSpec, Startup};
use wavetank_models::kafka::broker::coordinator::OFFSETS_TOPIC;
use wavetank_models::kafka::broker::link::LinkOptions;
use wavetank_models::kafka::broker::{Broker, BrokerSpec, STORAGE_SPACE};
use wavetank_models::kafka::controller::{Controller, ControllerSpec};
use wavetank_models::kafka::ids::{BrokerId, ControllerId, GroupId, TopicId, TopicIdPartition};
use wavetank_models::kafka::object_client::ObjectPlace;
use wavetank_models::kafka::shared_storage::StorageOptions;
use wavetank_models::kafka::shared_storage::compaction::CompactionOptions;
use wavetank_models::kafka::shared_storage::objects::Bucket;
use wavetank_models::kafka::shared_storage::stream_logs::{StreamLogs, StreamLogsSpec, WalSource};
use wavetank_models::kafka::wal::block::{BlockFencing, BlockWalOptions};
use wavetank_models::kafka::wal::file::FileWalOptions;
use wavetank_models::kafka::wal::{self, WalMode, WalSpec};
use wavetank_models::world::{Action, Behaviour, CloudSpec, Event, ExpressId, ShareId, StoreId, VolumeId, World};
use wavetank_sim::{Core, Nanos, NodeId, SortedMap};

/// How soon a supervisor starts a process again that has ended itself.
const SUPERVISED: Nanos = Nanos::secs(2);
/// The cluster's own topics come first.
pub(super) const FIRST_TOPIC: u32 = 1;

/// Hosts, in the order in which they are made.
pub(super) struct Map {
    pub(super) cloud: CloudSpec,
    pub(super) azs: Vec<AzId>,
    brokers: Vec<(HostId, AzId)>,
    /// So many of the brokers, the last ones, join later.
    spares: usize,
    controllers: Vec<(HostId, AzId)>,
    clients: Vec<(HostId, AzId)>,
    /// Each host's instance type, in the order of hosts.
    pub(super) instances: Vec<String>,
}

/// Everything that faults can aim at.
pub(super) struct Cluster {
    pub(super) azs: Vec<AzId>,
    pub(super) az_names: Vec<String>,
    /// By id; the last ones may be spares.
    pub(super) brokers: Vec<Member>,
    /// Places of the brokers that have not joined yet, in the order in which they do.
    pub(super) spares: VecDeque<usize>,
    pub(super) controllers: Vec<Member>,
    /// Where each controller keeps its log.
    pub(super) controller_volumes: Vec<VolumeId>,
    pub(super) producers: Vec<Member>,
    pub(super) consumers: Vec<Member>,
    pub(super) jobs: Vec<Job>,
    /// Groups by name: which of the consumers are theirs.
    pub(super) groups: Vec<(String, Range<usize>)>,
    /// By group: when it starts, if not at once, and what it reads.
    pub(super) group_starts: Vec<Option<Nanos>>,
    pub(super) group_partitions: Vec<Vec<TopicIdPartition>>,
    /// Whoever gives the controllers orders, and what it can be told.
    pub(super) admin: NodeId,
    pub(super) notes: Notes,
    pub(super) store: StoreId,
    pub(super) express: Vec<ExpressId>,
    pub(super) share: Option<ShareId>,
}

impl Cluster {
    /// Those who listen to its jobs.
    pub(super) fn job_meters(&self) -> Vec<JobMeter> {
        let reads_from = |spec: &JobSpec| match spec.startup {
            Startup::Latest => spec.begins_at,
            Startup::Earliest | Startup::GroupOffsets => Nanos::ZERO,
        };
        let meter = |job: &Job| JobMeter::new(job.spec.job, &job.spec.sources, reads_from(&job.spec));
        self.jobs.iter().map(meter).collect()
    }

    /// Whoever listens to its readers; `rate` is the load's.
    pub(super) fn reader_meter(&self, begin: Nanos, rate: u64) -> ReaderMeter {
        let of_groups = (0..).map(GroupId).zip(&self.group_starts);
        let groups = of_groups.filter_map(|(group, start)| Some((Reader::Group(group), (*start)?)));
        let of_jobs = self.jobs.iter().enumerate().filter(|(_, job)| job.spec.begins_at > Nanos::ZERO);
        let jobs = of_jobs.map(|(place, job)| (Reader::Job(place), job.spec.begins_at));
        let late = |(reader, start)| Late { reader, start, caught_up: None };
        let topics = (0..).map(GroupId).zip(self.group_partitions.iter().cloned()).collect();
        ReaderMeter::new(begin, rate, topics, groups.chain(jobs).map(late).collect())
    }
}

/// A process and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) node: NodeId,
    pub(super) host: HostId,
    pub(super) az: AzId,
    /// A broker's write-ahead log, where it has one of its own.
    pub(super) volume: Option<VolumeId>,
}

impl Map {
    pub(super) fn new(setup: &Setup<'_>, size: &Size) -> Map {
        let cluster = &setup.scenario.cluster;
        let mut cloud = CloudSpec::new(CLOUD.network.clone());
        let region = cloud.region("region");
        let azs: Vec<AzId> = cluster.azs.iter().map(|name| cloud.az(region, name)).collect();
        let mut instances = Vec::new();
        let mut hosts = |cloud: &mut CloudSpec, count: usize, az: &dyn Fn(usize) -> AzId, instance: &str| {
            let one = |n| {
                let spec = if instance == CLIENT_INSTANCE { HostSpec::instant() } else { CLOUD.host(instance) };
                instances.push(instance.to_owned());
                let host = cloud.host(az(n), CLOUD.nic(instance), spec).expect("profiles make sense");
                (host, az(n))
            };
            (0..count).map(one).collect::<Vec<_>>()
        };
        let is_zonal = setup.platform.kind.is_in_one_zone();
        let spread = |n: usize| azs[n % azs.len()];
        let broker_az = |n: usize| if is_zonal { azs[0] } else { spread(n) };
        let joining = joining(setup);
        let spare_az = |n: usize| match joining.get(n).copied().flatten() {
            Some(place) if !is_zonal => azs[place],
            Some(_) | None => broker_az(cluster.brokers as usize + n),
        };
        let mut brokers = hosts(&mut cloud, cluster.brokers as usize, &broker_az, &cluster.instance);
        brokers.extend(hosts(&mut cloud, joining.len(), &spare_az, &cluster.instance));
        let controllers = hosts(&mut cloud, cluster.controllers as usize, &spread, CONTROLLER_INSTANCE);
        let mut places = zones_of(&size.producers, &azs);
        for group in &setup.scenario.groups {
            let members = size.members_of(group) as usize;
            places.extend(zones_of(&group.members.counts(), &azs).into_iter().take(members));
        }
        for pipeline in setup.scenario.pipelines.iter().take(size.pipelines as usize) {
            places.extend(jobs::places(pipeline, setup.purpose, &azs));
        }
        let clients =
            hosts(&mut cloud, places.len() + 1, &|n| places.get(n).copied().unwrap_or(azs[0]), CLIENT_INSTANCE);
        Map { cloud, azs, brokers, spares: joining.len(), controllers, clients, instances }
    }
}

/// The zones that joining brokers are to be in, one a broker that a measured run's faults add. Their hosts are there (and
/// paid for) from the beginning.
fn joining(setup: &Setup<'_>) -> Vec<Option<usize>> {
    let place = |name: &String| setup.scenario.cluster.azs.iter().position(|az| az == name);
    let zone = |fault: &Fault| match &fault.kind {
        FaultKind::AddBroker(Some(Target::Az(name))) => Some(place(name)),
        FaultKind::AddBroker(_) => Some(None),
        _ => None,
    };
    match setup.purpose {
        Purpose::Explore => Vec::new(),
        Purpose::Measure => setup.scenario.faults.iter().filter_map(zone).collect(),
    }
}

/// The zone of each, of so many in each zone.
pub(super) fn zones_of(counts: &[u32], azs: &[AzId]) -> Vec<AzId> {
    let mut left = counts.to_vec();
    let mut zones = Vec::new();
    // One zone after the other, so that the first few are spread too.
    while left.iter().any(|count| *count > 0) {
        for (count, az) in left.iter_mut().zip(azs) {
            if *count > 0 {
                *count -= 1;
                zones.push(*az);
            }
        }
    }
    zones
}

/// What brokers keep their logs on.
struct Media {
    store: StoreId,
    data: BucketId,
    wal: BucketId,
    /// Of the jobs.
    checkpoints: BucketId,
    express: Vec<(ExpressId, BucketId)>,
    volumes: Vec<VolumeId>,
    share: Option<ShareId>,
}

pub(super) struct Builder<'a> {
    pub(super) setup: Setup<'a>,
    pub(super) size: &'a Size,
    pub(super) mutant: Option<Mutant>,
    pub(super) knobs: &'a Knobs,
    /// What will befall it: what it must be prepared for.
    pub(super) storm: &'a Storm,
}

impl Builder<'_> {
    pub(super) fn build(&self, world: &mut World, core: &mut Core<Event>, map: &MapHosts) -> Cluster {
        let media = self.media(world, core, map);
        let quorum = self.quorum_nodes(map);
        let (controllers, controller_volumes) = self.controllers(world, core, map, &media, &quorum);
        let brokers = self.brokers(world, core, map, &media, &quorum);
        let ids = (0..).map(BrokerId);
        let directory = Directory::new(ids.zip(brokers.iter().map(|broker| broker.node)).collect());
        let clients = &mut map.clients.iter().copied();
        let producers = self.producers(world, core, clients, &directory);
        let (consumers, groups) = self.consumers(world, core, clients, &directory);
        let jobs = self.jobs(world, core, clients, &directory, (media.store, media.checkpoints));
        let group_partitions: Vec<_> =
            self.setup.scenario.groups.iter().map(|group| self.partitions_of(group)).collect();
        let of_jobs = jobs.iter().map(|job| job.spec.sources.clone());
        let spec = AdminSpec {
            controllers: quorum,
            topics: self.new_topics(),
            directory: directory.clone(),
            groups: group_partitions.iter().cloned().chain(of_jobs).collect(),
            notes: Notes::default(),
        };
        let notes = spec.notes.clone();
        let (host, _) = clients.next().expect("a host for the tool");
        let admin = Box::new(move |_| Behaviour::Machine(Box::new(Admin::new(spec.clone()))));
        let admin = world.add_node(core, "admin", host, admin);
        let spares = (brokers.len() - map.spares..brokers.len()).collect();
        let az_names = self.setup.scenario.cluster.azs.clone();
        Cluster {
            azs: map.azs.clone(),
            az_names,
            brokers,
            spares,
            controllers,
            controller_volumes,
            producers,
            consumers,
            groups,
            group_starts: self.setup.scenario.groups.iter().map(|group| self.starts_late(group)).collect(),
            group_partitions,
            jobs,
            admin,
            notes,
            store: media.store,
            express: media.express.iter().map(|(express, _)| *express).collect(),
            share: media.share,
        }
    }

    fn media(&self, world: &mut World, core: &mut Core<Event>, map: &MapHosts) -> Media {
        let choices = *core.choices();
        let mut store = ObjectStore::new(CLOUD.store.clone(), &choices, 0);
        let [data, wal, checkpoints] = std::array::from_fn(|_| store.create_bucket(core.now()));
        let store = world.add_store(store);
        let mut media = Media { store, data, wal, checkpoints, express: Vec::new(), volumes: Vec::new(), share: None };
        let instance = &self.setup.scenario.cluster.instance;
        match self.setup.platform.kind {
            PlatformKind::S3Wal => {}
            PlatformKind::S3ExpressWal => {
                for (n, az) in map.azs.iter().enumerate() {
                    let mut express = ExpressStore::new(CLOUD.express.clone(), az.0, &choices, n as u64);
                    let bucket = express.create_bucket(core.now());
                    media.express.push((world.add_express(express), bucket));
                }
            }
            PlatformKind::EbsWal | PlatformKind::RegionalEbsWal => {
                for (n, (host, az)) in map.brokers.iter().enumerate() {
                    let spec = match self.setup.platform.kind {
                        PlatformKind::EbsWal => CLOUD.wal_volume(*az, instance),
                        _ => CLOUD.regional_volume(map.azs.clone(), instance),
                    };
                    let mut volume = Volume::new(spec, &choices, n as u64);
                    volume.attach_at_start(*host, *az).expect("a fresh volume within reach");
                    media.volumes.push(world.add_volume(volume));
                }
            }
            PlatformKind::NfsWal => media.share = Some(world.add_share(NfsShare::new(CLOUD.share(), &choices, 0))),
        }
        media
    }

    /// Nodes are numbered as they are made: controllers come first.
    fn quorum_nodes(&self, map: &MapHosts) -> Vec<NodeId> {
        (0..map.controllers.len() as u32).map(NodeId).collect()
    }

    fn controllers(
        &self,
        world: &mut World,
        core: &mut Core<Event>,
        map: &MapHosts,
        media: &Media,
        quorum: &[NodeId],
    ) -> (Vec<Member>, Vec<VolumeId>) {
        let choices = *core.choices();
        let peers: SortedMap<ControllerId, NodeId> = (0..).map(ControllerId).zip(quorum.iter().copied()).collect();
        let options = self.knobs.controller(settings::controller(self.setup.platform));
        let namespace = StorageOptions::for_cache(0).namespace;
        let (mut members, mut volumes) = (Vec::new(), Vec::new());
        for (n, (host, az)) in map.controllers.iter().copied().enumerate() {
            let mut volume = Volume::new(CLOUD.controller_volume(az), &choices, 1_000 + n as u64);
            volume.attach_at_start(host, az).expect("a fresh volume in the host's zone");
            let volume = world.add_volume(volume);
            volumes.push(volume);
            let spec = ControllerSpec {
                id: ControllerId(n as u32),
                peers: peers.clone(),
                volume,
                store: media.store,
                bucket: media.data,
                namespace: namespace.clone(),
                options: options.clone(),
                mutant: match self.mutant {
                    Some(Mutant::Controller(mutant)) => Some(mutant),
                    Some(_) | None => None,
                },
            };
            let factory = Box::new(move |_| Behaviour::Machine(Box::new(Controller::new(spec.clone()))));
            let node = world.add_node(core, &format!("controller-{n}"), host, factory);
            world.supervise(node, SUPERVISED);
            members.push(Member { node, host, az, volume: None });
        }
        (members, volumes)
    }

    fn brokers(
        &self,
        world: &mut World,
        core: &mut Core<Event>,
        map: &MapHosts,
        media: &Media,
        quorum: &[NodeId],
    ) -> Vec<Member> {
        let platform = self.setup.platform;
        let mut options = settings::storage(platform, self.setup.scenario.cluster.memory_bytes);
        let snapshot_interval = match self.setup.purpose {
            Purpose::Explore => Nanos::secs(5),
            Purpose::Measure => Nanos::secs(60),
        };
        if self.setup.purpose == Purpose::Explore {
            // Small, so that blocks fill, uploads overlap and caches miss within a minute.
            options = StorageOptions {
                upload_interval: Nanos::secs(7),
                upload_threshold: 64 << 10,
                split_bytes: 16 << 10,
                block_bytes: 4 << 10,
                block_cache_bytes: 64 << 10,
                cache_bytes: 256 << 10,
                compaction: CompactionOptions::quick(),
                fast_close: self.knobs.fast_close,
                ..options
            };
        }
        options = self.knobs.storage(options);
        if let Some(Mutant::Storage(mutant)) = self.mutant {
            options.mutant = Some(mutant);
        }
        let mut retention = self.knobs.retention(settings::retention(&self.setup.scenario.workload, platform));
        if let Some(Mutant::Broker(mutant)) = self.mutant {
            retention.mutant = Some(mutant);
        }
        let bucket = Bucket { store: media.store, bucket: media.data };
        let wals = self.wals(map, media);
        let link = LinkOptions { heartbeat_interval: platform.broker.heartbeat_interval, ..LinkOptions::default() };
        let mut members = Vec::new();
        for (n, (host, az)) in map.brokers.iter().copied().enumerate() {
            let id = BrokerId(n as u32);
            let (wals, storage) = (wals.clone(), options.clone());
            let logs = StreamLogsSpec { broker: id, options: storage, bucket, wals, first_space: STORAGE_SPACE };
            let spec = BrokerSpec {
                id,
                rack: u32::from(az.0),
                controllers: quorum.to_vec(),
                link: link.clone(),
                logs: Arc::new(move || Box::new(StreamLogs::new(logs.clone()))),
                snapshot_interval,
                report_interval: platform.broker.auto_balancer.then_some(platform.broker.balancer_report_interval),
                retention,
            };
            let factory = Box::new(move |_| Behaviour::Machine(Box::new(Broker::new(spec.clone()))));
            let node = world.add_node(core, &format!("broker-{n}"), host, factory);
            world.supervise(node, SUPERVISED);
            if n >= map.brokers.len() - map.spares {
                world.kill(core, node);
            }
            members.push(Member { node, host, az, volume: media.volumes.get(n).copied() });
        }
        members
    }

    /// Where each broker's write-ahead log is, for itself and for whoever takes it over.
    fn wals(&self, map: &MapHosts, media: &Media) -> WalSource {
        let object = self.knobs.object_wal(settings::object_wal(self.setup.platform));
        let ring = self.knobs.ring(settings::ring(self.setup.platform));
        let mutant = match self.mutant {
            Some(Mutant::Wal(mutant)) => Some(mutant),
            Some(_) | None => None,
        };
        let kind = self.setup.platform.kind;
        let brokers = map.brokers.clone();
        let places: Vec<ObjectPlace> = brokers
            .iter()
            .map(|(_, az)| match media.express.get(az.0 as usize) {
                Some((express, bucket)) => ObjectPlace::Express(*express, *bucket),
                None => ObjectPlace::Regional(media.store, media.wal),
            })
            .collect();
        let (volumes, share) = (media.volumes.clone(), media.share);
        Arc::new(move |broker, mode, space| {
            let n = broker.0 as usize;
            let wal = match kind {
                PlatformKind::S3Wal | PlatformKind::S3ExpressWal => {
                    WalSpec::Object { place: places[n], options: object.clone() }
                }
                PlatformKind::EbsWal | PlatformKind::RegionalEbsWal => WalSpec::Block(BlockWalOptions {
                    volume: volumes[n],
                    fencing: BlockFencing::Detach,
                    victim: (mode == WalMode::Failover).then_some(brokers[n].0),
                    ring: ring.clone(),
                }),
                PlatformKind::NfsWal => WalSpec::File(FileWalOptions {
                    ring: ring.clone(),
                    ..FileWalOptions::on(share.expect("this platform has one"))
                }),
            };
            wal::build(wal, space, mutant)
        })
    }

    fn producers(
        &self,
        world: &mut World,
        core: &mut Core<Event>,
        hosts: &mut dyn Iterator<Item = (HostId, AzId)>,
        directory: &Directory,
    ) -> Vec<Member> {
        let (workload, size) = (&self.setup.scenario.workload, self.size);
        let count = size.producers_total();
        let mut members = Vec::new();
        for (n, rate) in (0..count).zip(sustainable::shares(size.rate, count as usize)) {
            let (host, az) = hosts.next().expect("a host a client");
            let spec = ProducerSpec {
                directory: directory.clone(),
                topic: TopicId(FIRST_TOPIC + n % size.topics),
                partitions: size.partitions,
                load: LoadSpec {
                    rate: RateSchedule::constant(rate),
                    message_bytes: u32::try_from(workload.message_size).unwrap_or(u32::MAX),
                    partitioner: settings::partitioner(workload),
                    start: super::LOAD_BEGINS,
                    stop: size.load_ends(),
                },
                settings: self.producer_settings(),
                number: n,
                recorded: self.setup.purpose == Purpose::Explore,
            };
            let factory = Box::new(move |life: wavetank_sim::Incarnation| {
                let life = life.epoch.0 - 1;
                Behaviour::Machine(Box::new(ProducerProcess::new(spec.clone(), life)))
            });
            let node = world.add_node(core, &format!("producer-{n}"), host, factory);
            members.push(Member { node, host, az, volume: None });
        }
        members
    }

    /// Exploring runs never give a batch up. A Java producer that does raises its epoch and sends what it has in flight
    /// again under new sequences (`TransactionManager.canRetry`), and what was in the log already is there twice then: no
    /// platform can help that.
    fn producer_settings(&self) -> ProducerSettings {
        let settings = self.knobs.producer(settings::producer(&self.setup.scenario.workload.producer));
        match self.setup.purpose {
            Purpose::Measure => settings,
            Purpose::Explore => ProducerSettings { delivery_timeout: Nanos::secs(3_600), ..settings },
        }
    }

    /// Exploring runs read everything, so that whatever is lost shows.
    fn consumer_settings(&self, group: &Group, az: AzId) -> ConsumerSettings {
        let settings = settings::consumer_in(&group.settings, az, &self.setup.scenario.cluster.azs);
        match self.setup.purpose {
            // Whoever is to work off a backlog has to begin before it.
            Purpose::Measure if self.setup.scenario.workload.backlog_bytes == 0 => settings,
            Purpose::Measure | Purpose::Explore => {
                ConsumerSettings { auto_offset_reset: AutoOffsetReset::Earliest, ..settings }
            }
        }
    }

    fn consumers(
        &self,
        world: &mut World,
        core: &mut Core<Event>,
        hosts: &mut dyn Iterator<Item = (HostId, AzId)>,
        directory: &Directory,
    ) -> (Vec<Member>, Vec<(String, Range<usize>)>) {
        let size = self.size;
        let (mut members, mut groups) = (Vec::new(), Vec::new());
        for (number, group) in self.setup.scenario.groups.iter().enumerate() {
            let count = size.members_of(group);
            groups.push((group.name.clone(), members.len()..members.len() + count as usize));
            let topics = self.topics_of(group);
            for n in 0..count {
                let (host, az) = hosts.next().expect("a host a client");
                let spec = ConsumerSpec {
                    directory: directory.clone(),
                    group: GroupId(number as u32),
                    subscription: Subscription::Subscribe(topics.clone()),
                    settings: self.consumer_settings(group, az),
                    records_per_sec: None,
                    recorded: self.setup.purpose == Purpose::Explore,
                };
                let factory = Box::new(move |_| Behaviour::Machine(Box::new(ConsumerProcess::new(spec.clone()))));
                let node = world.add_node(core, &format!("consumer-{}-{n}", group.name), host, factory);
                if let Some(late) = self.starts_late(group) {
                    world.kill(core, node);
                    world.plan(core, late, Action::Restart(node));
                }
                members.push(Member { node, host, az, volume: None });
            }
        }
        (members, groups)
    }

    /// The topics that a group reads. In exploring runs that is all of them: whatever is lost shows.
    fn topics_of(&self, group: &Group) -> Vec<(TopicId, u32)> {
        let topics = match self.setup.purpose {
            Purpose::Measure => self.topics_named(&group.topics),
            Purpose::Explore => (0..self.size.topics).map(|topic| TopicId(FIRST_TOPIC + topic)).collect(),
        };
        topics.into_iter().map(|topic| (topic, self.size.partitions)).collect()
    }

    /// Topics by their names; a run that has fewer topics than the scenario has the first of them in their place.
    pub(super) fn topics_named(&self, names: &[String]) -> Vec<TopicId> {
        let is_named = |topic: &u32| names.contains(&self.setup.scenario.workload.topic_name(*topic));
        let mut topics: Vec<u32> = (0..self.size.topics).filter(is_named).collect();
        if topics.is_empty() {
            topics.push(0);
        }
        topics.into_iter().map(|topic| TopicId(FIRST_TOPIC + topic)).collect()
    }

    /// Their partitions.
    fn partitions_of(&self, group: &Group) -> Vec<TopicIdPartition> {
        let of =
            |(topic, count): (TopicId, u32)| (0..count).map(move |partition| TopicIdPartition { topic, partition });
        self.topics_of(group).into_iter().flat_map(of).collect()
    }

    /// When a group of a measured run starts, if not at once: as it says itself, and when the backlog is written that the
    /// load begins with (`consumerBacklogSizeGB` of the OpenMessaging Benchmark).
    fn starts_late(&self, group: &Group) -> Option<Nanos> {
        let workload = &self.setup.scenario.workload;
        let own = (group.start_at > Nanos::ZERO).then(|| self.size.begins() + group.start_at);
        let to_write = Nanos::secs(workload.backlog_bytes / workload.bytes_in_per_sec().unwrap_or(1).max(1));
        let backlog = (workload.backlog_bytes > 0).then(|| super::LOAD_BEGINS + to_write);
        own.max(backlog).filter(|_| self.setup.purpose == Purpose::Measure)
    }

    fn new_topics(&self) -> Vec<NewTopic> {
        let name = |topic| self.setup.scenario.workload.topic_name(topic).into();
        let names = std::iter::once(OFFSETS_TOPIC.into()).chain((0..self.size.topics).map(name));
        let topics = names.zip(case::partitions(&self.setup, self.size));
        topics.map(|(name, partitions)| NewTopic { name, partitions }).collect()
    }
}

/// The hosts of a map, when its cloud has gone into the world.
pub(super) struct MapHosts {
    pub(super) azs: Vec<AzId>,
    brokers: Vec<(HostId, AzId)>,
    spares: usize,
    controllers: Vec<(HostId, AzId)>,
    clients: Vec<(HostId, AzId)>,
}

impl Map {
    /// The cloud, and where its hosts are.
    pub(super) fn split(self) -> (CloudSpec, MapHosts, Vec<String>) {
        let Map { cloud, azs, brokers, spares, controllers, clients, instances } = self;
        (cloud, MapHosts { azs, brokers, spares, controllers, clients }, instances)
    }
}
