//! Guests: ordinary async code on a node, with the same network and storage as everybody.
//!
//! A guest gets what a state machine gets, as futures: [`Guest::recv`] yields the inputs that nobody else waits for
//! (connections, messages), [`Guest::sleep`] is exact, and each storage operation is a future that yields its answer.
//! It pays for its convenience alone: a wake-up costs a poll of madsim's executor.

use super::{Behaviour, Cx, Event, ExpressId, Input, Process, ShareId, StoreId, VolumeId, World};
use crate::cloud::network::ConnId;
use crate::cloud::nfs::{NfsDone, NfsOp};
use crate::cloud::object_store::{BucketId, ObjectDone, ObjectOp};
use crate::cloud::volume::{VolumeDone, VolumeOp};
use crate::message::Message;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use wavetank_sim::{Core, GuestFuture, GuestHandle, Incarnation, Mailbox, Nanos, NodeId, SortedMap};

/// Answers that a guest waits for, by token.
struct Waiting {
    next_token: u64,
    open: SortedMap<u64, (Option<Waker>, Option<Input>)>,
}

/// A guest's own tokens begin here, apart from the small numbers that code in [`Guest::act`] gives its requests.
const GUEST_TOKENS: u64 = 1 << 62;

impl Default for Waiting {
    fn default() -> Self {
        Waiting { next_token: GUEST_TOKENS, open: SortedMap::new() }
    }
}

/// A guest's only capability. Clones are the same guest: its tasks may share it.
#[derive(Clone)]
pub struct Guest {
    handle: GuestHandle<Event>,
    world: Weak<Mutex<World>>,
    mailbox: Mailbox<Input>,
    waiting: Arc<Mutex<Waiting>>,
}

/// The node's state machine in front of a guest: sorts inputs to whoever waits.
struct Doorman {
    mailbox: Mailbox<Input>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Process for Doorman {
    fn step(&mut self, _: &mut Cx<'_>, input: Input) {
        let token = match &input {
            Input::Volume(done) => Some(done.token),
            Input::Object(done) => Some(done.token),
            Input::Express(done) => Some(done.token),
            Input::Nfs(done) => Some(done.token),
            Input::Worked { token } => Some(*token),
            Input::Boot
            | Input::Timer { .. }
            | Input::Connected { .. }
            | Input::Accepted { .. }
            | Input::Message { .. }
            | Input::Reset { .. }
            | Input::Signal(_) => None,
        };
        let Some(token) = token.filter(|token| *token >= GUEST_TOKENS) else { return self.mailbox.push(input) };
        let waker = {
            let mut waiting = self.waiting.lock().expect("guest answers");
            // Nobody is there when the future that asked has been dropped.
            let Some(entry) = waiting.open.get_mut(&token) else { return };
            entry.1 = Some(input);
            entry.0.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl World {
    pub(super) fn host_guest(
        &mut self,
        core: &mut Core<Event>,
        life: Incarnation,
        body: Box<dyn FnOnce(Guest) -> GuestFuture + Send>,
    ) -> Box<dyn Process> {
        let tank = self.tank.upgrade().expect("the tank outlives its world");
        let guest = Guest {
            handle: tank.guest(life),
            world: self.me.clone(),
            mailbox: Mailbox::default(),
            waiting: Arc::default(),
        };
        let doorman = Doorman { mailbox: guest.mailbox.clone(), waiting: guest.waiting.clone() };
        core.spawn_guest(life.node, body(guest));
        Box::new(doorman)
    }
}

/// The future of one answer. Dropping it forgets the answer, not the operation.
struct Answer {
    token: u64,
    waiting: Arc<Mutex<Waiting>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.waiting.lock().expect("guest answers").open.remove(&self.token);
    }
}

impl Guest {
    /// A behaviour whose every life runs this future.
    pub fn behaviour<F>(body: impl FnOnce(Guest) -> F + Send + 'static) -> Behaviour
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Behaviour::Guest(Box::new(move |guest| Box::pin(body(guest))))
    }

    /// Which life of which node this is.
    pub fn me(&self) -> Incarnation {
        self.handle.incarnation()
    }

    /// The node's monotonic clock.
    pub fn monotonic(&self) -> Nanos {
        self.handle.monotonic()
    }

    /// Completes when that much has passed on the node's monotonic clock, exactly.
    pub fn sleep(&self, span: Nanos) -> impl Future<Output = ()> + use<> {
        self.handle.sleep(span)
    }

    /// Does with a [`Cx`] what a state machine would do in a step; the wishes are carried out before this returns.
    ///
    /// A guest of a life that is over (it runs once more only to be dropped) wishes in vain.
    pub fn act<R>(&self, wish: impl FnOnce(&mut Cx<'_>) -> R) -> Option<R> {
        let world = self.world.upgrade()?;
        let mut core = self.handle.tank().lock();
        if !core.is_alive(self.me()) {
            return None;
        }
        let mut world = world.lock().expect("a panic while the world was locked");
        Some(world.guest_act(&mut core, self.me(), wish))
    }

    /// The next input that no future of this guest waits for: the boot, connections, messages, resets, and what
    /// [`act`](Guest::act) asked for (timers, operations with tokens of its own, below 2^62).
    pub fn recv(&self) -> impl Future<Output = Input> + use<'_> {
        self.mailbox.recv()
    }

    /// Opens a connection.
    pub fn connect(&self, to: NodeId) -> Option<ConnId> {
        self.act(|cx| cx.connect(to))
    }

    /// Sends a message.
    pub fn send(&self, conn: ConnId, message: Message) {
        self.act(|cx| cx.send(conn, message));
    }

    /// Asks a volume.
    pub async fn volume(&self, volume: VolumeId, op: VolumeOp) -> VolumeDone {
        match self.ask(|cx, token| cx.volume(volume, token, op)).await {
            Input::Volume(done) => *done,
            other => unreachable!("a volume answered {other:?}"),
        }
    }

    /// Asks an object store.
    pub async fn object(&self, store: StoreId, bucket: BucketId, op: ObjectOp) -> ObjectDone {
        match self.ask(|cx, token| cx.object(store, bucket, token, op)).await {
            Input::Object(done) => *done,
            other => unreachable!("an object store answered {other:?}"),
        }
    }

    /// Asks an express store.
    pub async fn express(&self, store: ExpressId, bucket: BucketId, op: ObjectOp) -> ObjectDone {
        match self.ask(|cx, token| cx.express(store, bucket, token, op)).await {
            Input::Express(done) => *done,
            other => unreachable!("an express store answered {other:?}"),
        }
    }

    /// Asks a file share.
    pub async fn nfs(&self, share: ShareId, op: NfsOp) -> NfsDone {
        match self.ask(|cx, token| cx.nfs(share, token, op)).await {
            Input::Nfs(done) => *done,
            other => unreachable!("a file share answered {other:?}"),
        }
    }

    /// Uses CPU time on a background thread of the host.
    pub async fn work(&self, service: Nanos) {
        self.ask(|cx, token| cx.work(token, service)).await;
    }

    async fn ask(&self, wish: impl FnOnce(&mut Cx<'_>, u64)) -> Input {
        let token = {
            let mut waiting = self.waiting.lock().expect("guest answers");
            waiting.next_token += 1;
            let token = waiting.next_token;
            waiting.open.insert(token, (None, None));
            token
        };
        let answer = Answer { token, waiting: self.waiting.clone() };
        self.act(|cx| wish(cx, token));
        poll_fn(|cx| {
            let mut waiting = answer.waiting.lock().expect("guest answers");
            let entry = waiting.open.get_mut(&token).expect("removed by its own future only");
            match entry.1.take() {
                Some(input) => Poll::Ready(input),
                None => {
                    entry.0 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl World {
    fn guest_act<R>(&mut self, core: &mut Core<Event>, me: Incarnation, wish: impl FnOnce(&mut Cx<'_>) -> R) -> R {
        let mut effects = std::mem::take(&mut self.scratch.effects);
        let (clock, now) = (core.clock(me.node), core.now());
        if let Some(recording) = &mut self.recording {
            recording.at(now);
        }
        let result = wish(&mut Cx {
            me,
            monotonic: clock.monotonic(now),
            wall: clock.wall(now),
            random: &mut self.nodes[me.node.0 as usize].random,
            ids: &mut self.ids,
            effects: &mut effects,
            recording: self.recording.as_deref_mut(),
        });
        self.heed_recording(core);
        self.carry_out(core, me, &mut effects);
        self.scratch.effects = effects;
        self.deliver_inbox(core);
        result
    }
}
