//! Who uses the log: its broker, life after life, and a rescuer that takes it over whenever it likes.

use super::judge::Judge;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use wavetank_models::blob::Blob;
use wavetank_models::kafka::ids::{BrokerEpoch, BrokerId, StreamEpoch, StreamId};
use wavetank_models::kafka::token::{TokenSpace, token_of};
use wavetank_models::kafka::wal::{Wal, WalEvent, WalMode, WalOffset, WalOwner, WalRecord};
use wavetank_models::world::{Cx, Input, Process};
use wavetank_sim::{Nanos, SortedMap};

/// The log's broker.
pub(super) const BROKER: BrokerId = BrokerId(1);
const STREAMS: u64 = 3;
const APPEND: TokenSpace = TokenSpace(1);
const UPLOAD: TokenSpace = TokenSpace(2);
const BEGIN: TokenSpace = TokenSpace(3);
/// Logs, one after the other, from here on.
const FIRST_LOG: u16 = 100;

/// Makes a log with these tokens.
pub(super) type MakeWal = Arc<dyn Fn(TokenSpace, WalMode) -> Box<dyn Wal> + Send + Sync>;

/// How an owner trims its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trims {
    /// Once in a second or two, any part of what there is.
    Seldom,
    /// A few times a second, a few records.
    Often,
}

/// What keepers share: the judge's, not the world's.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) judge: Judge,
    pub(super) epochs: Arc<AtomicI64>,
    pub(super) make: MakeWal,
    pub(super) trims: Trims,
    /// The rescuer begins nothing after this.
    pub(super) rescues_until: Nanos,
    /// The broker appends and trims nothing after this.
    pub(super) appends_until: Nanos,
}

impl Shared {
    pub(super) fn new(judge: Judge, make: MakeWal, trims: Trims, rescues_until: Nanos, appends_until: Nanos) -> Shared {
        Shared { judge, epochs: Arc::new(AtomicI64::new(1)), make, trims, rescues_until, appends_until }
    }
}

struct Log {
    space: TokenSpace,
    wal: Box<dyn Wal>,
    epoch: i64,
}

/// One process.
pub(super) struct Keeper {
    shared: Shared,
    mode: WalMode,
    log: Option<Log>,
    spaces: u16,
    ready: bool,
    next: SortedMap<u64, u64>,
    /// Refused, in order.
    backlog: VecDeque<WalRecord>,
    kept: VecDeque<WalOffset>,
}

impl Keeper {
    pub(super) fn new(shared: Shared, mode: WalMode) -> Keeper {
        Keeper {
            shared,
            mode,
            log: None,
            spaces: FIRST_LOG,
            ready: false,
            next: SortedMap::new(),
            backlog: VecDeque::new(),
            kept: VecDeque::new(),
        }
    }

    fn open(&mut self, cx: &mut Cx<'_>) {
        let epoch = self.shared.epochs.fetch_add(1, Ordering::Relaxed);
        let space = TokenSpace(self.spaces);
        self.spaces += 1;
        let mut wal = (self.shared.make)(space, self.mode);
        wal.open(cx, WalOwner { broker: BROKER, epoch: BrokerEpoch(epoch), mode: self.mode });
        self.log = Some(Log { space, wal, epoch });
        self.listen(cx);
    }

    fn begin_later(&self, cx: &mut Cx<'_>) {
        let after = cx.random().nanos(Nanos::millis(500)..Nanos::secs(12));
        if cx.monotonic() + after < self.shared.rescues_until {
            BEGIN.set_timer(cx, after, 0);
        }
    }

    fn listen(&mut self, cx: &mut Cx<'_>) {
        while let Some(log) = &mut self.log
            && let Some(event) = log.wal.poll()
        {
            self.heard(cx, event);
        }
    }

    fn heard(&mut self, cx: &mut Cx<'_>, event: WalEvent) {
        let epoch = self.log.as_ref().expect("it speaks").epoch;
        let judge = self.shared.judge.clone();
        match event {
            WalEvent::Acquired => judge.acquired(epoch),
            WalEvent::Recovered { at, record } => judge.recovered(epoch, at, record),
            WalEvent::RecoveryEnded => {
                judge.recovery_ended(epoch);
                let takes = cx.random().nanos(Nanos::millis(1)..Nanos::secs(2));
                UPLOAD.set_timer(cx, takes, 0);
            }
            WalEvent::Ready => {
                judge.empty(epoch);
                self.ready = true;
                APPEND.set_timer(cx, Nanos::millis(1), 0);
            }
            WalEvent::Released => {
                judge.empty(epoch);
                self.log = None;
                self.begin_later(cx);
            }
            WalEvent::Durable { at, record } => {
                judge.durable(epoch, at, record);
                self.kept.push_back(at);
            }
            WalEvent::Room => self.append_backlog(cx),
            WalEvent::Fenced => {
                judge.over(epoch);
                match self.mode {
                    WalMode::Own => cx.exit("fenced"),
                    WalMode::Failover => {
                        self.log = None;
                        self.begin_later(cx);
                    }
                }
            }
            WalEvent::Failed { why } => {
                judge.over(epoch);
                cx.exit(why);
            }
        }
    }

    fn append_some(&mut self, cx: &mut Cx<'_>) {
        let epoch = self.log.as_ref().expect("it is ready").epoch;
        for _ in 0..=cx.random().range(0..3) {
            let stream = cx.random().range(0..STREAMS);
            let count = 1 + cx.random().range(0..3) as u32;
            let base = self.next.entry(stream).or_default();
            let base_offset = *base;
            *base += u64::from(count);
            let name = (epoch as u64) << 32 | stream << 24 | base_offset;
            let mut payload = Blob::real(name.to_be_bytes().to_vec());
            payload.append(&Blob::named(name, cx.random().range(1..6_000)));
            let (stream, epoch) = (StreamId(stream), StreamEpoch(epoch as u64));
            let record = WalRecord { stream, epoch, base_offset, count, payload };
            self.backlog.push_back(record);
        }
        self.append_backlog(cx);
    }

    fn append_backlog(&mut self, cx: &mut Cx<'_>) {
        while let Some(log) = &mut self.log
            && let Some(record) = self.backlog.pop_front()
        {
            self.shared.judge.appended(log.epoch, &record);
            if let Err(refused) = log.wal.append(cx, record) {
                self.backlog.push_front(refused.0);
                return;
            }
        }
    }

    /// Sometimes all but a few, as after a commit.
    fn trim(&mut self, cx: &mut Cx<'_>) {
        let (one_in, most) = match self.shared.trims {
            Trims::Seldom => (40, usize::MAX),
            Trims::Often => (6, 8),
        };
        if cx.random().ratio(1, one_in) && !self.kept.is_empty() {
            let many = 1 + cx.random().index(self.kept.len().min(most));
            let upto = self.kept.drain(..many).next_back().expect("at least one");
            let log = self.log.as_mut().expect("it is ready");
            self.shared.judge.trimmed(log.epoch, upto);
            log.wal.trim(cx, upto);
        }
    }
}

impl Process for Keeper {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        self.shared.judge.at(cx.monotonic());
        if let Input::Boot = input {
            return match self.mode {
                WalMode::Own => self.open(cx),
                WalMode::Failover => self.begin_later(cx),
            };
        }
        let space = token_of(&input).map(|token| TokenSpace::split(token).0);
        match space {
            Some(APPEND) if self.ready && cx.monotonic() < self.shared.appends_until => {
                if self.backlog.len() < 20 {
                    self.append_some(cx);
                }
                self.trim(cx);
                let pause = cx.random().nanos(Nanos::millis(1)..Nanos::millis(80));
                APPEND.set_timer(cx, pause, 0);
            }
            Some(UPLOAD) => {
                if let Some(log) = &mut self.log {
                    self.shared.judge.reset_called(log.epoch);
                    match self.mode {
                        WalMode::Own => log.wal.reset(cx),
                        WalMode::Failover => log.wal.release(cx),
                    }
                }
            }
            Some(BEGIN) => self.open(cx),
            _ => {
                if let Some(log) = &mut self.log
                    && Some(log.space) == space
                {
                    log.wal.input(cx, input);
                }
            }
        }
        self.listen(cx);
    }
}
