//! Deletes of what is trimmed, twice; and the log emptied.

use super::layout::ALIGN;
use super::{DELETE, ObjectWal, Phase, SECOND_DELETES};
use crate::cloud::object_store::Key;
use crate::kafka::wal::mutant::WalMutant;
use crate::world::Cx;

impl ObjectWal {
    /// A trim offset that is durable; all but the last acknowledged object that lie before it can go.
    pub(super) fn delete_trimmed(&mut self, cx: &mut Cx<'_>, trimmed: u64) {
        let epoch = self.voice.owner().epoch;
        let mut keys = match self.phase {
            Phase::Open | Phase::Released => std::mem::take(&mut self.stale),
            _ => Vec::new(),
        };
        while self.flushed.len() > 1 && self.flushed[0].last < trimmed {
            let object = self.flushed.pop_front().expect("looked at");
            keys.push(self.names.object(epoch, object.start, object.end));
        }
        self.delete(cx, keys);
    }

    pub(super) fn delete(&mut self, cx: &mut Cx<'_>, keys: Vec<Key>) {
        if keys.is_empty() {
            return;
        }
        if self.mutant != Some(WalMutant::NoSecondDelete) {
            let number = self.next_delete;
            self.next_delete += 1;
            self.second_deletes.push_back((number, keys.clone()));
            self.space.set_timer(cx, self.options.second_delete_after, SECOND_DELETES + number);
        }
        self.client.delete(cx, DELETE, keys);
    }

    pub(super) fn delete_again(&mut self, cx: &mut Cx<'_>, number: u64) {
        let Some(at) = self.second_deletes.iter().position(|(other, _)| *other == number) else { return };
        let (_, keys) = self.second_deletes.remove(at).expect("found");
        self.client.delete(cx, DELETE, keys);
    }

    pub(super) fn empty(&mut self, cx: &mut Cx<'_>, phase: Phase) {
        assert_eq!(self.phase, Phase::Recovered, "a log is emptied after its recovery");
        self.voice.reset(cx);
        self.phase = phase;
        self.trimmed = self.next;
        if self.mutant == Some(WalMutant::ResetTrimsPastEnd) {
            // Past the end as it is once the record below has its place.
            self.trimmed = self.next + ALIGN + 1;
        }
        self.write_trim(cx);
        self.close_bulk(cx);
    }
}
