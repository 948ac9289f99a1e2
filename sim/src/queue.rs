//! The one heap that owns all time.
//!
//! Entries are ordered by (time, seeded tie-break, sequence). The heap holds 24-byte keys; what is scheduled lies in a
//! slab beside it, so sifting moves little and cancelling is one store. A cancelled entry's key stays in the heap until
//! it surfaces or until dead keys outnumber the living, when one pass sweeps them out: cancelling is O(1) amortised and
//! a storm of cancelled timeouts never makes the heap more than twice as large as what is pending.

use crate::{Choices, Domain, Nanos, Stream};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A scheduled entry, for cancelling it. Never reused within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    key: u64,
    slot: u32,
}

impl EventId {
    /// An id that names nothing: cancelling it does nothing.
    pub const NONE: EventId = EventId { key: FREE, slot: 0 };
}

/// Bits of a key that hold the sequence number: 2^40 events a run. The tie-break has the 24 above.
const SEQUENCE_BITS: u32 = 40;
const FREE: u64 = u64::MAX;
/// Below this many dead keys a sweep is not worth its pass.
const DEAD_KEYS_MIN: usize = 64;

/// What the heap sifts. `std`'s heap gives the greatest first, so the order is turned round.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: u64,
    /// Unique, so the slot never decides.
    key: u64,
    slot: u32,
}

impl Entry {
    /// Time, then key, as one number: one comparison without a branch.
    #[inline]
    fn rank(&self) -> u128 {
        u128::from(self.at) << 64 | u128::from(self.key)
    }
}

impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Entry) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
    #[inline]
    fn le(&self, other: &Entry) -> bool {
        self.rank() >= other.rank()
    }
}

struct Slot<T> {
    /// The key of the entry that lives here, or `FREE`.
    key: u64,
    item: T,
}

/// The queue. `T` is stored by value in the slab: keep it small.
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Entry>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Keys in the heap whose slot has been freed by a cancel.
    dead: usize,
    sequence: u64,
    ties: Stream,
}

impl<T: Copy> Queue<T> {
    pub(crate) fn new(choices: &Choices) -> Queue<T> {
        Queue {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            dead: 0,
            sequence: 0,
            ties: choices.stream(Domain::new("tank/ties"), 0),
        }
    }

    /// How many entries are pending.
    pub(crate) fn len(&self) -> usize {
        self.heap.len() - self.dead
    }

    /// Schedules an item. At one instant the order is random.
    #[inline]
    pub(crate) fn push(&mut self, at: Nanos, item: T) -> EventId {
        let tie = u64::from(self.ties.bits32()) & ((1 << 24) - 1);
        let key = tie << SEQUENCE_BITS | self.sequence;
        self.sequence += 1;
        assert!(self.sequence < 1 << SEQUENCE_BITS, "more than 2^40 events in one run");
        let slot = match self.free.pop() {
            Some(slot) => {
                debug_assert_eq!(self.slots[slot as usize].key, FREE);
                self.slots[slot as usize] = Slot { key, item };
                slot
            }
            None => {
                self.slots.push(Slot { key, item });
                u32::try_from(self.slots.len() - 1).expect("more than 2^32 events pending")
            }
        };
        self.heap.push(Entry { at: at.0, key, slot });
        EventId { key, slot }
    }

    /// Takes an entry out; `None` when it has fired or been cancelled before.
    pub(crate) fn cancel(&mut self, id: EventId) -> Option<T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.key != id.key || id.key == FREE {
            return None;
        }
        slot.key = FREE;
        let item = slot.item;
        self.free.push(id.slot);
        self.dead += 1;
        if self.dead > DEAD_KEYS_MIN && self.dead * 2 > self.heap.len() {
            self.sweep();
        }
        Some(item)
    }

    fn sweep(&mut self) {
        let slots = &self.slots;
        self.heap.retain(|entry| slots[entry.slot as usize].key == entry.key);
        self.dead = 0;
    }

    /// The time of the next entry.
    #[inline]
    pub(crate) fn next_at(&mut self) -> Option<Nanos> {
        loop {
            let &Entry { at, key, slot } = self.heap.peek()?;
            if self.slots[slot as usize].key == key {
                return Some(Nanos(at));
            }
            self.heap.pop();
            self.dead -= 1;
        }
    }

    /// Takes the next entry, unless it lies beyond `limit`.
    #[inline]
    pub(crate) fn pop_before(&mut self, limit: Nanos) -> Option<(Nanos, T)> {
        if self.next_at()? > limit {
            return None;
        }
        let Entry { at, slot, .. } = self.heap.pop()?;
        let found = &mut self.slots[slot as usize];
        found.key = FREE;
        self.free.push(slot);
        Some((Nanos(at), found.item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn queue(seed: u64) -> Queue<u32> {
        Queue::new(&Choices::new(seed))
    }

    proptest! {
        #[test]
        fn pops_in_time_order_and_cancels_exactly(
            ops in prop::collection::vec((0u64..50, 0u8..4, any::<prop::sample::Index>()), 0..400)
        ) {
            let mut q = queue(1);
            let mut pending: BTreeMap<u32, (u64, EventId)> = BTreeMap::new();
            let mut now = 0;
            for (n, (delay, op, pick)) in ops.into_iter().enumerate() {
                let n = n as u32;
                match op {
                    0 | 1 => {
                        let id = q.push(Nanos(now + delay), n);
                        pending.insert(n, (now + delay, id));
                    }
                    2 if !pending.is_empty() => {
                        let (&n, &(_, id)) = pending.iter().nth(pick.index(pending.len())).unwrap();
                        prop_assert_eq!(q.cancel(id), Some(n));
                        prop_assert_eq!(q.cancel(id), None);
                        pending.remove(&n);
                    }
                    _ => {
                        let earliest = pending.values().map(|p| p.0).min();
                        prop_assert_eq!(q.next_at().map(|n| n.0), earliest);
                        if let Some((at, n)) = q.pop_before(Nanos::MAX) {
                            prop_assert_eq!(Some(at.0), earliest);
                            let (_, id) = pending.remove(&n).expect("popped once");
                            prop_assert_eq!(q.cancel(id), None);
                            now = at.0;
                        }
                    }
                }
                prop_assert_eq!(q.len(), pending.len());
                prop_assert!(q.heap.len() <= 2 * pending.len() + DEAD_KEYS_MIN + 1);
            }
        }
    }

    #[test]
    fn equal_times_are_ordered_by_the_seed() {
        let order = |seed| {
            let mut q = queue(seed);
            for n in 0..20 {
                q.push(Nanos(5), n);
            }
            std::iter::from_fn(|| q.pop_before(Nanos::MAX)).map(|(_, n)| n).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_ne!(order(1), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_storm_of_cancelled_timeouts_keeps_memory_flat() {
        let mut q = queue(1);
        for n in 0..100_000 {
            let id = q.push(Nanos(1_000_000 + u64::from(n)), n);
            q.cancel(id);
        }
        assert!(q.heap.len() <= DEAD_KEYS_MIN + 2 && q.slots.len() == 1, "{} {}", q.heap.len(), q.slots.len());
        assert_eq!(q.pop_before(Nanos::MAX), None);
    }
}
