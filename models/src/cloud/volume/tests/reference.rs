//! Random histories against an independent reference: what may be read after a power loss.
//!
//! The reference keeps every change in the order of submission and knows nothing of caches, flights or journals. After a
//! power loss it asks: is there a prefix of the metadata changes, at least as long as what was promised, whose names and
//! lengths are those found; and is every sector then one of its versions since the last promised one, or a tear between
//! two of them?

use super::*;
use proptest::prelude::*;
use std::sync::Mutex;

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Act {
    Write { file: usize, at: u16, len: u16, direct: bool, wait: bool },
    Sync { file: usize, wait: bool, fails: bool },
    SyncDirectory,
    Truncate { file: usize, len: u16 },
    Create { name: usize },
    Rename { from: usize, to: usize },
    Delete { name: usize },
    Run { micros: u32 },
    Check,
    ProcessCrash,
    PowerLoss(Survival),
}

fn act() -> impl Strategy<Value = Act> {
    let survival = prop_oneof![
        6 => Just(Survival::Drawn),
        1 => Just(Survival::KeepAll),
        1 => Just(Survival::KeepNone),
        1 => Just(Survival::KeepData),
        1 => Just(Survival::KeepMetadata),
    ];
    prop_oneof![
        10 => (0usize..3, 0u16..2500, 1u16..1800, prop::bool::weighted(0.25), any::<bool>())
            .prop_map(|(file, at, len, direct, wait)| Act::Write { file, at, len, direct, wait }),
        4 => (0usize..3, any::<bool>(), prop::bool::weighted(0.15))
            .prop_map(|(file, wait, fails)| Act::Sync { file, wait, fails }),
        1 => Just(Act::SyncDirectory),
        2 => (0usize..3, 0u16..3000).prop_map(|(file, len)| Act::Truncate { file, len }),
        3 => (0usize..3).prop_map(|name| Act::Create { name }),
        2 => (0usize..3, 0usize..3).prop_map(|(from, to)| Act::Rename { from, to }),
        1 => (0usize..3).prop_map(|name| Act::Delete { name }),
        3 => prop_oneof![3 => 0u32..3000, 1 => Just(6_000_000), 1 => Just(40_000_000)]
            .prop_map(|micros| Act::Run { micros }),
        2 => Just(Act::Check),
        1 => Just(Act::ProcessCrash),
        2 => survival.prop_map(Act::PowerLoss),
    ]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meta {
    Create(usize, FileId),
    Rename(usize, usize),
    Delete(usize),
    Len(FileId, u64),
}

#[derive(Clone, Debug)]
enum Ev {
    Write {
        at: u64,
        len: u64,
        byte: u8,
    },
    /// With its place among the metadata changes.
    Cut {
        len: u64,
        meta: usize,
    },
}

#[derive(Clone, Debug, Default)]
struct RefFile {
    base: Vec<u8>,
    events: Vec<(usize, Ev)>,
    /// Sector -> number of the last event that is promised durable.
    durable: SortedMap<u64, usize>,
    failed_syncs: Vec<usize>,
}

impl RefFile {
    /// The file in the kernel's view.
    fn live(&self, len: u64) -> Vec<u8> {
        let mut content = self.base.clone();
        for (_, event) in &self.events {
            match event {
                Ev::Write { at, len, byte } => {
                    let end = (at + len) as usize;
                    content.resize(content.len().max(end), 0);
                    content[*at as usize..end].fill(*byte);
                }
                Ev::Cut { len, .. } => content.resize(*len as usize, 0),
            }
        }
        content.resize(len as usize, 0);
        content
    }

    /// What sector `s` may hold when the first `kept` metadata changes survive.
    fn versions(&self, s: u64, kept: usize) -> Vec<Vec<u8>> {
        let (from, to) = (s * SECTOR as u64, (s + 1) * SECTOR as u64);
        let mut now: Vec<u8> = (from..to).map(|at| self.base.get(at as usize).copied().unwrap_or(0)).collect();
        let durable = self.durable.get(&s).copied();
        let mut versions = vec![now.clone()];
        let mut lost_cut = u64::MAX;
        for (number, event) in &self.events {
            match event {
                Ev::Write { at, len, byte } => {
                    let (a, b) = ((*at).max(from), (at + len).min(to));
                    if a >= b || to > lost_cut {
                        continue;
                    }
                    now[(a - from) as usize..(b - from) as usize].fill(*byte);
                    if durable.is_some_and(|d| *number <= d) {
                        versions.clear();
                    }
                    versions.push(now.clone());
                }
                Ev::Cut { len, meta } if *meta < kept => {
                    let void = (len.max(&from) - from).min(SECTOR as u64) as usize;
                    now[void..].fill(0);
                    versions.iter_mut().for_each(|v| v[void..].fill(0));
                }
                Ev::Cut { len, .. } => lost_cut = lost_cut.min(*len),
            }
        }
        versions
    }

    fn synced(&mut self, before: usize) {
        let mut last: SortedMap<u64, usize> = SortedMap::new();
        for (number, event) in self.events.iter().filter(|(number, _)| *number < before) {
            if let Ev::Write { at, len, .. } = event {
                for s in at / SECTOR as u64..(at + len).div_ceil(SECTOR as u64) {
                    last.insert(s, *number);
                }
            }
        }
        for (s, number) in last {
            // fsyncgate: nothing is promised of a page that a failed sync covered, unless written again since.
            let spoilt = self.failed_syncs.iter().any(|failed| *failed > number && *failed < before);
            let known = self.durable.get(&s).copied();
            if !spoilt && known.is_none_or(|known| known < number) {
                self.durable.insert(s, number);
            }
        }
    }
}

struct Asked {
    token: u64,
    file: Option<FileId>,
    number: usize,
    metas: usize,
    direct: Option<(u64, u64)>,
    grows: bool,
}

struct Reference {
    bench: Bench,
    names: SortedMap<usize, FileId>,
    lens: SortedMap<FileId, u64>,
    base_names: SortedMap<usize, FileId>,
    base_lens: SortedMap<FileId, u64>,
    files: SortedMap<FileId, RefFile>,
    metas: Vec<Meta>,
    promised: usize,
    events: usize,
    byte: u8,
    asked: Vec<Asked>,
}

impl Reference {
    fn new(seed: u64, atomic: bool) -> Reference {
        let spec = VolumeSpec { atomic_sectors: atomic, ..small() };
        Reference {
            bench: Bench::new(spec, seed),
            names: SortedMap::new(),
            lens: SortedMap::new(),
            base_names: SortedMap::new(),
            base_lens: SortedMap::new(),
            files: SortedMap::new(),
            metas: Vec::new(),
            promised: 0,
            events: 0,
            byte: 0,
            asked: Vec::new(),
        }
    }

    fn number(&mut self) -> usize {
        self.events += 1;
        self.events
    }

    /// Takes note of what was promised since.
    fn harvest(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            let Some(result) = self.bench.answer(asked.token).cloned() else {
                self.asked.push(asked);
                continue;
            };
            match (result.is_ok(), asked.file, asked.direct) {
                (true, Some(file), None) => {
                    self.promised = self.promised.max(asked.metas);
                    self.files.get_mut(&file).unwrap().synced(asked.number);
                }
                (true, None, _) => self.promised = self.promised.max(asked.metas),
                (true, Some(file), Some((at, len))) => {
                    if asked.grows {
                        self.promised = self.promised.max(asked.metas);
                    }
                    for s in at / SECTOR as u64..(at + len) / SECTOR as u64 {
                        self.files.get_mut(&file).unwrap().durable.insert(s, asked.number);
                    }
                }
                (false, Some(file), _) => {
                    assert_eq!(result, Err(VolumeError::Io));
                    self.files.get_mut(&file).unwrap().failed_syncs.push(asked.number);
                }
                (false, None, _) => panic!("{result:?}"),
            }
        }
    }

    fn drain(&mut self, wanted: impl Fn(&Asked) -> bool) {
        let tokens: Vec<u64> = self.asked.iter().filter(|a| wanted(a)).map(|a| a.token).collect();
        for token in tokens {
            let _ = self.bench.wait(token);
        }
        self.harvest();
    }

    fn run(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match act {
            Act::Write { file, at, len, direct, wait } => self.write(*file, *at, *len, *direct, *wait),
            Act::Sync { file, wait, fails } => {
                let Some(&file) = self.names.get(file) else { return Ok(()) };
                let fate = if *fails { VolumeFate::IoError { applied: false } } else { VolumeFate::None };
                let number = self.number();
                let token = self.bench.submit_as(H1, VolumeOp::Sync { file }, fate);
                let metas = self.metas.len();
                self.asked.push(Asked { token, file: Some(file), number, metas, direct: None, grows: false });
                if *wait {
                    self.drain(|a| a.token == token);
                }
            }
            Act::SyncDirectory => {
                let token = self.bench.submit(VolumeOp::SyncDirectory);
                let (number, metas) = (self.number(), self.metas.len());
                self.asked.push(Asked { token, file: None, number, metas, direct: None, grows: false });
            }
            Act::Truncate { file, len } => {
                let Some(&file) = self.names.get(file) else { return Ok(()) };
                self.drain(|a| a.direct.is_some());
                self.bench.ask(VolumeOp::Truncate { file, len: u64::from(*len) }).unwrap();
                let (number, meta) = (self.number(), self.metas.len());
                self.metas.push(Meta::Len(file, u64::from(*len)));
                self.lens.insert(file, u64::from(*len));
                let event = Ev::Cut { len: u64::from(*len), meta };
                self.files.get_mut(&file).unwrap().events.push((number, event));
            }
            Act::Create { name } => {
                if self.names.contains_key(name) {
                    return Ok(());
                }
                let file = self.bench.create(NAMES[*name]);
                self.names.insert(*name, file);
                self.lens.insert(file, 0);
                self.files.insert(file, RefFile::default());
                self.metas.push(Meta::Create(*name, file));
            }
            Act::Rename { from, to } => {
                if from == to || !self.names.contains_key(from) {
                    return Ok(());
                }
                self.drain(|a| a.direct.is_some());
                let op = VolumeOp::Rename { from: NAMES[*from].into(), to: NAMES[*to].into() };
                self.bench.ask(op).unwrap();
                let file = self.names.remove(from).unwrap();
                self.names.insert(*to, file);
                self.metas.push(Meta::Rename(*from, *to));
            }
            Act::Delete { name } => {
                self.drain(|a| a.direct.is_some());
                if self.names.remove(name).is_some() {
                    self.bench.ask(VolumeOp::Delete { name: NAMES[*name].into() }).unwrap();
                    self.metas.push(Meta::Delete(*name));
                }
            }
            Act::Run { micros } => {
                let end = self.bench.now + Nanos::micros(u64::from(*micros));
                self.bench.run_until(end);
            }
            Act::Check => self.check_live()?,
            Act::ProcessCrash => {
                self.drain(|_| true);
                let incarnation = owner(H1).incarnation;
                self.bench.with(|volume, now, out| volume.process_crash(now, incarnation, out));
                self.check_live()?;
            }
            Act::PowerLoss(survival) => self.power_loss(*survival)?,
        }
        self.harvest();
        Ok(())
    }

    fn write(&mut self, file: usize, at: u16, len: u16, direct: bool, wait: bool) {
        let Some(&file) = self.names.get(&file) else { return };
        let (mut at, mut len) = (u64::from(at), u64::from(len));
        if direct {
            at = at / 512 * 512;
            len = len.next_multiple_of(512);
            self.drain(|a| a.direct.is_some_and(|(b, l)| b < at + len && at < b + l));
        } else {
            self.drain(|a| a.direct.is_some());
        }
        self.byte = self.byte % 250 + 1;
        let (byte, number) = (self.byte, self.number());
        let mode = if direct { IoMode::Direct } else { IoMode::Buffered };
        let token = self.bench.submit(write(file, at, bytes(byte, len), mode));
        let grows = at + len > self.lens[&file];
        self.files.get_mut(&file).unwrap().events.push((number, Ev::Write { at, len, byte }));
        if direct && grows {
            assert_eq!(self.bench.wait(token), Ok(VolumeAnswer::Written));
        }
        if grows {
            self.lens.insert(file, at + len);
            self.metas.push(Meta::Len(file, at + len));
        }
        if direct {
            let metas = self.metas.len();
            self.asked.push(Asked { token, file: Some(file), number, metas, direct: Some((at, len)), grows });
        }
        if wait {
            assert_eq!(self.bench.wait(token), Ok(VolumeAnswer::Written));
        }
    }

    fn found(&mut self) -> SortedMap<usize, (FileId, Vec<u8>)> {
        let entries = self.bench.list();
        let mut found = SortedMap::new();
        for entry in entries {
            let data = self.bench.read(entry.file, 0, entry.len + 100);
            assert_eq!(data.len(), entry.len);
            let name = NAMES.iter().position(|n| *n == entry.name.as_str()).unwrap();
            found.insert(name, (entry.file, data.to_bytes().unwrap().to_vec()));
        }
        found
    }

    fn check_live(&mut self) -> Result<(), TestCaseError> {
        self.drain(|a| a.direct.is_some());
        let found = self.found();
        let expected: SortedMap<usize, (FileId, Vec<u8>)> =
            (self.names.iter()).map(|(name, file)| (*name, (*file, self.files[file].live(self.lens[file])))).collect();
        prop_assert_eq!(found, expected);
        Ok(())
    }

    fn power_loss(&mut self, survival: Survival) -> Result<(), TestCaseError> {
        self.harvest();
        let in_flight = self.asked.len() + 4;
        self.bench.power_loss(survival);
        let found = self.found();
        let legal = (self.promised..=self.metas.len()).any(|kept| self.explains(kept, &found, in_flight));
        prop_assert!(
            legal,
            "no legal outcome: {:?}\nfiles {:?}\nmetas {:?} promised {}",
            found,
            self.files,
            self.metas,
            self.promised
        );
        // The machine starts again from what it found.
        self.asked.clear();
        self.metas.clear();
        self.promised = 0;
        self.names = found.iter().map(|(name, (file, _))| (*name, *file)).collect();
        self.lens = found.values().map(|(file, data)| (*file, data.len() as u64)).collect();
        self.files = found.into_values().map(|(file, base)| (file, RefFile { base, ..RefFile::default() })).collect();
        (self.base_names, self.base_lens) = (self.names.clone(), self.lens.clone());
        Ok(())
    }

    fn explains(&self, kept: usize, found: &SortedMap<usize, (FileId, Vec<u8>)>, in_flight: usize) -> bool {
        let (mut names, mut lens) = (self.base_names.clone(), self.base_lens.clone());
        for meta in &self.metas[..kept] {
            match meta {
                Meta::Create(name, file) => {
                    names.insert(*name, *file);
                    lens.insert(*file, 0);
                }
                Meta::Rename(from, to) => {
                    let file = names.remove(from).unwrap();
                    names.insert(*to, file);
                }
                Meta::Delete(name) => {
                    names.remove(name);
                }
                Meta::Len(file, len) => {
                    lens.insert(*file, *len);
                }
            }
        }
        let same_names = names.iter().eq(found.iter().map(|(name, (file, _))| (name, file)).collect::<Vec<_>>());
        if !same_names || found.values().any(|(file, data)| lens[file] != data.len() as u64) {
            return false;
        }
        let mut torn = 0;
        for (file, data) in found.values() {
            for (s, sector) in data.chunks(SECTOR).enumerate() {
                let versions = self.files[file].versions(s as u64, kept);
                if versions.iter().any(|v| v[..sector.len()] == *sector) {
                    continue;
                }
                let prefix = |v: &Vec<u8>| v.iter().zip(sector).take_while(|(a, b)| a == b).count();
                let suffix = |v: &Vec<u8>| {
                    v[..sector.len()].iter().rev().zip(sector.iter().rev()).take_while(|(a, b)| a == b).count()
                };
                let new_part = versions.iter().map(prefix).max().unwrap();
                let old_part = versions.iter().map(suffix).max().unwrap();
                if self.bench.volume.spec().atomic_sectors || new_part + old_part < sector.len() {
                    return false;
                }
                torn += 1;
            }
        }
        torn <= in_flight
    }
}

/// Sums over all histories, so that the suite can show that it saw each outcome.
static SEEN: Mutex<Vec<Witnessed>> = Mutex::new(Vec::new());

fn histories(cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(seed in any::<u64>(), atomic in prop::bool::weighted(0.2), acts in prop::collection::vec(act(), 1..40))| {
        let mut reference = Reference::new(seed, atomic);
        reference.run(&Act::Create { name: 0 })?;
        for act in acts.iter().chain([&Act::PowerLoss(Survival::Drawn), &Act::Check]) {
            reference.run(act)?;
        }
        let seen = *reference.bench.volume.witnessed();
        prop_assert!(!atomic || seen.torn_sectors == 0);
        SEEN.lock().unwrap().push(seen);
    });
}

#[test]
fn what_was_synced_survives_and_the_rest_vanishes_only_in_legal_ways() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    histories(cases);
    let seen = SEEN.lock().unwrap();
    let sum = |count: fn(&Witnessed) -> u64| seen.iter().map(count).sum::<u64>();
    let outcomes: [(&str, u64); 14] = [
        ("lost sector", sum(|w| w.lost_sectors)),
        ("unsynced sector kept", sum(|w| w.kept_unsynced_sectors)),
        ("torn sector", sum(|w| w.torn_sectors)),
        ("zero hole", sum(|w| w.zero_holes)),
        ("old content kept", sum(|w| w.old_content_kept)),
        ("lost beyond the end", sum(|w| w.lost_beyond_end)),
        ("lost metadata", sum(|w| w.lost_metadata)),
        ("unsynced metadata kept", sum(|w| w.kept_unsynced_metadata)),
        ("direct write in flight kept", sum(|w| w.in_flight_kept)),
        ("direct write in flight in part", sum(|w| w.in_flight_partial)),
        ("direct write in flight lost", sum(|w| w.in_flight_lost)),
        ("background writeback", sum(|w| w.writebacks)),
        ("background commit", sum(|w| w.background_commits)),
        ("page of a failed sync lost", sum(|w| w.failed_pages_lost)),
    ];
    println!("{} histories: {outcomes:?}", seen.len());
    for (name, count) in outcomes {
        assert!(count > 0 || cases < 1_000, "never seen in {cases} histories: {name}");
    }
}
