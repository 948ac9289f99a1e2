//! Bytes and messages, counted for bills and reports.

use super::topology::{AzId, Direction, LinkClass, Topology};

/// How much passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Payload bytes, as the senders gave them: no headers, no acknowledgements.
    pub bytes: u64,
    /// Messages, or device transfers.
    pub messages: u64,
}

impl Traffic {
    fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.messages += 1;
    }
}

/// Everything that passed so far. Only grows: take differences for a window.
///
/// Out is counted when a message enters its sender's card (again for each retransmission), In and the pairs of zones
/// when it has come to the receiver's card. So Out minus In is what is on the way or was lost.
#[derive(Clone, Debug)]
pub struct Accounting {
    classes: [[Traffic; 2]; LinkClass::ALL.len()],
    az_pairs: Vec<Traffic>,
    azs: usize,
}

impl Accounting {
    pub(super) fn new(topology: &Topology) -> Accounting {
        let azs = topology.az_count();
        Accounting { classes: Default::default(), az_pairs: vec![Traffic::default(); azs * azs], azs }
    }

    /// The traffic of one class in one direction, summed over all hosts.
    pub fn class(&self, class: LinkClass, direction: Direction) -> Traffic {
        self.classes[class.index()][direction as usize]
    }

    /// The traffic between hosts that went from one zone to another, or stayed in one (loopback not included). What
    /// clouds bill per direction is this number at each end.
    pub fn az_pair(&self, from: AzId, to: AzId) -> Traffic {
        self.az_pairs[usize::from(from.0) * self.azs + usize::from(to.0)]
    }

    pub(super) fn count(&mut self, class: LinkClass, direction: Direction, bytes: u64) {
        self.classes[class.index()][direction as usize].add(bytes);
    }

    pub(super) fn count_pair(&mut self, pair: usize, bytes: u64) {
        self.az_pairs[pair].add(bytes);
    }
}
