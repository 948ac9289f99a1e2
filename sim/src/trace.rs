//! What led here: typed records of everything dispatched, with virtual time and node.

use crate::{Digest, Incarnation, Nanos};
use std::fmt;

/// What a world schedules. The tank never looks inside.
///
/// Events are small copies; payloads live in the world's slabs. An event must say what makes it that event in two
/// words, which go into the run's digest: contents and ids, never an address or anything else that differs between
/// processes.
pub trait Event: Copy + fmt::Debug + Send + 'static {
    /// Two words that name this event.
    fn fingerprint(&self) -> (u64, u64);
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum What<E> {
    /// The world's event was dispatched.
    Event(E),
    /// A guest's sleep ended.
    GuestWake,
    /// A node came to life: the epoch is that of the new life.
    Started,
    /// A node was killed: the epoch is that of the life that ended.
    Killed,
    /// A node was paused; what is meant for it waits.
    Paused,
    /// A node goes on.
    Resumed,
}

/// One line of the trace.
#[derive(Clone, Copy, Debug)]
pub struct Record<E> {
    /// Virtual time.
    pub at: Nanos,
    /// To whom; `None` for what concerns no single node.
    pub to: Option<Incarnation>,
    /// What.
    pub what: What<E>,
}

impl<E: Event> Record<E> {
    /// The four words that the digest is rolled with.
    #[inline]
    pub fn words(&self) -> [u64; 4] {
        let to = self.to.map_or(u64::MAX, |i| u64::from(i.node.0) << 32 | u64::from(i.epoch.0));
        let (x, y) = match &self.what {
            What::Event(event) => event.fingerprint(),
            What::GuestWake => (u64::MAX, 1),
            What::Started => (u64::MAX, 2),
            What::Killed => (u64::MAX, 3),
            What::Paused => (u64::MAX, 4),
            What::Resumed => (u64::MAX, 5),
        };
        [self.at.0, to, x, y]
    }

    #[inline]
    pub(crate) fn roll_into(&self, digest: &mut Digest) {
        let [at, to, x, y] = self.words();
        digest.mix(at, to);
        digest.mix(x, y);
    }
}

impl<E: fmt::Debug> fmt::Display for Record<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{} {to:<6} ", self.at)?,
            None => write!(f, "{} {:<6} ", self.at, "-")?,
        }
        match &self.what {
            What::Event(event) => write!(f, "{event:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// The last records, in a buffer that never grows.
pub(crate) struct Ring<E> {
    records: Vec<Record<E>>,
    capacity: usize,
    next: usize,
}

impl<E: Copy> Ring<E> {
    pub(crate) fn new(capacity: usize) -> Ring<E> {
        assert!(capacity.is_power_of_two(), "the ring's length is masked: {capacity} is not a power of two");
        Ring { records: Vec::with_capacity(capacity), capacity, next: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, record: Record<E>) {
        if self.records.len() < self.capacity {
            self.records.push(record);
        } else {
            self.records[self.next] = record;
        }
        self.next = (self.next + 1) & (self.capacity - 1);
    }

    /// Oldest first.
    pub(crate) fn to_vec(&self) -> Vec<Record<E>> {
        if self.records.len() < self.capacity {
            return self.records.clone();
        }
        let (newer, older) = self.records.split_at(self.next);
        [older, newer].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_last_in_order() {
        let mut ring = Ring::new(4);
        let record = |n| Record { at: Nanos(n), to: None, what: What::<u8>::GuestWake };
        let ats = |ring: &Ring<u8>| ring.to_vec().iter().map(|r| r.at.0).collect::<Vec<_>>();
        (0..3).for_each(|n| ring.push(record(n)));
        assert_eq!(ats(&ring), [0, 1, 2]);
        (3..10).for_each(|n| ring.push(record(n)));
        assert_eq!(ats(&ring), [6, 7, 8, 9]);
    }
}
