//! KRaft: Raft as KIP-595 has it, with pre-votes (KIP-996), for a fixed set of voters.
//!
//! ```text
//!   Unattached ──timeout──> Prospective ──majority──> Candidate ──majority──> Leader ──3 s alone──> Resigned
//!       ^                     │    ^                     │                      │                      │
//!       │   leader known      v    └──────backoff────────┘    higher epoch      │        timeout       │
//!       └──── Follower <──────┘<─────────────────────────────────────────────────┘ <── Prospective <────┘
//! ```
//!
//! * Replication is pulled: a voter fetches from its leader, and a fetch at an offset says that everything before it is
//!   flushed there. A follower does not fetch further before it has flushed what it got.
//! * Logs are compared by the epoch of the last entry and the offset after it; where they part, the follower cuts its own
//!   to where the greatest common epoch ends, and asks again.
//! * A leader's first entry says so (`LeaderChange`). The high watermark is the greatest offset that a majority has
//!   flushed, the leader included; it moves only once it covers an entry of the leader's own epoch (Raft, 5.4.2).
//! * A vote, and any change of epoch, is durable before anything that rests on it is sent: whatever follows an
//!   [`Act::Persist`] waits for it.
//!
//! The quorum does nothing by itself: it is told what arrived and what time it is, and leaves [`Act`]s.
//!
//! Simpler than reality: voters do not change, no `EndQuorumEpoch` (a leader that resigns is missed after the fetch timeout:
//! hides the faster hand-over of a clean shutdown), snapshots come in one piece.

mod answers;
mod elections;
mod replication;
#[cfg(test)]
mod tests;

use super::log::{Comparison, Log, Snapshot};
use super::mutant::ControllerMutant;
use super::options::ControllerOptions;
use super::quorum_state::Promise;
use crate::cloud::network::ConnId;
use crate::kafka::ids::{ControllerEpoch, ControllerId, MetadataOffset};
use crate::kafka::metadata::{Entry, MetadataRecord};
use crate::kafka::protocol::Response;
use crate::kafka::protocol::controller::{BeginQuorumEpochRequest, FetchMetadataRequest, VoteRequest};
use crate::world::Cx;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

/// Whom an answer goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    pub(super) conn: ConnId,
    pub(super) correlation: u64,
}

/// A question to another voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Vote(VoteRequest),
    Begin(BeginQuorumEpochRequest),
    Fetch(FetchMetadataRequest),
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(super) enum Act {
    /// To be made durable before anything that follows is done.
    Persist(Promise),
    Ask(ControllerId, Question),
    Answer(Caller, Response),
    Append(Arc<Entry>),
    Cut(MetadataOffset),
    Replace(Snapshot, Vec<Arc<Entry>>),
}

/// Where one voter's ballot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ballot {
    NotAsked { not_before: Nanos },
    Asked,
    Granted,
    Refused,
}

/// Whether a voter knows its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    Due { at: Nanos },
    Asked,
}

/// Another voter, as the leader knows it.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// It has flushed everything before.
    end: MetadataOffset,
    last_fetch: Nanos,
    begin: Begin,
}

#[derive(Debug)]
struct Leadership {
    peers: SortedMap<ControllerId, Peer>,
    /// Offset of the entry that began it.
    begun_at: MetadataOffset,
    /// Entries that linger before they are appended.
    lingering: Vec<Vec<MetadataRecord>>,
    append_at: Nanos,
}

#[derive(Debug)]
enum Role {
    /// Knows an epoch (and may have voted in it), but no leader.
    Unattached {
        until: Nanos,
    },
    Follower {
        leader: ControllerId,
        until: Nanos,
        has_fetched: bool,
        is_fetching: bool,
        not_before: Nanos,
    },
    /// Asks whether it would win.
    Prospective {
        ballots: SortedMap<ControllerId, Ballot>,
        until: Nanos,
        leader: Option<ControllerId>,
    },
    Candidate {
        ballots: SortedMap<ControllerId, Ballot>,
        until: Nanos,
    },
    /// Has lost an election.
    BackingOff {
        until: Nanos,
    },
    Leader(Leadership),
    /// Was the leader of this epoch, and will not be again.
    Resigned {
        until: Nanos,
    },
}

/// A fetch that waits for something new.
#[derive(Debug)]
struct Parked {
    caller: Caller,
    request: FetchMetadataRequest,
    until: Nanos,
}

/// How a voter stands, for whoever asks why nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Follows(ControllerId),
    /// It wants to lead, and these have not voted for it.
    Votes(Vec<ControllerId>),
    /// These have not all that is in its log; empty when everything is committed.
    Leads {
        behind: Vec<ControllerId>,
    },
    Pauses,
}

/// See the [module](self).
pub(super) struct Quorum {
    me: ControllerId,
    /// The other voters.
    others: Vec<ControllerId>,
    options: ControllerOptions,
    mutant: Option<ControllerMutant>,
    promise: Promise,
    role: Role,
    log: Log,
    /// Everything before is durable here.
    flushed: MetadataOffset,
    high_watermark: MetadataOffset,
    parked: Vec<Parked>,
    acts: Vec<Act>,
}

impl Quorum {
    /// A voter with what it had in its last life. All of its log is flushed.
    pub(super) fn new(
        cx: &mut Cx<'_>,
        me: ControllerId,
        others: Vec<ControllerId>,
        (options, mutant): (ControllerOptions, Option<ControllerMutant>),
        promise: Promise,
        log: Log,
    ) -> Quorum {
        let mut quorum = Quorum {
            me,
            others,
            options,
            mutant,
            promise,
            role: Role::Unattached { until: Nanos::ZERO },
            flushed: log.end().offset,
            high_watermark: log.snapshot().end.offset,
            log,
            parked: Vec::new(),
            acts: Vec::new(),
        };
        quorum.role = Role::Unattached { until: quorum.election_timeout(cx) };
        quorum
    }

    /// What is to be done now.
    pub(super) fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn high_watermark(&self) -> MetadataOffset {
        self.high_watermark
    }

    pub(super) fn epoch(&self) -> ControllerEpoch {
        self.promise.epoch
    }

    /// The leader of the present epoch.
    pub(super) fn leader(&self) -> Option<ControllerId> {
        match &self.role {
            Role::Leader(_) => Some(self.me),
            Role::Follower { leader, .. } => Some(*leader),
            Role::Prospective { leader, .. } => *leader,
            Role::Unattached { .. } | Role::Candidate { .. } | Role::BackingOff { .. } | Role::Resigned { .. } => None,
        }
    }

    /// The epoch that this voter leads.
    pub(super) fn leading(&self) -> Option<ControllerEpoch> {
        matches!(self.role, Role::Leader(_)).then_some(self.promise.epoch)
    }

    pub(super) fn standing(&self) -> Standing {
        match &self.role {
            Role::Follower { leader, .. } => Standing::Follows(*leader),
            Role::Prospective { ballots, .. } | Role::Candidate { ballots, .. } => {
                let missing = ballots.iter().filter(|(_, ballot)| **ballot != Ballot::Granted);
                Standing::Votes(missing.map(|(peer, _)| *peer).collect())
            }
            Role::Leader(leadership) => {
                let end = self.log.end().offset;
                let is_behind = |peer: &Peer| self.high_watermark < end && peer.end < end;
                let behind = leadership.peers.iter().filter(|(_, peer)| is_behind(peer));
                Standing::Leads { behind: behind.map(|(id, _)| *id).collect() }
            }
            Role::Unattached { .. } | Role::BackingOff { .. } | Role::Resigned { .. } => Standing::Pauses,
        }
    }

    /// How many make a majority.
    fn majority(&self) -> usize {
        self.others.len().div_ceil(2) + 1
    }

    fn election_timeout(&self, cx: &mut Cx<'_>) -> Nanos {
        let span = self.options.election_timeout;
        cx.monotonic() + span + cx.random().nanos(Nanos::ZERO..span)
    }

    fn persist(&mut self) {
        self.acts.push(Act::Persist(self.promise));
    }

    /// A role ends: who waits for its leader's news is told that there is none.
    fn set_role(&mut self, role: Role) {
        for parked in std::mem::take(&mut self.parked) {
            self.refuse_fetch(parked.caller);
        }
        self.role = role;
    }

    /// When [`Quorum::poll`] has something to do at the latest.
    pub(super) fn next_due(&self) -> Nanos {
        let ballots = |ballots: &SortedMap<ControllerId, Ballot>, until: Nanos| {
            let due = ballots.values().filter_map(|ballot| match ballot {
                Ballot::NotAsked { not_before } => Some(*not_before),
                Ballot::Asked | Ballot::Granted | Ballot::Refused => None,
            });
            due.fold(until, Nanos::min)
        };
        match &self.role {
            Role::Unattached { until } | Role::BackingOff { until } | Role::Resigned { until } => *until,
            Role::Follower { until, is_fetching, not_before, .. } => {
                let may_fetch = !is_fetching && self.flushed == self.log.end().offset;
                if may_fetch { (*until).min(*not_before) } else { *until }
            }
            Role::Prospective { ballots: of, until, .. } | Role::Candidate { ballots: of, until } => {
                ballots(of, *until)
            }
            Role::Leader(leadership) => {
                let begins = leadership.peers.values().filter_map(|peer| match peer.begin {
                    Begin::Due { at } => Some(at),
                    Begin::Asked => None,
                });
                let append = (!leadership.lingering.is_empty()).then_some(leadership.append_at);
                let parked = self.parked.iter().map(|parked| parked.until);
                let alone = self.alone_at(leadership);
                begins.chain(append).chain(parked).chain(alone).min().unwrap_or(Nanos::MAX)
            }
        }
    }

    /// Does what is due.
    pub(super) fn poll(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        match &mut self.role {
            Role::Unattached { until } | Role::BackingOff { until } | Role::Resigned { until } => {
                if now >= *until {
                    self.become_prospective(cx, None);
                }
            }
            Role::Follower { leader, until, .. } => {
                if now >= *until {
                    let leader = *leader;
                    self.become_prospective(cx, Some(leader));
                }
            }
            Role::Prospective { until, .. } => {
                if now >= *until {
                    self.lost_pre_vote(cx);
                }
            }
            Role::Candidate { until, .. } => {
                if now >= *until {
                    self.lost_election(cx);
                }
            }
            Role::Leader(leadership) => {
                if !leadership.lingering.is_empty() && now >= leadership.append_at {
                    self.append_lingering();
                }
                self.resign_if_alone(cx);
            }
        }
        self.ask_for_votes(now);
        self.tell_beginnings(now);
        self.fetch_if_idle(now);
        self.answer_parked(now, false);
    }
}
