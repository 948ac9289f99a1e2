//! The one task that moves time.

use super::{Core, Dispatch, EndReason, Limits, Observer, Order, Outcome, Tank};
use crate::Choices;
use crate::trace::Event;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// Runs a world on this thread to its end, and gives it back with the outcome. Its choices are a seed's, or [change to another
/// seed's](crate::Reseed) on the way.
///
/// `build` makes the world inside the fresh tank (its nodes, its first events); `finish` takes what is wanted out of it
/// before everything is dropped.
///
/// One fresh thread a run ([`on_fresh_thread`](crate::on_fresh_thread)) is part of determinism: the standard library's
/// hash seeds, where a dependency uses them, are per thread.
///
/// # Panics
/// When the world or a guest panics, or when somebody kills or restarts a madsim node behind the tank's back.
pub fn run<E, W, R>(
    choices: impl Into<Choices>,
    limits: Limits,
    observer: Option<Observer<E>>,
    build: impl FnOnce(&Arc<Tank<E>>, &mut Core<E>) -> Arc<Mutex<W>>,
    finish: impl FnOnce(&mut W, &mut Core<E>, Outcome<E>) -> R,
) -> R
where
    E: Event,
    W: Dispatch<E> + 'static,
{
    let choices = choices.into();
    let runtime = madsim::runtime::Runtime::with_seed_and_config(choices.seed(), madsim::Config::default());
    runtime.add_simulator::<Tank<E>>();
    runtime.block_on(async move {
        let tank = madsim::plugin::simulator::<Tank<E>>();
        tank.open(choices, limits, observer);
        let world = build(&tank, &mut tank.lock());
        let mut pump = Pump {
            tank: tank.clone(),
            world: world.clone(),
            madsim_ids: Vec::new(),
            gave_way: 0,
            stage: Stage::Running,
        };
        let outcome = (&mut pump).await;
        let mut world = world.lock().expect("the world outlives its run");
        finish(&mut world, &mut tank.lock(), outcome)
    })
}

enum Stage<E> {
    Running,
    /// All nodes are killed; their guests are being dropped.
    Closing(Option<Outcome<E>>),
}

/// How often the pump gives way to guests at one instant. A guest that wakes itself for ever would otherwise hang the
/// run, since no cap on events or time is ever reached.
const GIVE_WAY_MAX: u32 = 1_000_000;

struct Pump<E: Event, W> {
    tank: Arc<Tank<E>>,
    world: Arc<Mutex<W>>,
    /// Our nodes' madsim identities, by our number.
    madsim_ids: Vec<madsim::task::NodeId>,
    /// How often in a row it gave way without time or events moving.
    gave_way: u32,
    stage: Stage<E>,
}

impl<E: Event, W> Unpin for Pump<E, W> {}

impl<E: Event, W: Dispatch<E> + 'static> Future for Pump<E, W> {
    type Output = Outcome<E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<E>> {
        loop {
            self.obey();
            let this = &mut *self;
            if this.tank.runnable.any() {
                this.gave_way += 1;
                if this.gave_way < GIVE_WAY_MAX {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                assert!(matches!(this.stage, Stage::Running), "killed guests are not dropped");
                this.tank.lock().end.get_or_insert(EndReason::Livelock);
            }
            let mut core = this.tank.lock();
            match &mut this.stage {
                Stage::Closing(outcome) => {
                    return Poll::Ready(outcome.take().expect("a pump is not polled after its end"));
                }
                Stage::Running if core.end.is_some() => {
                    let outcome = core.outcome();
                    core.kill_all();
                    this.gave_way = 0;
                    this.stage = Stage::Closing(Some(outcome));
                }
                Stage::Running => {
                    this.gave_way = 0;
                    let mut world = this.world.lock().expect("a panic while the world was locked");
                    core.run_slice(&mut *world);
                }
            }
        }
    }
}

impl<E: Event, W> Pump<E, W> {
    /// Tells madsim what the world decided. No lock of ours is held: madsim may drop guests' futures here, and these
    /// may use their handles while they go.
    fn obey(&mut self) {
        let mut orders = std::mem::take(&mut self.tank.lock().orders);
        if !orders.is_empty() {
            let handle = madsim::runtime::Handle::current();
            for order in orders.drain(..) {
                self.carry_out(&handle, order);
            }
            // Hand the buffer back, so that a steady stream of orders allocates nothing.
            let core = &mut self.tank.lock();
            if core.orders.is_empty() {
                core.orders = orders;
            }
        }
        let (all, own) = (self.tank.resets.load(Relaxed), self.tank.own_resets.load(Relaxed));
        assert_eq!(all, own, "a madsim node was killed behind the tank's back: use Core::kill");
    }

    fn carry_out(&mut self, handle: &madsim::runtime::Handle, order: Order) {
        match order {
            Order::CreateNode(node, name) => {
                debug_assert_eq!(node.0 as usize, self.madsim_ids.len());
                self.madsim_ids.push(handle.create_node().name(name).build().id());
            }
            Order::Spawn(node, guest) => {
                let spawner = handle.get_node(self.madsim_ids[node.0 as usize]).expect("created above");
                // A guest that was spawned and whose node was killed within one call of the world is dropped here.
                drop(spawner.spawn(guest));
            }
            Order::Kill(node) => {
                self.tank.own_resets.fetch_add(1, Relaxed);
                handle.kill(self.madsim_ids[node.0 as usize]);
            }
            Order::Restart(node) => handle.restart(self.madsim_ids[node.0 as usize]),
            Order::Pause(node) => handle.pause(self.madsim_ids[node.0 as usize]),
            Order::Resume(node) => handle.resume(self.madsim_ids[node.0 as usize]),
        }
    }
}
