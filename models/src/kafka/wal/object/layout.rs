//! Names and bytes of an object log: keys, the objects' header, the reservation; and which listed objects count.
//!
//! ```text
//!   object       magic 4 | startOffset 8 | bodyLen 8 | stickyLen 8 | nodeId 4 | epoch 8 | trimOffset 8 | records
//!   reservation  magic 4 | nodeId 8 | epoch 8 | failover 1
//! ```
//!
//! Sources: `s3/wal/impl/object/{WALObjectHeader,ObjectUtils,ObjectReservationService}.java`. A hash of CRC-32C stands
//! where AutoMQ has MD5: it only spreads prefixes.

use super::super::WalMode;
use super::super::mutant::WalMutant;
use crate::blob::Blob;
use crate::cloud::object_store::{Key, ListEntry};
use crate::kafka::ids::{BrokerEpoch, BrokerId};
use bytes::{Buf, BufMut, BytesMut};
use std::fmt::Write;

/// Bytes of an object's header, version 1.
pub const OBJECT_HEADER_BYTES: u64 = 48;
const OBJECT_MAGIC: u32 = 0xEDCB_A987;
const RESERVATION_MAGIC: u32 = 0x1234_5678;
const RESERVATION_BYTES: usize = 21;
/// Objects begin at multiples of this (`DATA_FILE_ALIGN_SIZE`), and no record is larger.
pub const ALIGN: u64 = 64 << 20;

/// Under which names a broker's log lies.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub prefix: Key,
    pub reservation: Key,
    epoch_in_key: bool,
}

impl Names {
    pub fn of(namespace: &str, broker: BrokerId, mutant: Option<WalMutant>) -> Names {
        let hash = crc32c::crc32c(&broker.0.to_be_bytes());
        Names {
            prefix: format!("{hash:08X}/{namespace}/{broker}/").into(),
            reservation: format!("reservation/{namespace}/{broker}").into(),
            epoch_in_key: mutant != Some(WalMutant::EpochNotInKey),
        }
    }

    pub fn object(&self, epoch: BrokerEpoch, start: u64, end: u64) -> Key {
        let mut key = String::with_capacity(self.prefix.len() + 60);
        key.push_str(&self.prefix);
        if self.epoch_in_key {
            write!(key, "{epoch}/").expect("a string takes all");
        }
        write!(key, "wal/{start}-{end}").expect("a string takes all");
        key.into()
    }

    /// What a listed object is; `None` for what is no object of this log.
    pub fn parse(&self, entry: &ListEntry) -> Option<LogObject> {
        let mut rest = entry.key.strip_prefix(&*self.prefix)?;
        let mut epoch = BrokerEpoch::default();
        if self.epoch_in_key {
            let (number, after) = rest.split_once('/')?;
            epoch = BrokerEpoch(number.parse().ok()?);
            rest = after;
        }
        let (start, end) = rest.strip_prefix("wal/")?.split_once('-')?;
        let (start, end) = (start.parse().ok()?, end.parse().ok()?);
        Some(LogObject { epoch, start, end, size: entry.size, key: entry.key.clone() })
    }
}

/// An object of a log, as its key says. The order is that of the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogObject {
    pub epoch: BrokerEpoch,
    pub start: u64,
    pub end: u64,
    pub size: u64,
    pub key: Key,
}

/// Takes out, of objects in order, what a fenced owner's PUT brought after a later owner had listed: whatever ends after the
/// first object of a later epoch begins.
///
/// Why this is right: an owner begins where the last object that it listed ends. So of an earlier epoch only what that
/// owner has not listed ends later; it was never acknowledged, since an owner looks at the reservation between upload and
/// acknowledgement. And where the later owner's first objects are deleted already, its trim offset (rounded up to an
/// object's end, see [`super`]) covers what lies before its first.
pub(super) fn drop_dirty(objects: &mut Vec<LogObject>, mutant: Option<WalMutant>) -> Vec<LogObject> {
    if mutant == Some(WalMutant::OverlapFirstOnly) {
        return drop_first_if_overlapped(objects);
    }
    let mut dirty = Vec::new();
    let mut bound = u64::MAX;
    let mut later = None;
    let mut first_of_epoch = u64::MAX;
    for at in (0..objects.len()).rev() {
        let object = &objects[at];
        if later != Some(object.epoch) {
            bound = bound.min(first_of_epoch);
            later = Some(object.epoch);
            first_of_epoch = u64::MAX;
        }
        if object.end > bound {
            dirty.push(objects.remove(at));
        } else {
            first_of_epoch = first_of_epoch.min(object.start);
        }
    }
    dirty
}

/// `ObjectUtils.skipOverlapObjects` as it is: `lastObject` never moves on.
fn drop_first_if_overlapped(objects: &mut Vec<LogObject>) -> Vec<LogObject> {
    let Some(first) = objects.first().cloned() else { return Vec::new() };
    let overlapped = objects.iter().any(|other| other.epoch > first.epoch && other.start < first.end);
    if overlapped { vec![objects.remove(0)] } else { Vec::new() }
}

/// An object's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObjectHeader {
    pub start: u64,
    pub body_len: u64,
    pub broker: BrokerId,
    pub epoch: BrokerEpoch,
    /// What lies before is trimmed. In the object this is AutoMQ's `trimOffset`, which is one less, -1 for nothing.
    pub trimmed: u64,
}

impl ObjectHeader {
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(OBJECT_HEADER_BYTES as usize);
        out.put_u32(OBJECT_MAGIC);
        out.put_u64(self.start);
        out.put_u64(self.body_len);
        out.put_u64(0);
        out.put_u32(self.broker.0);
        out.put_i64(self.epoch.0);
        out.put_u64(self.trimmed.wrapping_sub(1));
        out
    }

    pub fn decode(bytes: &Blob) -> Option<ObjectHeader> {
        if bytes.len() < OBJECT_HEADER_BYTES {
            return None;
        }
        let mut from = bytes.slice(0..OBJECT_HEADER_BYTES).to_bytes()?;
        if from.get_u32() != OBJECT_MAGIC {
            return None;
        }
        let (start, body_len, _sticky) = (from.get_u64(), from.get_u64(), from.get_u64());
        let (broker, epoch) = (BrokerId(from.get_u32()), BrokerEpoch(from.get_i64()));
        let trimmed = from.get_u64().wrapping_add(1);
        Some(ObjectHeader { start, body_len, broker, epoch, trimmed })
    }
}

/// Who has a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    pub broker: BrokerId,
    pub epoch: BrokerEpoch,
    pub mode: WalMode,
}

impl Reservation {
    pub fn encode(&self) -> Blob {
        let mut out = BytesMut::with_capacity(RESERVATION_BYTES);
        out.put_u32(RESERVATION_MAGIC);
        out.put_u64(self.broker.0.into());
        out.put_i64(self.epoch.0);
        out.put_u8((self.mode == WalMode::Failover).into());
        Blob::real(out.freeze())
    }

    pub fn decode(bytes: &Blob) -> Option<Reservation> {
        let mut from = bytes.to_bytes().filter(|bytes| bytes.len() == RESERVATION_BYTES)?;
        if from.get_u32() != RESERVATION_MAGIC {
            return None;
        }
        let broker = BrokerId(from.get_u64() as u32);
        let epoch = BrokerEpoch(from.get_i64());
        let mode = if from.get_u8() == 0 { WalMode::Own } else { WalMode::Failover };
        Some(Reservation { broker, epoch, mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(spans: &[(i64, u64, u64)]) -> Vec<LogObject> {
        let names = Names::of("ns", BrokerId(1), None);
        let mut all: Vec<LogObject> = spans
            .iter()
            .map(|&(epoch, start, end)| {
                let epoch = BrokerEpoch(epoch);
                LogObject { epoch, start, end, size: 1, key: names.object(epoch, start, end) }
            })
            .collect();
        all.sort();
        all
    }

    fn spans(objects: &[LogObject]) -> Vec<(i64, u64, u64)> {
        objects.iter().map(|object| (object.epoch.0, object.start, object.end)).collect()
    }

    #[test]
    fn late_objects_of_earlier_epochs_are_dirty_wherever_they_lie() {
        type Spans = &'static [(i64, u64, u64)];
        let table: [(Spans, Spans); 6] = [
            (&[(1, 1, 2), (2, 1, 2), (2, 2, 3)], &[(2, 1, 2), (2, 2, 3)]),
            (&[(1, 0, 1), (1, 1, 2), (2, 1, 2), (2, 2, 3)], &[(1, 0, 1), (2, 1, 2), (2, 2, 3)]),
            (&[(1, 0, 1), (1, 5, 6), (2, 1, 2)], &[(1, 0, 1), (2, 1, 2)]),
            (&[(1, 0, 1), (1, 1, 3), (2, 2, 3), (3, 3, 4)], &[(1, 0, 1), (2, 2, 3), (3, 3, 4)]),
            // A dirty object of a middle epoch bounds nothing.
            (&[(1, 0, 1), (2, 4, 5), (3, 1, 2)], &[(1, 0, 1), (3, 1, 2)]),
            (&[(1, 0, 1), (1, 1, 2)], &[(1, 0, 1), (1, 1, 2)]),
        ];
        for (listed, kept) in table {
            let mut all = objects(listed);
            let dirty = drop_dirty(&mut all, None);
            assert_eq!((spans(&all).as_slice(), dirty.len()), (kept, listed.len() - kept.len()));
        }
        // As AutoMQ has it, the second row loses: the dirty object stays.
        let mut all = objects(table[1].0);
        assert!(drop_dirty(&mut all, Some(WalMutant::OverlapFirstOnly)).is_empty());
    }

    #[test]
    fn headers_and_keys_are_read_as_written() {
        let (broker, epoch) = (BrokerId(7), BrokerEpoch(12));
        let header = ObjectHeader { start: ALIGN, body_len: 99, broker, epoch, trimmed: 0 };
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, OBJECT_HEADER_BYTES);
        assert_eq!(&bytes[40..], [0xFF; 8], "nothing is trimmed: -1");
        assert_eq!(ObjectHeader::decode(&Blob::real(bytes.freeze())), Some(header));
        let reservation = Reservation { broker, epoch, mode: WalMode::Failover };
        assert_eq!(reservation.encode().len(), 21);
        assert_eq!(Reservation::decode(&reservation.encode()), Some(reservation));
    }
}
