//! The tank: a madsim simulator that owns all time and schedules opaque events.
//!
//! ```text
//!   World (models)      knows what an event means: implements Dispatch<E>
//!     |  &mut Core<E>   schedule, cancel, kill, restart, pause, stop, marks
//!   Tank<E>             one heap, one clock, the nodes, the digest, the ring
//!     |                 a madsim Simulator; its pump is the world's main task
//!   madsim              node identity, guests' tasks, their kill and restart
//! ```
//!
//! One pump task steps everything inline: it pops the next event, moves the clock, and calls the world, which calls the
//! state machine. It gives way to madsim's executor only while a guest can run, and moves time only when none can.

use crate::clock::{DriftPpb, NodeClock};
use crate::guest::{Counted, GuestFuture, GuestHandle, NodeGate, Runnable, SleeperId, Sleepers};
use crate::marks::Marks;
use crate::node::{NodeState, Nodes};
use crate::queue::{EventId, Queue};
use crate::trace::{Event, Record, Ring, What};
use crate::{Choices, Digest, Incarnation, Nanos, NodeEpoch, NodeId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

/// Bounds of a run, and what it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The run ends before dispatching more events than this.
    pub events_max: u64,
    /// The run ends before virtual time passes this.
    pub time_max: Nanos,
    /// How many of the last records are kept: a power of two.
    pub ring: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { events_max: 1_000_000_000, time_max: Nanos::secs(365 * 86_400), ring: 256 }
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Nothing was pending any more.
    Idle,
    /// The world asked for the end, and said why.
    Stopped(String),
    /// The next event would have been one more than [`Limits::events_max`].
    EventCap,
    /// The next event lay beyond [`Limits::time_max`]; the clock stands at that bound.
    TimeCap,
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EndReason::Idle => f.pad("idle"),
            EndReason::Stopped(why) => f.pad(why),
            EndReason::EventCap => f.pad("event cap"),
            EndReason::TimeCap => f.pad("time cap"),
        }
    }
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome<E> {
    /// Why it ended.
    pub reason: EndReason,
    /// Virtual time at the end.
    pub now: Nanos,
    /// Events dispatched.
    pub events: u64,
    /// Events dropped because the life they were meant for was over.
    pub discarded: u64,
    /// The fingerprint of everything dispatched.
    pub digest: Digest,
    /// The last records, oldest first.
    pub ring: Vec<Record<E>>,
    /// Situations reached.
    pub marks: Marks,
}

/// Whether an event may reach a life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is up.
    Deliver,
    /// It is paused: the event must wait behind what already waits, see [`Core::hold`].
    Hold,
    /// That life is over.
    Dead,
}

/// What the tank needs of a world.
pub trait Dispatch<E: Event>: Send {
    /// An event is due. `to` is the life that it is for, which is up; `None` for the world's own events.
    fn dispatch(&mut self, core: &mut Core<E>, to: Option<Incarnation>, event: E);

    /// An event's receiver died before it was due: whatever payload it names can be freed.
    fn discard(&mut self, core: &mut Core<E>, to: Incarnation, event: E);
}

/// Looks at every record as it is dispatched; `false` ends the run.
pub type Observer<E> = Box<dyn FnMut(&Record<E>) -> bool + Send>;

/// What lies in the heap.
#[derive(Clone, Copy)]
struct Pending<E> {
    // `NodeId(u32::MAX)` for the world's own: smaller than an Option.
    to: Incarnation,
    what: Due<E>,
}

#[derive(Clone, Copy)]
enum Due<E> {
    Event(E),
    Wake(SleeperId),
    Resume,
}

const WORLD: Incarnation = Incarnation { node: NodeId(u32::MAX), epoch: NodeEpoch(0) };

/// What madsim must be told once no lock of ours is held.
pub(crate) enum Order {
    CreateNode(NodeId, String),
    Spawn(NodeId, Counted),
    Kill(NodeId),
    Restart(NodeId),
    Pause(NodeId),
    Resume(NodeId),
}

/// The inside of a tank: what a world works with while it is called.
pub struct Core<E: Event> {
    now: Nanos,
    queue: Queue<Pending<E>>,
    nodes: Nodes<Due<E>>,
    choices: Choices,
    limits: Limits,
    digest: Digest,
    ring: Ring<E>,
    observer: Option<Observer<E>>,
    marks: Marks,
    events: u64,
    discarded: u64,
    end: Option<EndReason>,
    pub(crate) sleepers: Sleepers,
    pub(crate) orders: Vec<Order>,
    runnable: Arc<Runnable>,
}

impl<E: Event> Core<E> {
    fn new(seed: u64, limits: Limits, observer: Option<Observer<E>>, runnable: Arc<Runnable>) -> Core<E> {
        let choices = Choices::new(seed);
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

    // ---- nodes ----

    /// Makes a node; its first life begins now.
    pub fn create_node(&mut self, name: impl Into<String>) -> NodeId {
        let name = name.into();
        let id = self.nodes.add(name.clone(), NodeGate::new(self.runnable.clone()));
        self.orders.push(Order::CreateNode(id, name));
        self.record(Record { at: self.now, to: Some(self.nodes.incarnation(id)), what: What::Started });
        id
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// A node's name.
    pub fn node_name(&self, node: NodeId) -> &str {
        &self.nodes.get(node).name
    }

    /// Whether it runs.
    pub fn node_state(&self, node: NodeId) -> NodeState {
        self.nodes.get(node).state
    }

    /// Its present life; the last one when it is down.
    pub fn incarnation(&self, node: NodeId) -> Incarnation {
        self.nodes.incarnation(node)
    }

    /// Whether that life goes on, running or paused.
    pub fn is_alive(&self, life: Incarnation) -> bool {
        let node = self.nodes.get(life.node);
        node.epoch == life.epoch && node.state != NodeState::Down
    }

    /// Its clocks.
    #[inline]
    pub fn clock(&self, node: NodeId) -> &NodeClock {
        &self.nodes.get(node).clock
    }

    /// From now on, the node's clocks run fast by that much.
    pub fn set_clock_drift(&mut self, node: NodeId, drift: DriftPpb) {
        let now = self.now;
        self.nodes.get_mut(node).clock.set_drift(now, drift);
    }

    /// The node's wall clock jumps by that many nanoseconds.
    pub fn jump_clock(&mut self, node: NodeId, by: i64) {
        self.nodes.get_mut(node).clock.jump(by);
    }

    /// Ends a node's life. What is pending for it will be discarded; its guests are dropped before time moves on.
    /// Nothing happens when it is down.
    ///
    /// The world drops the state machine itself, and tells the devices.
    pub fn kill(&mut self, node: NodeId, mut discard: impl FnMut(E)) {
        let life = self.nodes.incarnation(node);
        let found = self.nodes.get_mut(node);
        if found.state == NodeState::Down {
            return;
        }
        found.state = NodeState::Down;
        found.resuming = None;
        found.gate.resume();
        for task in found.guests.drain(..).filter_map(|task| task.upgrade()) {
            task.mark_queued();
        }
        let held = std::mem::take(&mut found.held);
        for due in held {
            self.discarded += 1;
            match due {
                Due::Event(event) => discard(event),
                Due::Wake(_) | Due::Resume => {}
            }
        }
        self.orders.push(Order::Kill(node));
        self.record(Record { at: self.now, to: Some(life), what: What::Killed });
    }

    /// Begins a node's next life.
    ///
    /// # Panics
    /// When the node is up: kill it first.
    pub fn restart(&mut self, node: NodeId) -> Incarnation {
        let found = self.nodes.get_mut(node);
        assert_eq!(found.state, NodeState::Down, "restart of {} which is not down", found.name);
        found.state = NodeState::Up;
        found.epoch.0 += 1;
        let life = self.nodes.incarnation(node);
        self.orders.push(Order::Restart(node));
        self.record(Record { at: self.now, to: Some(life), what: What::Started });
        life
    }

    /// Stops a node from moving: what is meant for it waits, in order. Nothing happens unless it is up; a resumption
    /// that has not begun yet is taken back.
    pub fn pause(&mut self, node: NodeId) {
        let life = self.nodes.incarnation(node);
        let found = self.nodes.get_mut(node);
        if let Some(resumption) = found.resuming.take() {
            self.queue.cancel(resumption);
        }
        if found.state == NodeState::Down || (found.state == NodeState::Paused && !found.going_on) {
            return;
        }
        found.state = NodeState::Paused;
        found.going_on = false;
        found.gate.pause();
        self.orders.push(Order::Pause(node));
        self.record(Record { at: self.now, to: Some(life), what: What::Paused });
    }

    /// Lets a paused node go on: what waited reaches it in the order in which it surfaced, before anything newer.
    /// Nothing happens unless it is paused.
    pub fn resume(&mut self, node: NodeId) {
        let life = self.nodes.incarnation(node);
        let found = self.nodes.get_mut(node);
        if found.state == NodeState::Paused && found.resuming.is_none() && !found.going_on {
            // It stays paused until then, so that nothing newer overtakes what waits.
            found.resuming = Some(self.queue.push(self.now, Pending { to: life, what: Due::Resume }));
        }
    }

    /// What may happen to an event that the world delivers by itself, without having scheduled it for the node.
    #[inline]
    pub fn admission(&self, to: Incarnation) -> Admission {
        let node = self.nodes.get(to.node);
        match node.state {
            NodeState::Up if node.epoch == to.epoch => Admission::Deliver,
            NodeState::Paused if node.epoch == to.epoch => Admission::Hold,
            NodeState::Up | NodeState::Paused | NodeState::Down => Admission::Dead,
        }
    }

    /// Puts an event behind what already waits for a paused node.
    ///
    /// # Panics
    /// When that life is not paused.
    pub fn hold(&mut self, to: Incarnation, event: E) {
        assert_eq!(self.admission(to), Admission::Hold, "{to} is not paused");
        self.nodes.get_mut(to.node).held.push_back(Due::Event(event));
    }

    /// Puts an event that the world delivers by itself into the trace and the digest.
    #[inline]
    pub fn note(&mut self, to: Incarnation, event: E) {
        self.events += 1;
        self.record(Record { at: self.now, to: Some(to), what: What::Event(event) });
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

    // ---- the pump's steps ----

    #[inline]
    fn record(&mut self, record: Record<E>) {
        record.roll_into(&mut self.digest);
        self.ring.push(record);
        if let Some(observer) = &mut self.observer
            && !observer(&record)
        {
            self.end.get_or_insert(EndReason::Stopped("the observer asked for it".into()));
        }
    }

    /// Dispatches until a guest can run, madsim must be told something, or the run is over.
    fn run_slice(&mut self, world: &mut dyn Dispatch<E>) {
        while self.end.is_none() && self.orders.is_empty() && !self.runnable.any() {
            self.step(world);
        }
    }

    #[inline]
    fn step(&mut self, world: &mut dyn Dispatch<E>) {
        if self.events >= self.limits.events_max && self.queue.len() > 0 {
            self.end = Some(EndReason::EventCap);
            return;
        }
        let Some((at, Pending { to, what })) = self.queue.pop_before(self.limits.time_max) else {
            self.end = Some(if self.queue.len() == 0 { EndReason::Idle } else { EndReason::TimeCap });
            if self.queue.len() > 0 {
                self.now = self.limits.time_max;
            }
            return;
        };
        debug_assert!(at >= self.now, "time ran backward");
        self.now = at;
        VIRTUAL_NOW.with(|now| now.set(at));
        if to == WORLD {
            return self.deliver(world, None, what);
        }
        let node = self.nodes.get_mut(to.node);
        if node.epoch != to.epoch || node.state == NodeState::Down {
            self.discarded += 1;
            if let Due::Event(event) = what {
                world.discard(self, to, event);
            }
        } else if node.state == NodeState::Paused {
            match what {
                Due::Resume => self.go_on(world, to),
                Due::Event(_) | Due::Wake(_) => node.held.push_back(what),
            }
        } else if !matches!(what, Due::Resume) {
            self.deliver(world, Some(to), what);
        }
    }

    /// Delivers what a paused node missed, and only then lets new events reach it directly.
    fn go_on(&mut self, world: &mut dyn Dispatch<E>, life: Incarnation) {
        let node = self.nodes.get_mut(life.node);
        node.resuming = None;
        node.going_on = true;
        node.gate.resume();
        self.orders.push(Order::Resume(life.node));
        self.record(Record { at: self.now, to: Some(life), what: What::Resumed });
        while self.end.is_none() && self.admission(life) == Admission::Hold {
            let node = self.nodes.get_mut(life.node);
            if !node.going_on {
                return;
            }
            match node.held.pop_front() {
                Some(due) => self.deliver(world, Some(life), due),
                None => {
                    node.state = NodeState::Up;
                    node.going_on = false;
                }
            }
        }
    }

    #[inline]
    fn deliver(&mut self, world: &mut dyn Dispatch<E>, to: Option<Incarnation>, what: Due<E>) {
        self.events += 1;
        match what {
            Due::Event(event) => {
                self.record(Record { at: self.now, to, what: What::Event(event) });
                world.dispatch(self, to, event);
            }
            Due::Wake(sleeper) => {
                self.record(Record { at: self.now, to, what: What::GuestWake });
                if let Some(waker) = self.sleepers.fire(sleeper) {
                    waker.wake();
                }
            }
            Due::Resume => unreachable!("a resumption is for a paused node"),
        }
    }

    /// Kills what lives, so that dropping the runtime leaks no sleeping task.
    fn kill_all(&mut self) {
        for node in self.nodes.ids() {
            self.kill(node, drop);
        }
    }

    fn outcome(&mut self) -> Outcome<E> {
        // What follows is clearing up, which nobody observes.
        self.observer = None;
        Outcome {
            reason: self.end.clone().expect("the run is over"),
            now: self.now,
            events: self.events,
            discarded: self.discarded,
            digest: self.digest,
            ring: self.ring.to_vec(),
            marks: std::mem::take(&mut self.marks),
        }
    }
}

thread_local! {
    /// The virtual time of the world that runs on this thread, for log lines.
    static VIRTUAL_NOW: std::cell::Cell<Nanos> = const { std::cell::Cell::new(Nanos::ZERO) };
}

/// The virtual time of the world that runs on this thread: for log lines, never for decisions.
pub(crate) fn virtual_now() -> Nanos {
    VIRTUAL_NOW.with(std::cell::Cell::get)
}

/// The tank: a madsim plugin. See the [module docs](self).
pub struct Tank<E: Event> {
    core: Mutex<Option<Core<E>>>,
    runnable: Arc<Runnable>,
    /// Madsim nodes that were reset, and of these those that the pump reset itself.
    resets: AtomicU64,
    own_resets: AtomicU64,
}

/// The locked inside of a tank.
pub struct CoreGuard<'a, E: Event>(MutexGuard<'a, Option<Core<E>>>);

impl<E: Event> std::ops::Deref for CoreGuard<'_, E> {
    type Target = Core<E>;
    fn deref(&self) -> &Core<E> {
        self.0.as_ref().expect("the tank was opened")
    }
}

impl<E: Event> std::ops::DerefMut for CoreGuard<'_, E> {
    fn deref_mut(&mut self) -> &mut Core<E> {
        self.0.as_mut().expect("the tank was opened")
    }
}

impl<E: Event> Tank<E> {
    /// Locks the inside. Only guests need this; the world is handed it. Never hold it across an `await`.
    pub fn lock(&self) -> CoreGuard<'_, E> {
        CoreGuard(self.core.lock().expect("a panic while the tank was locked"))
    }

    /// A handle for a guest of that life.
    pub fn guest(self: &Arc<Self>, me: Incarnation) -> GuestHandle<E> {
        GuestHandle::new(self.clone(), me)
    }

    fn open(&self, seed: u64, limits: Limits, observer: Option<Observer<E>>) {
        let core = Core::new(seed, limits, observer, self.runnable.clone());
        let old = self.core.lock().expect("a fresh tank").replace(core);
        assert!(old.is_none(), "a tank is opened once");
    }
}

impl<E: Event> madsim::plugin::Simulator for Tank<E> {
    fn new(_: &madsim::rand::GlobalRng, _: &madsim::time::TimeHandle, _: &madsim::Config) -> Self {
        Tank {
            core: Mutex::new(None),
            runnable: Arc::default(),
            resets: AtomicU64::new(0),
            own_resets: AtomicU64::new(0),
        }
    }

    // madsim holds spin locks here: nothing of madsim's may be called, and none of our locks taken.
    fn reset_node(&self, _: madsim::task::NodeId) {
        self.resets.fetch_add(1, Relaxed);
    }
}

mod pump;
pub use pump::run;
