//! Nodes and their lives: made, killed, restarted, paused, resumed.

use super::{Admission, Core, Due, Order, Pending};
use crate::clock::{DriftPpb, NodeClock};
use crate::guest::NodeGate;
use crate::node::NodeState;
use crate::queue::EventId;
use crate::trace::{Event, Record, What};
use crate::{Incarnation, NodeId};

impl<E: Event> Core<E> {
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
        found.going_on = false;
        let resumption = found.resumption.take();
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
        self.forget(resumption);
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

    /// Stops a node from moving: what is meant for it waits, in order. Takes back a [`resume`](Core::resume) of the same
    /// instant: the last wish counts. Nothing else happens unless it is up or going on.
    pub fn pause(&mut self, node: NodeId) {
        let life = self.nodes.incarnation(node);
        let found = self.nodes.get_mut(node);
        if found.state == NodeState::Down || (found.state == NodeState::Paused && !found.going_on) {
            let resumption = found.resumption.take();
            return self.forget(resumption);
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
        if found.state == NodeState::Paused && !found.going_on && found.resumption.is_none() {
            // It stays paused until then, so that nothing newer overtakes what waits.
            found.resumption = Some(self.queue.push(self.now, Pending { to: life, what: Due::Resume }));
        }
    }

    fn forget(&mut self, resumption: Option<EventId>) {
        if let Some(event) = resumption {
            self.queue.cancel(event).expect("a resumption that has not surfaced is pending");
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
}
