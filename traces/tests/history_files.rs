//! Histories in files mean what the format says, and come back from a file as they were written.

use proptest::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};
use wavetank_traces::Offset;
use wavetank_traces::history::{
    Draft, Form, Function, History, Kind, Part, Process, Reader, Value, Writer, reader, writer,
};

fn read(text: &str) -> History {
    reader::read(text.as_bytes(), "h.jsonl").unwrap_or_else(|error| panic!("{error}"))
}

fn written(history: &History, form: Form) -> String {
    let mut out = Vec::new();
    Writer::new(form).all(history, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A record with everything by name: micro-operation, whether a batch, key, offset, value.
type Record = (u64, Part, String, Option<i64>, serde_json::Value);

/// Each record of an operation by itself.
fn records(history: &History, index: u64) -> Vec<Record> {
    let mut records = Vec::new();
    for run in history.runs(history.find(index).unwrap()) {
        let key = history.key_name(run.key).to_owned();
        if run.count == 0 {
            records.push((run.mop_of(0), run.part, key.clone(), None, json!("no records")));
        }
        for place in 0..u64::from(run.count) {
            let offset = run.offset.map(|offset| offset.0 + place as i64);
            records.push((
                run.mop_of(place),
                run.part,
                key.clone(),
                offset,
                history.value_json(run.value.after(place)),
            ));
        }
    }
    records
}

/// All that an operation says but its records.
fn header(history: &History, index: u64) -> String {
    let id = history.find(index).unwrap();
    let op = history.op(id);
    let names = |keys: &[_]| keys.iter().map(|key| history.key_name(*key).to_owned()).collect::<Vec<_>>();
    format!(
        "{} {} {:?} {:?} {:?} {} {:?} {} {:?} {:?} {:?}",
        op.index,
        op.time,
        op.process,
        op.kind,
        op.function,
        op.seek_to_beginning,
        op.error.map(|error| history.value_json(error)),
        op.mops,
        history.partner(id),
        names(history.assigned(id)),
        names(history.rebalanced(id)),
    )
}

fn assert_same(a: &History, b: &History) {
    assert_eq!(a.len(), b.len());
    for id in a.ids() {
        let index = a.op(id).index;
        assert_eq!(header(a, index), header(b, index));
        assert_eq!(records(a, index), records(b, index));
    }
    assert_eq!(a.open().collect::<Vec<_>>(), b.open().collect::<Vec<_>>());
}

/// Each part of the format in some line.
const EVERYTHING: &str = r#"{"time": 1, "process": 0, "type": "invoke", "f": "txn", "value": [["send", "x", 1], ["send", 5, "é"], ["poll"]]}
{"time": 2, "process": "nemesis", "type": "info", "f": "kill", "value": [["send"]], "rebalance-log": 7, "index": null}

{"index": 3, "time": 3.0, "process": 0, "type": "ok", "f": "txn", "value": [["send", "x", [10, 1]], ["send", 5, [null, ["é"]]], ["poll", {"x": [[8, null], [-1, true]], "5": []}], ["poll", null], ["send", "x", null]], "rebalance-log": [{"type": "lost", "keys": ["x", 7]}, {}], "node": "n1"}
{"process": 1, "type": "invoke", "f": "assign", "value": ["x", 5], "seek-to-beginning?": true, "time": -7}
{"process": 1, "type": "fail", "f": "assign", "value": null, "seek-to-beginning?": null, "error": ["timeout"]}
{"process": 1, "type": "invoke", "f": "debug-topic-partitions", "value": [1, 2]}
{"type": "ok", "f": "poll", "value": null, "index": 90}
{"process": 9, "type": "invoke", "f": "crash", "index": 91, "value": null, "error": null}"#;

#[test]
fn everything_of_the_format_is_read() {
    let history = read(EVERYTHING);
    let indices: Vec<_> = history.ids().map(|id| history.op(id).index).collect();
    assert_eq!(indices, [0, 3, 4, 5, 6, 90, 91]);
    let headers: Vec<_> = indices.iter().map(|index| header(&history, *index)).collect();
    assert_eq!(
        headers,
        [
            r#"0 1 Some(Process(0)) Invoke Txn false None 3 Some(OpId(1)) [] []"#,
            r#"3 3 Some(Process(0)) Ok Txn false None 5 Some(OpId(0)) [] ["x", "7"]"#,
            r#"4 -7 Some(Process(1)) Invoke Assign true None 0 Some(OpId(3)) ["x", "5"] []"#,
            r#"5 0 Some(Process(1)) Fail Assign false Some(Array [String("timeout")]) 0 Some(OpId(2)) [] []"#,
            r#"6 0 Some(Process(1)) Invoke Other false None 0 None [] []"#,
            r#"90 0 None Ok Poll false None 0 None [] []"#,
            r#"91 0 Some(Process(9)) Invoke Crash false None 0 None [] []"#,
        ]
    );
    let record = |mop, part, key: &str, offset, value| (mop, part, key.to_owned(), offset, value);
    assert_eq!(
        records(&history, 0),
        [record(0, Part::Send, "x", None, json!(1)), record(1, Part::Send, "5", None, json!("é"))]
    );
    assert_eq!(
        records(&history, 3),
        [
            record(0, Part::Send, "x", Some(10), json!(1)),
            record(1, Part::Send, "5", None, json!(["é"])),
            record(2, Part::Poll, "x", Some(8), json!(null)),
            record(2, Part::Poll, "x", None, json!(true)),
            record(2, Part::Poll, "5", None, json!("no records")),
            record(4, Part::Send, "x", None, json!(null)),
        ]
    );
}

#[test]
fn a_range_is_the_records_that_it_stands_for() {
    let polled = |records: &str| {
        let history = read(&format!(r#"{{"type":"ok","f":"poll","value":[["poll",{{"x":[{records}]}}]]}}"#));
        (history.run_count(), records_of(&history))
    };
    fn records_of(history: &History) -> Vec<Record> {
        records(history, 0)
    }
    let singly = polled("[7,20],[8,21],[9,22],[10,23]");
    assert_eq!(singly.0, 1, "consecutive records are one run, whatever the file says");
    assert_eq!(polled(r#"{"offset":7,"first":20,"count":4}"#), singly);
    assert_eq!(polled(r#"[7,20],{"count":2,"first":21,"offset":8},[10,23]"#), singly);
    assert_eq!(polled(r#"{"offset":null,"first":20,"count":2}"#), polled("[null,20],[null,21]"));

    let last = polled(r#"{"offset":9223372036854775805,"first":9223372036854775806,"count":2}"#);
    assert_eq!(last.1[1], (0, Part::Poll, "x".to_owned(), Some(i64::MAX - 1), json!(i64::MAX)));
}

#[test]
fn a_batch_is_one_micro_operation_and_goes_on_where_it_says() {
    let line = r#"{"index":0,"time":0,"type":"ok","f":"txn","value":[["send","x",{"offset":100,"first":5000,"count":64}],["send","x",{"offset":164,"first":5064,"count":1}],["poll"]]}"#;
    let history = read(line);
    let runs = history.runs(history.find(0).unwrap());
    let seen: Vec<_> = runs.iter().map(|run| (run.mop, run.part, run.count, run.offset, run.value)).collect();
    assert_eq!(
        seen,
        [
            (0, Part::SendBatch, 64, Some(Offset(100)), Value(5000)),
            (1, Part::SendBatch, 1, Some(Offset(164)), Value(5064)),
        ]
    );
    assert_eq!(written(&history, Form::Ranges), format!("{line}\n"));
    assert_eq!(written(&history, Form::Plain).matches(r#"["send","x",["#).count(), 65);
}

#[test]
fn a_key_that_a_poll_has_twice_loses_nothing_and_the_order_is_kept() {
    let history = read(r#"{"type":"ok","f":"poll","value":[["poll",{"y":[[0,1]],"x":[[5,2],[3,9]],"y":[[1,2]]}]]}"#);
    let order: Vec<_> = records(&history, 0).into_iter().map(|(_, _, key, offset, _)| (key, offset.unwrap())).collect();
    assert_eq!(order, [("y".into(), 0), ("x".into(), 5), ("x".into(), 3), ("y".into(), 1)]);
    // Other tools would lose the first, so it is not written that way.
    let line = written(&history, Form::Ranges);
    assert!(line.contains(r#"[["poll",{"y":[[0,1],[1,2]],"x":[[5,2],[3,9]]}]]"#), "{line}");
}

#[test]
fn a_run_that_leaves_the_small_numbers_is_no_range() {
    // The first value that is interned comes right after the last number that stands for itself.
    let history = read(
        r#"{"type":"ok","f":"poll","value":[["poll",{"x":[[4,9223372036854775804],[5,9223372036854775805],[6,9223372036854775806],[7,9223372036854775807],[8,"s"]]}]]}"#,
    );
    assert_eq!(history.run_count(), 1);
    let line = written(&history, Form::Ranges);
    assert!(line.contains(r#"[7,9223372036854775807],[8,"s"]"#), "{line}");
    assert_same(&history, &read(&line));
}

#[test]
fn a_line_is_written_as_documented() {
    let history = read(
        r#"{"error":{"b":1,"a":"x\ny"},"rebalance-log":[{"keys":["x","\"y\""]}],"value":[["poll"],["send","x",[3,1]],["send","x",2],["poll",{"x":[[1,7],[2,8],[3,9]],"z":[[0,0],[1,1],[2,2],[3,3]]}],["poll"]],"f":"txn","type":"ok","index":7,"time":-1}"#,
    );
    let line = |z: &str| {
        format!(
            r#"{{"index":7,"time":-1,"type":"ok","f":"txn","value":[["poll"],["send","x",[3,1]],["send","x",2],["poll",{{"x":[[1,7],[2,8],[3,9]],"z":[{z}]}}],["poll"]],"rebalance-log":[{{"keys":["x","\"y\""]}}],"error":{{"a":"x\ny","b":1}}}}"#
        ) + "\n"
    };
    assert_eq!(written(&history, Form::Ranges), line(r#"{"offset":0,"first":0,"count":4}"#));
    assert_eq!(written(&history, Form::Plain), line("[0,0],[1,1],[2,2],[3,3]"));

    let history = read(
        r#"{"process":4,"type":"invoke","f":"assign","value":["x",1],"seek-to-beginning?":true}
           {"process":4,"type":"info","f":"sleep","value":17}"#,
    );
    assert_eq!(
        written(&history, Form::Ranges),
        r#"{"index":0,"time":0,"process":4,"type":"invoke","f":"assign","value":["x","1"],"seek-to-beginning?":true}
{"index":1,"time":0,"process":4,"type":"info","f":"other","value":null}
"#
    );
}

#[test]
fn a_reader_gives_one_operation_at_a_time() {
    let mut reader = Reader::new(EVERYTHING.as_bytes(), "h.jsonl");
    let (mut history, mut taken) = (History::new(), 0);
    while let Some(id) = reader.next_into(&mut history).unwrap() {
        taken += 1;
        assert_eq!((history.len(), history.ids().next_back()), (taken, Some(id)));
    }
    assert_same(&history, &read(EVERYTHING));
    assert!(reader.next_into(&mut history).unwrap().is_none(), "the end stays the end");
}

/// All histories of the corpus, which lies beside the project where it is at hand.
fn corpus() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance")).to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "history.jsonl") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_corpus_comes_back_as_it_was() {
    for path in corpus() {
        let text = std::fs::read_to_string(&path).unwrap();
        let history =
            reader::read(text.as_bytes(), &path.display().to_string()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(history.len(), text.lines().count(), "{}", path.display());
        for form in [Form::Ranges, Form::Plain] {
            assert_same(&history, &read(&written(&history, form)));
        }
    }
}

/// One micro-operation, or what one poll returned of one key.
#[derive(Clone, Debug)]
enum Step {
    Send(usize, Option<i64>, usize),
    SendBatch(usize, Option<i64>, u64, u32),
    Poll,
    Polled(usize, Option<i64>, u64, u32),
    PolledOther(usize, Option<i64>, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let offset = || prop::option::of(0..20i64);
    let step = prop_oneof![
        (0..3usize, offset(), 0..12usize).prop_map(|(key, offset, value)| Step::Send(key, offset, value)),
        (0..3usize, offset(), 0..20u64, 1..9u32)
            .prop_map(|(key, offset, first, n)| Step::SendBatch(key, offset, first, n)),
        Just(Step::Poll),
        (0..3usize, offset(), 0..20u64, 0..9u32)
            .prop_map(|(key, offset, first, n)| Step::Polled(key, offset, first, n)),
        (0..3usize, offset(), 0..12usize).prop_map(|(key, offset, value)| Step::PolledOther(key, offset, value)),
    ];
    proptest::collection::vec(step, 0..12)
}

/// An operation of these steps. Polled records are in the order of their keys, each key listed once with records or with
/// none: as any client returns them.
fn draft(history: &mut History, steps: &[Step]) -> Draft {
    let names = ["x", "5", "a \"key\"\n"].map(|name| history.key(name));
    let odd = [json!("s"), json!(null), json!(-1), json!([1, 2]), json!({"offset": 1}), json!(2.5), json!(u64::MAX)];
    let others: Vec<_> = (0..5).map(Value).chain(odd.iter().map(|json| history.value(json))).collect();
    let mut draft = Draft::default();
    draft.function = Function::Txn;
    let mut place = 0;
    while let Some(step) = steps.get(place) {
        place += 1;
        match *step {
            Step::Send(key, offset, value) => draft.send(names[key], offset.map(Offset), others[value]),
            Step::SendBatch(key, offset, first, n) => draft.send_batch(names[key], offset.map(Offset), Value(first), n),
            Step::Poll | Step::Polled(..) | Step::PolledOther(..) => {
                draft.poll();
                let len =
                    steps[place..].iter().take_while(|s| matches!(s, Step::Polled(..) | Step::PolledOther(..))).count();
                let mut polled: Vec<_> = steps[place..place + len]
                    .iter()
                    .map(|step| match *step {
                        Step::Polled(key, offset, first, n) => (key, offset.map(Offset), Value(first), n),
                        Step::PolledOther(key, offset, value) => (key, offset.map(Offset), others[value], 1),
                        Step::Send(..) | Step::SendBatch(..) | Step::Poll => unreachable!("taken while polled"),
                    })
                    .collect();
                polled.sort_by_key(|(key, ..)| *key);
                for key in polled.chunk_by(|a, b| a.0 == b.0) {
                    let some: Vec<_> = key.iter().filter(|(.., n)| *n > 0).collect();
                    for (key, offset, value, n) in &some {
                        draft.polled(names[*key], *offset, *value, *n);
                    }
                    if some.is_empty() {
                        draft.polled(names[key[0].0], None, Value(0), 0);
                    }
                }
                place += len;
            }
        }
    }
    draft
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        ops in proptest::collection::vec((steps(), any::<i64>(), -3..3i64, prop::bool::ANY, 0..3usize), 0..6)
    ) {
        let mut history = History::new();
        for (nth, (steps, time, process, seek, keys)) in ops.iter().enumerate() {
            let mut draft = draft(&mut history, steps);
            draft.index = 3 * nth as u64;
            draft.time = *time;
            draft.seek_to_beginning = *seek;
            draft.rebalanced = ["x", "new"].into_iter().take(*keys).map(|name| history.key(name)).collect();
            draft.error = (*keys == 1).then(|| history.value(&json!({"why": [null, "timeout"]})));
            draft.kind = [Kind::Ok, Kind::Invoke][usize::from(*seek)];
            draft.process = seek.then_some(Process(*process));
            // A process may have been open already.
            let _ = history.push(&draft);
        }
        let text = written(&history, Form::Ranges);
        let again = read(&text);
        assert_same(&history, &again);
        prop_assert_eq!(&written(&again, Form::Ranges), &text);

        // By single operations it is the same bytes.
        let mut singly = Vec::new();
        for id in history.ids() {
            writer::write_op(&history, id, &mut singly).unwrap();
        }
        prop_assert_eq!(singly, text.into_bytes());

        // Without ranges, only the numbering of micro-operations after a batch differs.
        let plain = written(&history, Form::Plain);
        prop_assert!(!plain.contains("\"first\""));
        let plain = read(&plain);
        let bare = |history: &History, index| -> Vec<_> {
            records(history, index).into_iter().map(|(_, part, key, offset, value)| (part == Part::Poll, key, offset, value)).collect()
        };
        for id in history.ids() {
            let index = history.op(id).index;
            prop_assert_eq!(bare(&history, index), bare(&plain, index));
        }
    }

    #[test]
    fn the_order_of_keys_in_a_line_makes_no_difference((line, shuffled) in shuffled_lines()) {
        let before = r#"{"process": 0, "type": "invoke", "f": "txn"}
                        {"process": 1, "type": "invoke", "f": "txn"}"#;
        assert_same(&read(&format!("{before}\n{line}")), &read(&format!("{before}\n{shuffled}")));
    }
}

/// A line that may follow two invocations, of processes 0 and 1, and the same with its keys in another order.
fn shuffled_lines() -> impl Strategy<Value = (String, String)> {
    let lines: Vec<_> = EVERYTHING.lines().filter(|line| !line.is_empty()).collect();
    prop::sample::select(lines).prop_flat_map(|line| {
        let other =
            if line.contains("invoke") { line.replace("\"process\": ", "\"process\": 2") } else { line.to_owned() };
        let other = other.replace("\"index\": 3", "\"index\": 7");
        let object: serde_json::Map<_, _> = serde_json::from_str(&other).unwrap();
        let pairs: Vec<_> = object.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        let other = format!("{{{}}}", pairs.join(","));
        (Just(other), Just(pairs).prop_shuffle().prop_map(|pairs| format!("{{{}}}", pairs.join(","))))
    })
}
