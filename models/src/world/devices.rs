//! Between the world and its devices: what is asked goes down, what is done comes up.

use super::{
    ATTEMPT_TIMEOUT, DownloadKey, Event, ExpressId, Happening, Input, JobKey, MessageKey, RequestKey, ShareId, StoreId,
    VolumeId, World,
};
use crate::anomaly::Entity;
use crate::cloud::Output;
use crate::cloud::express::ExpressStore;
use crate::cloud::host::{Host, HostDone, HostOutput};
use crate::cloud::network::{self, Direction, Endpoint, HostId, LinkClass, Network, NetworkOutput, ResetReason};
use crate::cloud::nfs::{NfsDone, NfsOp, NfsOutput, NfsShare};
use crate::cloud::object_store::{BucketId, ObjectDone, ObjectError, ObjectOp, ObjectOutput, ObjectStore};
use crate::cloud::volume::{Volume, VolumeOp, VolumeOutput};
use slotmap::{Key, KeyData};
use wavetank_sim::{Core, Incarnation, Nanos};

/// Something asked of a storage device, on its way through the host's network card.
pub(crate) struct Request {
    pub(crate) from: Incarnation,
    pub(crate) token: u64,
    pub(crate) asked: Asked,
    /// When it was sent, once its body has passed the card.
    pub(crate) uploaded_since: Option<Nanos>,
    /// Its host has lost power since.
    pub(crate) lost_power: bool,
}

impl Request {
    pub(super) fn new(from: Incarnation, token: u64, asked: Asked) -> Request {
        Request { from, token, asked, uploaded_since: None, lost_power: false }
    }
}

/// The body of an answer, on its way through the host's network card.
pub(crate) struct Download {
    to: Incarnation,
    from: Store,
    answer: Input,
}

/// Which object store of either kind.
#[derive(Clone, Copy)]
enum Store {
    Regional(StoreId),
    Express(ExpressId),
}

pub(crate) enum Asked {
    Volume(VolumeId, VolumeOp),
    Object(StoreId, BucketId, ObjectOp),
    Express(ExpressId, BucketId, ObjectOp),
    Nfs(ShareId, NfsOp),
    /// Nothing any more: this answer waits for the way back, over that class of link, with so many bytes.
    Answered(LinkClass, u64, Input),
}

/// A device with the wake-ups and answers it gives: one line each, the same shape for all.
macro_rules! with_device {
    ($name:ident, $field:ident, $id:ty, $device:ty, $output:ty, $scratch:ident, $event:expr, $done:ident) => {
        pub(super) fn $name(
            &mut self,
            core: &mut Core<Event>,
            id: $id,
            act: impl FnOnce(&mut $device, Nanos, &mut Vec<$output>),
        ) {
            let mut out = std::mem::take(&mut self.scratch.$scratch);
            act(&mut self.$field[id.0 as usize], core.now(), &mut out);
            for output in out.drain(..) {
                match output {
                    Output::Wake { at, step } => drop(core.schedule(at, $event(id, step))),
                    Output::Done(done) => self.$done(core, id, done),
                }
            }
            self.scratch.$scratch = out;
        }
    };
}

impl World {
    with_device!(
        with_host,
        hosts,
        HostId,
        Host<JobKey>,
        HostOutput<JobKey>,
        host,
        |host, step| Event::Host { host, step },
        host_done
    );
    with_device!(
        with_volume,
        volumes,
        VolumeId,
        Volume,
        VolumeOutput,
        volume,
        |volume, step| Event::Volume { volume, step },
        volume_done
    );
    with_device!(
        with_store,
        stores,
        StoreId,
        ObjectStore,
        ObjectOutput,
        object,
        |store, step| Event::Object { store, step },
        object_done
    );
    with_device!(
        with_express,
        expresses,
        ExpressId,
        ExpressStore,
        ObjectOutput,
        express,
        |store, step| Event::Express { store, step },
        express_done
    );
    with_device!(
        with_share,
        shares,
        ShareId,
        NfsShare,
        NfsOutput,
        nfs,
        |share, step| Event::Nfs { share, step },
        nfs_done
    );

    pub(super) fn with_network(
        &mut self,
        core: &mut Core<Event>,
        act: impl FnOnce(&mut Network<MessageKey>, Nanos, &mut Vec<NetworkOutput<MessageKey>>),
    ) {
        let mut out = std::mem::take(&mut self.scratch.network);
        act(&mut self.network, core.now(), &mut out);
        for output in out.drain(..) {
            match output {
                Output::Wake { at, step } => drop(core.schedule(at, Event::Network(step))),
                Output::Done(done) => self.network_done(core, done),
            }
        }
        self.scratch.network = out;
    }

    fn network_done(&mut self, core: &mut Core<Event>, done: network::Done<MessageKey>) {
        use network::Done;
        match done {
            Done::Connected { conn, at } => self.arrived(core, at, conn, 0, Input::Connected { conn }),
            Done::Accepted { conn, at, from } => {
                self.arrived(core, at, conn, 0, Input::Accepted { conn, from: from.incarnation.node });
            }
            Done::Deliver { conn, to, msg, bytes } => {
                let message = self.messages.remove(msg).expect("a message is delivered once");
                self.arrived(core, to, conn, bytes, Input::Message { conn, message });
            }
            Done::Discarded { msg } => drop(self.messages.remove(msg).expect("a message ends once")),
            // An orderly end is read after what was sent before it.
            Done::Reset { conn, at, why: why @ ResetReason::ClosedByPeer } => {
                self.arrived(core, at, conn, 0, Input::Reset { conn, why });
            }
            // A reset throws away what the socket still held, and comes behind what a thread had read.
            Done::Reset { conn, at, why } => {
                self.empty_socket(core, at, conn);
                let input = Input::Reset { conn, why };
                if self.hosts[at.host.0 as usize].is_serving(at.incarnation, conn.data().as_ffi()) {
                    self.arrived(core, at, conn, 0, input);
                } else {
                    self.inbox.push_back((at.incarnation, input));
                }
            }
            Done::Transferred { direction: Direction::Out, tag } => {
                self.request_passed(core, KeyData::from_ffi(tag).into());
            }
            Done::Transferred { direction: Direction::In, tag } => {
                self.downloaded(core, KeyData::from_ffi(tag).into());
            }
            Done::Closed { conn } => drop(self.ids.conns.remove(conn)),
        }
    }

    /// Something arrived at a host's socket: its threads have their turn first.
    fn arrived(&mut self, core: &mut Core<Event>, to: Endpoint, conn: network::ConnId, bytes: u64, input: Input) {
        let job = self.jobs.insert((to.incarnation, input));
        let flow = conn.data().as_ffi();
        self.with_host(core, to.host, |host, now, out| host.submit(now, job, to.incarnation, flow, bytes, out));
    }

    /// A process's end of a connection is over: what nobody has read yet nobody will.
    pub(super) fn empty_socket(&mut self, core: &mut Core<Event>, end: Endpoint, conn: network::ConnId) {
        let flow = conn.data().as_ffi();
        self.with_host(core, end.host, |host, now, out| host.connection_closed(now, end.incarnation, flow, out));
    }

    fn host_done(&mut self, core: &mut Core<Event>, host: HostId, done: HostDone<JobKey>) {
        match done {
            HostDone::Serve { job, .. } => {
                let served = self.jobs.remove(job).expect("a job is served once");
                self.inbox.push_back(served);
            }
            HostDone::Discarded { job, .. } => drop(self.jobs.remove(job).expect("a job ends once")),
            HostDone::CollectionBegan => self.collection_began(core, host),
            HostDone::CollectionEnded => self.collection_ended(core, host),
        }
    }
}

/// How long a blocked request to a volume or a file share waits before it tries the way again: the first
/// retransmission timeouts of TCP and of NFS over it. The kernel's block and NFS layers hide the outage: the caller
/// hangs ("hard" mount; `nvme_core.io_timeout` at its maximum, as EBS's documentation recommends).
const HARD_RETRY: Nanos = Nanos::secs(1);

/// A socket's send buffer to begin with: the middle value of Linux's `net.ipv4.tcp_wmem` (tcp(7)). It grows with the
/// connection's pace; a small body fits in any case.
const SEND_BUFFER: u64 = 16_384;

/// How an unreachable service shows.
enum Unreachable {
    /// The caller's library gives up and says so.
    Answer(Input),
    /// The caller hangs until the way is back.
    Hang,
}

impl World {
    /// Sends a request on its way: is there one, and when has it passed the network card?
    pub(super) fn request(&mut self, core: &mut Core<Event>, mut request: Request) {
        let (now, host) = (core.now(), self.host_of(request.from.node));
        let Some((class, upload_bytes)) = self.way(&request.asked) else {
            return self.submit(core, request);
        };
        if !self.network.reachable_one_way(host, class, Direction::Out) {
            return self.no_way_out(core, request);
        }
        if let Some(alone) = self.body_takes(host, &request.asked) {
            request.uploaded_since = Some(now);
            let alone = alone.saturating_add(self.grey_delay(host, class, Direction::Out));
            let key = self.requests.insert(request);
            return self.transfer(core, (host, class, Direction::Out), upload_bytes, alone, key.data());
        }
        let begins = self.card_is_free_at(now, host, class, Direction::Out, upload_bytes);
        if begins > now {
            let request = self.requests.insert(request);
            core.schedule(begins, Event::Request { request });
        } else {
            self.submit(core, request);
        }
    }

    /// How long the body of a request to an object store takes to it on its connection alone; `None` without one.
    fn body_takes(&mut self, host: HostId, asked: &Asked) -> Option<Nanos> {
        match asked {
            Asked::Object(store, bucket, op) if op.upload_len() > 0 => {
                let az = self.network.topology().az_of(host).0;
                Some(self.stores[store.0 as usize].upload_takes(az, *bucket, op))
            }
            Asked::Express(store, _, op) if op.upload_len() > 0 => {
                Some(self.expresses[store.0 as usize].upload_takes(op))
            }
            Asked::Object(..) | Asked::Express(..) | Asked::Volume(..) | Asked::Nfs(..) | Asked::Answered(..) => None,
        }
    }

    fn transfer(
        &mut self,
        core: &mut Core<Event>,
        (host, class, direction): (HostId, LinkClass, Direction),
        bytes: u64,
        alone: Nanos,
        key: KeyData,
    ) {
        self.with_network(core, |network, now, out| {
            network.transfer(now, host, class, direction, bytes, alone, key.as_ffi(), out);
        });
    }

    /// A request has passed the card, or a hanging one tries again.
    pub(super) fn request_passed(&mut self, core: &mut Core<Event>, key: RequestKey) {
        let request = self.requests.remove(key).expect("a request passes once");
        if !core.is_alive(request.from) && !self.kernel_sends(&request) {
            return;
        }
        let host = self.host_of(request.from.node);
        match self.way(&request.asked) {
            Some((class, _)) if !self.network.reachable_one_way(host, class, Direction::Out) => {
                self.no_way_out(core, request);
            }
            _ => self.submit(core, request),
        }
    }

    /// Whether a dead process's request leaves its host all the same: what fits into the socket's send buffer is the
    /// kernel's to send as long as that runs. Of a larger body the end is missing, and without it a body has no effect.
    fn kernel_sends(&self, request: &Request) -> bool {
        match &request.asked {
            Asked::Object(_, _, op) | Asked::Express(_, _, op) => !request.lost_power && op.upload_len() <= SEND_BUFFER,
            // A system call that has not begun ends with its process.
            Asked::Volume(..) | Asked::Nfs(..) | Asked::Answered(..) => false,
        }
    }

    /// A host lost power: what its cards have not passed yet never leaves it.
    pub(super) fn requests_lose_power(&mut self, host: HostId) {
        let nodes = &self.nodes;
        let here = |request: &&mut Request| nodes[request.from.node.0 as usize].host == host;
        self.requests.values_mut().filter(here).for_each(|request| request.lost_power = true);
    }

    fn no_way_out(&mut self, core: &mut Core<Event>, request: Request) {
        let from = request.from;
        match unreachable(&request) {
            Unreachable::Answer(input) => self.answer_at(core, core.now() + ATTEMPT_TIMEOUT, from, input),
            Unreachable::Hang => {
                let request = self.requests.insert(request);
                core.schedule(core.now() + HARD_RETRY, Event::Request { request });
            }
        }
    }

    /// Over which kind of link a request goes, and how many bytes; `None` for what is in the host itself.
    fn way(&self, asked: &Asked) -> Option<(LinkClass, u64)> {
        match asked {
            Asked::Volume(volume, _) => self.volume(*volume).is_remote().then_some((LinkClass::BlockStorage, 0)),
            Asked::Object(_, _, op) => Some((LinkClass::ObjectStorage, op.upload_len())),
            Asked::Express(_, _, op) => Some((LinkClass::ObjectStorage, op.upload_len())),
            Asked::Nfs(_, op) => Some((LinkClass::FileStorage, op.upload_len())),
            Asked::Answered(..) => None,
        }
    }

    /// When the host's card begins to pass those bytes, which it does from then on. A device's own latency contains the
    /// passing itself, so only the waiting counts here, and what a grey link adds. For what is small enough to be one
    /// message; bodies of objects share the card: [`Network::transfer`].
    fn card_is_free_at(
        &mut self,
        now: Nanos,
        host: HostId,
        class: LinkClass,
        direction: Direction,
        bytes: u64,
    ) -> Nanos {
        let mut begins = now;
        if bytes > 0 && class != LinkClass::BlockStorage {
            let done = self.network.charge(now, host, class, direction, bytes);
            let alone = Nanos::transfer(bytes, self.network.topology().nic(host).bandwidth_bytes_per_sec);
            begins = now.max(done.saturating_sub(alone));
        }
        begins + self.grey_delay(host, class, direction)
    }

    /// What a grey way adds to a device's latency.
    fn grey_delay(&mut self, host: HostId, class: LinkClass, direction: Direction) -> Nanos {
        let (num, den) = self.network.grey_factor(host, class, direction).latency;
        if num == den { Nanos::ZERO } else { self.network.draw_latency(host, class, direction) }
    }

    fn submit(&mut self, core: &mut Core<Event>, request: Request) {
        let Request { from, token, asked, uploaded_since, lost_power: _ } = request;
        let az = self.az_of(from.node).0;
        let met = self.anomalies.happened().len();
        match asked {
            Asked::Volume(volume, op) => {
                let fate = self.anomalies.volume(Entity::Volume(volume.0), op.name());
                let owner = self.volume_owner(from);
                self.with_volume(core, volume, |device, now, out| device.submit(now, owner, token, op, fate, out));
            }
            Asked::Object(store, bucket, op) => {
                let fate = self.anomalies.object(Entity::Object(store.0), op.name());
                let caller = crate::cloud::object_store::Caller { token, owner: from, from_az: az };
                self.with_store(core, store, |device, now, out| match uploaded_since {
                    Some(sent) => device.submit_uploaded(now, sent, caller, bucket, op, fate, out),
                    None => device.submit(now, caller, bucket, op, fate, out),
                });
            }
            Asked::Express(store, bucket, op) => {
                let fate = self.anomalies.object(Entity::Express(store.0), op.name());
                let caller = crate::cloud::object_store::Caller { token, owner: from, from_az: az };
                self.with_express(core, store, |device, now, out| match uploaded_since {
                    Some(sent) => device.submit_uploaded(now, sent, caller, bucket, op, fate, out),
                    None => device.submit(now, caller, bucket, op, fate, out),
                });
            }
            Asked::Nfs(share, op) => {
                let fate = self.anomalies.nfs(Entity::Nfs(share.0), op.name());
                self.with_share(core, share, |device, now, out| device.submit(now, token, from, az, op, fate, out));
            }
            Asked::Answered(class, bytes, input) => self.answered(core, from, class, bytes, input),
        }
        if let Some((operation, fate)) = self.anomalies.happened().get(met) {
            self.audience.hear(core.now(), &Happening::Meets { by: from, operation: *operation, fate: *fate });
        }
    }

    /// Brings a storage service's answer to its process: through the card, if the way is there.
    fn answered(&mut self, core: &mut Core<Event>, to: Incarnation, class: LinkClass, bytes: u64, input: Input) {
        if !core.is_alive(to) {
            return;
        }
        let host = self.host_of(to.node);
        if !self.network.reachable_one_way(host, class, Direction::In) {
            return self.no_way_back(core, to, class, bytes, input);
        }
        let begins = self.card_is_free_at(core.now(), host, class, Direction::In, bytes);
        if begins > core.now() {
            self.answer_at(core, begins, to, input);
        } else {
            self.inbox.push_back((to, input));
        }
    }

    /// Brings an object store's answer to its process. A body passes the card first, side by side with others.
    fn store_answered(&mut self, core: &mut Core<Event>, from: Store, done: ObjectDone) {
        let (to, class, bytes) = (done.owner, LinkClass::ObjectStorage, done.download_len());
        let body_takes = done.body_takes;
        let answer = match from {
            Store::Regional(_) => Input::Object(Box::new(done)),
            Store::Express(_) => Input::Express(Box::new(done)),
        };
        let host = self.host_of(to.node);
        if bytes == 0 || !core.is_alive(to) || !self.network.reachable_one_way(host, class, Direction::In) {
            return self.answered(core, to, class, 0, answer);
        }
        let alone = body_takes.saturating_add(self.grey_delay(host, class, Direction::In));
        let key = self.downloads.insert(Download { to, from, answer });
        self.transfer(core, (host, class, Direction::In), bytes, alone, key.data());
    }

    /// The body of an answer has passed the card.
    fn downloaded(&mut self, core: &mut Core<Event>, key: DownloadKey) {
        let Download { to, from, answer } = self.downloads.remove(key).expect("a body passes once");
        if !core.is_alive(to) {
            return;
        }
        let host = self.host_of(to.node);
        let az = self.network.topology().az_of(host).0;
        let answers = match from {
            Store::Regional(store) => self.store(store).answers(az),
            Store::Express(store) => self.express(store).answers(az),
        };
        if answers && self.network.reachable_one_way(host, LinkClass::ObjectStorage, Direction::In) {
            self.inbox.push_back((to, answer));
        } else {
            self.no_way_back(core, to, LinkClass::ObjectStorage, 0, answer);
        }
    }

    /// What was asked has been done, but the answer can't come through.
    fn no_way_back(&mut self, core: &mut Core<Event>, to: Incarnation, class: LinkClass, bytes: u64, input: Input) {
        match input {
            Input::Object(done) => {
                let lost = Input::Object(Box::new(timed_out(done.token, done.owner)));
                self.answer_at(core, core.now() + ATTEMPT_TIMEOUT, to, lost);
            }
            Input::Express(done) => {
                let lost = Input::Express(Box::new(timed_out(done.token, done.owner)));
                self.answer_at(core, core.now() + ATTEMPT_TIMEOUT, to, lost);
            }
            // The kernel repeats the request until the answer comes through.
            other => {
                let asked = Asked::Answered(class, bytes, other);
                let request = self.requests.insert(Request {
                    from: to,
                    token: 0,
                    asked,
                    uploaded_since: None,
                    lost_power: false,
                });
                core.schedule(core.now() + HARD_RETRY, Event::Request { request });
            }
        }
    }

    fn answer_at(&mut self, core: &mut Core<Event>, at: Nanos, to: Incarnation, input: Input) {
        let (kind, word) = (input.kind(), input.fingerprint());
        let input = self.held.insert(input);
        core.schedule_to(at, to, Event::Input { input, kind, word });
    }

    fn volume_done(&mut self, core: &mut Core<Event>, id: VolumeId, done: crate::cloud::volume::VolumeDone) {
        let to = done.owner.incarnation;
        if self.volume(id).is_remote() {
            self.answered(core, to, LinkClass::BlockStorage, 0, Input::Volume(Box::new(done)));
        } else {
            self.inbox.push_back((to, Input::Volume(Box::new(done))));
        }
    }

    fn object_done(&mut self, core: &mut Core<Event>, store: StoreId, done: ObjectDone) {
        self.store_answered(core, Store::Regional(store), done);
    }

    fn express_done(&mut self, core: &mut Core<Event>, store: ExpressId, done: ObjectDone) {
        self.store_answered(core, Store::Express(store), done);
    }

    fn nfs_done(&mut self, core: &mut Core<Event>, _: ShareId, done: NfsDone) {
        let bytes = done.download_len();
        self.answered(core, done.owner, LinkClass::FileStorage, bytes, Input::Nfs(Box::new(done)));
    }
}

fn unreachable(request: &Request) -> Unreachable {
    let (token, owner) = (request.token, request.from);
    match &request.asked {
        Asked::Object(..) => Unreachable::Answer(Input::Object(Box::new(timed_out(token, owner)))),
        Asked::Express(..) => Unreachable::Answer(Input::Express(Box::new(timed_out(token, owner)))),
        Asked::Volume(..) | Asked::Nfs(..) | Asked::Answered(..) => Unreachable::Hang,
    }
}

fn timed_out(token: u64, owner: Incarnation) -> ObjectDone {
    ObjectDone { token, owner, result: Err(ObjectError::TimedOut), body_takes: Nanos::ZERO }
}
