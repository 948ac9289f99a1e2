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

mod core;
mod dispatch;
mod life;
mod outcome;
mod pump;

pub use self::core::Core;
pub use outcome::{EndReason, Limits, Outcome};
pub use pump::run;

use crate::guest::{Counted, GuestHandle, Runnable, SleeperId};
use crate::trace::{Event, Record};
use crate::{Choices, Incarnation, Nanos, NodeEpoch, NodeId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

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

thread_local! {
    /// The virtual time of the world that runs on this thread, for log lines.
    static VIRTUAL_NOW: std::cell::Cell<Nanos> = const { std::cell::Cell::new(Nanos::ZERO) };
}

/// The virtual time of the world that runs on this thread: for log lines, never for decisions.
pub(crate) fn virtual_now() -> Nanos {
    VIRTUAL_NOW.with(std::cell::Cell::get)
}

/// The tank: a madsim plugin. One a runtime; [`run`] makes both.
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

    fn open(&self, choices: Choices, limits: Limits, observer: Option<Observer<E>>) {
        VIRTUAL_NOW.with(|now| now.set(Nanos::ZERO));
        let core = Core::new(choices, limits, observer, self.runnable.clone());
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
