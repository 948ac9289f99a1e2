//! Fetch sessions (KIP-227) and fetches that wait.

use super::outbox::ReplyTo;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::partition_log::LogReadId;
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::client::{FetchPartition, FetchRequest, FetchedPartition};
use crate::world::TimerId;
use wavetank_sim::{SortedMap, SortedSet};

/// Sessions that a broker keeps (`max.incremental.fetch.session.cache.slots`).
const SESSIONS_MAX: usize = 1000;

/// A fetch that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchId(pub u64);

/// One client's partitions.
pub struct Session {
    epoch: u32,
    /// By partition: from where, and the high watermark that the client was told last.
    pub partitions: SortedMap<TopicIdPartition, SessionPartition>,
    /// Where the next response begins, so that no partition starves.
    pub next: Option<TopicIdPartition>,
    used: u64,
}

/// One partition of a session.
#[derive(Clone, Copy)]
pub struct SessionPartition {
    /// From where to read.
    pub fetch: FetchPartition,
    /// The high watermark that was told last.
    pub told: Option<u64>,
}

/// A fetch that waits for records, for reads or for its time to be over.
pub struct Waiting {
    /// Whom to answer.
    pub to: ReplyTo,
    /// Of which session.
    pub session: u32,
    /// `fetch.min.bytes`.
    pub min_bytes: u64,
    /// `fetch.max.bytes`.
    pub max_bytes: u64,
    /// When it is answered with whatever there is.
    pub timer: Option<TimerId>,
    /// Answered as soon as all reads are done: nothing is waited for any more.
    pub is_due: bool,
    /// What was read so far.
    pub found: Vec<FetchedPartition>,
    /// Reads under way, and which of `found` they are for.
    pub reads: SortedMap<LogReadId, usize>,
}

/// All sessions of a broker, and what waits in them.
#[derive(Default)]
pub struct Fetches {
    sessions: SortedMap<u32, Session>,
    uses: u64,
    /// Fetches that wait.
    pub waiting: SortedMap<FetchId, Waiting>,
    /// By session, the fetch that waits in it.
    pub by_session: SortedMap<u32, FetchId>,
    /// By partition, the sessions that it is in.
    by_partition: SortedMap<TopicIdPartition, SortedSet<u32>>,
    /// Whose reads are under way.
    pub by_read: SortedMap<LogReadId, FetchId>,
    next_fetch: u64,
}

impl Fetches {
    /// The session of a request, changed as the request says; a new one has a number that `draw` gives and no other has.
    /// Numbers are drawn, as in `FetchSessionCache.newSessionId`: counted, they would be those of the broker's earlier life,
    /// and a client of then would be taken for another of now.
    ///
    /// # Errors
    /// When the session is not known any more, or its epoch is another.
    pub fn session(&mut self, request: &FetchRequest, draw: impl FnMut() -> u32) -> Result<u32, ErrorCode> {
        self.uses += 1;
        let id = match request.session {
            None => self.new_session(draw),
            Some(id) => {
                let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
                if session.epoch + 1 != request.session_epoch {
                    return Err(ErrorCode::InvalidFetchSessionEpoch);
                }
                session.epoch += 1;
                id
            }
        };
        let session = self.sessions.get_mut(&id).expect("it was just looked up");
        session.used = self.uses;
        for fetch in &request.partitions {
            let told = session.partitions.get(&fetch.tp).and_then(|known| known.told);
            session.partitions.insert(fetch.tp, SessionPartition { fetch: *fetch, told });
            self.by_partition.entry(fetch.tp).or_default().insert(id);
        }
        for tp in &request.forgotten {
            self.sessions.get_mut(&id).expect("it was just looked up").partitions.remove(tp);
            self.leave(*tp, id);
        }
        Ok(id)
    }

    fn new_session(&mut self, mut draw: impl FnMut() -> u32) -> u32 {
        if self.sessions.len() >= SESSIONS_MAX {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
            self.drop_session(oldest.expect("there are some"));
        }
        let mut id = draw();
        while self.sessions.contains_key(&id) {
            id = draw();
        }
        self.sessions.insert(id, Session { epoch: 0, partitions: SortedMap::new(), next: None, used: self.uses });
        id
    }

    fn drop_session(&mut self, id: u32) {
        let Some(session) = self.sessions.remove(&id) else { return };
        for tp in session.partitions.keys() {
            self.leave(*tp, id);
        }
        if let Some(fetch) = self.by_session.remove(&id) {
            self.waiting.remove(&fetch);
        }
    }

    fn leave(&mut self, tp: TopicIdPartition, id: u32) {
        if let Some(sessions) = self.by_partition.get_mut(&tp) {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.by_partition.remove(&tp);
            }
        }
    }

    /// A session.
    pub fn session_mut(&mut self, id: u32) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// A fetch begins to wait.
    pub fn wait(&mut self, waiting: Waiting) -> FetchId {
        let id = FetchId(self.next_fetch);
        self.next_fetch += 1;
        self.by_session.insert(waiting.session, id);
        self.waiting.insert(id, waiting);
        id
    }

    /// It waits no more.
    pub fn take(&mut self, id: FetchId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        self.by_session.remove(&waiting.session);
        for read in waiting.reads.keys() {
            self.by_read.remove(read);
        }
        Some(waiting)
    }

    /// Fetches that wait for a partition.
    pub fn waiting_for(&self, tp: TopicIdPartition) -> impl Iterator<Item = FetchId> {
        let sessions = self.by_partition.get(&tp).into_iter().flatten();
        sessions.filter_map(|session| self.by_session.get(session).copied())
    }
}
