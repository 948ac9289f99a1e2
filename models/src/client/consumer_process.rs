//! One consumer node: a consumer and an application that takes so many records a second.
//!
//! It polls when it has processed what the last poll gave it: `max.poll.records` at a time, at its own pace, so that lag is
//! real.

use super::alarm::Alarm;
use super::consumer::{Consumer, Polled, StartAt};
use super::recorder;
use super::{ConsumerSettings, Directory};
use crate::kafka::ids::{GroupId, TopicId, TopicIdPartition};
use crate::kafka::token::TokenSpace;
use crate::probe::Probe;
use crate::world::{ClientId, Cx, Ended, Input, Process};
use std::collections::BTreeMap;
use wavetank_sim::Nanos;
use wavetank_traces::Offset;
use wavetank_traces::history::{Draft, Function, KeyId};

/// How a consumer gets its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// It takes these (`assign()`).
    Assign(Vec<(TopicIdPartition, StartAt)>),
    /// Its group gives it some of these topics' (`subscribe()`).
    Subscribe(Vec<TopicId>),
}

/// What a consumer node is.
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// Where brokers are.
    pub directory: Directory,
    /// `group.id`.
    pub group: GroupId,
    /// What it reads.
    pub subscription: Subscription,
    /// How.
    pub settings: ConsumerSettings,
    /// How many records its application takes a second; `None`: as many as come.
    pub records_per_sec: Option<u64>,
    /// Whether its polls go into the history.
    pub recorded: bool,
}

const CLIENT: ClientId = ClientId(0);

/// See the [module](self).
pub struct ConsumerProcess {
    spec: ConsumerSpec,
    consumer: Consumer,
    alarm: Alarm,
    /// Until then the application processes what it has.
    busy_until: Nanos,
    keys: BTreeMap<TopicIdPartition, KeyId>,
    polled: Vec<Polled>,
}

impl ConsumerProcess {
    /// A life of a consumer node.
    pub fn new(spec: ConsumerSpec) -> ConsumerProcess {
        let spaces = [TokenSpace(1), TokenSpace(2)];
        ConsumerProcess {
            consumer: Consumer::new(spaces, spec.directory.clone(), spec.settings.clone()),
            alarm: Alarm::new(TokenSpace(3)),
            busy_until: Nanos::ZERO,
            keys: BTreeMap::new(),
            polled: Vec::new(),
            spec,
        }
    }

    fn boot(&mut self, cx: &mut Cx<'_>) {
        let Subscription::Assign(partitions) = self.spec.subscription.clone() else {
            panic!("groups come next");
        };
        let keys: Vec<KeyId> = partitions.iter().map(|(tp, _)| self.key(cx, *tp)).collect();
        let seek_to_beginning = partitions.iter().all(|(_, start)| *start == StartAt::Earliest);
        self.record_assignment(cx, Function::Assign, &keys, seek_to_beginning);
        self.consumer.assign(partitions);
    }

    fn key(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) -> KeyId {
        *self.keys.entry(tp).or_insert_with(|| recorder::key(cx, tp))
    }

    fn record_assignment(&self, cx: &mut Cx<'_>, function: Function, keys: &[KeyId], seek_to_beginning: bool) {
        if !self.spec.recorded {
            return;
        }
        let fill = |draft: &mut Draft| {
            draft.keys.extend_from_slice(keys);
            draft.seek_to_beginning = seek_to_beginning;
        };
        let assign = cx.invoke(CLIENT, function, fill);
        cx.complete(assign, Ended::Ok, fill);
    }

    /// The application polls, if it is done with what it had.
    fn poll(&mut self, cx: &mut Cx<'_>) {
        if cx.monotonic() < self.busy_until || !self.consumer.has_records() {
            return;
        }
        let mut left = self.spec.settings.max_poll_records;
        while let Some(polled) = (left > 0).then(|| self.consumer.poll(left)).flatten() {
            left -= polled.count;
            self.consumed(cx, &polled);
            self.polled.push(polled);
        }
        let records = self.spec.settings.max_poll_records - left;
        self.record_poll(cx);
        self.polled.clear();
        if let Some(rate) = self.spec.records_per_sec {
            self.busy_until = cx.monotonic() + Nanos::transfer(u64::from(records), rate);
        }
    }

    fn consumed(&self, cx: &mut Cx<'_>, polled: &Polled) {
        cx.probe(Probe::Consumed {
            group: self.spec.group,
            span: polled.span(),
            due: polled.timestamps(),
            bytes: polled.bytes(),
        });
    }

    fn record_poll(&mut self, cx: &mut Cx<'_>) {
        if !self.spec.recorded || self.polled.is_empty() {
            return;
        }
        let polled = std::mem::take(&mut self.polled);
        let keys: Vec<KeyId> = polled.iter().map(|polled| self.key(cx, polled.tp)).collect();
        let poll = cx.invoke(CLIENT, Function::Poll, Draft::poll);
        cx.complete(poll, Ended::Ok, |draft| {
            draft.poll();
            for (polled, key) in polled.iter().zip(keys) {
                if let Some((writer, first)) = polled.first() {
                    let offset = Offset(polled.offset as i64);
                    draft.polled(key, Some(offset), recorder::value(writer, first), polled.count);
                }
            }
        });
        self.polled = polled;
    }

    fn run(&mut self, cx: &mut Cx<'_>) {
        self.poll(cx);
        // Without a pace of its own the application takes all there is.
        while self.consumer.has_records() && cx.monotonic() >= self.busy_until {
            self.poll(cx);
        }
        self.consumer.run(cx);
        if self.consumer.has_records() {
            self.alarm.set(cx, self.busy_until);
        }
    }
}

impl Process for ConsumerProcess {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        if let Input::Boot = input {
            self.boot(cx);
        } else if !self.alarm.rang(&input) {
            self.consumer.input(cx, input);
        }
        self.run(cx);
    }
}
