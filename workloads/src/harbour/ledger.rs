//! What was promised: kept outside the world, so it survives every crash.

use wavetank_models::world::{ExpressId, StoreId, VolumeId, World};
use wavetank_sim::{Marks, SortedMap};

/// The promises made so far.
#[derive(Debug)]
pub struct Ledger {
    cargo: u64,
    /// Per boat: the highest number that its pier acknowledged.
    acked: Vec<u64>,
    /// Per boat: the highest number that it read back.
    read: Vec<u64>,
    /// What watchmen were told to be durable, by place.
    entries: SortedMap<String, u64>,
}

impl Ledger {
    /// An empty one.
    pub fn new(boats: usize, cargo: u64) -> Ledger {
        Ledger { cargo, acked: vec![0; boats], read: vec![0; boats], entries: SortedMap::new() }
    }

    /// How much a boat has delivered.
    pub fn acked(&self, boat: usize) -> u64 {
        self.acked[boat]
    }

    /// A boat was told that everything up to `number` is durable.
    pub fn ack(&mut self, boat: usize, number: u64) {
        self.acked[boat] = self.acked[boat].max(number);
    }

    /// Whether a boat has delivered everything.
    pub fn is_done(&self, boat: usize) -> bool {
        self.acked[boat] >= self.cargo
    }

    /// A boat has read its cargo up to `number` back.
    pub fn read(&mut self, boat: usize, number: u64) {
        self.read[boat] = self.read[boat].max(number);
    }

    /// Whether all have delivered everything, and read everything back.
    pub fn all_done(&self) -> bool {
        (0..self.acked.len()).all(|boat| self.is_done(boat) && self.read[boat] >= self.cargo)
    }

    /// How far each boat is that has not.
    pub fn unfinished(&self) -> Vec<String> {
        let boats = (0..self.acked.len()).filter(|boat| !self.is_done(*boat) || self.read[*boat] < self.cargo);
        boats.map(|boat| format!("boat-{boat} {}/{}, {} read", self.acked[boat], self.cargo, self.read[boat])).collect()
    }

    /// The highest number that a watchman was told to be durable at a place.
    pub fn entry(&self, place: &str) -> u64 {
        self.entries.get(place).copied().unwrap_or(0)
    }

    /// A watchman was told that `value` is durable at a place.
    pub fn write(&mut self, place: &str, value: u64) {
        self.entries.insert(place.into(), value);
    }
}

/// Situations that a sweep over this scenario must reach.
pub const MUST_REACH: [&str; 24] = [
    "pier: recovered a log after a crash",
    "pier: recovery cut off an unsynced tail",
    "pier: halted on a storage error",
    "pier: acknowledged a resent record from its log",
    "pier: an upload met its own earlier attempt",
    "pier: an upload was tried again",
    "boat: found its pier gone",
    "boat: a connection was reset under it",
    "boat: gave up waiting and connected anew",
    "watchman: wrote to the share",
    "watchman: found the share's lock taken",
    "watchman: lost its lease or file handle",
    "watchman: the share forgot an unstable write",
    "watchman: appended to the express store",
    "watchman: an answer was ambiguous",
    "volume: a power loss took unsynced sectors",
    "volume: a power loss kept unsynced sectors",
    "volume: a power loss tore a sector",
    "volume: a sync failed",
    "volume: an I/O stalled",
    "express: a request landed after its sender's death",
    "object store: a request landed after its sender's death",
    "object store: a request landed after its answer",
    "object store: a precondition failed",
];

/// Makes them known, so that one that no seed reaches is missed.
pub fn declare_marks(marks: &mut Marks) {
    for name in MUST_REACH {
        marks.declare(name);
    }
}

/// Adds what the devices witnessed.
pub fn mark_devices(world: &World, marks: &mut Marks) {
    for id in 0..3 {
        let seen = world.volume(VolumeId(id)).witnessed();
        marks.hit_many("volume: a power loss took unsynced sectors", seen.lost_sectors);
        marks.hit_many("volume: a power loss kept unsynced sectors", seen.kept_unsynced_sectors);
        marks.hit_many("volume: a power loss tore a sector", seen.torn_sectors);
        marks.hit_many("volume: a sync failed", seen.failed_syncs);
        marks.hit_many("volume: an I/O stalled", seen.stalled_io);
        let seen = world.express(ExpressId(id)).witnessed();
        marks.hit_many("express: a request landed after its sender's death", seen.landed_after_death);
    }
    let seen = world.store(StoreId(0)).witnessed();
    marks.hit_many("object store: a request landed after its sender's death", seen.landed_after_death);
    marks.hit_many("object store: a request landed after its answer", seen.landed_after_answer);
    marks.hit_many("object store: a precondition failed", seen.precondition_failed);
}
