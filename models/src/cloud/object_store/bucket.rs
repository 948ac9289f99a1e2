//! One bucket's truth: what is under each key, and the one instant at which an operation reads or changes it.

use super::accounting::Accounting;
use super::api::{
    BODY_LEN_MAX, ByteRange, Condition, ETag, KEY_LEN_MAX, Key, ListEntry, ListFrom, ObjectError, ObjectOk, ObjectOp,
    PAGE_KEYS_MAX, PARTS_MAX,
};
use super::listing::{ListOrder, list};
use super::multipart::{Upload, Uploads};
use crate::blob::Blob;
use std::collections::BTreeMap;
use std::ops::Range;
use wavetank_sim::Nanos;

/// Which kind of bucket: what differs in effect between the storage classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// S3 Standard: sorted lists, tags by content, no append.
    General,
    /// S3 Express One Zone: lists in an order of its own, tags by write, append.
    Directory,
}

/// What is under a key.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub body: Blob,
    pub etag: ETag,
    pub last_modified: Nanos,
    /// The number of the write that made it: tells writes apart where tags do not.
    pub version: u64,
    /// How many parts and appends it is made of.
    pub parts: u16,
}

/// What an effect knows besides its operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant {
    pub now: Nanos,
    /// The number of this effect, unique in the store.
    pub sequence: u64,
    /// A delete of the key took effect since the request was sent.
    pub raced_by_delete: bool,
}

/// One bucket.
pub(crate) struct Bucket {
    pub flavour: Flavour,
    pub objects: BTreeMap<Key, Object>,
    pub order: ListOrder,
    pub uploads: Uploads,
    pub accounting: Accounting,
}

impl Bucket {
    pub fn new(flavour: Flavour, order: ListOrder, now: Nanos) -> Bucket {
        Bucket {
            flavour,
            objects: BTreeMap::new(),
            order,
            uploads: Uploads::default(),
            accounting: Accounting { at: now, ..Accounting::default() },
        }
    }

    /// Does the operation, now and at once. `skip` are keys of a `DeleteMany` that are not to be deleted.
    pub fn apply(&mut self, op: ObjectOp, at: Instant, skip: Vec<u32>) -> Result<ObjectOk, ObjectError> {
        self.accounting.request(op.class(), op.upload_len());
        match op {
            ObjectOp::Put { key, body, condition } => self.put(key, body, condition, at),
            ObjectOp::Append { key, offset, body, condition } => self.append(key, offset, &body, condition, at),
            ObjectOp::Get { key, range } => self.get(&key, range),
            ObjectOp::Head { key } => {
                let object = self.object(&key)?;
                let (etag, size) = (object.etag, object.body.len());
                Ok(ObjectOk::Meta { etag, size, last_modified: object.last_modified })
            }
            ObjectOp::Delete { key } => {
                self.remove(&key, at.now);
                Ok(ObjectOk::Gone)
            }
            ObjectOp::DeleteMany { keys } => self.delete_many(&keys, skip, at.now),
            ObjectOp::List { prefix, from, max_keys, delimiter } => {
                self.list(&prefix, &from, max_keys, delimiter).map(ObjectOk::Page)
            }
            ObjectOp::Copy { source, key, condition } => {
                let body = self.object(&source)?.body.clone();
                self.put(key, body, condition, at)
            }
            ObjectOp::CreateMultipart { key } => {
                check_key(&key)?;
                Ok(ObjectOk::Upload(self.uploads.create(key, at.sequence)))
            }
            ObjectOp::UploadPart { upload, part_number, body } => self.upload_part(upload, part_number, body, at),
            ObjectOp::UploadPartCopy { upload, part_number, source, range } => {
                let source = self.object(&source)?;
                let body = source.body.slice(resolve(range, source.body.len())?);
                self.upload_part(upload, part_number, body, at)
            }
            ObjectOp::CompleteMultipart { upload, parts, condition } => self.complete(upload, &parts, condition, at),
            ObjectOp::AbortMultipart { upload } => {
                let freed = self.uploads.remove(upload).ok_or(ObjectError::NoSuchUpload)?.stored();
                self.accounting.store(at.now, freed, 0);
                Ok(ObjectOk::Gone)
            }
        }
    }

    fn put(&mut self, key: Key, body: Blob, condition: Condition, at: Instant) -> Result<ObjectOk, ObjectError> {
        check_key(&key)?;
        check_len(body.len())?;
        self.check_condition(&key, condition, at.raced_by_delete)?;
        let etag = self.etag_of(&body, at.sequence);
        self.insert(key, Object { body, etag, last_modified: at.now, version: at.sequence, parts: 1 });
        Ok(ObjectOk::Written { etag })
    }

    fn append(
        &mut self,
        key: Key,
        offset: u64,
        body: &Blob,
        condition: Condition,
        at: Instant,
    ) -> Result<ObjectOk, ObjectError> {
        match self.flavour {
            Flavour::General => return Err(ObjectError::NotImplemented),
            Flavour::Directory => {}
        }
        check_key(&key)?;
        check_len(body.len())?;
        self.check_condition(&key, condition, at.raced_by_delete)?;
        let (size, parts) = self.objects.get(&key).map_or((0, 0), |object| (object.body.len(), object.parts));
        if offset != size {
            return Err(ObjectError::InvalidWriteOffset);
        }
        if parts >= PARTS_MAX {
            return Err(ObjectError::TooManyParts);
        }
        let etag = ETag::unique(at.sequence);
        // In place: an object of ten thousand parts is not copied for each of them.
        match self.objects.get_mut(&key) {
            Some(object) => {
                object.body.append(body);
                (object.etag, object.last_modified, object.version) = (etag, at.now, at.sequence);
                object.parts += 1;
                self.accounting.store(at.now, 0, body.len());
            }
            None => {
                let object = Object { body: body.clone(), etag, last_modified: at.now, version: at.sequence, parts: 1 };
                self.insert(key, object);
            }
        }
        Ok(ObjectOk::Written { etag })
    }

    fn get(&mut self, key: &str, range: Option<ByteRange>) -> Result<ObjectOk, ObjectError> {
        let object = self.object(key)?;
        let (etag, size) = (object.etag, object.body.len());
        let body = match range {
            None => object.body.clone(),
            Some(_) => object.body.slice(resolve(range, size)?),
        };
        self.accounting.bytes_out += body.len();
        Ok(ObjectOk::Content { body, etag, size })
    }

    fn delete_many(&mut self, keys: &[Key], skip: Vec<u32>, now: Nanos) -> Result<ObjectOk, ObjectError> {
        if keys.is_empty() || keys.len() > PAGE_KEYS_MAX as usize {
            return Err(ObjectError::MalformedXml);
        }
        for (i, key) in keys.iter().enumerate() {
            if skip.binary_search(&(i as u32)).is_err() {
                self.remove(key, now);
            }
        }
        Ok(ObjectOk::GoneExcept(skip))
    }

    fn list(
        &self,
        prefix: &str,
        from: &ListFrom,
        max_keys: u32,
        delimiter: Option<char>,
    ) -> Result<super::api::ListPage, ObjectError> {
        match self.flavour {
            Flavour::General => {}
            // AWS S3 User Guide, "Differences for directory buckets": ListObjectsV2.
            Flavour::Directory => {
                let prefix_ok = prefix.is_empty() || prefix.ends_with('/');
                if !prefix_ok || matches!(from, ListFrom::After(_)) || delimiter.is_some_and(|d| d != '/') {
                    return Err(ObjectError::InvalidArgument);
                }
            }
        }
        let page_len = max_keys.min(PAGE_KEYS_MAX) as usize;
        Ok(list(&self.objects, &self.order, prefix, from, page_len, delimiter, |key, object| ListEntry {
            key: key.clone(),
            size: object.body.len(),
            etag: object.etag,
            last_modified: object.last_modified,
        }))
    }

    fn upload_part(
        &mut self,
        upload: super::api::UploadId,
        part_number: u16,
        body: Blob,
        at: Instant,
    ) -> Result<ObjectOk, ObjectError> {
        if !(1..=PARTS_MAX).contains(&part_number) {
            return Err(ObjectError::InvalidArgument);
        }
        check_len(body.len())?;
        let (etag, new) = (self.etag_of(&body, at.sequence), body.len());
        let old = self.uploads.get_mut(upload).ok_or(ObjectError::NoSuchUpload)?.put_part(part_number, body, etag);
        self.accounting.store(at.now, old, new);
        Ok(ObjectOk::Written { etag })
    }

    fn complete(
        &mut self,
        id: super::api::UploadId,
        parts: &[(u16, ETag)],
        condition: Condition,
        at: Instant,
    ) -> Result<ObjectOk, ObjectError> {
        let upload = self.uploads.get(id).ok_or(ObjectError::NoSuchUpload)?;
        let key = upload.key.clone();
        let body = upload.assemble(parts, self.flavour)?;
        match self.check_condition(&key, condition, at.raced_by_delete) {
            Ok(()) => {}
            Err(ObjectError::ConditionalRequestConflict) => {
                // "The entire multipart upload must be re-initiated after a 409" (AWS, "Conditional writes"); after a
                // 412 the upload stays.
                let freed = self.uploads.remove(id).expect("found above").stored();
                self.accounting.store(at.now, freed, 0);
                return Err(ObjectError::ConditionalRequestConflict);
            }
            Err(other) => return Err(other),
        }
        let freed = self.uploads.remove(id).map_or(0, |upload: Upload| upload.stored());
        self.accounting.store(at.now, freed, 0);
        let etag = match self.flavour {
            Flavour::General => ETag::of_parts(parts.iter().map(|&(_, etag)| etag)),
            Flavour::Directory => ETag::unique(at.sequence),
        };
        let parts = parts.len() as u16;
        self.insert(key, Object { body, etag, last_modified: at.now, version: at.sequence, parts });
        Ok(ObjectOk::Written { etag })
    }

    /// AWS S3 User Guide, "Conditional writes": If-None-Match on an existing key 412, with a delete meanwhile 409;
    /// If-Match on another tag 412, on no object 404, with a delete meanwhile 409.
    fn check_condition(&self, key: &str, condition: Condition, raced_by_delete: bool) -> Result<(), ObjectError> {
        match (condition, self.objects.get(key)) {
            (Condition::None, _) => return Ok(()),
            (Condition::IfNoneMatch, Some(_)) => return Err(ObjectError::PreconditionFailed),
            (Condition::IfMatch(_), None) => return Err(ObjectError::NoSuchKey),
            (Condition::IfMatch(wanted), Some(object)) if object.etag != wanted => {
                return Err(ObjectError::PreconditionFailed);
            }
            (Condition::IfNoneMatch, None) | (Condition::IfMatch(_), Some(_)) => {}
        }
        if raced_by_delete { Err(ObjectError::ConditionalRequestConflict) } else { Ok(()) }
    }

    fn object(&self, key: &str) -> Result<&Object, ObjectError> {
        self.objects.get(key).ok_or(ObjectError::NoSuchKey)
    }

    fn insert(&mut self, key: Key, object: Object) {
        let (now, version, new) = (object.last_modified, object.version, object.body.len());
        self.order.added(&key);
        let old = self.objects.insert(key, object);
        let freed = old.map_or(0, |old| {
            assert!(old.version < version, "a write took effect before the one it replaced");
            old.body.len()
        });
        self.accounting.store(now, freed, new);
    }

    fn remove(&mut self, key: &Key, now: Nanos) {
        if let Some(old) = self.objects.remove(key) {
            self.order.removed(key);
            self.accounting.store(now, old.body.len(), 0);
        }
    }

    fn etag_of(&self, body: &Blob, sequence: u64) -> ETag {
        match self.flavour {
            Flavour::General => ETag::of_body(body),
            Flavour::Directory => ETag::unique(sequence),
        }
    }

    /// All content gone, bills kept.
    pub fn destroy(&mut self, now: Nanos) {
        let stored = self.accounting.stored_bytes;
        self.accounting.store(now, stored, 0);
        self.objects.clear();
        self.order.clear();
        self.uploads.clear();
        assert!(self.accounting.stored_bytes == 0 && self.uploads.is_empty(), "something survived");
    }
}

fn check_key(key: &str) -> Result<(), ObjectError> {
    if (1..=KEY_LEN_MAX).contains(&key.len()) { Ok(()) } else { Err(ObjectError::KeyTooLong) }
}

fn check_len(len: u64) -> Result<(), ObjectError> {
    if len <= BODY_LEN_MAX { Ok(()) } else { Err(ObjectError::EntityTooLarge) }
}

/// The bytes that a range means in an object of `size` bytes (RFC 9110, 14.1.2).
fn resolve(range: Option<ByteRange>, size: u64) -> Result<Range<u64>, ObjectError> {
    let resolved = match range {
        None => return Ok(0..size),
        Some(ByteRange::Span { first, last }) if first <= last => first..last.saturating_add(1).min(size),
        // A backward span is no range at all: HTTP ignores the header.
        Some(ByteRange::Span { .. }) => return Ok(0..size),
        Some(ByteRange::From(first)) => first..size,
        Some(ByteRange::Suffix(n)) => size.saturating_sub(n)..size,
    };
    if resolved.start < resolved.end { Ok(resolved) } else { Err(ObjectError::InvalidRange) }
}
