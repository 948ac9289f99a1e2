//! The pump's steps: what is due is delivered, held or discarded.

use super::{Admission, Core, Dispatch, Due, EndReason, Order, Outcome, Pending, VIRTUAL_NOW, WORLD};
use crate::Incarnation;
use crate::node::NodeState;
use crate::trace::{Event, Record, What};

impl<E: Event> Core<E> {
    /// Dispatches until a guest can run, madsim must be told something, or the run is over.
    pub(super) fn run_slice(&mut self, world: &mut dyn Dispatch<E>) {
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
        } else {
            self.deliver(world, Some(to), what);
        }
    }

    /// Delivers what a paused node missed, and only then lets new events reach it directly.
    fn go_on(&mut self, world: &mut dyn Dispatch<E>, life: Incarnation) {
        let node = self.nodes.get_mut(life.node);
        node.going_on = true;
        node.resumption = None;
        node.gate.resume();
        self.orders.push(Order::Resume(life.node));
        self.record(Record { at: self.now, to: Some(life), what: What::Resumed });
        while self.end.is_none() && self.admission(life) == Admission::Hold {
            let node = self.nodes.get_mut(life.node);
            if !node.going_on {
                return;
            }
            if !node.held.is_empty() && self.events >= self.limits.events_max {
                self.end = Some(EndReason::EventCap);
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
            Due::Resume => unreachable!("a resumption is taken back with the pause that it ends"),
        }
    }

    /// Kills what lives, so that dropping the runtime leaks no sleeping task.
    pub(super) fn kill_all(&mut self) {
        for node in self.nodes.ids() {
            self.kill(node, drop);
        }
    }

    pub(super) fn outcome(&mut self) -> Outcome<E> {
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
