//! A deterministic simulation of a correct Kafka-like system, step by step, that records the history of its clients.
//!
//! What such a system may show: transactions interleave in the logs, so `int-send-skip` and, with ww-deps, every kind of
//! cycle through ww edges. Without ww-deps there is no cycle: each op has a point between its invocation and its
//! completion (a transaction's decision, the first write of a plain send, the last poll of a plain poll; a decision or a
//! write after an info completion comes later still), records are polled only after their writer's point and before their
//! reader's, and so every wr and realtime edge leads forward in the order of those points. Consumers that subscribe jump
//! when they are rebalanced; the two poll errors between ops are then no fault.

use super::cluster::Cluster;
use super::dice::Dice;
use super::shape::Shape;
use super::worker::{Outcome, Planned, Running, Worker, invocation, key_name};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the cluster still has to do for clients that no longer wait for it.
enum Pending {
    Marker(usize, usize),
    Decision(usize, bool),
    Records(Vec<(usize, Value)>),
}

struct Simulation<'a> {
    shape: &'a Shape,
    dice: Dice,
    cluster: Cluster,
    workers: Vec<Worker>,
    pending: Vec<Pending>,
    /// Where the consumer group stands, by partition.
    committed: Vec<usize>,
    next_value: Vec<u64>,
    next_process: i64,
    time: u64,
    ops_left: usize,
    lines: Vec<Value>,
}

/// A history of this shape that a correct system may show: no error type of it is bad, with ww-deps or without, for the
/// sub-via the shape names. It ends with polls of everything that was acknowledged.
pub fn correct_history(shape: &Shape) -> Vec<Value> {
    let mut dice = Dice::new(shape.seed);
    let keys = shape.keys.max(1);
    let first_offsets: Vec<usize> = (0..keys).map(|_| dice.below(3)).collect();
    let mut simulation = Simulation {
        shape,
        dice,
        cluster: Cluster::new(&first_offsets),
        workers: Vec::new(),
        pending: Vec::new(),
        committed: vec![0; keys],
        next_value: vec![0; keys],
        next_process: 0,
        time: 0,
        ops_left: shape.ops,
        lines: Vec::new(),
    };
    for _ in 0..shape.processes.max(1) {
        let worker = simulation.fresh_worker();
        simulation.workers.push(worker);
    }
    while simulation.ops_left > 0 || simulation.workers.iter().any(|worker| worker.running.is_some()) {
        simulation.step();
    }
    simulation.settle();
    simulation.poll_everything();
    simulation.lines
}

impl Simulation<'_> {
    fn fresh_worker(&mut self) -> Worker {
        self.next_process += 1;
        Worker::new(self.next_process - 1)
    }

    fn record(&mut self, process: Value, kind: &str, f: &str, value: Value, more: Map<String, Value>) {
        self.time += 1 + self.dice.below(1000) as u64;
        let index = self.lines.len();
        let mut line = json!({ "index": index, "time": self.time, "process": process, "type": kind, "f": f });
        line["value"] = value;
        for (name, field) in more {
            line[name] = field;
        }
        self.lines.push(line);
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..15 => self.background(),
            15..19 if self.shape.subscribe => self.rebalance(),
            19 => self.record(json!("nemesis"), "info", "kill", Value::Null, Map::new()),
            _ => {
                let at = self.dice.below(self.workers.len());
                match &self.workers[at].running {
                    None if self.ops_left > 0 => self.start(at),
                    None => (),
                    Some(running) if running.done.len() < running.plan.len() => self.next_micro(at),
                    Some(_) => self.complete(at),
                }
            }
        }
    }

    fn background(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let at = self.dice.below(self.pending.len());
        match self.pending.remove(at) {
            Pending::Marker(partition, transaction) => self.cluster.mark(partition, transaction),
            Pending::Decision(transaction, commit) => self.decide(transaction, commit),
            Pending::Records(mut records) => {
                let (partition, value) = records.remove(0);
                self.cluster.append(partition, value, None);
                if !records.is_empty() {
                    self.pending.push(Pending::Records(records));
                }
            }
        }
    }

    fn decide(&mut self, transaction: usize, commit: bool) {
        let touched = self.cluster.decide(transaction, commit);
        self.pending.extend(touched.into_iter().map(|partition| Pending::Marker(partition, transaction)));
    }

    /// Deals out each partition anew, or leaves it where it is.
    fn rebalance(&mut self) {
        let mut dealt: Vec<BTreeMap<usize, usize>> = self.workers.iter().map(|_| BTreeMap::new()).collect();
        for partition in 0..self.committed.len() {
            let wanting = |worker: &Worker| worker.subscribed.contains(&partition);
            let takers: Vec<usize> = (0..self.workers.len()).filter(|&at| wanting(&self.workers[at])).collect();
            let owner = takers.iter().copied().find(|&at| self.workers[at].positions.contains_key(&partition));
            let stays = owner.filter(|_| self.dice.percent(50));
            if let Some(taker) = stays.or_else(|| self.dice.one(&takers).copied()) {
                dealt[taker].insert(partition, self.committed[partition]);
            }
        }
        for (worker, assigned) in self.workers.iter_mut().zip(dealt) {
            worker.rebalance(assigned);
        }
    }

    fn start(&mut self, at: usize) {
        self.ops_left -= 1;
        let (f, plan) = self.plan(at);
        let outcome = match self.dice.below(100) as u8 {
            _ if f == "crash" => Outcome::Info,
            roll if roll < self.shape.open => Outcome::Open,
            roll if roll < self.shape.open + self.shape.fail => Outcome::Fail,
            roll if roll < self.shape.open + self.shape.fail + self.shape.info => Outcome::Info,
            _ => Outcome::Ok,
        };
        let sends = plan.iter().any(|planned| matches!(planned, Planned::Send(..)));
        let polls = plan.iter().any(|planned| matches!(planned, Planned::Poll));
        let in_transaction = sends && (polls || self.dice.percent(self.shape.transactional));
        let transaction = in_transaction.then(|| self.cluster.begin());
        let (process, positions) = (self.workers[at].process, self.workers[at].positions.clone());
        self.record(json!(process), "invoke", f, invocation(&plan), Map::new());
        self.workers[at].running =
            Some(Running { f, plan, done: Vec::new(), outcome, transaction, positions, late: Vec::new() });
    }

    fn plan(&mut self, at: usize) -> (&'static str, Vec<Planned>) {
        let listens = !self.workers[at].positions.is_empty();
        let roll = self.dice.below(100);
        if roll < 8 || (!listens && roll < 50) {
            let mut partitions: BTreeSet<usize> = (0..self.committed.len()).filter(|_| self.dice.percent(60)).collect();
            partitions.insert(self.dice.below(self.committed.len()));
            return (if self.shape.subscribe { "subscribe" } else { "assign" }, vec![Planned::Listen(partitions)]);
        }
        match roll {
            96..98 => return ("crash", vec![Planned::Other(Value::Null)]),
            98..100 => return ("debug-topic-partitions", vec![Planned::Other(json!([key_name(0)]))]),
            _ => (),
        }
        let count = 1 + self.dice.below(self.shape.micros);
        let (sends, polls) = if listens { [(100, 0), (0, 100), (50, 50)][self.dice.below(3)] } else { (100, 0) };
        let mut plan = Vec::new();
        for _ in 0..count {
            if self.dice.percent(sends) {
                // Several records in a row for one partition come to lie side by side more often than not.
                let partition = self.dice.below(self.committed.len());
                for _ in 0..=self.dice.below(5) / 3 {
                    plan.push(Planned::Send(partition, self.value(partition)));
                }
            } else if polls > 0 {
                plan.push(Planned::Poll);
            }
        }
        let has = |wanted: fn(&Planned) -> bool| plan.iter().any(wanted);
        let f = match (has(|planned| matches!(planned, Planned::Send(..))), has(|p| matches!(p, Planned::Poll))) {
            (true, true) => "txn",
            _ if self.dice.percent(30) => "txn",
            (true, false) => "send",
            (false, _) => "poll",
        };
        (f, plan)
    }

    fn value(&mut self, partition: usize) -> Value {
        self.next_value[partition] += 1;
        let number = self.next_value[partition];
        if self.dice.percent(self.shape.strings) { json!(format!("v{number}")) } else { json!(number) }
    }

    fn next_micro(&mut self, at: usize) {
        let Some(mut running) = self.workers[at].running.take() else { return };
        let planned = running.plan[running.done.len()].clone();
        let gives_up = matches!(running.outcome, Outcome::Fail | Outcome::Info) && self.dice.percent(15);
        if gives_up {
            let rest = invocation(&running.plan[running.done.len()..]);
            match rest {
                Value::Array(rest) => running.done.extend(rest),
                other => running.done.push(other),
            }
            self.workers[at].running = Some(running);
            return;
        }
        let done = match planned {
            Planned::Send(partition, value) => self.send(&mut running, partition, value),
            Planned::Poll => self.poll(&mut running),
            Planned::Listen(_) | Planned::Other(_) => Value::Null,
        };
        running.done.push(done);
        self.workers[at].running = Some(running);
    }

    /// The completed send, with or without its offset.
    fn send(&mut self, running: &mut Running, partition: usize, value: Value) -> Value {
        let key = key_name(partition);
        let unknown = |dice: &mut Dice| {
            if dice.percent(50) { json!(["send", key, value]) } else { json!(["send", key, [null, value]]) }
        };
        if running.transaction.is_none() && running.outcome != Outcome::Ok {
            // A plain send that failed, or will never be answered, has written nothing; of an unknown one each record may
            // be written now, later or never, but none overtakes another.
            let roll = self.dice.below(3);
            if running.outcome != Outcome::Info || (roll == 0 && running.late.is_empty()) {
                return unknown(&mut self.dice);
            }
            if roll == 1 || !running.late.is_empty() {
                running.late.push((partition, value.clone()));
                return unknown(&mut self.dice);
            }
        }
        let offset = self.cluster.append(partition, value.clone(), running.transaction);
        if running.outcome != Outcome::Ok && self.dice.percent(40) {
            return unknown(&mut self.dice);
        }
        json!(["send", key, [offset, value]])
    }

    fn poll(&mut self, running: &mut Running) -> Value {
        // A poll that met an error returned nothing, and the next one of the op reads from the same place.
        if running.outcome != Outcome::Ok && self.dice.percent(30) {
            return json!(["poll"]);
        }
        let mut polled = Map::new();
        for (partition, position) in &mut running.positions {
            let most = if self.dice.percent(80) { self.dice.below(self.shape.batch + 1) } else { 0 };
            let records = self.cluster.fetch(*partition, *position, most);
            if let Some((last, _)) = records.last() {
                *position = last + 1;
            }
            if !records.is_empty() || self.dice.percent(15) {
                polled.insert(key_name(*partition), json!(records));
            }
        }
        json!(["poll", polled])
    }

    fn complete(&mut self, at: usize) {
        let Some(running) = self.workers[at].running.take() else { return };
        let outcome = running.outcome;
        if let Some(transaction) = running.transaction {
            match outcome {
                Outcome::Ok => self.decide(transaction, true),
                Outcome::Fail => self.decide(transaction, false),
                Outcome::Open => self.pending.push(Pending::Decision(transaction, false)),
                Outcome::Info => {
                    let commit = self.dice.percent(50);
                    self.pending.push(Pending::Decision(transaction, commit));
                }
            }
        }
        if !running.late.is_empty() {
            let reach = self.dice.below(running.late.len() + 1);
            if reach > 0 {
                self.pending.push(Pending::Records(running.late[..reach].to_vec()));
            }
        }
        if outcome == Outcome::Ok {
            self.take_effect(at, &running);
        }
        self.tell(at, running);
        if matches!(outcome, Outcome::Info | Outcome::Open) {
            self.workers[at] = self.fresh_worker();
        }
    }

    /// What an ok op leaves behind in its client and the group. Everything else leaves the positions as they were.
    fn take_effect(&mut self, at: usize, running: &Running) {
        for planned in &running.plan {
            match planned {
                Planned::Poll => {
                    self.workers[at].positions.clone_from(&running.positions);
                    for (partition, position) in &running.positions {
                        self.committed[*partition] = *position;
                    }
                }
                Planned::Listen(partitions) if self.shape.subscribe => {
                    self.workers[at].subscribed.clone_from(partitions);
                    self.rebalance();
                }
                Planned::Listen(partitions) => {
                    let mut positions = BTreeMap::new();
                    for partition in partitions {
                        let kept = self.workers[at].positions.get(partition).copied();
                        let anywhere = self.dice.below(self.cluster.stable_end(*partition) + 1);
                        let start = if self.dice.percent(75) { 0 } else { anywhere };
                        positions.insert(*partition, kept.unwrap_or(start));
                    }
                    self.workers[at].positions = positions;
                }
                Planned::Send(..) | Planned::Other(_) => (),
            }
        }
    }

    fn tell(&mut self, at: usize, running: Running) {
        let kind = match running.outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
            Outcome::Open => return,
        };
        let mut more = Map::new();
        let value = match running.plan.first() {
            Some(Planned::Listen(_) | Planned::Other(_)) => invocation(&running.plan[..1]),
            _ => Value::Array(running.done),
        };
        if matches!(running.f, "poll" | "txn") && !self.workers[at].rebalances.is_empty() {
            let rebalances = std::mem::take(&mut self.workers[at].rebalances);
            more.insert("rebalance-log".to_owned(), Value::Array(rebalances));
        }
        if kind != "ok" {
            more.insert("error".to_owned(), json!(["timeout"]));
        }
        self.record(json!(self.workers[at].process), kind, running.f, value, more);
    }

    /// Everything that was begun comes to its end.
    fn settle(&mut self) {
        while !self.pending.is_empty() {
            self.background();
        }
    }

    /// A last client polls every partition from its beginning to its end, at least twice.
    fn poll_everything(&mut self) {
        let process = json!(self.fresh_worker().process);
        let partitions = self.committed.len();
        let keys: Value = (0..partitions).map(key_name).collect::<Vec<String>>().into();
        self.record(process.clone(), "invoke", "assign", keys.clone(), Map::new());
        self.record(process.clone(), "ok", "assign", keys, Map::new());
        let mut positions = vec![0; partitions];
        let mut polls = 0;
        loop {
            let mut polled = Map::new();
            for (partition, position) in positions.iter_mut().enumerate() {
                let most = 1 + self.dice.below(4 * self.shape.batch);
                let records = self.cluster.fetch(partition, *position, most);
                if let Some((last, _)) = records.last() {
                    *position = last + 1;
                    polled.insert(key_name(partition), json!(records));
                }
            }
            let done = polled.is_empty();
            self.record(process.clone(), "invoke", "poll", json!([["poll"]]), Map::new());
            self.record(process.clone(), "ok", "poll", json!([["poll", polled]]), Map::new());
            polls += 1;
            if done && polls >= 2 {
                return;
            }
        }
    }
}
