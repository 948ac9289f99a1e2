//! How fast histories are checked: cost follows operations and batches, not records.
//!
//! `100k_batches` is a run of 10 million records; `1m_ops` is a million lines of single records. The sizes a tenth and a
//! hundredth of that show that growth is linear, and `8k_ops` is the size of a usual Jepsen test, for which the original
//! needs seconds.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wavetank_traces::Offset;
use wavetank_traces::check::{Options, check};
use wavetank_traces::history::{Draft, Function, History, KeyId, Kind, Process, Value, reader, writer};

const PRODUCERS: i64 = 12;
const CONSUMERS: i64 = 4;
const KEYS: usize = 16;

/// A correct run: producers send batches to partitions in turn, consumers poll what is new. Each process always has an
/// operation open, so that operations overlap as they do in a real run.
fn history(ops: usize, records_a_batch: u32) -> History {
    let mut history = History::new();
    let mut run = Run {
        keys: (0..KEYS).map(|key| history.key(&format!("topic-{key}"))).collect(),
        logs: vec![Vec::new(); KEYS],
        polled: vec![0; KEYS],
        draft: Draft::default(),
        batch: records_a_batch,
    };
    for round in 0.. {
        for process in 0..PRODUCERS + CONSUMERS {
            if history.len() >= ops {
                return history;
            }
            if round > 0 {
                run.complete(&mut history, process, round - 1);
            }
            run.invoke(&mut history, process, round);
        }
    }
    history
}

struct Run {
    keys: Vec<KeyId>,
    /// The first value of each batch of each partition.
    logs: Vec<Vec<Value>>,
    /// How many batches of each partition its consumer has polled.
    polled: Vec<usize>,
    draft: Draft,
    batch: u32,
}

impl Run {
    fn start(&mut self, history: &History, process: i64, kind: Kind) {
        self.draft.clear();
        self.draft.index = history.len() as u64;
        self.draft.time = history.len() as i64 * 1_000;
        self.draft.process = Some(Process(process));
        self.draft.kind = kind;
        self.draft.function = if process < PRODUCERS { Function::Send } else { Function::Poll };
    }

    /// Which partition a producer sends to in a round, and the first value of that batch: a record's identity is its
    /// writer and its number among those that the writer sends to the partition.
    fn target(&self, process: i64, round: u64) -> (usize, Value) {
        let key = (process as usize + round as usize) % KEYS;
        let number = round / KEYS as u64 * u64::from(self.batch);
        (key, Value(((process as u64) << 40) | number))
    }

    fn invoke(&mut self, history: &mut History, process: i64, round: u64) {
        self.start(history, process, Kind::Invoke);
        if process < PRODUCERS {
            let (key, value) = self.target(process, round);
            self.draft.send_batch(self.keys[key], None, value, self.batch);
        } else {
            self.draft.poll();
        }
        history.push(&self.draft).expect("the process is idle");
    }

    fn complete(&mut self, history: &mut History, process: i64, round: u64) {
        self.start(history, process, Kind::Ok);
        if process < PRODUCERS {
            let (key, value) = self.target(process, round);
            let offset = self.offset(self.logs[key].len());
            self.logs[key].push(value);
            self.draft.send_batch(self.keys[key], Some(offset), value, self.batch);
        } else {
            self.poll((process - PRODUCERS) as usize);
        }
        history.push(&self.draft).expect("the process invoked it");
    }

    /// All that is new in the partitions of one consumer.
    fn poll(&mut self, consumer: usize) {
        self.draft.poll();
        for key in (consumer..KEYS).step_by(CONSUMERS as usize) {
            for batch in self.polled[key]..self.logs[key].len() {
                self.draft.polled(self.keys[key], Some(self.offset(batch)), self.logs[key][batch], self.batch);
            }
            self.polled[key] = self.logs[key].len();
        }
    }

    fn offset(&self, batch: usize) -> Offset {
        Offset(batch as i64 * i64::from(self.batch))
    }
}

/// Operations of a history in which this many batches are sent.
fn ops_for(batches: usize) -> usize {
    batches * 2 * (PRODUCERS + CONSUMERS) as usize / PRODUCERS as usize
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    group.sample_size(10);
    let sizes = [
        ("8k_ops", 8_000, 1),
        ("100k_ops", 100_000, 1),
        ("1m_ops", 1_000_000, 1),
        ("1k_batches", ops_for(1_000), 100),
        ("10k_batches", ops_for(10_000), 100),
        ("100k_batches", ops_for(100_000), 100),
    ];
    for (name, ops, batch) in sizes {
        let history = history(ops, batch);
        group.throughput(Throughput::Elements(ops as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &history, |bencher, history| {
            bencher.iter(|| {
                let report = check(black_box(history), &Options::default());
                assert!(report.bad.iter().all(|anomaly| anomaly.name() == "unseen"), "{:?}", report.bad);
            });
        });
    }
    group.finish();
}

/// Files: a million operations of single records, about a hundred bytes each.
fn files(criterion: &mut Criterion) {
    let history = history(1_000_000, 1);
    let mut bytes = Vec::new();
    writer::write(&history, &mut bytes).expect("memory takes everything");
    let mut group = criterion.benchmark_group("history");
    group.sample_size(10).throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("write_1m_ops", |bencher| {
        bencher.iter(|| writer::write(black_box(&history), &mut std::io::sink()).expect("it takes everything"));
    });
    group.bench_function("read_1m_ops", |bencher| {
        bencher.iter(|| reader::read(black_box(&bytes[..]), "memory").expect("what was written is read"));
    });
    group.finish();
}

criterion_group!(benches, bench, files);
criterion_main!(benches);
