//! Fetches, flushes, the high watermark.

use super::*;
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{FetchMetadataResponse, FetchedMetadata, LogEnd, Replica};

/// Nobody waits longer for something new.
const MAX_WAIT: Nanos = Nanos::millis(500);

impl Quorum {
    // ---- the leader's side ----

    /// The leader takes records; they are one entry, at this offset, once they have lingered.
    ///
    /// # Panics
    /// When this voter does not lead.
    pub(in super::super) fn append(&mut self, cx: &mut Cx<'_>, records: Vec<MetadataRecord>) -> MetadataOffset {
        let end = self.log.end().offset;
        let Role::Leader(leadership) = &mut self.role else { panic!("only a leader appends") };
        if leadership.lingering.is_empty() {
            leadership.append_at = cx.monotonic() + self.options.append_linger;
        }
        leadership.lingering.push(records);
        MetadataOffset(end.0 + leadership.lingering.len() as u64 - 1)
    }

    pub(super) fn append_lingering(&mut self) {
        let epoch = self.promise.epoch;
        let Role::Leader(leadership) = &mut self.role else { unreachable!("only a leader has any") };
        for records in std::mem::take(&mut leadership.lingering) {
            let entry = Arc::new(Entry { epoch, offset: self.log.end().offset, records });
            self.log.append(entry.clone());
            self.acts.push(Act::Append(entry));
        }
    }

    pub(super) fn refuse_fetch(&mut self, caller: Caller) {
        let result = Err(ErrorCode::NotLeaderOrFollower);
        self.answer_fetch(caller, result);
    }

    fn answer_fetch(&mut self, caller: Caller, result: Result<FetchedMetadata, ErrorCode>) {
        let response = FetchMetadataResponse { epoch: self.promise.epoch, leader: self.leader(), result };
        self.acts.push(Act::Answer(caller, Response::FetchMetadata(response)));
    }

    /// Somebody wants the log from an offset on.
    pub(in super::super) fn fetch(&mut self, cx: &mut Cx<'_>, caller: Caller, request: FetchMetadataRequest) {
        let now = cx.monotonic();
        let voter = match request.replica {
            Replica::Voter(voter) => Some(voter),
            Replica::Observer(_) => None,
        };
        if !matches!(self.role, Role::Leader(_)) {
            return self.refuse_fetch(caller);
        }
        // Observers are given what is committed, whatever epoch they know; only a newer one says that this leader is old.
        if voter.is_some() && request.epoch < self.promise.epoch {
            return self.answer_fetch(caller, Err(ErrorCode::FencedLeaderEpoch));
        }
        if request.epoch > self.promise.epoch {
            return self.answer_fetch(caller, Err(ErrorCode::UnknownLeaderEpoch));
        }
        if let Some(voter) = voter {
            self.voter_fetched(now, voter, request.from);
        }
        let until = now + request.max_wait.min(MAX_WAIT);
        match self.fetched(&request) {
            Some(fetched) => self.answer_fetch(caller, Ok(fetched)),
            None => self.parked.push(Parked { caller, request, until }),
        }
    }

    fn voter_fetched(&mut self, now: Nanos, voter: ControllerId, from: LogEnd) {
        let is_prefix = self.log.compare(from) == Comparison::Prefix;
        let again = now + self.options.fetch_timeout.scale(1, 2);
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(peer) = leadership.peers.get_mut(&voter) else { return };
        peer.last_fetch = now;
        if let Begin::Due { at } = &mut peer.begin {
            *at = again;
        }
        if is_prefix {
            peer.end = from.offset;
            self.advance_high_watermark(now);
        }
    }

    /// What a fetch gives now, if that is anything.
    fn fetched(&self, request: &FetchMetadataRequest) -> Option<FetchedMetadata> {
        let high_watermark = self.high_watermark;
        let readable = match request.replica {
            Replica::Voter(_) => self.log.end().offset,
            Replica::Observer(_) => high_watermark,
        };
        match self.log.compare(request.from) {
            Comparison::Prefix => {
                let from = request.from.offset;
                let max = (readable.0.saturating_sub(from.0) as usize).min(self.options.fetch_max_entries);
                let entries: Vec<Arc<Entry>> = self.log.entries_from(from, max).cloned().collect();
                (!entries.is_empty()).then_some(FetchedMetadata::Entries { entries, high_watermark })
            }
            Comparison::Diverges(end) => Some(FetchedMetadata::Diverging(end)),
            Comparison::Behind => {
                let Snapshot { end, image } = self.log.snapshot().clone();
                // A new leader's high watermark may lie before its snapshot, which is of committed entries all the same.
                let high_watermark = high_watermark.max(end.offset);
                Some(FetchedMetadata::Snapshot { end, image, high_watermark })
            }
        }
    }

    /// Answers parked fetches for which there is something new, whose time is over, or all of them.
    pub(super) fn answer_parked(&mut self, now: Nanos, all: bool) {
        for parked in std::mem::take(&mut self.parked) {
            match self.fetched(&parked.request) {
                Some(fetched) => self.answer_fetch(parked.caller, Ok(fetched)),
                None if all || now >= parked.until => {
                    let nothing = FetchedMetadata::Entries { entries: vec![], high_watermark: self.high_watermark };
                    self.answer_fetch(parked.caller, Ok(nothing));
                }
                None => self.parked.push(parked),
            }
        }
    }

    fn advance_high_watermark(&mut self, now: Nanos) {
        let Role::Leader(leadership) = &self.role else { return };
        let mut ends: Vec<MetadataOffset> = leadership.peers.values().map(|peer| peer.end).collect();
        let ignores_flush = self.mutant == Some(ControllerMutant::AckUnflushed);
        ends.push(if ignores_flush { self.log.end().offset } else { self.flushed });
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let held = ends[self.majority() - 1];
        let is_own = held > leadership.begun_at || self.mutant == Some(ControllerMutant::CommitOldEpochs);
        if is_own && held > self.high_watermark {
            self.high_watermark = held;
            // Who waits learns of it at once.
            self.answer_parked(now, true);
        }
    }

    // ---- the follower's side ----

    pub(super) fn fetch_if_idle(&mut self, now: Nanos) {
        let from = self.log.end();
        let is_flushed = self.flushed == from.offset || self.mutant == Some(ControllerMutant::AckUnflushed);
        let Role::Follower { leader, is_fetching, not_before, .. } = &mut self.role else { return };
        if *is_fetching || now < *not_before || !is_flushed {
            return;
        }
        *is_fetching = true;
        let (replica, epoch) = (Replica::Voter(self.me), self.promise.epoch);
        let request = FetchMetadataRequest { replica, epoch, from, max_wait: MAX_WAIT };
        self.acts.push(Act::Ask(*leader, Question::Fetch(request)));
    }

    pub(super) fn fetch_answered(
        &mut self,
        cx: &mut Cx<'_>,
        from: ControllerId,
        request: &FetchMetadataRequest,
        response: &FetchMetadataResponse,
    ) {
        if !self.heard(cx, request.epoch, response.epoch, response.leader) {
            self.fetch_ended(cx.monotonic(), from, request, false);
            return;
        }
        let is_current = self.fetch_ended(cx.monotonic(), from, request, response.result.is_ok());
        if !is_current || request.from != self.log.end() {
            return;
        }
        match &response.result {
            Ok(FetchedMetadata::Entries { entries, high_watermark }) => {
                for entry in entries {
                    self.log.append(entry.clone());
                    self.acts.push(Act::Append(entry.clone()));
                }
                self.high_watermark = self.high_watermark.max((*high_watermark).min(self.log.end().offset));
            }
            Ok(FetchedMetadata::Diverging(end)) => self.cut_to(cx, *end),
            Ok(FetchedMetadata::Snapshot { end, image, .. }) => {
                cx.mark("controller: a voter was so far behind that it got a snapshot");
                let snapshot = Snapshot { end: *end, image: image.clone() };
                self.log.replace(snapshot.clone());
                self.flushed = MetadataOffset(0);
                self.high_watermark = self.high_watermark.max(end.offset);
                self.acts.push(Act::Replace(snapshot, Vec::new()));
            }
            Err(_) => {}
        }
    }

    /// The logs part: what cannot be common goes.
    fn cut_to(&mut self, cx: &mut Cx<'_>, end: LogEnd) {
        let own = self.log.end_of_epoch(end.epoch).unwrap_or(self.log.start());
        let offset = own.offset.min(end.offset);
        if offset < self.high_watermark {
            let high_watermark = self.high_watermark;
            return cx.fail(format!("controller {} is to cut committed entries: {offset} < {high_watermark}", self.me));
        }
        if offset < self.log.end().offset {
            cx.mark("controller: a follower cut what parted from its leader's log");
            self.log.truncate(offset);
            self.flushed = self.flushed.min(offset);
            self.acts.push(Act::Cut(offset));
        }
    }

    /// A fetch is over; whether it was the one that counts.
    pub(super) fn fetch_ended(
        &mut self,
        now: Nanos,
        from: ControllerId,
        request: &FetchMetadataRequest,
        went_well: bool,
    ) -> bool {
        let is_present = request.epoch == self.promise.epoch;
        let (retry, timeout) = (now + self.options.retry_backoff, now + self.options.fetch_timeout);
        match &mut self.role {
            Role::Follower { leader, until, has_fetched, is_fetching, not_before }
                if is_present && *leader == from && *is_fetching =>
            {
                *is_fetching = false;
                if went_well {
                    (*until, *has_fetched) = (timeout, true);
                } else {
                    *not_before = retry;
                }
                went_well
            }
            _ => false,
        }
    }

    /// The volume has made everything before that offset durable.
    pub(in super::super) fn was_flushed(&mut self, cx: &mut Cx<'_>, upto: MetadataOffset) {
        self.flushed = upto.min(self.log.end().offset).max(self.flushed);
        self.advance_high_watermark(cx.monotonic());
    }

    /// Takes an image of committed entries in the place of those, if all of the log is flushed.
    pub(in super::super) fn compact(&mut self, image: Arc<crate::kafka::metadata::ClusterImage>) {
        assert!(image.next <= self.high_watermark, "a snapshot is of committed entries");
        if self.flushed != self.log.end().offset || image.next <= self.log.start().offset {
            return;
        }
        let next = image.next;
        self.log.compact(image, self.options.snapshot_keep);
        let entries = self.log.entries_from(next, usize::MAX).cloned().collect();
        self.acts.push(Act::Replace(self.log.snapshot().clone(), entries));
    }
}
