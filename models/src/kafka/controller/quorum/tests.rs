//! The quorum alone: three voters, a hostile network, crashes that take what is not durable.

use super::*;
use crate::kafka::protocol::fingerprint;
use crate::world::{Detached, Effect};
use std::collections::VecDeque;
use wavetank_sim::{Choices, Domain, Stream};

/// What survives a crash.
#[derive(Default)]
struct Disk {
    promise: Promise,
    entries: Vec<Arc<Entry>>,
}

struct Voter {
    id: ControllerId,
    detached: Detached,
    quorum: Option<Quorum>,
    disk: Disk,
    acts: VecDeque<Act>,
    persisting: Option<Promise>,
    writing: Vec<Act>,
    checked: u64,
}

enum Mail {
    Question { to: usize, id: u64 },
    Answer { to: usize, from: usize, question: Question, response: Response },
}

struct Cluster {
    random: Stream,
    mutant: Option<ControllerMutant>,
    now: Nanos,
    voters: Vec<Voter>,
    mail: Vec<Mail>,
    questions: SortedMap<u64, (usize, u32, Question)>,
    next: u64,
    lives: Vec<u32>,
    leaders: SortedMap<ControllerEpoch, usize>,
    committed: SortedMap<u64, u64>,
}

fn options() -> ControllerOptions {
    ControllerOptions { fetch_max_entries: 1, ..ControllerOptions::default() }
}

impl Cluster {
    fn new(seed: u64, mutant: Option<ControllerMutant>) -> Cluster {
        let voter = |i: u32| Voter {
            id: ControllerId(i),
            detached: Detached::new(seed * 3 + u64::from(i)),
            quorum: None,
            disk: Disk::default(),
            acts: VecDeque::new(),
            persisting: None,
            writing: Vec::new(),
            checked: 0,
        };
        let mut cluster = Cluster {
            random: Choices::new(seed).stream(Domain::new("test/quorum"), 0),
            mutant,
            now: Nanos::secs(1),
            voters: (0..3).map(voter).collect(),
            mail: Vec::new(),
            questions: SortedMap::new(),
            next: 0,
            lives: vec![0; 3],
            leaders: SortedMap::new(),
            committed: SortedMap::new(),
        };
        (0..3).for_each(|i| cluster.start(i));
        cluster
    }

    fn start(&mut self, i: usize) {
        let (mutant, now) = (self.mutant, self.now);
        let voter = &mut self.voters[i];
        if voter.quorum.is_some() {
            return;
        }
        self.lives[i] += 1;
        voter.detached.now = now;
        let others = (0..3).map(ControllerId).filter(|id| *id != voter.id).collect();
        let log = Log::recovered(Snapshot::default(), voter.disk.entries.clone());
        let mut cx = Cx::detached(&mut voter.detached);
        voter.quorum = Some(Quorum::new(&mut cx, voter.id, others, (options(), mutant), voter.disk.promise, log));
        voter.checked = 0;
    }

    fn crash(&mut self, i: usize) {
        let voter = &mut self.voters[i];
        (voter.quorum, voter.persisting) = (None, None);
        voter.acts.clear();
        voter.writing.clear();
    }

    fn with<R>(&mut self, i: usize, f: impl FnOnce(&mut Quorum, &mut Cx<'_>) -> R) -> Option<R> {
        let voter = &mut self.voters[i];
        voter.detached.now = self.now;
        let quorum = voter.quorum.as_mut()?;
        let mut cx = Cx::detached(&mut voter.detached);
        Some(f(quorum, &mut cx))
    }

    /// Polls a voter and does what it wants, up to what must be durable first.
    fn settle(&mut self, i: usize) {
        self.with(i, |quorum, cx| quorum.poll(cx));
        let Some(acts) = self.with(i, |quorum, _| quorum.take_acts()) else { return };
        self.voters[i].acts.extend(acts);
        while self.voters[i].persisting.is_none() {
            let Some(act) = self.voters[i].acts.pop_front() else { return };
            match act {
                Act::Persist(promise) => self.voters[i].persisting = Some(promise),
                Act::Ask(to, question) => {
                    let id = self.next;
                    self.next += 1;
                    self.questions.insert(id, (i, self.lives[i], question));
                    self.mail.push(Mail::Question { to: to.0 as usize, id });
                }
                Act::Answer(caller, response) => {
                    let Some((to, life, question)) = self.questions.remove(&caller.correlation) else { continue };
                    if life == self.lives[to] {
                        self.mail.push(Mail::Answer { to, from: i, question, response });
                    }
                }
                act => self.voters[i].writing.push(act),
            }
        }
    }

    fn deliver(&mut self, at: usize) {
        match self.mail.swap_remove(at) {
            Mail::Question { to, id } => {
                if self.voters[to].quorum.is_none() {
                    return self.lose(id, to);
                }
                let Some((_, _, question)) = self.questions.get(&id).cloned() else { return };
                let caller = Caller { conn: ConnId::default(), correlation: id };
                self.with(to, |quorum, cx| match question {
                    Question::Vote(request) => quorum.vote(cx, caller, &request),
                    Question::Begin(request) => quorum.begin(cx, caller, &request),
                    Question::Fetch(request) => quorum.fetch(cx, caller, request),
                });
                self.settle(to);
            }
            Mail::Answer { to, from, question, response } => {
                let from = ControllerId(from as u32);
                self.with(to, |quorum, cx| quorum.answered(cx, from, &question, &response));
                self.settle(to);
            }
        }
    }

    fn lose(&mut self, id: u64, asked: usize) {
        let Some((from, life, question)) = self.questions.remove(&id) else { return };
        if life == self.lives[from] {
            let asked = ControllerId(asked as u32);
            self.with(from, |quorum, cx| quorum.lost(cx.monotonic(), asked, &question));
        }
    }

    /// A message does not arrive; its sender learns that sooner or later.
    fn drop_mail(&mut self, at: usize) {
        match self.mail.swap_remove(at) {
            Mail::Question { to, id } => self.lose(id, to),
            Mail::Answer { to, from, question, .. } => {
                let from = ControllerId(from as u32);
                self.with(to, |quorum, cx| quorum.lost(cx.monotonic(), from, &question));
            }
        }
    }

    fn persisted(&mut self, i: usize) {
        if let Some(promise) = self.voters[i].persisting.take() {
            self.voters[i].disk.promise = promise;
            self.settle(i);
        }
    }

    fn flush(&mut self, i: usize) {
        let voter = &mut self.voters[i];
        for act in std::mem::take(&mut voter.writing) {
            match act {
                Act::Append(entry) => voter.disk.entries.push(entry),
                Act::Cut(offset) => voter.disk.entries.truncate(offset.0 as usize),
                other => unreachable!("{other:?} is not written"),
            }
        }
        let end = MetadataOffset(voter.disk.entries.len() as u64);
        self.with(i, |quorum, cx| quorum.was_flushed(cx, end));
        self.settle(i);
    }

    fn append(&mut self, i: usize) {
        self.with(i, |quorum, cx| {
            if quorum.leading().is_some() {
                quorum.append(cx, vec![MetadataRecord::NoOp]);
            }
        });
    }

    fn step(&mut self) {
        let i = self.random.index(3);
        match self.random.weighted(&[40, 4, 12, 12, 12, 4, 1, 2, 1]) {
            0 if !self.mail.is_empty() => {
                let at = self.random.index(self.mail.len());
                self.deliver(at);
            }
            1 if !self.mail.is_empty() => {
                let at = self.random.index(self.mail.len());
                self.drop_mail(at);
            }
            2 => self.persisted(i),
            3 => self.flush(i),
            4 => {
                self.now += self.random.nanos(Nanos::millis(1)..Nanos::millis(200));
                (0..3).for_each(|i| self.settle(i));
            }
            5 => self.append(i),
            6 => self.crash(i),
            7 => self.start(i),
            8 => {
                self.crash(i);
                self.start(i);
            }
            _ => {}
        }
    }

    fn check(&mut self) -> Result<(), String> {
        for i in 0..3 {
            let voter = &mut self.voters[i];
            if let Some(Effect::Fail { why }) =
                voter.detached.effects.drain(..).find(|effect| matches!(effect, Effect::Fail { .. }))
            {
                return Err(why);
            }
            let Some(quorum) = &voter.quorum else { continue };
            if let Some(epoch) = quorum.leading() {
                let known = *self.leaders.entry(epoch).or_insert(i);
                if known != i {
                    return Err(format!("{known} and {i} both lead epoch {epoch}"));
                }
            }
            for offset in voter.checked..quorum.high_watermark().0 {
                let entry = quorum.log().get(MetadataOffset(offset)).ok_or("the high watermark is beyond the end")?;
                let word = fingerprint(&**entry);
                if *self.committed.entry(offset).or_insert(word) != word {
                    return Err(format!("{i} has another committed entry at {offset}"));
                }
            }
            voter.checked = quorum.high_watermark().0;
        }
        Ok(())
    }

    fn calm(&mut self) -> Result<(), String> {
        for round in 0..600 {
            for i in 0..3 {
                self.start(i);
                self.persisted(i);
                self.flush(i);
                if round % 4 == 0 {
                    // Entries are fetched one by one.
                    self.append(i);
                }
            }
            self.now += Nanos::millis(20);
            (0..3).for_each(|i| self.settle(i));
            for _ in 0..self.mail.len() {
                self.deliver(0);
            }
            self.check()?;
        }
        let marks: Vec<u64> = self.voters.iter().map(|v| v.quorum.as_ref().unwrap().high_watermark().0).collect();
        let ends: Vec<u64> = self.voters.iter().map(|v| v.quorum.as_ref().unwrap().log().end().offset.0).collect();
        let is_live = marks.iter().zip(&ends).all(|(mark, end)| mark + 20 > *end && *mark > 20);
        if is_live { Ok(()) } else { Err(format!("not live after a calm: {marks:?} of {ends:?}")) }
    }
}

fn run(seed: u64, mutant: Option<ControllerMutant>, steps: usize) -> Result<Cluster, String> {
    let mut cluster = Cluster::new(seed, mutant);
    for _ in 0..steps {
        cluster.step();
        cluster.check()?;
    }
    Ok(cluster)
}

#[test]
fn no_epoch_has_two_leaders_and_nothing_committed_changes_and_a_calm_makes_it_live() {
    let (mut epochs, mut committed) = (0, 0);
    for seed in 0..400 {
        let mut cluster = run(seed, None, 3_000).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        epochs += cluster.leaders.len();
        committed += cluster.committed.len();
        cluster.calm().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(
        epochs > 800 && committed > 2_000,
        "the storm lets something happen: {epochs} leaders, {committed} entries"
    );
}

#[test]
fn a_quorum_that_breaks_a_rule_is_found() {
    for mutant in [ControllerMutant::AckUnflushed, ControllerMutant::ForgetVotes, ControllerMutant::CommitOldEpochs] {
        let found = (0..20_000).find_map(|seed| run(seed, Some(mutant), 3_000).err().map(|why| (seed, why)));
        let (seed, why) = found.unwrap_or_else(|| panic!("{} is not found", mutant.name()));
        println!("{}: seed {seed}: {why}", mutant.name());
    }
}
