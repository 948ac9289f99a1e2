//! How the log is acquired: the reservation, and the list of what is there.

use super::layout::{LogObject, OBJECT_HEADER_BYTES, ObjectHeader, Reservation, drop_dirty};
use super::{LIST, NEWEST, ObjectWal, Phase, RESERVE};
use crate::cloud::object_store::{ByteRange, Condition, ListEntry};
use crate::kafka::object_client::ObjectAnswer;
use crate::kafka::wal::WalMode;
use crate::world::Cx;

impl ObjectWal {
    pub(super) fn read_reservation(&mut self, cx: &mut Cx<'_>, id: u64) {
        self.client.get(cx, id, self.names.reservation.clone(), None);
    }

    pub(super) fn reserve(&mut self, cx: &mut Cx<'_>, condition: Condition) {
        self.client.put(cx, RESERVE, self.names.reservation.clone(), self.reservation().encode(), condition);
    }

    pub(super) fn reservation_read(&mut self, cx: &mut Cx<'_>, answer: ObjectAnswer) {
        let (body, etag) = match answer {
            ObjectAnswer::Content { body, etag } => (body, etag),
            _ => return self.reserve(cx, Condition::IfNoneMatch),
        };
        let Some(held) = Reservation::decode(&body) else {
            return self.voice.failed("the reservation object holds something else");
        };
        let mine = self.reservation();
        if held == mine {
            self.acquired(cx);
        } else if held.epoch >= mine.epoch {
            self.voice.fenced();
        } else {
            self.reserve(cx, Condition::IfMatch(etag));
        }
    }

    pub(super) fn acquired(&mut self, cx: &mut Cx<'_>) {
        self.voice.acquired(cx);
        self.list(cx);
    }

    pub(super) fn list(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Listing;
        self.client.list(cx, LIST, self.names.prefix.clone());
    }

    pub(super) fn listed(&mut self, cx: &mut Cx<'_>, entries: &[ListEntry], pages: u32) {
        if pages > 1 {
            cx.mark("wal: list crossed a page");
        }
        let mut objects: Vec<LogObject> = entries.iter().filter_map(|entry| self.names.parse(entry)).collect();
        objects.sort();
        let dirty = drop_dirty(&mut objects, self.mutant);
        if !dirty.is_empty() {
            cx.mark("wal: a fenced owner's PUT landed after the new owner's list");
            self.delete(cx, dirty.into_iter().map(|object| object.key).collect());
        }
        let Some(newest) = objects.last() else { return self.trim_known(cx) };
        if newest.epoch > self.voice.owner().epoch {
            return self.voice.fenced();
        }
        self.next = newest.end;
        self.stale = objects.iter().map(|object| object.key.clone()).collect();
        let key = newest.key.clone();
        self.to_recover = objects.into();
        let header = ByteRange::Span { first: 0, last: OBJECT_HEADER_BYTES - 1 };
        self.client.get(cx, NEWEST, key, Some(header));
    }

    pub(super) fn newest_read(&mut self, cx: &mut Cx<'_>, answer: ObjectAnswer) {
        let header = match &answer {
            ObjectAnswer::Content { body, .. } => ObjectHeader::decode(body),
            _ => None,
        };
        let Some(header) = header else {
            return self.voice.failed("the newest object of the log is gone or has no header");
        };
        self.trimmed = header.trimmed;
        self.trim_known(cx);
    }

    pub(super) fn trim_known(&mut self, cx: &mut Cx<'_>) {
        self.keep_what_is_whole();
        match self.voice.owner().mode {
            WalMode::Own => self.begin_recovery(cx),
            WalMode::Failover => {
                self.phase = Phase::Marking;
                self.write_trim(cx);
                self.close_bulk(cx);
            }
        }
    }

    /// Of the objects in order: from the first that is not trimmed to the first hole.
    pub(super) fn keep_what_is_whole(&mut self) {
        let trimmed = self.trimmed;
        let before = self.to_recover.len();
        self.to_recover.retain(|object| object.end > trimmed);
        self.passed_trimmed = self.to_recover.len() < before;
        let whole = 1 + self
            .to_recover
            .iter()
            .zip(self.to_recover.iter().skip(1))
            .take_while(|(a, b)| a.end == b.start)
            .count();
        self.to_recover.truncate(whole);
    }
}
