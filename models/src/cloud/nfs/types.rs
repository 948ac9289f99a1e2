//! What is said to a share and what it says back.

use crate::blob::Blob;
use crate::cloud::latency::{Latency, SizedLatency};
use serde::{Deserialize, Serialize};
use slotmap::new_key_type;
use std::sync::Arc;
use wavetank_sim::{Incarnation, Nanos, Stream};

new_key_type! {
    /// A file as the server knows it; a removed file's key is never used again.
    pub struct FileKey;
    /// An open or a lock on the server: RFC 8881, 8.2.
    pub struct StateId;
}

/// A client's identity on the server (RFC 8881, 2.4): one per life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// A write verifier (RFC 8881, 18.3 and 18.32): as long as it stays the same, nothing uncommitted was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteVerifier(pub u64);

/// A file handle: good as long as the file exists and the file system keeps its `fsid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHandle {
    pub(super) fsid: u64,
    pub(super) file: FileKey,
}

/// A share's make: FSx for NetApp ONTAP, EFS, Azure Files, ...
#[derive(Clone, Debug)]
pub struct NfsSpec {
    /// Zone of the preferred server.
    pub preferred_az: u8,
    /// Zone of the standby server of a multi-AZ share. `None`: a single-AZ share, down with its zone.
    pub standby_az: Option<u8>,
    /// Acknowledged writes are in non-volatile memory mirrored to the partner (ONTAP): a failover loses none, committed
    /// or not, and the write verifier stays.
    pub nvram: bool,
    /// Room for the sum of all file sizes.
    pub capacity_bytes: u64,
    /// Throughput of reads and writes together; 0: not limited.
    pub throughput_bytes_per_sec: u64,
    /// Operations a second; 0: not limited.
    pub ops_per_sec: u64,
    /// A read, beyond queueing for the share's throughput: by its size, at the pace of one connection.
    pub read: SizedLatency,
    /// A stable write, as a read.
    pub write: SizedLatency,
    /// An unstable write, as a read.
    pub unstable_write: SizedLatency,
    /// A commit.
    pub commit: Latency,
    /// Everything else.
    pub metadata: Latency,
    /// Added to each operation from a zone that is not the active server's.
    pub cross_az: Nanos,
    /// Length of a takeover after the loss of a zone, and of a restart in a single-AZ share.
    pub takeover: Latency,
    /// How long after its zone is back the preferred server takes over again. `None`: never.
    pub failback_after: Option<Nanos>,
    /// A client that is not heard of for so long loses its state.
    pub lease_time: Nanos,
    /// After a takeover, how long nobody gets new state, so that clients can reclaim theirs. Zero: state is mirrored.
    pub grace_period: Nanos,
    /// A write against another client's exclusive lock fails, whatever state it comes with.
    pub mandatory_locks: bool,
    /// Largest read or write (`rsize`, `wsize`).
    pub transfer_bytes_max: u64,
    /// When a client sends a request again whose answer it misses: nfs(5) `timeo`, 600 tenths of a second over TCP.
    pub retransmit_after: Nanos,
}

impl NfsSpec {
    /// FSx for NetApp ONTAP, multi-AZ. Latency "sub-millisecond" on the SSD tier (row FSX-lat; the split below is
    /// *assumed*). A takeover between zones takes under a minute (30 s is *assumed*); within the HA pair of a single-AZ
    /// share "typically within a few seconds" (FSx for ONTAP User Guide, "Availability and durability"). Failback after
    /// 20 minutes, the grace period of 45 s and the extra latency between zones are *assumed*; throughput as bought.
    pub fn fsx_ontap_multi_az(throughput_bytes_per_sec: u64, capacity_bytes: u64) -> NfsSpec {
        NfsSpec {
            preferred_az: 0,
            standby_az: Some(1),
            nvram: true,
            capacity_bytes,
            throughput_bytes_per_sec,
            ops_per_sec: 0,
            read: Latency::constant(Nanos::micros(400)).into(),
            write: Latency::constant(Nanos::micros(800)).into(),
            unstable_write: Latency::constant(Nanos::micros(800)).into(),
            commit: Latency::constant(Nanos::micros(800)),
            metadata: Latency::constant(Nanos::micros(500)),
            cross_az: Nanos::micros(500),
            takeover: Latency::constant(Nanos::secs(30)),
            failback_after: Some(Nanos::secs(1_200)),
            lease_time: Nanos::secs(90),
            grace_period: Nanos::secs(45),
            mandatory_locks: true,
            transfer_bytes_max: 1 << 20,
            retransmit_after: Nanos::secs(60),
        }
    }
}

/// How far a write must be before it is answered: `stable_how4` (RFC 8881, 18.32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stable {
    /// It may still be in the server's volatile memory.
    Unstable,
    /// Its data are on stable storage. (The same as `FileSync` here: size is never stored apart.)
    DataSync,
    /// Data and attributes are on stable storage.
    FileSync,
}

/// Whether an open may or must create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenHow {
    /// The file must exist.
    MustExist,
    /// Created where it does not exist (`UNCHECKED4`).
    Create,
    /// It must not exist (`GUARDED4`).
    CreateNew,
}

/// An operation: one COMPOUND.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NfsOp {
    /// EXCHANGE_ID and CREATE_SESSION: the process becomes a client. The node is the owner, the epoch its verifier: a
    /// later life takes the place of an earlier one, whose state is dropped at once (18.35.5).
    ExchangeId,
    /// Administrative: from the moment it is applied nothing of that client, nor of its process under a new client id,
    /// changes or reads anything (export policy, lock break). Answered with [`NfsReply::Fenced`].
    Fence {
        /// Whom.
        client: ClientId,
    },
    /// What a client does; renews its lease.
    Call {
        /// Who.
        client: ClientId,
        /// What.
        call: NfsCall,
    },
}

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NfsCall {
    /// A SEQUENCE alone: renews the lease.
    Renew,
    /// Opens a file. Answered with [`NfsReply::Opened`].
    Open {
        /// Full path; directories are only prefixes of names here.
        path: Arc<str>,
        /// Whether to create.
        how: OpenHow,
    },
    /// Gives an open or a lock back (CLOSE, LOCKU).
    Release {
        /// Which.
        state: StateId,
    },
    /// Locks the whole file of an open. Answered with [`NfsReply::Locked`].
    Lock {
        /// The open.
        open: StateId,
        /// For oneself alone; otherwise shared.
        exclusive: bool,
    },
    /// Writes under an open or a lock.
    Write {
        /// The open or lock.
        state: StateId,
        /// The file.
        handle: FileHandle,
        /// From which byte.
        offset: u64,
        /// What.
        data: Blob,
        /// How stable.
        stable: Stable,
    },
    /// Makes every uncommitted write to the file stable.
    Commit {
        /// The file.
        handle: FileHandle,
    },
    /// Reads under an open or a lock; shorter at the end of the file.
    Read {
        /// The open or lock.
        state: StateId,
        /// The file.
        handle: FileHandle,
        /// From which byte.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Sets the file's size (SETATTR): cut off, or grown with zeros. Stable when answered.
    SetSize {
        /// The open or lock.
        state: StateId,
        /// The file.
        handle: FileHandle,
        /// The new size.
        size: u64,
    },
    /// Renames atomically, over whatever is there.
    Rename {
        /// Present path.
        from: Arc<str>,
        /// New path.
        to: Arc<str>,
    },
    /// Removes a file; every handle to it is stale from then on.
    Remove {
        /// Which.
        path: Arc<str>,
    },
    /// All paths that begin so, in order.
    ReadDir {
        /// The prefix.
        prefix: Arc<str>,
    },
}

/// A success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NfsReply {
    /// You are this client.
    Connected(ClientId),
    /// Done, with nothing to tell.
    Ok,
    /// The client is fenced.
    Fenced,
    /// The file is open.
    Opened {
        /// Its handle.
        handle: FileHandle,
        /// The open.
        state: StateId,
        /// Its size.
        size: u64,
    },
    /// The file is locked.
    Locked {
        /// The lock.
        state: StateId,
    },
    /// All of it was written, at least as stable as asked.
    Written {
        /// How stable.
        committed: Stable,
        /// For comparison with the commit's.
        verifier: WriteVerifier,
    },
    /// What was written before under this verifier is stable.
    Committed {
        /// The verifier.
        verifier: WriteVerifier,
    },
    /// Bytes.
    Data {
        /// The bytes.
        data: Blob,
        /// Whether they reach the end of the file.
        eof: bool,
    },
    /// Paths.
    Names(Vec<Arc<str>>),
}

/// A failure, under its name and number in RFC 8881, 15.1. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NfsError {
    /// 2
    #[error("NFS4ERR_NOENT: no such file; open it with `Create` to make it")]
    NoEnt,
    /// 5: the server could not read or write its storage.
    #[error("NFS4ERR_IO: the server's storage failed; whether to try again is the application's choice")]
    Io,
    /// 13: the client's process is fenced.
    #[error("NFS4ERR_ACCESS: the export no longer admits this process; only a later life of it may connect")]
    Access,
    /// 17
    #[error("NFS4ERR_EXIST: the file exists; `CreateNew` wants that it does not")]
    Exist,
    /// 28
    #[error("NFS4ERR_NOSPC: the share is full")]
    NoSpc,
    /// 70: the file was removed, or the file system is another one now.
    #[error("NFS4ERR_STALE: the handle's file is gone; open the path again")]
    Stale,
    /// 10008
    #[error("NFS4ERR_DELAY: the server is busy with it; try again later")]
    Delay,
    /// 10010: somebody else holds the lock.
    #[error("NFS4ERR_DENIED: another client holds a conflicting lock")]
    Denied,
    /// 10011: the lease ran out, or was not reclaimed after a takeover.
    #[error("NFS4ERR_EXPIRED: the client's lease expired and its state is gone; connect anew")]
    Expired,
    /// 10012: a write against somebody else's lock.
    #[error("NFS4ERR_LOCKED: another client holds the file's lock")]
    Locked,
    /// 10013: no new state while clients reclaim theirs.
    #[error("NFS4ERR_GRACE: the server gives no new state until its grace period ends; try again then")]
    Grace,
    /// 10022
    #[error("NFS4ERR_STALE_CLIENTID: the server does not know this client; connect first")]
    StaleClientId,
    /// 10025
    #[error("NFS4ERR_BAD_STATEID: no such open or lock of this client on this file; open it first")]
    BadStateId,
    /// 10047: fenced.
    #[error("NFS4ERR_ADMIN_REVOKED: an administrator revoked the client's state")]
    AdminRevoked,
    /// 10065
    #[error("NFS4ERR_REQ_TOO_BIG: larger than the share's transfer size; split it")]
    ReqTooBig,
}

/// An operation's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NfsDone {
    /// As given to `submit`.
    pub token: u64,
    /// As given to `submit`; dead owners' results are the driver's to drop.
    pub owner: Incarnation,
    /// What came of it.
    pub result: Result<NfsReply, NfsError>,
}

/// What can be done to a share. Overlays: any number hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NfsFault {
    /// A takeover now, by the standby where its zone is up (maintenance, a crashed server). Takes this long whether or
    /// not the fault is healed earlier. Clients hang, then go on.
    Failover {
        /// How long.
        duration: Nanos,
    },
    /// A zone is down. Starts a takeover when the active server was in it; a single-AZ share is down until the heal.
    AzDown {
        /// Which.
        az: u8,
    },
    /// Transfers and latencies take `num / den` times as long; several multiply. A zero on either side counts as one.
    Slow {
        /// Stretch, above the line.
        num: u32,
        /// Stretch, below the line.
        den: u32,
    },
    /// Nothing is applied or answered while it holds.
    Stall,
    /// All files are lost: nothing is applied or answered while it holds, and after the heal the share is empty, and no
    /// state from before holds.
    Lost,
    /// The file system shows another `fsid`: handles from before are stale while it holds, those got meanwhile are
    /// after it.
    StaleHandles,
    /// No space for anything that grows.
    Full,
}

/// What happens to one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfsFate {
    /// The request is lost on its way; the retransmission is applied.
    pub request_lost: bool,
    /// It is applied and the answer is lost; the retransmission finds it in the session's slot: applied once.
    pub reply_lost: bool,
    /// Answered with [`NfsError::Delay`], not applied.
    pub delay: bool,
    /// Answered with [`NfsError::Io`], not applied.
    pub io_error: bool,
}

/// How often each fate strikes, in operations per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfsRates {
    /// See [`NfsFate::request_lost`].
    pub request_lost_ppm: u32,
    /// See [`NfsFate::reply_lost`].
    pub reply_lost_ppm: u32,
    /// See [`NfsFate::delay`].
    pub delay_ppm: u32,
    /// See [`NfsFate::io_error`].
    pub io_error_ppm: u32,
}

impl NfsFate {
    /// One operation's fate: always four draws.
    pub fn draw(rates: &NfsRates, stream: &mut Stream) -> NfsFate {
        const MILLION: u32 = 1_000_000;
        NfsFate {
            request_lost: stream.ratio(rates.request_lost_ppm, MILLION),
            reply_lost: stream.ratio(rates.reply_lost_ppm, MILLION),
            delay: stream.ratio(rates.delay_ppm, MILLION),
            io_error: stream.ratio(rates.io_error_ppm, MILLION),
        }
    }
}

impl NfsOp {
    /// Every name that an operation has.
    pub const NAMES: [&'static str; 13] = [
        "ExchangeId",
        "Fence",
        "Renew",
        "Open",
        "Release",
        "Lock",
        "Write",
        "Commit",
        "Read",
        "SetSize",
        "Rename",
        "Remove",
        "ReadDir",
    ];

    /// The operation's own name.
    pub fn name(&self) -> &'static str {
        match self {
            NfsOp::ExchangeId => "ExchangeId",
            NfsOp::Fence { .. } => "Fence",
            NfsOp::Call { call, .. } => match call {
                NfsCall::Renew => "Renew",
                NfsCall::Open { .. } => "Open",
                NfsCall::Release { .. } => "Release",
                NfsCall::Lock { .. } => "Lock",
                NfsCall::Write { .. } => "Write",
                NfsCall::Commit { .. } => "Commit",
                NfsCall::Read { .. } => "Read",
                NfsCall::SetSize { .. } => "SetSize",
                NfsCall::Rename { .. } => "Rename",
                NfsCall::Remove { .. } => "Remove",
                NfsCall::ReadDir { .. } => "ReadDir",
            },
        }
    }

    /// Bytes of content that the caller sends.
    pub fn upload_len(&self) -> u64 {
        match self {
            NfsOp::Call { call: NfsCall::Write { data, .. }, .. } => data.len(),
            NfsOp::Call { .. } | NfsOp::ExchangeId | NfsOp::Fence { .. } => 0,
        }
    }
}

impl NfsDone {
    /// Bytes of content that the answer carries.
    pub fn download_len(&self) -> u64 {
        match &self.result {
            Ok(NfsReply::Data { data, .. }) => data.len(),
            _ => 0,
        }
    }
}
