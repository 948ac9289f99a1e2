//! What can be asked of a volume, and what it answers.

use super::attach::ReservationOp;
use crate::blob::Blob;
use crate::cloud::network::{AzId, HostId};
use std::sync::Arc;
use wavetank_sim::Incarnation;

/// On whose behalf an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The machine: its kernel holds the page cache and issues the I/O.
    pub host: HostId,
    /// The process and its life: who waits for the answer.
    pub incarnation: Incarnation,
}

/// A file's identity (its inode): kept over renames, never used twice on one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

impl FileId {
    /// The raw device itself: the one file of a volume without a file system, as long as the volume.
    pub const RAW: FileId = FileId(0);
}

/// A path on the volume. Directories exist implicitly; only files have contents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

impl FileName {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for FileName {
    fn from(text: &str) -> FileName {
        FileName(text.into())
    }
}

/// How an I/O meets the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// Through the page cache: a write is done when it is in memory.
    Buffered,
    /// `O_DIRECT | O_DSYNC`: past the cache; a write is done when it and the metadata needed to read it are durable.
    /// Offset and length must be whole sectors.
    Direct,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeOp {
    /// Puts `data` at `offset`; grows the file when it ends later than the file does.
    Write {
        /// Which file.
        file: FileId,
        /// First byte.
        offset: u64,
        /// What.
        data: Blob,
        /// Through the cache or past it.
        mode: IoMode,
    },
    /// Reads up to `len` bytes; fewer where the file ends.
    Read {
        /// Which file.
        file: FileId,
        /// First byte.
        offset: u64,
        /// How many bytes at most.
        len: u64,
        /// Through the cache or past it.
        mode: IoMode,
    },
    /// `fsync`: everything written to the file before, and every metadata change before, becomes durable.
    Sync {
        /// Which file.
        file: FileId,
    },
    /// `fsync` of a directory: every metadata change before becomes durable, no file's data does.
    SyncDirectory,
    /// Makes an empty file. [`VolumeError::AlreadyExists`] when the name is taken.
    Create {
        /// Its name.
        name: FileName,
    },
    /// The file of that name, as `open` finds it.
    Lookup {
        /// Its name.
        name: FileName,
    },
    /// Gives a file another name, atomically replacing the file that has it.
    Rename {
        /// Old name.
        from: FileName,
        /// New name.
        to: FileName,
    },
    /// Removes a name and its file.
    Delete {
        /// The name.
        name: FileName,
    },
    /// Cuts a file, or grows it with a hole.
    Truncate {
        /// Which file.
        file: FileId,
        /// Its new length in bytes.
        len: u64,
    },
    /// All names with that prefix, in order.
    List {
        /// What the names begin with; empty for all.
        prefix: FileName,
    },
    /// An NVMe reservation command (io2 only).
    Reserve(ReservationOp),
}

impl VolumeOp {
    /// Every name that an operation has.
    pub const NAMES: [&'static str; 11] = [
        "Write",
        "Read",
        "Sync",
        "SyncDirectory",
        "Create",
        "Lookup",
        "Rename",
        "Delete",
        "Truncate",
        "List",
        "Reserve",
    ];

    /// The operation's own name.
    pub fn name(&self) -> &'static str {
        match self {
            VolumeOp::Write { .. } => "Write",
            VolumeOp::Read { .. } => "Read",
            VolumeOp::Sync { .. } => "Sync",
            VolumeOp::SyncDirectory => "SyncDirectory",
            VolumeOp::Create { .. } => "Create",
            VolumeOp::Lookup { .. } => "Lookup",
            VolumeOp::Rename { .. } => "Rename",
            VolumeOp::Delete { .. } => "Delete",
            VolumeOp::Truncate { .. } => "Truncate",
            VolumeOp::List { .. } => "List",
            VolumeOp::Reserve(_) => "Reserve",
        }
    }
}

/// A file as [`VolumeOp::List`] and [`VolumeOp::Lookup`] show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: FileName,
    /// Its identity.
    pub file: FileId,
    /// Its length in bytes.
    pub len: u64,
}

/// What a successful operation answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeAnswer {
    /// The write is in the cache (buffered) or durable (direct).
    Written,
    /// What was read.
    Read(Blob),
    /// What was asked to be durable is.
    Synced,
    /// The new file.
    Created(FileId),
    /// The file found.
    Found(FileEntry),
    /// Renamed, deleted or truncated: visible now, durable with the next commit of the journal.
    Changed,
    /// The names.
    Listed(Vec<FileEntry>),
    /// The reservation command took effect.
    Reserved,
    /// The volume is attached (and its journal replayed).
    Attached,
    /// The volume is detached.
    Detached,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The host has no attachment that is complete.
    #[error("volume is not attached to {0}: attach it there and wait for the answer")]
    NotAttached(HostId),
    /// Another host has it, and the kind does not share.
    #[error("volume is attached to {0}: detach it there first (only io2 with Multi-Attach is shared)")]
    AttachedElsewhere(HostId),
    /// The attachment exists or is being made or ended.
    #[error("volume already has an attachment to {0} (perhaps being made or ended)")]
    AlreadyAttached(HostId),
    /// The host's zone holds no replica.
    #[error("volume has no replica in zone {0:?}: use a host in one of its zones")]
    WrongAz(AzId),
    /// More than [`MULTI_ATTACH_MAX`](super::MULTI_ATTACH_MAX) hosts.
    #[error("Multi-Attach takes at most 16 Nitro instances")]
    TooManyAttachments,
    /// A shared volume without a cluster file system carries only direct I/O to the raw device.
    #[error("a Multi-Attach volume is for direct I/O on the raw device: page caches of two hosts do not agree")]
    SharedNeedsDirectRaw,
    /// File operation on a raw device, or raw access to a file system.
    #[error("operation does not fit the volume's format (raw device or file system)")]
    WrongFormat,
    /// No such file or name.
    #[error("no such file")]
    NotFound,
    /// The name is taken.
    #[error("file exists")]
    AlreadyExists,
    /// ENOSPC, or beyond the end of the raw device.
    #[error("no space left on the volume")]
    NoSpace,
    /// Direct I/O that is not in whole sectors.
    #[error("direct I/O must be in whole sectors of {sector_bytes} bytes")]
    Misaligned {
        /// The volume's sector size.
        sector_bytes: u64,
    },
    /// EIO. After a failed sync the dirty pages count as clean: a later successful sync promises nothing about them.
    #[error("input/output error")]
    Io,
    /// The command was refused by another host's reservation: the host is fenced.
    #[error("NVMe reservation conflict: the host is fenced")]
    ReservationConflict,
    /// The volume was detached while the operation was in flight.
    #[error("volume was detached under the operation")]
    Detached,
    /// A reservation command on a volume that has none.
    #[error("only io2 volumes have NVMe reservations")]
    NoReservations,
    /// A local disk is gone with its instance, or the provider has lost the volume.
    #[error("the device is gone with all that it held")]
    Gone,
}

/// The completion of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeDone {
    /// The caller's own number for the operation.
    pub token: u64,
    /// Who asked.
    pub owner: Owner,
    /// What came of it.
    pub result: Result<VolumeAnswer, VolumeError>,
}
