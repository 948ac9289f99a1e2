//! Histories in a line a piece, and both verdicts on them.

use wavetank_traces::Offset;
use wavetank_traces::check::proof::Proof;
use wavetank_traces::check::{Options, Report, Verdict, check};
use wavetank_traces::contract::{Class, Classified, Context, KafkaReport, check_kafka};
use wavetank_traces::history::{Draft, Function, History, Kind, Process, Value};

/// Reads a history of lines like `3 ok txn s:x@0=10 p:x@1=11+2,y p`.
///
/// A line is a process, an end, a function and micro-operations. `ok`, `fail` and `info` lines stand for an invocation and
/// its completion; `open` for an invocation alone; `begin` for one that an `end-ok`, `end-fail` or `end-info` line
/// completes. `s:x@0=10` sends 10 to x, which gets offset 0; `s:x=10+3` sends three values, of unknown offsets;
/// `p:x@1=11+2,y` polls 11 and 12 at offsets 1 and 2 of x, and nothing of y. `k:x,y` are an assignment's keys, `beginning`
/// makes it seek, `r:x` are keys that a rebalance moved, `!E` is the error E. Index and time grow by 1 and by 10;
/// `t=5` is another time.
pub fn history(text: &str) -> History {
    let mut history = History::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let process = words.next().unwrap().parse().unwrap();
        let end = words.next().unwrap();
        let function = Function::by_name(words.next().unwrap());
        assert_ne!(function, Function::Other, "{line}");
        let words: Vec<_> = words.collect();
        let kinds: &[Kind] = match end {
            "ok" => &[Kind::Invoke, Kind::Ok],
            "fail" => &[Kind::Invoke, Kind::Fail],
            "info" => &[Kind::Invoke, Kind::Info],
            "open" | "begin" => &[Kind::Invoke],
            "end-ok" => &[Kind::Ok],
            "end-fail" => &[Kind::Fail],
            "end-info" => &[Kind::Info],
            other => panic!("{other}"),
        };
        for kind in kinds {
            let mut draft = Draft::default();
            draft.index = history.len() as u64;
            draft.time = draft.index as i64 * 10;
            draft.process = Some(Process(process));
            draft.kind = *kind;
            draft.function = function;
            words.iter().for_each(|word| add(&mut history, &mut draft, word));
            history.push(&draft).unwrap();
        }
    }
    history
}

fn add(history: &mut History, draft: &mut Draft, word: &str) {
    let completes = draft.kind != Kind::Invoke;
    match word.split_once(':') {
        Some(("s", record)) => {
            let (key, offset, value, count) = run(record);
            let key = history.key(key);
            match count {
                1 => draft.send(key, offset.filter(|_| completes), value),
                _ => draft.send_batch(key, offset.filter(|_| completes), value, count),
            }
        }
        Some(("p", records)) => {
            draft.poll();
            for record in records.split(',').filter(|_| completes) {
                let (key, offset, value, count) = run(record);
                let key = history.key(key);
                draft.polled(key, offset, value, count);
            }
        }
        Some(("k", keys)) => draft.keys = keys.split(',').map(|key| history.key(key)).collect(),
        Some(("r", keys)) => draft.rebalanced = keys.split(',').map(|key| history.key(key)).collect(),
        _ if word == "p" => draft.poll(),
        _ if word == "beginning" => draft.seek_to_beginning = true,
        _ if word.starts_with("t=") => draft.time = word[2..].parse().unwrap(),
        _ => draft.error = Some(history.value(&word.strip_prefix('!').unwrap().into())),
    }
}

/// `key@offset=value+count`, of which all but the key may be missing.
fn run(text: &str) -> (&str, Option<Offset>, Value, u32) {
    let Some((place, values)) = text.split_once('=') else { return (text, None, Value(0), 0) };
    let (value, count) = values.split_once('+').unwrap_or((values, "1"));
    let (key, offset) = match place.split_once('@') {
        Some((key, offset)) => (key, Some(Offset(offset.parse().unwrap()))),
        None => (place, None),
    };
    (key, offset, Value(value.parse().unwrap()), count.parse().unwrap())
}

/// What both contracts say of a history.
pub struct Both {
    pub jepsen: Report,
    pub kafka: KafkaReport,
}

/// Checks a history as Jepsen does (with consumers that assign) and under Kafka's contract.
pub fn both(text: &str, context: &str) -> Both {
    let history = history(text);
    let context = Context::read(context, "context").unwrap_or_else(|error| panic!("{error}"));
    let options = Options::default();
    Both { jepsen: check(&history, &options), kafka: check_kafka(&history, &context, &options) }
}

impl Both {
    /// Jepsen's verdict, and all that it found.
    pub fn jepsen(self, verdict: Verdict, types: &[&str]) -> Both {
        let found: Vec<_> = self.jepsen.proofs.keys().map(|anomaly| anomaly.name()).collect();
        assert_eq!((self.jepsen.verdict, found.as_slice()), (verdict, types), "Jepsen says otherwise");
        self
    }

    /// Kafka's verdict, and all that it found, each as `anomaly class records`; the texts in round brackets are contained
    /// in what the findings say as to by what, or why.
    pub fn kafka(self, verdict: Verdict, expected: &[&str]) -> Both {
        let mut found: Vec<_> = self.kafka.all().map(describe).collect();
        found.sort();
        let mut expected: Vec<_> = expected.iter().map(|line| line.split_once(" (").unwrap_or((line, ""))).collect();
        expected.sort_unstable();
        let lines: Vec<_> = found.iter().map(|(line, _)| line.as_str()).collect();
        let wanted: Vec<_> = expected.iter().map(|(line, _)| *line).collect();
        assert_eq!((self.kafka.verdict, lines), (verdict, wanted), "Kafka's contract says otherwise: {found:#?}");
        for ((line, reason), (_, wanted)) in found.iter().zip(expected) {
            assert!(reason.contains(wanted.trim_end_matches(')')), "{line}: {reason}");
        }
        self
    }
}

fn describe(finding: &Classified) -> (String, String) {
    let records = match &finding.proof {
        Proof::LostWrite { values, .. }
        | Proof::Read { values, .. }
        | Proof::BeyondEnd { values, .. }
        | Proof::DoubleConsumption { values, .. } => format!("{values:?}"),
        Proof::Unseen { values, .. } | Proof::HangingTransaction { values, .. } => format!("{values:?}"),
        Proof::Step { skipped, values: [from, to], .. } if skipped.is_empty() => format!("{}->{}", from.0, to.0),
        Proof::Step { skipped, .. } => format!("{skipped:?}"),
        Proof::InconsistentOffsets { offset, .. } => format!("@{offset}"),
        Proof::Duplicate { value, .. } => format!("{}", value.0),
        Proof::Cycle { .. } | Proof::CycleExists { .. } | Proof::EmptyGraph => String::new(),
    };
    let reason = match &finding.class {
        Class::Violation => String::new(),
        Class::Unknown { why } => why.clone(),
        Class::PromiseEnded { by } | Class::Allowed { by } => by.clone(),
    };
    (format!("{} {} {records}", finding.proof.anomaly(), finding.class.name()), reason)
}
