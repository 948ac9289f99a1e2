//! Epochs, votes, leaders.

use super::*;
use crate::kafka::protocol::controller::VoteResponse;
use crate::kafka::protocol::{ErrorCode, controller::BeginQuorumEpochResponse};

impl Quorum {
    /// Another epoch is known: votes in it are free. Its leader, if known, is followed.
    fn enter(&mut self, cx: &mut Cx<'_>, epoch: ControllerEpoch, leader: Option<ControllerId>) {
        assert!(epoch >= self.promise.epoch, "epochs grow");
        if epoch > self.promise.epoch {
            self.promise = Promise { epoch, voted_for: None };
            self.persist();
        }
        match leader.filter(|leader| *leader != self.me) {
            Some(leader) => self.follow(cx, leader),
            None => {
                let until = self.election_timeout(cx);
                self.set_role(Role::Unattached { until });
            }
        }
    }

    fn follow(&mut self, cx: &mut Cx<'_>, leader: ControllerId) {
        let now = cx.monotonic();
        let until = now + self.options.fetch_timeout;
        self.set_role(Role::Follower { leader, until, has_fetched: false, is_fetching: false, not_before: now });
    }

    fn fresh_ballots(&self, now: Nanos) -> SortedMap<ControllerId, Ballot> {
        self.others.iter().map(|voter| (*voter, Ballot::NotAsked { not_before: now })).collect()
    }

    pub(super) fn become_prospective(&mut self, cx: &mut Cx<'_>, leader: Option<ControllerId>) {
        let (ballots, until) = (self.fresh_ballots(cx.monotonic()), self.election_timeout(cx));
        self.set_role(Role::Prospective { ballots, until, leader });
        self.count_ballots(cx);
    }

    fn become_candidate(&mut self, cx: &mut Cx<'_>) {
        self.promise = Promise { epoch: ControllerEpoch(self.promise.epoch.0 + 1), voted_for: Some(self.me) };
        self.persist();
        let (ballots, until) = (self.fresh_ballots(cx.monotonic()), self.election_timeout(cx));
        self.set_role(Role::Candidate { ballots, until });
        self.count_ballots(cx);
    }

    /// Too few would vote for it: it goes back to the leader it had, or waits.
    pub(super) fn lost_pre_vote(&mut self, cx: &mut Cx<'_>) {
        let Role::Prospective { leader, .. } = self.role else { unreachable!("it asked for pre-votes") };
        self.enter(cx, self.promise.epoch, leader);
    }

    pub(super) fn lost_election(&mut self, cx: &mut Cx<'_>) {
        let Role::Candidate { ballots, .. } = &self.role else { unreachable!("it was a candidate") };
        if ballots.values().any(|ballot| *ballot == Ballot::Refused) {
            cx.mark("controller: election with split vote");
        }
        let backoff = cx.random().nanos(Nanos(1)..self.options.election_backoff_max);
        self.set_role(Role::BackingOff { until: cx.monotonic() + backoff });
    }

    fn count_ballots(&mut self, cx: &mut Cx<'_>) {
        let (Role::Prospective { ballots, .. } | Role::Candidate { ballots, .. }) = &self.role else { return };
        let granted = 1 + ballots.values().filter(|ballot| **ballot == Ballot::Granted).count();
        let refused = ballots.values().filter(|ballot| **ballot == Ballot::Refused).count();
        let is_candidate = matches!(self.role, Role::Candidate { .. });
        if granted >= self.majority() {
            if is_candidate { self.become_leader(cx) } else { self.become_candidate(cx) }
        } else if refused >= self.majority() {
            if is_candidate { self.lost_election(cx) } else { self.lost_pre_vote(cx) }
        }
    }

    pub(super) fn ask_for_votes(&mut self, now: Nanos) {
        let (epoch, candidate, log_end) = (self.promise.epoch, self.me, self.log.end());
        let pre_vote = matches!(self.role, Role::Prospective { .. });
        let (Role::Prospective { ballots, .. } | Role::Candidate { ballots, .. }) = &mut self.role else { return };
        for (voter, ballot) in ballots {
            if matches!(ballot, Ballot::NotAsked { not_before } if *not_before <= now) {
                *ballot = Ballot::Asked;
                let request = VoteRequest { epoch, candidate, log_end, pre_vote };
                self.acts.push(Act::Ask(*voter, Question::Vote(request)));
            }
        }
    }

    /// Somebody wants this voter's vote.
    pub(in super::super) fn vote(&mut self, cx: &mut Cx<'_>, caller: Caller, request: &VoteRequest) {
        if request.epoch > self.promise.epoch {
            self.enter(cx, request.epoch, None);
        }
        let granted = request.epoch == self.promise.epoch && self.would_grant(request);
        if granted && !request.pre_vote {
            if self.promise.voted_for.is_none() {
                self.promise.voted_for = Some(request.candidate);
                if self.mutant != Some(ControllerMutant::ForgetVotes) {
                    self.persist();
                }
                cx.mark("controller: gave its vote");
            }
            let until = self.election_timeout(cx);
            self.set_role(Role::Unattached { until });
        }
        let response = VoteResponse { epoch: self.promise.epoch, leader: self.leader(), granted };
        self.acts.push(Act::Answer(caller, Response::Vote(response)));
    }

    fn would_grant(&self, request: &VoteRequest) -> bool {
        let is_free = self.promise.voted_for.is_none_or(|vote| vote == request.candidate);
        let may = match &self.role {
            Role::Leader(_) | Role::Resigned { .. } => false,
            // Who has a leader that works does not help to unseat it.
            Role::Follower { has_fetched, .. } => request.pre_vote && !has_fetched,
            Role::Candidate { .. } => request.pre_vote,
            Role::Prospective { leader, .. } => request.pre_vote || leader.is_none() && is_free,
            Role::Unattached { .. } | Role::BackingOff { .. } => request.pre_vote || is_free,
        };
        may && request.log_end >= self.log.end()
    }

    /// A voter's answer to a question in an epoch; whether the question still matters.
    pub(super) fn heard(
        &mut self,
        cx: &mut Cx<'_>,
        asked_in: ControllerEpoch,
        epoch: ControllerEpoch,
        leader: Option<ControllerId>,
    ) -> bool {
        if epoch > self.promise.epoch {
            self.enter(cx, epoch, leader);
            return false;
        }
        let is_present = epoch == self.promise.epoch && asked_in == epoch;
        if is_present && self.leader().is_none() && leader.is_some_and(|leader| leader != self.me) {
            self.enter(cx, epoch, leader);
            return false;
        }
        is_present
    }

    pub(super) fn vote_answered(
        &mut self,
        cx: &mut Cx<'_>,
        voter: ControllerId,
        request: &VoteRequest,
        response: &VoteResponse,
    ) {
        if !self.heard(cx, request.epoch, response.epoch, response.leader) {
            return;
        }
        let ballots = match &mut self.role {
            Role::Prospective { ballots, .. } if request.pre_vote => ballots,
            Role::Candidate { ballots, .. } if !request.pre_vote => ballots,
            _ => return,
        };
        // A pre-vote of an earlier round may come late; it says the same.
        let ballot = if response.granted { Ballot::Granted } else { Ballot::Refused };
        ballots.insert(voter, ballot);
        self.count_ballots(cx);
    }

    pub(super) fn vote_lost(&mut self, now: Nanos, voter: ControllerId, request: &VoteRequest) {
        let not_before = now + self.options.retry_backoff;
        let is_pre = matches!(self.role, Role::Prospective { .. });
        let (Role::Prospective { ballots, .. } | Role::Candidate { ballots, .. }) = &mut self.role else { return };
        let is_present = request.epoch == self.promise.epoch && request.pre_vote == is_pre;
        if let Some(ballot) = ballots.get_mut(&voter).filter(|ballot| is_present && **ballot == Ballot::Asked) {
            *ballot = Ballot::NotAsked { not_before };
        }
    }

    // ---- leading ----

    fn become_leader(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        let peer = Peer { end: MetadataOffset(0), last_fetch: now, begin: Begin::Due { at: now } };
        let leadership = Leadership {
            peers: self.others.iter().map(|voter| (*voter, peer)).collect(),
            begun_at: self.log.end().offset,
            lingering: vec![vec![MetadataRecord::LeaderChange(self.me)]],
            append_at: now,
        };
        self.set_role(Role::Leader(leadership));
        self.append_lingering();
    }

    /// When a leader has been without a majority for too long, if no fetch comes (`LeaderState.checkQuorumTimer`).
    pub(super) fn alone_at(&self, leadership: &Leadership) -> Option<Nanos> {
        let mut fetches: Vec<Nanos> = leadership.peers.values().map(|peer| peer.last_fetch).collect();
        fetches.sort_unstable_by(|a, b| b.cmp(a));
        let last = fetches.get(self.majority().checked_sub(2)?)?;
        Some(*last + self.options.fetch_timeout.scale(3, 2))
    }

    pub(super) fn resign_if_alone(&mut self, cx: &mut Cx<'_>) {
        let Role::Leader(leadership) = &self.role else { return };
        if self.alone_at(leadership).is_some_and(|at| cx.monotonic() >= at) {
            cx.mark("controller: a leader resigned without quorum");
            let until = self.election_timeout(cx);
            self.set_role(Role::Resigned { until });
        }
    }

    pub(super) fn tell_beginnings(&mut self, now: Nanos) {
        let (epoch, leader) = (self.promise.epoch, self.me);
        let Role::Leader(leadership) = &mut self.role else { return };
        for (voter, peer) in &mut leadership.peers {
            if matches!(peer.begin, Begin::Due { at } if at <= now) {
                peer.begin = Begin::Asked;
                let request = BeginQuorumEpochRequest { epoch, leader };
                self.acts.push(Act::Ask(*voter, Question::Begin(request)));
            }
        }
    }

    /// Somebody says that it leads.
    pub(in super::super) fn begin(&mut self, cx: &mut Cx<'_>, caller: Caller, request: &BeginQuorumEpochRequest) {
        let error = (request.epoch < self.promise.epoch).then_some(ErrorCode::FencedControllerEpoch);
        if error.is_none() && (request.epoch > self.promise.epoch || self.leader().is_none()) {
            self.enter(cx, request.epoch, Some(request.leader));
        }
        let response = BeginQuorumEpochResponse { epoch: self.promise.epoch, error };
        self.acts.push(Act::Answer(caller, Response::BeginQuorumEpoch(response)));
    }

    /// A voter was told, or was not. It is told again when it does not fetch (`LeaderState.beginQuorumEpochTimer`).
    pub(super) fn begin_told(&mut self, now: Nanos, voter: ControllerId, epoch: ControllerEpoch, was_told: bool) {
        let again = if was_told { self.options.fetch_timeout.scale(1, 2) } else { self.options.retry_backoff };
        let is_present = epoch == self.promise.epoch;
        let Role::Leader(leadership) = &mut self.role else { return };
        if let Some(peer) = leadership.peers.get_mut(&voter).filter(|_| is_present) {
            peer.begin = Begin::Due { at: now + again };
        }
    }
}
