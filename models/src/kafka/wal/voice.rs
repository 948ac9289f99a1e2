//! What a log says, and the probes that go with it: the same for every medium.

use super::{WalEvent, WalOffset, WalOwner, WalRecord};
use crate::kafka::metadata::StreamRange;
use crate::probe::Probe;
use crate::world::Cx;
use std::collections::VecDeque;

/// A log's events in order. After `Fenced` or `Failed` there are none.
#[derive(Default)]
pub(super) struct Voice {
    owner: Option<WalOwner>,
    events: VecDeque<WalEvent>,
    over: bool,
}

impl Voice {
    pub fn opened_by(&mut self, owner: WalOwner) {
        self.owner = Some(owner);
    }

    pub fn owner(&self) -> WalOwner {
        self.owner.expect("a log is opened first")
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn poll(&mut self) -> Option<WalEvent> {
        self.events.pop_front()
    }

    pub fn acquired(&mut self, cx: &mut Cx<'_>) {
        let WalOwner { broker: wal, epoch, mode } = self.owner();
        cx.probe(Probe::WalAcquired { wal, epoch, mode });
        self.say(WalEvent::Acquired);
    }

    pub fn recovered(&mut self, cx: &mut Cx<'_>, at: WalOffset, record: WalRecord) {
        let WalOwner { broker: wal, epoch, .. } = self.owner();
        cx.probe(Probe::WalRecovered { wal, epoch, at, range: range(&record) });
        self.say(WalEvent::Recovered { at, record });
    }

    pub fn recovery_ended(&mut self, cx: &mut Cx<'_>) {
        let WalOwner { broker: wal, epoch, .. } = self.owner();
        cx.probe(Probe::WalRecoveryEnded { wal, epoch });
        self.say(WalEvent::RecoveryEnded);
    }

    pub fn durable(&mut self, cx: &mut Cx<'_>, at: WalOffset, record: WalRecord) {
        let WalOwner { broker: wal, epoch, .. } = self.owner();
        cx.probe(Probe::WalDurable { wal, epoch, at, range: range(&record) });
        self.say(WalEvent::Durable { at, record });
    }

    pub fn trimmed(&self, cx: &mut Cx<'_>, upto: WalOffset) {
        let WalOwner { broker: wal, epoch, .. } = self.owner();
        cx.probe(Probe::WalTrimmed { wal, epoch, upto });
    }

    pub fn reset(&self, cx: &mut Cx<'_>) {
        let WalOwner { broker: wal, epoch, .. } = self.owner();
        cx.probe(Probe::WalReset { wal, epoch });
    }

    pub fn say(&mut self, event: WalEvent) {
        if !self.over {
            self.events.push_back(event);
        }
    }

    pub fn fenced(&mut self) {
        self.say(WalEvent::Fenced);
        self.over = true;
    }

    pub fn failed(&mut self, why: impl Into<String>) {
        self.say(WalEvent::Failed { why: why.into() });
        self.over = true;
    }
}

fn range(record: &WalRecord) -> StreamRange {
    StreamRange { stream: record.stream, start: record.base_offset, end: record.next_offset() }
}
