//! Guests: ordinary futures that live in a node.
//!
//! A guest is spawned as a task of the node's madsim node, so madsim's kill and restart act on it. The tank must know
//! whether any guest can still run *now*, because time may only move when none can: every guest's future is wrapped
//! in one that counts, in its [`NodeGate`], how many tasks are queued with the executor. The pump moves time only while
//! that count is zero.
//!
//! A guest has the tank's [`sleep`](GuestHandle::sleep) (exact to the nanosecond) and [`Mailbox`]es. It must not use
//! madsim's or tokio's timers, nor madsim's network or files: clippy's lists refuse them.

use crate::tank::Tank;
use crate::trace::Event;
use crate::{EventId, Incarnation, Nanos};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// A future that can be hosted by a node.
pub type GuestFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many guest tasks of all unpaused nodes are queued with the executor. One thread runs a world, so the atomics
/// are never contended: they are there because a `Waker` must be `Sync`.
#[derive(Default)]
pub(crate) struct Runnable(AtomicUsize);

impl Runnable {
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

/// One node's share of [`Runnable`]: a paused node's queued tasks do not count, since the executor sets them aside.
pub(crate) struct NodeGate {
    runnable: Arc<Runnable>,
    queued: AtomicUsize,
    paused: AtomicBool,
}

impl NodeGate {
    pub(crate) fn new(runnable: Arc<Runnable>) -> Arc<NodeGate> {
        Arc::new(NodeGate { runnable, queued: AtomicUsize::new(0), paused: AtomicBool::new(false) })
    }

    fn enter(&self) {
        self.queued.fetch_add(1, Relaxed);
        if !self.paused.load(Relaxed) {
            self.runnable.0.fetch_add(1, Relaxed);
        }
    }

    fn leave(&self) {
        let before = self.queued.fetch_sub(1, Relaxed);
        assert!(before > 0, "a guest task left the queue without having entered");
        if !self.paused.load(Relaxed) {
            self.runnable.0.fetch_sub(1, Relaxed);
        }
    }

    pub(crate) fn pause(&self) {
        if !self.paused.swap(true, Relaxed) {
            self.runnable.0.fetch_sub(self.queued.load(Relaxed), Relaxed);
        }
    }

    pub(crate) fn resume(&self) {
        if self.paused.swap(false, Relaxed) {
            self.runnable.0.fetch_add(self.queued.load(Relaxed), Relaxed);
        }
    }
}

/// One guest task's accounting: whether it is queued, and how to queue it.
pub(crate) struct GuestTask {
    gate: Arc<NodeGate>,
    queued: AtomicBool,
    executor: Mutex<Option<Waker>>,
}

impl GuestTask {
    /// Counts the task as queued, whoever queues it.
    pub(crate) fn mark_queued(&self) {
        if !self.queued.swap(true, Relaxed) {
            self.gate.enter();
        }
    }

    fn mark_taken(&self) {
        if self.queued.swap(false, Relaxed) {
            self.gate.leave();
        }
    }
}

impl Wake for GuestTask {
    fn wake(self: Arc<Self>) {
        self.mark_queued();
        let waker = self.executor.lock().expect("guest waker").clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The wrapper that a guest's future is spawned in.
pub(crate) struct Counted {
    future: GuestFuture,
    task: Arc<GuestTask>,
}

impl Counted {
    /// Wraps a future that is about to be spawned, which queues it.
    pub(crate) fn new(future: GuestFuture, gate: Arc<NodeGate>) -> Counted {
        let task = Arc::new(GuestTask { gate, queued: AtomicBool::new(false), executor: Mutex::new(None) });
        task.mark_queued();
        Counted { future, task }
    }

    pub(crate) fn task(&self) -> &Arc<GuestTask> {
        &self.task
    }
}

impl Future for Counted {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.mark_taken();
        *self.task.executor.lock().expect("guest waker") = Some(cx.waker().clone());
        let waker = Waker::from(self.task.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.task.mark_taken();
    }
}

/// A guest's door to the tank.
pub struct GuestHandle<E: Event> {
    tank: Arc<Tank<E>>,
    me: Incarnation,
}

impl<E: Event> Clone for GuestHandle<E> {
    fn clone(&self) -> Self {
        GuestHandle { tank: self.tank.clone(), me: self.me }
    }
}

impl<E: Event> GuestHandle<E> {
    pub(crate) fn new(tank: Arc<Tank<E>>, me: Incarnation) -> GuestHandle<E> {
        GuestHandle { tank, me }
    }

    /// Which life of which node this guest belongs to.
    pub fn incarnation(&self) -> Incarnation {
        self.me
    }

    /// The tank, for worlds that give their guests more than sleep.
    pub fn tank(&self) -> &Arc<Tank<E>> {
        &self.tank
    }

    /// The node's monotonic clock.
    pub fn monotonic(&self) -> Nanos {
        let core = self.tank.lock();
        core.clock(self.me.node).monotonic(core.now())
    }

    /// Completes when `span` has passed on the node's monotonic clock: exactly then, never earlier or later.
    pub fn sleep(&self, span: Nanos) -> Sleep<E> {
        Sleep { guest: self.clone(), state: SleepState::New(span) }
    }
}

enum SleepState {
    New(Nanos),
    Waiting(SleeperId, EventId),
    Over,
}

/// The future that [`GuestHandle::sleep`] returns. Dropping it cancels it.
pub struct Sleep<E: Event> {
    guest: GuestHandle<E>,
    state: SleepState,
}

impl<E: Event> Future for Sleep<E> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = self.guest.me;
        match self.state {
            SleepState::New(span) => {
                let mut core = self.guest.tank.lock();
                let (sleeper, event) = core.start_sleep(me, span, cx.waker().clone());
                drop(core);
                self.state = SleepState::Waiting(sleeper, event);
                Poll::Pending
            }
            SleepState::Waiting(sleeper, _) => {
                let mut core = self.guest.tank.lock();
                if core.sleepers.poll(sleeper, cx.waker()) {
                    core.sleepers.free(sleeper);
                    drop(core);
                    self.state = SleepState::Over;
                    return Poll::Ready(());
                }
                Poll::Pending
            }
            SleepState::Over => Poll::Ready(()),
        }
    }
}

impl<E: Event> Drop for Sleep<E> {
    fn drop(&mut self) {
        if let SleepState::Waiting(sleeper, event) = self.state {
            let mut core = self.guest.tank.lock();
            core.cancel_sleep(event);
            core.sleepers.free(sleeper);
        }
    }
}

/// A place in [`Sleepers`], and which sleep it was: a place is used again, a sleep is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SleeperId {
    place: u32,
    generation: u32,
}

enum Sleeper {
    Free,
    Waiting(Waker),
    Fired,
}

/// The wakers of sleeping guests.
#[derive(Default)]
pub(crate) struct Sleepers {
    all: Vec<(u32, Sleeper)>,
    free: Vec<u32>,
}

impl Sleepers {
    pub(crate) fn add(&mut self, waker: Waker) -> SleeperId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push((0, Sleeper::Free));
            (self.all.len() - 1) as u32
        });
        let (generation, sleeper) = &mut self.all[place as usize];
        *sleeper = Sleeper::Waiting(waker);
        SleeperId { place, generation: *generation }
    }

    fn get(&mut self, id: SleeperId) -> Option<&mut Sleeper> {
        let (generation, sleeper) = &mut self.all[id.place as usize];
        (*generation == id.generation).then_some(sleeper)
    }

    /// The sleep is over: gives the waker to wake, or `None` when its future is gone.
    pub(crate) fn fire(&mut self, id: SleeperId) -> Option<Waker> {
        match std::mem::replace(self.get(id)?, Sleeper::Fired) {
            Sleeper::Waiting(waker) => Some(waker),
            Sleeper::Free | Sleeper::Fired => unreachable!("a sleep fired twice"),
        }
    }

    /// Whether it has fired; otherwise remembers the waker to wake.
    fn poll(&mut self, id: SleeperId, waker: &Waker) -> bool {
        match self.get(id).expect("the sleep's own future polls it") {
            Sleeper::Fired => true,
            Sleeper::Waiting(old) => {
                old.clone_from(waker);
                false
            }
            Sleeper::Free => unreachable!("a freed sleep was polled"),
        }
    }

    fn free(&mut self, id: SleeperId) {
        let (generation, sleeper) = &mut self.all[id.place as usize];
        debug_assert_eq!(*generation, id.generation, "a sleep was freed twice");
        *sleeper = Sleeper::Free;
        *generation = generation.wrapping_add(1);
        self.free.push(id.place);
    }
}

/// A queue from the world (or another guest) to a guest. Clones share it.
pub struct Mailbox<T> {
    inner: Arc<Mutex<Inbox<T>>>,
}

struct Inbox<T> {
    queue: VecDeque<T>,
    reader: Option<Waker>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Mailbox { inner: Arc::new(Mutex::new(Inbox { queue: VecDeque::new(), reader: None })) }
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Mailbox { inner: self.inner.clone() }
    }
}

impl<T> Mailbox<T> {
    /// Puts an item at the end and wakes the reader.
    pub fn push(&self, item: T) {
        let reader = {
            let mut inbox = self.inner.lock().expect("mailbox");
            inbox.queue.push_back(item);
            inbox.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes the first item, waiting for one. One reader at a time: a second one would steal the first one's wake-up.
    pub fn recv(&self) -> impl Future<Output = T> + use<'_, T> {
        std::future::poll_fn(|cx| {
            let mut inbox = self.inner.lock().expect("mailbox");
            match inbox.queue.pop_front() {
                Some(item) => Poll::Ready(item),
                None => {
                    inbox.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// Takes the first item if there is one.
    pub fn try_recv(&self) -> Option<T> {
        self.inner.lock().expect("mailbox").queue.pop_front()
    }
}
