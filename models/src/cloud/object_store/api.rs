//! What is asked of an object store and what it answers: S3's operations, results and errors, by S3's names.

use crate::blob::Blob;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use wavetank_sim::{Incarnation, Nanos};

/// An object's name: up to [`KEY_LEN_MAX`] bytes of UTF-8, compared bytewise as S3's listing does.
pub type Key = Arc<str>;

/// Longest key in bytes (AWS S3 User Guide, "Naming Amazon S3 objects").
pub const KEY_LEN_MAX: usize = 1024;
/// Largest body of one PUT or one part in bytes: 5 GiB (AWS S3 User Guide, "Multipart upload limits").
pub const BODY_LEN_MAX: u64 = 5 << 30;
/// Smallest part but the last in bytes: 5 MiB (same page).
pub const PART_LEN_MIN: u64 = 5 << 20;
/// Largest part number, and most parts an object can have (same page; row S3X-append).
pub const PARTS_MAX: u16 = 10_000;
/// Most keys in one page of a listing, and in one `DeleteMany` (API reference, ListObjectsV2 and DeleteObjects).
pub const PAGE_KEYS_MAX: u32 = 1_000;

/// A bucket of one store, numbered from 0 in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(pub u32);

/// A multipart upload, unique in its store for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub u64);

/// An object's entity tag: equality is all that may be asked of it.
///
/// In a general purpose bucket it is *derived from content* as S3's MD5 is, so two puts of equal bytes have equal tags
/// and `If-Match` cannot tell A-B-A from A; a multipart object's depends on how it was cut into parts. In a directory
/// bucket it is unique to the write (S3 Express: "a random string, not an MD5"), so A-B-A shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag(u128);

impl ETag {
    /// Of a single body: CRC-32C and length stand in for MD5 (equal length *and* equal CRC with different content is
    /// taken for equal: one pair in 2^32).
    pub(crate) fn of_body(body: &Blob) -> ETag {
        ETag(u128::from(body.crc32c()) << 64 | u128::from(body.len()))
    }

    /// Of a multipart object: a checksum over the parts' tags, and how many there are ("md5-of-md5s-N").
    pub(crate) fn of_parts(parts: impl Iterator<Item = ETag>) -> ETag {
        let (mut crc, mut count, mut len) = (0, 0u16, 0u64);
        for part in parts {
            crc = crc32c::crc32c_append(crc, &part.0.to_le_bytes());
            count += 1;
            len += part.0 as u64;
        }
        ETag(u128::from(count) << 96 | u128::from(crc) << 64 | u128::from(len))
    }

    /// Of the `sequence`-th write of a directory bucket's store.
    pub(crate) fn unique(sequence: u64) -> ETag {
        ETag(1 << 127 | u128::from(sequence))
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{:x}\"", self.0)
    }
}

/// What a write demands of the object that is there, evaluated at the write's instant of effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: the last to take effect wins.
    #[default]
    None,
    /// `If-None-Match: *`: there must be no object under the key.
    IfNoneMatch,
    /// `If-Match`: there must be one with this tag.
    IfMatch(ETag),
}

/// The part of an object to read: HTTP's `Range: bytes=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`, both included; cut at the object's end.
    Span {
        /// First byte.
        first: u64,
        /// Last byte, included.
        last: u64,
    },
    /// `first-`: all from there.
    From(u64),
    /// `-n`: the last `n` bytes.
    Suffix(u64),
}

/// Where the next page of a listing goes on. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    pub(crate) after: Key,
    /// `after` is a common prefix: what lies below it has been reported.
    pub(crate) group: bool,
}

/// Where a listing begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListFrom {
    /// With the first key.
    #[default]
    Start,
    /// With the first key greater than this one (general purpose buckets only).
    After(Key),
    /// Where the page that gave this token ended.
    Continue(Continuation),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectOp {
    /// PutObject.
    Put {
        /// Object.
        key: Key,
        /// Its whole content.
        body: Blob,
        /// Precondition.
        condition: Condition,
    },
    /// PutObject with `x-amz-write-offset-bytes`: adds to the end. Directory buckets only.
    Append {
        /// Object; made when absent and `offset` is 0.
        key: Key,
        /// Must be the object's present size.
        offset: u64,
        /// What to add.
        body: Blob,
        /// Precondition.
        condition: Condition,
    },
    /// GetObject.
    Get {
        /// Object.
        key: Key,
        /// Part of it; `None`: all.
        range: Option<ByteRange>,
    },
    /// HeadObject.
    Head {
        /// Object.
        key: Key,
    },
    /// DeleteObject: succeeds too where there is nothing.
    Delete {
        /// Object.
        key: Key,
    },
    /// DeleteObjects: 1 to 1,000 keys.
    DeleteMany {
        /// Objects.
        keys: Vec<Key>,
    },
    /// ListObjectsV2: one page.
    List {
        /// Only keys that begin so.
        prefix: Key,
        /// Where to begin.
        from: ListFrom,
        /// Keys and common prefixes a page, at most 1,000; more is taken as 1,000.
        max_keys: u32,
        /// Rolls up what lies below the first delimiter after the prefix.
        delimiter: Option<char>,
    },
    /// CopyObject within the bucket: server side.
    Copy {
        /// Read this.
        source: Key,
        /// Write this.
        key: Key,
        /// Precondition on `key`.
        condition: Condition,
    },
    /// CreateMultipartUpload.
    CreateMultipart {
        /// The object to be.
        key: Key,
    },
    /// UploadPart; a part sent again replaces the earlier one.
    UploadPart {
        /// Upload.
        upload: UploadId,
        /// 1 to 10,000.
        part_number: u16,
        /// Content.
        body: Blob,
    },
    /// UploadPartCopy: a part out of an object of the bucket, server side.
    UploadPartCopy {
        /// Upload.
        upload: UploadId,
        /// 1 to 10,000.
        part_number: u16,
        /// Read this.
        source: Key,
        /// Part of it; `None`: all.
        range: Option<ByteRange>,
    },
    /// CompleteMultipartUpload.
    CompleteMultipart {
        /// Upload.
        upload: UploadId,
        /// Which parts, in ascending order, with the tags their uploads gave.
        parts: Vec<(u16, ETag)>,
        /// Precondition.
        condition: Condition,
    },
    /// AbortMultipartUpload: frees the parts.
    AbortMultipart {
        /// Upload.
        upload: UploadId,
    },
}

/// The kinds of operation, for profiles, limits and bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpClass {
    /// Writes content or begins to: Put, Append, Copy, CreateMultipart, UploadPart, UploadPartCopy.
    Put,
    /// CompleteMultipart: a write of its own latency.
    Complete,
    /// Get.
    Get,
    /// Head.
    Head,
    /// Delete, DeleteMany, AbortMultipart.
    Delete,
    /// List.
    List,
}

impl ObjectOp {
    /// Every name that an operation has.
    pub const NAMES: [&'static str; 13] = [
        "Put",
        "Append",
        "Get",
        "Head",
        "Delete",
        "DeleteMany",
        "List",
        "Copy",
        "CreateMultipart",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipart",
        "AbortMultipart",
    ];

    /// Which kind.
    pub fn class(&self) -> OpClass {
        match self {
            ObjectOp::Put { .. }
            | ObjectOp::Append { .. }
            | ObjectOp::Copy { .. }
            | ObjectOp::CreateMultipart { .. }
            | ObjectOp::UploadPart { .. }
            | ObjectOp::UploadPartCopy { .. } => OpClass::Put,
            ObjectOp::CompleteMultipart { .. } => OpClass::Complete,
            ObjectOp::Get { .. } => OpClass::Get,
            ObjectOp::Head { .. } => OpClass::Head,
            ObjectOp::Delete { .. } | ObjectOp::DeleteMany { .. } | ObjectOp::AbortMultipart { .. } => OpClass::Delete,
            ObjectOp::List { .. } => OpClass::List,
        }
    }

    /// The operation's own name.
    pub fn name(&self) -> &'static str {
        match self {
            ObjectOp::Put { .. } => "Put",
            ObjectOp::Append { .. } => "Append",
            ObjectOp::Get { .. } => "Get",
            ObjectOp::Head { .. } => "Head",
            ObjectOp::Delete { .. } => "Delete",
            ObjectOp::DeleteMany { .. } => "DeleteMany",
            ObjectOp::List { .. } => "List",
            ObjectOp::Copy { .. } => "Copy",
            ObjectOp::CreateMultipart { .. } => "CreateMultipart",
            ObjectOp::UploadPart { .. } => "UploadPart",
            ObjectOp::UploadPartCopy { .. } => "UploadPartCopy",
            ObjectOp::CompleteMultipart { .. } => "CompleteMultipart",
            ObjectOp::AbortMultipart { .. } => "AbortMultipart",
        }
    }

    /// Bytes the caller sends.
    pub fn upload_len(&self) -> u64 {
        match self {
            ObjectOp::Put { body, .. } | ObjectOp::Append { body, .. } | ObjectOp::UploadPart { body, .. } => {
                body.len()
            }
            ObjectOp::Get { .. }
            | ObjectOp::Head { .. }
            | ObjectOp::Delete { .. }
            | ObjectOp::DeleteMany { .. }
            | ObjectOp::List { .. }
            | ObjectOp::Copy { .. }
            | ObjectOp::CreateMultipart { .. }
            | ObjectOp::UploadPartCopy { .. }
            | ObjectOp::CompleteMultipart { .. }
            | ObjectOp::AbortMultipart { .. } => 0,
        }
    }

    /// Its precondition.
    pub fn condition(&self) -> Condition {
        match self {
            ObjectOp::Put { condition, .. }
            | ObjectOp::Append { condition, .. }
            | ObjectOp::Copy { condition, .. }
            | ObjectOp::CompleteMultipart { condition, .. } => *condition,
            ObjectOp::Get { .. }
            | ObjectOp::Head { .. }
            | ObjectOp::Delete { .. }
            | ObjectOp::DeleteMany { .. }
            | ObjectOp::List { .. }
            | ObjectOp::CreateMultipart { .. }
            | ObjectOp::UploadPart { .. }
            | ObjectOp::UploadPartCopy { .. }
            | ObjectOp::AbortMultipart { .. } => Condition::None,
        }
    }
}

/// Who asks: echoed in [`ObjectDone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's own number for the request.
    pub token: u64,
    /// Which process life: a dead one gets no answers (its requests still land).
    pub owner: Incarnation,
    /// The AZ it asks from, counted from 0, below 64.
    pub from_az: u8,
}

/// One object in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Object.
    pub key: Key,
    /// Bytes.
    pub size: u64,
    /// Tag.
    pub etag: ETag,
    /// When its last write took effect.
    pub last_modified: Nanos,
}

/// One page of a listing: a snapshot at the page's own instant. Two pages are two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects, in the bucket's order.
    pub entries: Vec<ListEntry>,
    /// What the delimiter rolled up.
    pub common_prefixes: Vec<Key>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Continuation>,
}

/// A success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectOk {
    /// Put, Append, Copy, UploadPart, UploadPartCopy and CompleteMultipart: the tag of what was written.
    Written {
        /// Tag.
        etag: ETag,
    },
    /// Get.
    Content {
        /// The bytes of the range.
        body: Blob,
        /// The whole object's tag.
        etag: ETag,
        /// The whole object's size.
        size: u64,
    },
    /// Head.
    Meta {
        /// Tag.
        etag: ETag,
        /// Bytes.
        size: u64,
        /// When its last write took effect.
        last_modified: Nanos,
    },
    /// Delete and AbortMultipart.
    Gone,
    /// DeleteMany: all are gone but these (indices into the request's keys), which were over their prefix's rate
    /// (`SlowDown` for the single key within a 200, as DeleteObjects reports it).
    GoneExcept(Vec<u32>),
    /// List.
    Page(ListPage),
    /// CreateMultipart.
    Upload(UploadId),
}

/// A failure: the service's, with its HTTP status, or the client's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ObjectError {
    /// 404.
    #[error("404 NoSuchKey: no object under that key")]
    NoSuchKey,
    /// 404.
    #[error("404 NoSuchBucket: create the bucket first")]
    NoSuchBucket,
    /// 404.
    #[error("404 NoSuchUpload: the multipart upload was completed, aborted or never begun")]
    NoSuchUpload,
    /// 412.
    #[error("412 PreconditionFailed: If-None-Match or If-Match does not hold")]
    PreconditionFailed,
    /// 409: a delete of the key succeeded while the conditional write was on its way.
    #[error("409 ConditionalRequestConflict: a delete raced with the conditional write; retry")]
    ConditionalRequestConflict,
    /// 416.
    #[error("416 InvalidRange: the range begins at or beyond the object's end")]
    InvalidRange,
    /// 400.
    #[error("400 EntityTooSmall: a part other than the last is below 5 MiB")]
    EntityTooSmall,
    /// 400.
    #[error("400 EntityTooLarge: one PUT or part holds at most 5 GiB")]
    EntityTooLarge,
    /// 400.
    #[error("400 InvalidPart: a listed part was not uploaded or has another ETag")]
    InvalidPart,
    /// 400.
    #[error("400 InvalidPartOrder: list parts in ascending order (directory buckets: 1, 2, 3 ...)")]
    InvalidPartOrder,
    /// 400.
    #[error(
        "400 InvalidArgument: part numbers are 1 to 10,000; listings of directory buckets take no start-after, \
             only '/' as delimiter and only prefixes that end in '/'"
    )]
    InvalidArgument,
    /// 400.
    #[error("400 MalformedXML: DeleteMany takes 1 to 1,000 keys, CompleteMultipart at least one part")]
    MalformedXml,
    /// 400.
    #[error("400 KeyTooLongError: a key has 1 to 1,024 bytes")]
    KeyTooLong,
    /// 400, directory buckets.
    #[error("400 InvalidWriteOffset: append at the object's present size")]
    InvalidWriteOffset,
    /// 400, directory buckets.
    #[error("400 TooManyParts: an object has at most 10,000 parts; copy it to begin anew")]
    TooManyParts,
    /// 501.
    #[error("501 NotImplemented: only directory buckets append")]
    NotImplemented,
    /// 503. May have been applied all the same (see [`super::fate`]).
    #[error("503 SlowDown: reduce the request rate; retry after {retry_after:?}")]
    SlowDown {
        /// The hint: not sooner than after this.
        retry_after: Nanos,
    },
    /// 500. May have been applied all the same.
    #[error("500 InternalError: retry")]
    InternalError,
    /// 400: the request did not get done within [`super::LATE_BOUND`]; it was not applied and never will be.
    #[error("400 RequestTimeout: not done within 30 s and dropped; send less at once or retry")]
    RequestTimeout,
    /// The client gave up waiting. May have been applied, may still be.
    #[error("timed out: no answer within the attempt's time")]
    TimedOut,
    /// The connection broke. May have been applied, may still be.
    #[error("connection reset")]
    ConnectionReset,
}

impl ObjectError {
    /// The HTTP status, when the service answered at all.
    pub fn status(self) -> Option<u16> {
        match self {
            ObjectError::NoSuchKey | ObjectError::NoSuchBucket | ObjectError::NoSuchUpload => Some(404),
            ObjectError::PreconditionFailed => Some(412),
            ObjectError::ConditionalRequestConflict => Some(409),
            ObjectError::InvalidRange => Some(416),
            ObjectError::EntityTooSmall
            | ObjectError::EntityTooLarge
            | ObjectError::InvalidPart
            | ObjectError::InvalidPartOrder
            | ObjectError::InvalidArgument
            | ObjectError::MalformedXml
            | ObjectError::KeyTooLong
            | ObjectError::InvalidWriteOffset
            | ObjectError::TooManyParts
            | ObjectError::RequestTimeout => Some(400),
            ObjectError::NotImplemented => Some(501),
            ObjectError::SlowDown { .. } => Some(503),
            ObjectError::InternalError => Some(500),
            ObjectError::TimedOut | ObjectError::ConnectionReset => None,
        }
    }

    /// Whether the operation may have taken effect, or may yet: what a client must assume.
    pub fn is_ambiguous(self) -> bool {
        matches!(
            self,
            ObjectError::SlowDown { .. }
                | ObjectError::InternalError
                | ObjectError::TimedOut
                | ObjectError::ConnectionReset
        )
    }
}

/// The answer to one request, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDone {
    /// The request's number.
    pub token: u64,
    /// Who asked.
    pub owner: Incarnation,
    /// What came of it, as the caller sees it.
    pub result: Result<ObjectOk, ObjectError>,
    /// How long the body of the answer takes from now on, on its connection alone; zero without one. The driver lets it
    /// pass; to a process it is history.
    pub body_takes: Nanos,
}

impl ObjectDone {
    /// Bytes of content that the answer carries.
    pub fn download_len(&self) -> u64 {
        match &self.result {
            Ok(ObjectOk::Content { body, .. }) => body.len(),
            _ => 0,
        }
    }
}
