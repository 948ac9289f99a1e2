//! A log on a file share: the [ring](super::ring) in one file a broker, on NFSv4.1.
//!
//! # Opening
//! 1. The process becomes a client (`EXCHANGE_ID`): an earlier life's state, and what it still has on its way, is void.
//! 2. `<path>.owner` is read: the last owner's epoch and client. A higher epoch means fenced.
//! 3. A rescuer has that client fenced by the server: whatever it has on its way will be refused.
//! 4. The log's file is opened and locked for oneself alone; while somebody has it, again from 2 after [`RETRY`]. An own
//!    broker only waits: its rescuer gives the log back, or dies and loses its lease.
//! 5. `<path>.owner` is read once more, then written with one's own epoch and client.
//! 6. The ring's headers are read.
//!
//! The lock is the lease: every write carries it, so one that comes after the lease ran out or after a fence fails.
//! [`FileWalOptions::renew_interval`] keeps it while nothing is written, and shows when it is lost (a client learns so from any
//! operation: RFC 8881, 8.4.2.1): the client is the process's, so that whoever is fenced as the rescuer of one log has lost its
//! own log, too.
//!
//! A rescuer that is not needed any more unlocks the log's file and gives the log back, as one does that is done: its client
//! lives on, for its own log, and would keep the lock for as long.
//!
//! # Writes
//! `FILE_SYNC`, a whole block of the ring at once: that is the group commit. Unstable writes with a `COMMIT` cost a second
//! round trip before anything can be acknowledged, and pay only where one commit serves many writes; a block does that
//! already, and ONTAP has every write in NVRAM when it answers. So there is no verifier to compare: what is answered is
//! stable. `NFS4ERR_DELAY` is asked again; `EXPIRED`, `STALE`, `ACCESS` and their like are a fence; `IO` and `NOSPC` end the
//! log.
//!
//! A broker whose own log fails ends its process. A rescuer whose log fails, for the share is full or fails I/O, does not: its
//! client keeps the lock until the next rescuer has it fenced, and with it its own log.
//!
//! AutoMQ's own log on FSx and NFS is commercial and not published: this is what NFSv4.1 offers a log.

use super::mutant::WalMutant;
use super::ring::{POLL, Ring, RingDevice, RingOptions};
use super::{OverCapacity, Wal, WalEvent, WalMode, WalOffset, WalOwner, WalRecord};
use crate::blob::Blob;
use crate::cloud::nfs::{ClientId, FileHandle, NfsCall, NfsError, NfsOp, NfsReply, OpenHow, Stable, StateId};
use crate::kafka::ids::BrokerEpoch;
use crate::kafka::token::{TokenSpace, token_of};
use crate::world::{Cx, Input, On, ShareId, Wait};
use bytes::{Buf, BufMut, BytesMut};
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

/// Between two tries of what has to wait.
pub const RETRY: Nanos = Nanos::secs(1);
const BUSY: Nanos = Nanos::millis(50);
const OWNER_BYTES: u64 = 20;

/// Where and how.
#[derive(Clone, Debug)]
pub struct FileWalOptions {
    /// The share.
    pub share: ShareId,
    /// The log's file; the broker's number is added.
    pub path: String,
    /// Largest read or write of the share (`rsize`, `wsize`). Default 1 MiB.
    pub transfer_bytes_max: u64,
    /// How often the lease is renewed. Default 20 s, of the usual 90.
    pub renew_interval: Nanos,
    /// The ring.
    pub ring: RingOptions,
}

impl FileWalOptions {
    /// With the defaults.
    pub fn on(share: ShareId) -> FileWalOptions {
        let (path, ring) = ("wal".into(), RingOptions::default());
        FileWalOptions { share, path, transfer_bytes_max: 1 << 20, renew_interval: Nanos::secs(20), ring }
    }
}

/// Timers: the ring's has number 0.
const RETRY_TIMER: u64 = 1;
const RENEW_TIMER: u64 = 2;
/// Numbers of calls: one step of the opening at a time, the renewal, then the ring's.
const STEP: u64 = 0;
const RENEW: u64 = 1;
const FIRST_CALL: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Closed,
    Connecting,
    OpeningOwner,
    ReadingOwner,
    Fencing,
    OpeningLog,
    Locking,
    ReadingOwnerAgain,
    WritingOwner,
    Using,
    GivingBack,
    Unlocking,
}

#[derive(Clone, Copy, Debug)]
struct Opened {
    handle: FileHandle,
    state: StateId,
}

/// Who had the log last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastOwner {
    epoch: BrokerEpoch,
    /// None: it was given back.
    client: Option<ClientId>,
}

impl LastOwner {
    fn encode(&self) -> Blob {
        let mut out = BytesMut::with_capacity(OWNER_BYTES as usize);
        out.put_i64(self.epoch.0);
        out.put_u64(self.client.map_or(0, |client| client.0));
        let crc = crc32c::crc32c(&out);
        out.put_u32(crc);
        Blob::real(out.freeze())
    }

    fn decode(data: &Blob) -> Option<LastOwner> {
        let mut from = data.to_bytes().filter(|bytes| bytes.len() as u64 == OWNER_BYTES)?;
        let crc = crc32c::crc32c(&from[..16]);
        let (epoch, client) = (BrokerEpoch(from.get_i64()), from.get_u64());
        let client = Some(ClientId(client)).filter(|client| client.0 != 0);
        (crc == from.get_u32()).then_some(LastOwner { epoch, client })
    }
}

/// A call of the ring's.
struct Sent {
    call: NfsCall,
    /// Of which write; a read has none.
    write: Option<u64>,
}

struct Device {
    share: ShareId,
    space: TokenSpace,
    transfer_bytes_max: u64,
    client: Option<ClientId>,
    log: Option<Opened>,
    next: u64,
    sent: SortedMap<u64, Sent>,
    /// Pieces of writes that are not answered, by write.
    pieces: SortedMap<u64, u32>,
    /// A read in pieces: from where to where, and what came.
    reading: Option<(u64, u64, Blob)>,
}

impl Device {
    fn call(&self, cx: &mut Cx<'_>, number: u64, call: NfsCall) {
        let client = self.client.expect("connected");
        cx.nfs(self.share, self.space.token(number), NfsOp::Call { client, call });
    }

    fn send(&mut self, cx: &mut Cx<'_>, call: NfsCall, write: Option<u64>) {
        let number = FIRST_CALL + self.next;
        self.next += 1;
        self.sent.insert(number, Sent { call: call.clone(), write });
        self.call(cx, number, call);
    }

    fn read_on(&mut self, cx: &mut Cx<'_>) {
        let (offset, end, got) = self.reading.as_ref().expect("a read is going on");
        let offset = offset + got.len();
        let len = (end - offset).min(self.transfer_bytes_max);
        let Opened { handle, state } = self.log.expect("open");
        self.send(cx, NfsCall::Read { state, handle, offset, len }, None);
    }
}

impl RingDevice for Device {
    fn write(&mut self, cx: &mut Cx<'_>, id: u64, offset: u64, data: Blob) {
        let Opened { handle, state } = self.log.expect("open");
        let pieces = data.len().div_ceil(self.transfer_bytes_max);
        self.pieces.insert(id, pieces as u32);
        for piece in 0..pieces {
            let from = piece * self.transfer_bytes_max;
            let data = data.slice(from..data.len().min(from + self.transfer_bytes_max));
            let call = NfsCall::Write { state, handle, offset: offset + from, data, stable: Stable::FileSync };
            self.send(cx, call, Some(id));
        }
    }

    fn read(&mut self, cx: &mut Cx<'_>, offset: u64, len: u64) {
        self.reading = Some((offset, offset + len, Blob::new()));
        self.read_on(cx);
    }
}

/// See the [module](self).
pub struct FileWal {
    options: FileWalOptions,
    device: Device,
    ring: Ring,
    step: Step,
    owner_file: Option<Opened>,
    is_given_up: bool,
}

impl FileWal {
    /// A log that nobody has opened.
    pub fn new(options: FileWalOptions, space: TokenSpace, mutant: Option<WalMutant>) -> FileWal {
        let device = Device {
            share: options.share,
            space,
            transfer_bytes_max: options.transfer_bytes_max,
            client: None,
            log: None,
            next: 0,
            sent: SortedMap::new(),
            pieces: SortedMap::new(),
            reading: None,
        };
        let ring = Ring::new(options.ring.clone(), space, mutant);
        FileWal { options, device, ring, step: Step::Closed, owner_file: None, is_given_up: false }
    }

    fn path(&self, suffix: &str) -> Arc<str> {
        format!("{}/{}{suffix}", self.options.path, self.ring.voice.owner().broker).into()
    }

    // ---- opening ----

    fn take(&mut self, cx: &mut Cx<'_>, step: Step) {
        self.step = step;
        let owner_file = self.owner_file;
        let owner_file = || owner_file.expect("open");
        let how = OpenHow::Create;
        let call = match step {
            Step::Connecting => {
                return cx.nfs(self.options.share, self.device.space.token(STEP), NfsOp::ExchangeId);
            }
            Step::OpeningOwner => NfsCall::Open { path: self.path(".owner"), how },
            Step::ReadingOwner | Step::ReadingOwnerAgain => {
                let Opened { handle, state } = owner_file();
                NfsCall::Read { state, handle, offset: 0, len: OWNER_BYTES }
            }
            Step::OpeningLog => NfsCall::Open { path: self.path(""), how },
            Step::Locking => NfsCall::Lock { open: self.device.log.expect("open").state, exclusive: true },
            Step::WritingOwner => self.write_owner(self.device.client),
            Step::GivingBack => self.write_owner(None),
            Step::Unlocking => NfsCall::Release { state: self.device.log.expect("open").state },
            Step::Closed | Step::Fencing | Step::Using => unreachable!("{step:?} is no call"),
        };
        self.device.call(cx, STEP, call);
    }

    fn write_owner(&self, client: Option<ClientId>) -> NfsCall {
        let Opened { handle, state } = self.owner_file.expect("open");
        let data = LastOwner { epoch: self.ring.voice.owner().epoch, client }.encode();
        NfsCall::Write { state, handle, offset: 0, data, stable: Stable::FileSync }
    }

    /// A step of one that is not needed any more was answered: what it holds it gives back.
    fn given_up(&mut self, cx: &mut Cx<'_>, result: Result<NfsReply, NfsError>) {
        match (self.step, result) {
            (Step::GivingBack | Step::Unlocking, Err(NfsError::Delay | NfsError::Grace | NfsError::Io)) => {
                self.retry(cx);
            }
            (Step::Locking, Ok(NfsReply::Locked { state })) => {
                self.device.log.as_mut().expect("open").state = state;
                self.take(cx, Step::Unlocking);
            }
            (Step::ReadingOwnerAgain, _) | (Step::GivingBack, Ok(_) | Err(NfsError::Stale)) => {
                self.take(cx, Step::Unlocking)
            }
            // Whether it was written or not: nobody else writes there before the unlock.
            (Step::WritingOwner, _) => self.take(cx, Step::GivingBack),
            _ => self.ring.voice.say(WalEvent::Released),
        }
    }

    fn stepped(&mut self, cx: &mut Cx<'_>, result: Result<NfsReply, NfsError>) {
        if self.is_given_up {
            return self.given_up(cx, result);
        }
        match (self.step, result) {
            (Step::Connecting, Ok(NfsReply::Connected(client))) => {
                self.device.client = Some(client);
                self.take(cx, Step::OpeningOwner);
            }
            (Step::OpeningOwner, Ok(NfsReply::Opened { handle, state, .. })) => {
                self.owner_file = Some(Opened { handle, state });
                self.take(cx, Step::ReadingOwner);
            }
            (Step::ReadingOwner, Ok(NfsReply::Data { data, .. })) => self.owner_read(cx, &data),
            // A client that the server does not know does nothing any more.
            (Step::Fencing, Ok(_) | Err(NfsError::StaleClientId)) => {
                cx.mark("wal: an owner's client was fenced");
                self.open_log(cx);
            }
            (Step::OpeningLog, Ok(NfsReply::Opened { handle, state, .. })) => {
                self.device.log = Some(Opened { handle, state });
                self.take(cx, Step::Locking);
            }
            (Step::Locking, Ok(NfsReply::Locked { state })) => {
                self.device.log.as_mut().expect("open").state = state;
                self.take(cx, Step::ReadingOwnerAgain);
            }
            (Step::Locking, Err(NfsError::Denied)) => {
                self.step = Step::ReadingOwner;
                self.retry(cx);
            }
            (Step::ReadingOwnerAgain, Ok(NfsReply::Data { data, .. })) => {
                let last = LastOwner::decode(&data);
                if last.is_some_and(|last| last.epoch > self.ring.voice.owner().epoch) {
                    return self.ring.voice.fenced();
                }
                self.take(cx, Step::WritingOwner);
            }
            (Step::WritingOwner, Ok(_)) => {
                self.step = Step::Using;
                self.ring.begin(cx, &mut self.device);
            }
            (Step::GivingBack, Ok(_)) => self.take(cx, Step::Unlocking),
            (_, Err(NfsError::Delay | NfsError::Grace | NfsError::Io)) => self.retry(cx),
            // A lock that is gone some other way is gone.
            (Step::Unlocking, _) => self.ring.voice.say(WalEvent::Released),
            (_, Err(NfsError::Access | NfsError::AdminRevoked)) => self.ring.voice.fenced(),
            // The lock is lost again, or was never there: from the beginning.
            (
                Step::OpeningOwner | Step::ReadingOwner | Step::Fencing | Step::OpeningLog | Step::Locking,
                Err(NfsError::Expired | NfsError::Stale | NfsError::StaleClientId | NfsError::BadStateId),
            ) => {
                self.step = Step::Connecting;
                self.retry(cx);
            }
            (
                _,
                Err(
                    NfsError::Expired
                    | NfsError::Stale
                    | NfsError::StaleClientId
                    | NfsError::BadStateId
                    | NfsError::Locked
                    | NfsError::Denied,
                ),
            ) => self.ring.voice.fenced(),
            (step, Err(error)) => self.ring.voice.failed(format!("{step:?}: {error}")),
            (step, Ok(reply)) => unreachable!("{step:?} was answered with {reply:?}"),
        }
    }

    fn owner_read(&mut self, cx: &mut Cx<'_>, data: &Blob) {
        let owner = self.ring.voice.owner();
        let last = LastOwner::decode(data);
        if last.is_some_and(|last| last.epoch > owner.epoch) {
            return self.ring.voice.fenced();
        }
        let victim = last.and_then(|last| last.client).filter(|client| Some(*client) != self.device.client);
        match (owner.mode, victim) {
            (WalMode::Failover, Some(client)) => {
                self.step = Step::Fencing;
                cx.nfs(self.options.share, self.device.space.token(STEP), NfsOp::Fence { client });
            }
            (WalMode::Own | WalMode::Failover, _) => self.open_log(cx),
        }
    }

    fn open_log(&mut self, cx: &mut Cx<'_>) {
        let step = if self.device.log.is_some() { Step::Locking } else { Step::OpeningLog };
        self.take(cx, step);
    }

    fn retry(&mut self, cx: &mut Cx<'_>) {
        self.device.space.set_timer(cx, RETRY, RETRY_TIMER);
    }

    fn retry_now(&mut self, cx: &mut Cx<'_>) {
        match self.step {
            Step::ReadingOwnerAgain | Step::WritingOwner if self.is_given_up => self.take(cx, Step::Unlocking),
            step if self.is_given_up && !matches!(step, Step::GivingBack | Step::Unlocking) => {
                self.ring.voice.say(WalEvent::Released);
            }
            // What is open may be gone as well.
            Step::Connecting => {
                self.device.log = None;
                self.take(cx, Step::Connecting);
            }
            // Whom to fence is read again.
            Step::Fencing => self.take(cx, Step::ReadingOwner),
            step => self.take(cx, step),
        }
    }

    // ---- the ring's calls ----

    fn called(&mut self, cx: &mut Cx<'_>, number: u64, result: Result<NfsReply, NfsError>) {
        let Some(sent) = self.device.sent.remove(&number) else { return };
        match (result, sent.write) {
            (Ok(NfsReply::Data { data, eof }), None) => self.was_read(cx, &data, eof),
            (Ok(NfsReply::Written { committed, .. }), Some(write)) => {
                assert_ne!(committed, Stable::Unstable, "a server keeps what it is asked for");
                let left = self.device.pieces.get_mut(&write).expect("it has pieces");
                *left -= 1;
                if *left == 0 {
                    self.device.pieces.remove(&write);
                    self.ring.written(cx, &mut self.device, write);
                }
            }
            (Err(NfsError::Delay | NfsError::Grace), _) => {
                self.device.sent.insert(number, sent);
                self.device.space.set_timer(cx, BUSY, number);
            }
            (Err(error), _) => self.refused(cx, error),
            (Ok(reply), _) => unreachable!("a call of the ring was answered with {reply:?}"),
        }
    }

    fn was_read(&mut self, cx: &mut Cx<'_>, data: &Blob, eof: bool) {
        let (offset, end, mut got) = self.device.reading.take().expect("a read is going on");
        got.append(data);
        if eof {
            // What was never written reads as zeros.
            got.append(&Blob::zeros(end - offset - got.len()));
        }
        if got.len() < end - offset {
            self.device.reading = Some((offset, end, got));
            return self.device.read_on(cx);
        }
        self.ring.was_read(cx, &mut self.device, &got);
    }

    fn refused(&mut self, cx: &mut Cx<'_>, error: NfsError) {
        match error {
            NfsError::Stale
            | NfsError::Access
            | NfsError::AdminRevoked
            | NfsError::Expired
            | NfsError::StaleClientId
            | NfsError::BadStateId
            | NfsError::Locked
            | NfsError::Denied => {
                cx.mark("wal: the device refused a fenced owner");
                self.ring.voice.fenced();
            }
            NfsError::NoEnt
            | NfsError::Io
            | NfsError::Exist
            | NfsError::NoSpc
            | NfsError::Delay
            | NfsError::Grace
            | NfsError::ReqTooBig => self.ring.voice.failed(format!("share: {error}")),
        }
    }

    /// Until the log is in use, the steps of its opening find out.
    fn renewed(&mut self, cx: &mut Cx<'_>, result: Result<NfsReply, NfsError>) {
        match result {
            Err(NfsError::Access | NfsError::AdminRevoked | NfsError::Expired | NfsError::StaleClientId)
                if self.step == Step::Using =>
            {
                cx.mark("wal: a lease was lost while nothing was written");
                self.ring.voice.fenced();
            }
            _ => {}
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_>, number: u64) {
        match number {
            POLL => self.ring.poll_blocks(cx, &mut self.device),
            RETRY_TIMER => self.retry_now(cx),
            RENEW_TIMER => {
                if self.device.client.is_some() {
                    self.device.call(cx, RENEW, NfsCall::Renew);
                }
                self.device.space.set_timer(cx, self.options.renew_interval, RENEW_TIMER);
            }
            call => {
                if let Some(sent) = self.device.sent.get(&call) {
                    self.device.call(cx, call, sent.call.clone());
                }
            }
        }
    }
}

impl Wal for FileWal {
    fn open(&mut self, cx: &mut Cx<'_>, owner: WalOwner) {
        assert_eq!(self.step, Step::Closed, "a log is opened once a life");
        self.ring.voice.opened_by(owner);
        self.device.space.set_timer(cx, self.options.renew_interval, RENEW_TIMER);
        self.take(cx, Step::Connecting);
    }

    fn append(&mut self, cx: &mut Cx<'_>, record: WalRecord) -> Result<(), OverCapacity> {
        self.ring.append(cx, record)
    }

    fn trim(&mut self, cx: &mut Cx<'_>, upto: WalOffset) {
        self.ring.trim(cx, &mut self.device, upto);
    }

    fn reset(&mut self, cx: &mut Cx<'_>) {
        if !self.ring.voice.is_over() {
            self.ring.empty(cx, &mut self.device, WalMode::Own);
        }
    }

    fn release(&mut self, cx: &mut Cx<'_>) {
        if !self.ring.voice.is_over() {
            self.ring.empty(cx, &mut self.device, WalMode::Failover);
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>) {
        if self.ring.voice.is_over() || std::mem::replace(&mut self.is_given_up, true) {
            return;
        }
        match self.step {
            Step::Using => self.take(cx, Step::GivingBack),
            // An answer comes, or a next try, and then it is given back.
            Step::Locking | Step::ReadingOwnerAgain | Step::WritingOwner | Step::GivingBack | Step::Unlocking => {}
            Step::Closed
            | Step::Connecting
            | Step::OpeningOwner
            | Step::ReadingOwner
            | Step::Fencing
            | Step::OpeningLog => self.ring.voice.say(WalEvent::Released),
        }
    }

    fn input(&mut self, cx: &mut Cx<'_>, input: Input) {
        if self.ring.voice.is_over() {
            return;
        }
        let Some((_, local)) = token_of(&input).map(TokenSpace::split) else { return };
        match input {
            // What the ring asked for nobody needs any more.
            Input::Nfs(_) if self.is_given_up && local >= FIRST_CALL => {}
            Input::Timer { .. } if self.is_given_up && (local == POLL || local >= FIRST_CALL) => {}
            Input::Nfs(done) => match local {
                STEP => self.stepped(cx, done.result),
                RENEW => self.renewed(cx, done.result),
                call => self.called(cx, call, done.result),
            },
            Input::Timer { .. } => self.timer(cx, local),
            other => unreachable!("a file log asked for no {:?}", other.kind()),
        }
        if self.ring.is_released() && self.step == Step::Using && !self.ring.voice.is_over() {
            self.take(cx, Step::GivingBack);
        }
    }

    fn poll(&mut self) -> Option<WalEvent> {
        self.ring.voice.poll()
    }

    fn waits(&self) -> Vec<Wait> {
        let share = On::Share(self.options.share);
        match self.step {
            Step::Closed => Vec::new(),
            Step::Using => self.ring.waits(share).into_iter().collect(),
            Step::GivingBack | Step::Unlocking => vec![Wait::on("gives the log back", share)],
            Step::Connecting
            | Step::OpeningOwner
            | Step::ReadingOwner
            | Step::Fencing
            | Step::OpeningLog
            | Step::Locking
            | Step::ReadingOwnerAgain
            | Step::WritingOwner => vec![Wait::on("takes the log over", share)],
        }
    }

    fn unflushed_bytes(&self) -> u64 {
        self.ring.unflushed()
    }
}
