//! One consumer node: a consumer and an application that takes so many records a second.
//!
//! It polls when it has processed what the last poll gave it: `max.poll.records` at a time, at its own pace, so that lag is
//! real. A member of a group with `enable.auto.commit` off commits what it has processed before each next poll.
//!
//! Told to end ([`Signal::Terminate`]) it closes its consumer, as an application's shutdown hook does, and exits.
//!
//! In the history it is one client: an `assign` or `subscribe` in each life, then a `poll` for each poll that gave
//! records, which lists the partitions that rebalances have moved since the last one.

use super::alarm::Alarm;
use super::consumer::{Consumer, GroupConsumer, GroupEvent, Polled, StartAt};
use super::recorder;
use super::{ConsumerSettings, Directory};
use crate::kafka::ids::{GroupId, TopicId, TopicIdPartition};
use crate::kafka::token::TokenSpace;
use crate::probe::Probe;
use crate::world::{ClientId, Cx, Ended, Input, Process, Signal, Wait, Want};
use wavetank_sim::{Nanos, SortedMap, SortedSet};
use wavetank_traces::Offset;
use wavetank_traces::history::{Draft, Function, KeyId};

/// How a consumer gets its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// It takes these (`assign()`).
    Assign(Vec<(TopicIdPartition, StartAt)>),
    /// Its group gives it some of these topics' (`subscribe()`). With how many partitions each has: for the history alone.
    Subscribe(Vec<(TopicId, u32)>),
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

/// How it reads.
enum Reader {
    Alone(Box<Consumer>),
    Member(Box<GroupConsumer>),
}

/// See the [module](self).
pub struct ConsumerProcess {
    spec: ConsumerSpec,
    reader: Reader,
    alarm: Alarm,
    /// Until then the application processes what it has.
    busy_until: Nanos,
    keys: SortedMap<TopicIdPartition, KeyId>,
    /// What the last poll gave.
    polled: Vec<Polled>,
    /// What was handed out at this moment and is not told yet.
    untold: Option<Polled>,
    /// What it owns, and what rebalances have moved since the last poll.
    owned: SortedSet<TopicIdPartition>,
    moved: SortedSet<TopicIdPartition>,
    /// It was told to end.
    is_closing: bool,
}

impl ConsumerProcess {
    /// A life of a consumer node.
    pub fn new(spec: ConsumerSpec) -> ConsumerProcess {
        let spaces = [1, 2, 3, 4].map(TokenSpace);
        let (directory, settings) = (spec.directory.clone(), spec.settings.clone());
        let reader = match &spec.subscription {
            Subscription::Assign(_) => {
                Reader::Alone(Box::new(Consumer::new([spaces[0], spaces[1]], directory, settings)))
            }
            Subscription::Subscribe(topics) => {
                let topics = topics.iter().map(|(topic, _)| *topic).collect();
                Reader::Member(Box::new(GroupConsumer::new(spaces, directory, spec.group, topics, settings)))
            }
        };
        ConsumerProcess {
            reader,
            alarm: Alarm::new(TokenSpace(5)),
            busy_until: Nanos::ZERO,
            keys: SortedMap::new(),
            polled: Vec::new(),
            untold: None,
            owned: SortedSet::new(),
            moved: SortedSet::new(),
            is_closing: false,
            spec,
        }
    }

    fn boot(&mut self, cx: &mut Cx<'_>) {
        match self.spec.subscription.clone() {
            Subscription::Assign(partitions) => {
                let keys: Vec<KeyId> = partitions.iter().map(|(tp, _)| self.key(cx, *tp)).collect();
                let seek_to_beginning = partitions.iter().all(|(_, start)| *start == StartAt::Earliest);
                self.record_assignment(cx, Function::Assign, &keys, seek_to_beginning);
                if let Reader::Alone(consumer) = &mut self.reader {
                    consumer.assign(partitions);
                }
            }
            Subscription::Subscribe(topics) => {
                let partition = |topic, partition| TopicIdPartition { topic, partition };
                let all = topics.into_iter().flat_map(|(topic, count)| (0..count).map(move |n| partition(topic, n)));
                let keys: Vec<KeyId> = all.map(|tp| self.key(cx, tp)).collect();
                self.record_assignment(cx, Function::Subscribe, &keys, false);
            }
        }
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

    fn has_records(&self) -> bool {
        match &self.reader {
            Reader::Alone(consumer) => consumer.has_records(),
            Reader::Member(group) => group.has_records(),
        }
    }

    /// The application polls: it is done with what it had.
    fn poll(&mut self, cx: &mut Cx<'_>) {
        self.finish_polled(cx);
        let mut left = self.spec.settings.max_poll_records;
        while left > 0 {
            let polled = match &mut self.reader {
                Reader::Alone(consumer) => consumer.poll(left),
                Reader::Member(group) => group.poll(left),
            };
            let Some(polled) = polled else { break };
            left -= polled.count;
            self.hand_out(cx, &polled);
            self.polled.push(polled);
        }
        self.record_poll(cx);
        if let Some(rate) = self.spec.records_per_sec {
            let records = u64::from(self.spec.settings.max_poll_records - left);
            self.busy_until = cx.monotonic() + Nanos::transfer(records, rate);
        }
    }

    /// What the last poll gave is processed.
    fn finish_polled(&mut self, cx: &mut Cx<'_>) {
        if let Reader::Member(group) = &mut self.reader {
            for polled in &self.polled {
                group.processed(polled.tp, polled.next_offset());
            }
            if !self.spec.settings.enable_auto_commit && !self.polled.is_empty() {
                group.commit(cx);
            }
            group.begin_poll(cx);
        }
        self.polled.clear();
        self.note_rebalances(cx);
    }

    fn next_event(&mut self) -> Option<GroupEvent> {
        match &mut self.reader {
            Reader::Alone(_) => None,
            Reader::Member(group) => group.next_event(),
        }
    }

    fn note_rebalances(&mut self, cx: &mut Cx<'_>) {
        while let Some(event) = self.next_event() {
            // What it was handed comes before what was moved afterwards.
            self.tell(cx);
            let is_about_partitions = !matches!(event, GroupEvent::CommitFailed(_));
            match event {
                GroupEvent::Assigned { partitions, .. } => {
                    let now: SortedSet<_> = partitions.into_iter().collect();
                    self.moved.extend(self.owned.difference(&now).chain(now.difference(&self.owned)));
                    self.owned = now;
                }
                GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => {
                    self.owned.retain(|tp| !partitions.contains(tp));
                    self.moved.extend(partitions);
                }
                GroupEvent::CommitFailed(_) => {}
            }
            if is_about_partitions {
                let partitions = self.owned.iter().copied().collect();
                cx.probe(Probe::Held { group: self.spec.group, partitions });
            }
        }
    }

    /// The application has these. What it gets of one batch in several polls at one moment is told once.
    fn hand_out(&mut self, cx: &mut Cx<'_>, polled: &Polled) {
        if !self.untold.as_mut().is_some_and(|untold| untold.extend(polled)) {
            self.tell(cx);
            self.untold = Some(polled.clone());
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_>) {
        if let Some(polled) = self.untold.take() {
            cx.probe(Probe::Consumed {
                group: self.spec.group,
                span: polled.span(),
                due: polled.timestamps(),
                bytes: polled.bytes(),
            });
        }
    }

    fn record_poll(&mut self, cx: &mut Cx<'_>) {
        if !self.spec.recorded || self.polled.is_empty() {
            return;
        }
        let polled = std::mem::take(&mut self.polled);
        let keys: Vec<KeyId> = polled.iter().map(|polled| self.key(cx, polled.tp)).collect();
        let moved: Vec<KeyId> = std::mem::take(&mut self.moved).into_iter().map(|tp| self.key(cx, tp)).collect();
        let poll = cx.invoke(CLIENT, Function::Poll, Draft::poll);
        cx.complete(poll, Ended::Ok, |draft| {
            draft.poll();
            draft.rebalanced.extend_from_slice(&moved);
            for (polled, key) in polled.iter().zip(keys) {
                if let Some((writer, first)) = polled.first() {
                    let offset = Offset(polled.offset as i64);
                    draft.polled(key, Some(offset), recorder::value(writer, first), polled.count);
                }
            }
        });
        self.polled = polled;
    }

    /// `KafkaConsumer.close()`, after what the last poll gave is processed.
    fn close(&mut self, cx: &mut Cx<'_>) {
        self.is_closing = true;
        match &mut self.reader {
            Reader::Alone(_) => cx.exit("closed"),
            Reader::Member(group) => {
                for polled in &self.polled {
                    group.processed(polled.tp, polled.next_offset());
                }
                group.begin_close(cx);
            }
        }
        self.polled.clear();
    }

    fn run(&mut self, cx: &mut Cx<'_>) {
        if self.is_closing {
            if let Reader::Member(group) = &mut self.reader
                && group.close(cx)
            {
                cx.exit("closed");
            }
            return;
        }
        // An application that is not busy is in `poll()`. Without a pace of its own it takes all there is.
        while cx.monotonic() >= self.busy_until {
            self.poll(cx);
            if !self.has_records() {
                break;
            }
        }
        self.tell(cx);
        match &mut self.reader {
            Reader::Alone(consumer) => consumer.run(cx),
            Reader::Member(group) => group.run(cx),
        }
        if cx.monotonic() < self.busy_until {
            self.alarm.set(cx, self.busy_until);
        }
    }
}

impl Process for ConsumerProcess {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        if let Input::Boot = input {
            self.boot(cx);
        } else if let Input::Signal(signal) = input {
            if signal == Signal::Terminate && !self.is_closing {
                self.close(cx);
            }
        } else if !self.alarm.rang(&input) {
            match &mut self.reader {
                Reader::Alone(consumer) => consumer.input(cx, input),
                Reader::Member(group) => group.input(cx, input),
            };
        }
        self.run(cx);
    }

    fn waits(&self, want: Want) -> Vec<Wait> {
        match &self.reader {
            Reader::Alone(consumer) => consumer.waits(want),
            Reader::Member(group) => group.waits(want),
        }
    }
}
