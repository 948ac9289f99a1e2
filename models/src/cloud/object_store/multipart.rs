//! Multipart uploads: parts that are paid for and invisible until one request makes an object of them.

use super::api::{ETag, Key, ObjectError, PART_LEN_MIN, UploadId};
use super::bucket::Flavour;
use crate::blob::Blob;
use wavetank_sim::SortedMap;

/// The open uploads of one bucket.
#[derive(Default)]
pub(crate) struct Uploads {
    open: SortedMap<UploadId, Upload>,
}

/// One open upload.
pub(crate) struct Upload {
    pub key: Key,
    parts: SortedMap<u16, Part>,
}

struct Part {
    body: Blob,
    etag: ETag,
}

impl Uploads {
    /// Begins one; the effect's number is its id.
    pub fn create(&mut self, key: Key, sequence: u64) -> UploadId {
        let id = UploadId(sequence);
        let old = self.open.insert(id, Upload { key, parts: SortedMap::new() });
        assert!(old.is_none(), "an upload's id came twice");
        id
    }

    pub fn get(&self, id: UploadId) -> Option<&Upload> {
        self.open.get(&id)
    }

    pub fn get_mut(&mut self, id: UploadId) -> Option<&mut Upload> {
        self.open.get_mut(&id)
    }

    pub fn remove(&mut self, id: UploadId) -> Option<Upload> {
        self.open.remove(&id)
    }

    /// How many are open: begun, and neither completed nor aborted.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn clear(&mut self) {
        self.open.clear();
    }
}

impl Upload {
    /// Adds or replaces a part; the bytes it replaced.
    pub fn put_part(&mut self, number: u16, body: Blob, etag: ETag) -> u64 {
        self.parts.insert(number, Part { body, etag }).map_or(0, |old| old.body.len())
    }

    /// Bytes of all parts.
    pub fn stored(&self) -> u64 {
        self.parts.values().map(|part| part.body.len()).sum()
    }

    /// The object that the listed parts make. What is not listed is dropped.
    pub fn assemble(&self, listed: &[(u16, ETag)], flavour: Flavour) -> Result<Blob, ObjectError> {
        if listed.is_empty() {
            return Err(ObjectError::MalformedXml);
        }
        let in_order = match flavour {
            Flavour::General => listed.windows(2).all(|pair| pair[0].0 < pair[1].0),
            // API reference, CompletedPart: "directory buckets: must start at 1 and be consecutive".
            Flavour::Directory => listed.iter().zip(1u16..).all(|(&(number, _), expected)| number == expected),
        };
        if !in_order {
            return Err(ObjectError::InvalidPartOrder);
        }
        let mut whole = Blob::new();
        for (i, (number, etag)) in listed.iter().enumerate() {
            let part = self.parts.get(number).filter(|part| part.etag == *etag).ok_or(ObjectError::InvalidPart)?;
            if part.body.len() < PART_LEN_MIN && i + 1 < listed.len() {
                return Err(ObjectError::EntityTooSmall);
            }
            whole.append(&part.body);
        }
        Ok(whole)
    }
}
