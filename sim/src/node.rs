//! The nodes of a tank: life, epochs, pauses, clocks.

use crate::clock::NodeClock;
use crate::guest::{GuestTask, NodeGate};
use crate::{EventId, Incarnation, NodeEpoch, NodeId};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Whether a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It runs.
    Up,
    /// It lives, but nothing reaches it and nothing in it moves: a stopped process, a stop-the-world pause, a frozen
    /// virtual machine. What is meant for it waits, in order.
    Paused,
    /// It is dead.
    Down,
}

/// One node as the tank sees it.
pub(crate) struct Node<T> {
    pub(crate) name: String,
    pub(crate) epoch: NodeEpoch,
    pub(crate) state: NodeState,
    pub(crate) clock: NodeClock,
    /// Still paused, but what waited is being delivered.
    pub(crate) going_on: bool,
    /// The resumption that was asked for and has not surfaced: at most one, so that none can undo a later pause.
    pub(crate) resumption: Option<EventId>,
    /// What surfaced while the node was paused.
    pub(crate) held: VecDeque<T>,
    pub(crate) gate: Arc<NodeGate>,
    pub(crate) guests: Vec<Weak<GuestTask>>,
}

/// All nodes, by number.
pub(crate) struct Nodes<T> {
    all: Vec<Node<T>>,
}

impl<T> Nodes<T> {
    pub(crate) fn new() -> Nodes<T> {
        Nodes { all: Vec::new() }
    }

    pub(crate) fn add(&mut self, name: String, gate: Arc<NodeGate>) -> NodeId {
        let id = NodeId(u32::try_from(self.all.len()).expect("more than 2^32 nodes"));
        self.all.push(Node {
            name,
            epoch: NodeEpoch(1),
            state: NodeState::Up,
            clock: NodeClock::default(),
            going_on: false,
            resumption: None,
            held: VecDeque::new(),
            gate,
            guests: Vec::new(),
        });
        id
    }

    #[inline]
    pub(crate) fn get(&self, id: NodeId) -> &Node<T> {
        &self.all[id.0 as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: NodeId) -> &mut Node<T> {
        &mut self.all[id.0 as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<T> {
        (0..self.all.len() as u32).map(NodeId)
    }

    /// The node's present life, or the last one when it is down.
    pub(crate) fn incarnation(&self, id: NodeId) -> Incarnation {
        Incarnation { node: id, epoch: self.get(id).epoch }
    }
}
