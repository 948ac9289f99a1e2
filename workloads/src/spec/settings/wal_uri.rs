//! `s3.wal.path`: where a write-ahead log lives and how it batches, as a URI.
//!
//! `0@s3://bucket?batchInterval=250&maxBytesInBatch=8388608` is a log of objects (`ObjectWALConfig`), times in
//! milliseconds; `0@file:///dev/x?iops=3000` is one on a volume or a file system (`BlockWALService`, `FileWAL`).
//! The number before `@` is AutoMQ's id of the bucket.

use crate::spec::document::value::{Wrong, shorten};
use crate::spec::near::advice;
use std::fmt;
use wavetank_sim::Nanos;

/// A write-ahead log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalUri {
    /// Of objects.
    Object(ObjectWal),
    /// On a volume or in a file.
    File(FileWal),
}

/// A write-ahead log of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectWal {
    /// The bucket.
    pub bucket: String,
    /// How long records wait for others before they are put as one object: `batchInterval`.
    pub batch_interval: Nanos,
    /// How many bytes end the wait: `maxBytesInBatch`.
    pub max_bytes_in_batch: u64,
    /// How many bytes may be on their way, beyond which appends are refused: `maxUnflushedBytes`.
    pub max_unflushed_bytes: u64,
    /// How many objects may be on their way: `maxInflightUploadCount`.
    pub max_inflight_upload_count: u32,
    /// What else the URI says (`region`, `endpoint`…): changes nothing here.
    pub inert: Vec<(String, String)>,
}

/// A write-ahead log on a volume or in a file: a ring of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWal {
    /// The device or file.
    pub path: String,
    /// Bytes of the ring: `capacity`.
    pub capacity: u64,
    /// Writes a second that it allows itself: `iops`.
    pub iops: u32,
    /// Writes at once: `iodepth`.
    pub iodepth: u32,
    /// Bytes a second that it allows itself; none for no limit: `iobandwidth`.
    pub iobandwidth: Option<u64>,
}

impl ObjectWal {
    /// AutoMQ's defaults, in a bucket of that name.
    pub fn in_bucket(bucket: impl Into<String>) -> ObjectWal {
        ObjectWal {
            bucket: bucket.into(),
            batch_interval: Nanos::millis(250),
            max_bytes_in_batch: 8 << 20,
            max_unflushed_bytes: 1 << 30,
            max_inflight_upload_count: 50,
            inert: Vec::new(),
        }
    }
}

impl FileWal {
    /// AutoMQ's defaults, at that path.
    pub fn at(path: impl Into<String>) -> FileWal {
        FileWal { path: path.into(), capacity: 2 << 30, iops: 3000, iodepth: 8, iobandwidth: None }
    }
}

impl WalUri {
    /// Reads the URI.
    pub(crate) fn parse(text: &str) -> Result<WalUri, Wrong> {
        let form = "0@s3://bucket?batchInterval=250&maxBytesInBatch=8388608, or 0@file:///dev/name?iops=3000";
        let wrong = |problem: String| Wrong::new(problem, form);
        let (id, rest) =
            text.split_once('@').ok_or_else(|| wrong(format!("\"{}\" has no id of a bucket", shorten(text))))?;
        if id.parse::<i16>().is_err() {
            return Err(wrong(format!("\"{}\" is no id of a bucket", shorten(id))));
        }
        let (scheme, rest) =
            rest.split_once("://").ok_or_else(|| wrong(format!("\"{}\" has no ://", shorten(text))))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let pairs =
            query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        match scheme {
            "s3" if place.is_empty() => Err(wrong("names no bucket".into())),
            "s3" => object(place, pairs).map(WalUri::Object),
            "file" if !place.starts_with('/') => Err(wrong("names no absolute path".into())),
            "file" => file(place, pairs).map(WalUri::File),
            other => Err(wrong(format!("there is no WAL of kind \"{}\"", shorten(other)))),
        }
    }
}

const OBJECT_KEYS: [&str; 9] = [
    "batchInterval",
    "maxBytesInBatch",
    "maxUnflushedBytes",
    "maxInflightUploadCount",
    "readAheadObjectCount",
    "region",
    "endpoint",
    "pathStyle",
    "authType",
];
const FILE_KEYS: [&str; 4] = ["capacity", "iops", "iodepth", "iobandwidth"];

fn object<'a>(bucket: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<ObjectWal, Wrong> {
    let mut wal = ObjectWal::in_bucket(bucket);
    for (key, value) in pairs {
        match key {
            "batchInterval" => wal.batch_interval = Nanos::millis(above_zero(key, value, 86_400_000)?),
            "maxBytesInBatch" => wal.max_bytes_in_batch = above_zero(key, value, 1 << 40)?,
            "maxUnflushedBytes" => wal.max_unflushed_bytes = above_zero(key, value, 1 << 50)?,
            "maxInflightUploadCount" => wal.max_inflight_upload_count = above_zero(key, value, 1 << 20)? as u32,
            key if OBJECT_KEYS.contains(&key) => wal.inert.push((key.into(), value.into())),
            key => return Err(unknown(key, OBJECT_KEYS)),
        }
    }
    Ok(wal)
}

fn file<'a>(path: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<FileWal, Wrong> {
    let mut wal = FileWal::at(path);
    for (key, value) in pairs {
        match key {
            "capacity" => wal.capacity = above_zero(key, value, 1 << 50)?,
            "iops" => wal.iops = above_zero(key, value, 1 << 30)? as u32,
            "iodepth" => wal.iodepth = above_zero(key, value, 1 << 20)? as u32,
            "iobandwidth" => wal.iobandwidth = Some(above_zero(key, value, 1 << 50)?),
            key => return Err(unknown(key, FILE_KEYS)),
        }
    }
    Ok(wal)
}

fn above_zero(key: &str, value: &str, most: u64) -> Result<u64, Wrong> {
    match value.parse() {
        Ok(it) if (1..=most).contains(&it) => Ok(it),
        _ => {
            let problem = format!("its {key} \"{}\" is no such number", shorten(value));
            Err(Wrong::new(problem, format!("a whole number from 1 to {most}, without a unit")))
        }
    }
}

fn unknown<const N: usize>(key: &str, known: [&'static str; N]) -> Wrong {
    Wrong::new(format!("has no \"{}\" after the ?", shorten(key)), advice(key, known))
}

impl fmt::Display for WalUri {
    /// With every number that counts, defaults included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalUri::Object(wal) => {
                let interval = wal.batch_interval.0 / 1_000_000;
                write!(f, "0@s3://{}?batchInterval={interval}&maxBytesInBatch={}", wal.bucket, wal.max_bytes_in_batch)?;
                let (unflushed, inflight) = (wal.max_unflushed_bytes, wal.max_inflight_upload_count);
                write!(f, "&maxUnflushedBytes={unflushed}&maxInflightUploadCount={inflight}")?;
                wal.inert.iter().try_for_each(|(key, value)| write!(f, "&{key}={value}"))
            }
            WalUri::File(wal) => {
                let FileWal { path, capacity, iops, iodepth, iobandwidth } = wal;
                write!(f, "0@file://{path}?capacity={capacity}&iops={iops}&iodepth={iodepth}")?;
                iobandwidth.map_or(Ok(()), |it| write!(f, "&iobandwidth={it}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "0@s3://b?batchInterval=100&maxBytesInBatch=4194304&maxUnflushedBytes=1073741824&maxInflightUploadCount=50&region=us-east-1",
            "0@file:///dev/x?capacity=2147483648&iops=3000&iodepth=8&iobandwidth=1000000",
        ] {
            assert_eq!(WalUri::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(WalUri::parse("0@s3://b"), Ok(WalUri::Object(ObjectWal::in_bucket("b"))));
        assert_eq!(WalUri::parse("0@file:///dev/x?iops=3000"), Ok(WalUri::File(FileWal::at("/dev/x"))));
    }
}
