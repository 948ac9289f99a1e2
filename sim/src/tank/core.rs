//! The inside of a tank: what a world works with while it is called.

use super::{Due, EndReason, Limits, Observer, Order, Pending, WORLD};
use crate::guest::{Counted, GuestFuture, Runnable, SleeperId, Sleepers};
use crate::marks::Marks;
use crate::node::{NodeState, Nodes};
use crate::queue::{EventId, Queue};
use crate::trace::{Event, Record, Ring, What};
use crate::{Choices, Digest, Incarnation, Nanos, NodeId};
use std::sync::Arc;
use std::task::Waker;

/// The inside of a tank: what a world works with while it is called.
pub struct Core<E: Event> {
    pub(super) now: Nanos,
    pub(super) queue: Queue<Pending<E>>,
    pub(super) nodes: Nodes<Due<E>>,
    pub(super) choices: Choices,
    pub(super) limits: Limits,
    pub(super) digest: Digest,
    pub(super) ring: Ring<E>,
    pub(super) observer: Option<Observer<E>>,
    pub(super) marks: Marks,
    pub(super) events: u64,
    pub(super) discarded: u64,
    pub(super) end: Option<EndReason>,
    pub(crate) sleepers: Sleepers,
    pub(crate) orders: Vec<Order>,
    pub(super) runnable: Arc<Runnable>,
}

impl<E: Event> Core<E> {
    pub(super) fn new(
        choices: Choices,
        limits: Limits,
        observer: Option<Observer<E>>,
        runnable: Arc<Runnable>,
    ) -> Core<E> {
        Core {
            now: Nanos::ZERO,
            queue: Queue::new(&choices),
            nodes: Nodes::new(),
            choices,
            limits,
            digest: Digest::default(),
            ring: Ring::new(limits.ring),
            observer,
            marks: Marks::default(),
            events: 0,
            discarded: 0,
            end: None,
            sleepers: Sleepers::default(),
            orders: Vec::new(),
            runnable,
        }
    }

    /// Virtual time: the truth that no process sees.
    #[inline]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The run's randomness.
    pub fn choices(&self) -> &Choices {
        &self.choices
    }

    /// Events dispatched so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Events pending.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// The digest so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The last records, oldest first.
    pub fn ring(&self) -> Vec<Record<E>> {
        self.ring.to_vec()
    }

    /// Situations reached so far, to reach more.
    pub fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// The situation was reached: see [`Marks`].
    pub fn mark(&mut self, name: &'static str) {
        self.marks.hit(name);
    }

    /// Rolls words of the world's own into the digest: contents that no event's fingerprint shows.
    pub fn mix(&mut self, x: u64, y: u64) {
        self.digest.mix(x, y);
    }

    /// Ends the run after the present event.
    pub fn stop(&mut self, why: impl Into<String>) {
        self.end.get_or_insert(EndReason::Stopped(why.into()));
    }

    /// Whether the run ends after the present event: a world that delivers by itself stops doing so.
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Schedules an event of the world's own, which belongs to no node and no life.
    ///
    /// # Panics
    /// When `at` is in the past.
    #[inline]
    pub fn schedule(&mut self, at: Nanos, event: E) -> EventId {
        assert!(at >= self.now, "scheduled {:?} in the past", self.now - at);
        self.queue.push(at, Pending { to: WORLD, what: Due::Event(event) })
    }

    /// Schedules an event for one life of one node. When that life is over by then, it is discarded.
    ///
    /// # Panics
    /// When `at` is in the past.
    #[inline]
    pub fn schedule_to(&mut self, at: Nanos, to: Incarnation, event: E) -> EventId {
        assert!(at >= self.now, "scheduled {:?} in the past", self.now - at);
        self.queue.push(at, Pending { to, what: Due::Event(event) })
    }

    /// Takes a scheduled event back. `None` when it has been dispatched, discarded or cancelled already, or waits at
    /// a paused node.
    #[inline]
    pub fn cancel(&mut self, id: EventId) -> Option<E> {
        match self.queue.cancel(id)?.what {
            Due::Event(event) => Some(event),
            Due::Wake(_) | Due::Resume => unreachable!("these ids never leave the tank"),
        }
    }

    /// Puts an event that the world delivers by itself into the trace and the digest. Counts against
    /// [`Limits::events_max`]: see [`Core::is_over`].
    #[inline]
    pub fn note(&mut self, to: Incarnation, event: E) {
        self.events += 1;
        self.record(Record { at: self.now, to: Some(to), what: What::Event(event) });
        if self.events > self.limits.events_max {
            self.end.get_or_insert(EndReason::EventCap);
        }
    }

    /// Puts a future into a node's present life. It runs when the world's present call has returned.
    ///
    /// # Panics
    /// When the node is down.
    pub fn spawn_guest(&mut self, node: NodeId, future: GuestFuture) {
        let found = self.nodes.get_mut(node);
        assert_ne!(found.state, NodeState::Down, "a guest for {} which is down", found.name);
        let counted = Counted::new(future, found.gate.clone());
        found.guests.retain(|task| task.strong_count() > 0);
        found.guests.push(Arc::downgrade(counted.task()));
        self.orders.push(Order::Spawn(node, counted));
    }

    pub(crate) fn start_sleep(&mut self, me: Incarnation, span: Nanos, waker: Waker) -> (SleeperId, EventId) {
        let at = self.now.saturating_add(self.clock(me.node).true_span(span));
        let sleeper = self.sleepers.add(waker);
        (sleeper, self.queue.push(at, Pending { to: me, what: Due::Wake(sleeper) }))
    }

    pub(crate) fn cancel_sleep(&mut self, event: EventId) {
        self.queue.cancel(event);
    }

    #[inline]
    pub(super) fn record(&mut self, record: Record<E>) {
        record.roll_into(&mut self.digest);
        self.ring.push(record);
        if let Some(observer) = &mut self.observer
            && !observer(&record)
        {
            self.end.get_or_insert(EndReason::Stopped("the observer asked for it".into()));
        }
    }
}
