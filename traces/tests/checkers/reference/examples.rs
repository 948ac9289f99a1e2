//! Small histories worked out by hand from the definitions, for what no case of the public corpus reaches.

use serde_json::{Value, json};

/// A history and all entries that its report must have of some types.
pub struct Example {
    /// The rule it shows.
    pub rule: &'static str,
    pub lines: Vec<Value>,
    pub ww_deps: bool,
    /// Types with all their entries, in any order; none where the type must not be reported.
    pub expected: Vec<(&'static str, Vec<Value>)>,
}

/// Lines under construction.
struct Lines(Vec<Value>);

impl Lines {
    fn line(&mut self, process: Value, kind: &str, f: &str, value: Value) -> usize {
        let at = self.0.len();
        self.0.push(json!({ "index": at, "time": at, "process": process, "type": kind, "f": f, "value": value }));
        at
    }

    fn invoke(&mut self, process: i64, f: &str, completed: &Value) {
        let mut micros = completed.clone();
        for micro in micros.as_array_mut().into_iter().flatten() {
            if micro[0] == "poll" {
                *micro = json!(["poll"]);
            } else if micro[2].is_array() {
                micro[2] = micro[2][1].clone();
            }
        }
        self.line(json!(process), "invoke", f, micros);
    }

    /// An op that nothing comes in between; answers the line of its completion.
    fn op(&mut self, process: i64, kind: &str, f: &str, value: Value) -> usize {
        self.invoke(process, f, &value);
        self.line(json!(process), kind, f, value)
    }

    /// Sends to x by one op.
    fn send(&mut self, process: i64, kind: &str, records: Value) -> usize {
        let micros = records.as_array().into_iter().flatten().map(|record| json!(["send", "x", record])).collect();
        self.op(process, kind, "send", micros)
    }

    /// One poll of x.
    fn poll(&mut self, process: i64, kind: &str, records: Value) -> usize {
        self.op(process, kind, "poll", json!([["poll", { "x": records }]]))
    }
}

/// A history, and with it what it must lead to.
fn example(
    rule: &'static str,
    ww_deps: bool,
    build: impl FnOnce(&mut Lines) -> Vec<(&'static str, Vec<Value>)>,
) -> Example {
    let mut lines = Lines(Vec::new());
    let expected = build(&mut lines);
    Example { rule, lines: lines.0, ww_deps, expected }
}

fn none(kind: &'static str) -> (&'static str, Vec<Value>) {
    (kind, Vec::new())
}

/// All examples.
pub fn examples() -> Vec<Example> {
    [lost_writes(), polled_values(), steps(), who_counts(), cycles()].into_iter().flatten().collect()
}

fn lost_writes() -> Vec<Example> {
    vec![
        example("the bound of lost-write goes by the first index of what was read", false, |lines| {
            lines.send(0, "ok", json!([[0, "a"], [1, "b"], [2, "c"]]));
            lines.poll(1, "ok", json!([[0, "a"]]));
            lines.poll(2, "ok", json!([[3, "a"]]));
            let twice = json!({ "key": "x", "value": "a", "count": 2, "offsets": [0, 3] });
            vec![none("lost-write"), ("duplicate", vec![twice])]
        }),
        example("a value whose last index lies past the bound is not lost", false, |lines| {
            lines.send(0, "ok", json!([[0, "b"]]));
            lines.send(1, "ok", json!([[2, "c"]]));
            lines.poll(2, "fail", json!([[5, "b"]]));
            lines.poll(3, "ok", json!([[2, "c"]]));
            vec![none("lost-write"), ("unseen", vec![json!({ "key": "x", "values": ["b"] })])]
        }),
        example("a value at the bound itself can be lost", false, |lines| {
            lines.send(0, "ok", json!([[0, "a"]]));
            lines.send(1, "ok", json!([[1, "b"]]));
            let writer = lines.send(2, "ok", json!([[1, "c"]]));
            let reader = lines.poll(3, "ok", json!([[0, "a"], [1, "b"]]));
            let entry = json!({ "key": "x", "value": "c", "index": 1, "max-read-index": 1, "writer": { "op": writer },
                "max-read": { "op": reader } });
            vec![("lost-write", vec![entry])]
        }),
        example("max-read is null where no value has its last index at the bound", false, |lines| {
            let writer = lines.send(0, "ok", json!([[0, "b"], [1, "a"]]));
            lines.poll(1, "ok", json!([[2, "a"]]));
            let entry = json!({ "key": "x", "value": "b", "index": 0, "max-read-index": 1, "writer": { "op": writer },
                "max-read": null });
            vec![("lost-write", vec![entry])]
        }),
        example("max-read is the first op of any type that polled a value", false, |lines| {
            let writer = lines.send(0, "ok", json!([[0, "a"], [1, "b"]]));
            let first = lines.poll(1, "info", json!([[1, "b"]]));
            lines.poll(2, "ok", json!([[1, "b"]]));
            let entry = json!({ "key": "x", "value": "a", "index": 0, "max-read-index": 1, "writer": { "op": writer },
                "max-read": { "op": first } });
            vec![("lost-write", vec![entry])]
        }),
        example("what an info op sent is not lost while nothing proves that it committed", false, |lines| {
            lines.send(0, "info", json!(["a"]));
            lines.poll(1, "fail", json!([[0, "a"]]));
            lines.send(2, "ok", json!([[1, "b"]]));
            lines.poll(3, "ok", json!([[1, "b"]]));
            vec![none("lost-write"), none("unseen"), none("poll-skip")]
        }),
        example("a read value without a known offset bounds nothing", false, |lines| {
            lines.send(0, "ok", json!([[0, "a"], [null, "b"]]));
            lines.poll(1, "ok", json!([[null, "b"]]));
            vec![none("lost-write"), ("unseen", vec![json!({ "key": "x", "values": ["a"] })])]
        }),
    ]
}

fn polled_values() -> Vec<Example> {
    vec![
        example("G1a is told once for each time the value was polled, by ok ops alone", false, |lines| {
            let writer = lines.send(0, "fail", json!(["a"]));
            let reader = lines.poll(1, "ok", json!([[0, "a"], [0, "a"]]));
            lines.poll(2, "fail", json!([[0, "a"]]));
            let entry = json!({ "key": "x", "value": "a", "writer": { "op": writer }, "reader": { "op": reader } });
            vec![("G1a", vec![entry.clone(), entry])]
        }),
        example("an op that did not commit can read its own send, too", false, |lines| {
            let value = json!([["send", "x", [0, "a"]], ["poll", { "x": [[0, "a"]] }]]);
            let op = lines.op(0, "fail", "txn", value);
            vec![("precommitted-read", vec![json!({ "op": { "op": op }, "key": "x", "value": "a" })])]
        }),
        example("what only fail and info ops polled is unseen", false, |lines| {
            lines.send(0, "ok", json!([[0, 10], [1, 9], [2, "z"], [3, "y"]]));
            lines.poll(1, "fail", json!([[0, 10], [1, 9], [2, "z"], [3, "y"]]));
            lines.poll(2, "info", json!([[0, 10], [1, 9], [2, "z"], [3, "y"]]));
            vec![("unseen", vec![json!({ "key": "x", "values": [9, 10, "y", "z"] })])]
        }),
        example("a send that never completes is no writer; polls of any type tell", false, |lines| {
            lines.invoke(0, "send", &json!([["send", "x", "a"]]));
            let reader = lines.poll(1, "fail", json!([[0, "a"]]));
            let entry = json!({ "key": "x", "value": "a", "op": { "op": reader } });
            vec![("no-writer-of-value", vec![entry])]
        }),
        example("keys are compared by their string form, values are not", false, |lines| {
            lines.op(0, "ok", "send", json!([["send", 11, [0, 5]]]));
            let reader = lines.op(1, "ok", "poll", json!([["poll", { "11": [[0, "5"]] }]]));
            vec![
                ("unseen", vec![json!({ "key": "11", "values": [5] })]),
                ("inconsistent-offsets", vec![json!({ "key": "11", "offset": 0, "index": 0, "values": [5, "5"] })]),
                ("no-writer-of-value", vec![json!({ "key": "11", "value": "5", "op": { "op": reader } })]),
            ]
        }),
        example("a negative offset is no offset", false, |lines| {
            lines.send(0, "ok", json!([[-1, "a"]]));
            lines.send(1, "ok", json!([[-1, "b"]]));
            lines.poll(2, "ok", json!([[-1, "b"], [-1, "a"]]));
            vec![none("inconsistent-offsets"), none("int-nonmonotonic-poll"), none("lost-write"), none("unseen")]
        }),
        example("the dense index of an inconsistent offset leaves holes out", false, |lines| {
            lines.send(0, "ok", json!([[3, "a"], [70, "b"]]));
            lines.poll(1, "info", json!([[70, "a"]]));
            let entry = json!({ "key": "x", "offset": 70, "index": 1, "values": ["a", "b"] });
            vec![("inconsistent-offsets", vec![entry])]
        }),
    ]
}

fn steps() -> Vec<Example> {
    let abc = || json!([[0, "a"], [1, "b"], [2, "c"]]);
    vec![
        example("a key polled without records, by an ok op, forgets the position", false, |lines| {
            lines.send(0, "ok", abc());
            lines.poll(1, "ok", json!([[0, "a"]]));
            lines.poll(1, "ok", json!([]));
            lines.poll(1, "ok", json!([[2, "c"]]));
            vec![none("poll-skip")]
        }),
        example("a key polled without records, by a failed op, forgets nothing", false, |lines| {
            lines.send(0, "ok", abc());
            let before = lines.poll(1, "ok", json!([[0, "a"]]));
            lines.poll(1, "fail", json!([]));
            let after = lines.poll(1, "ok", json!([[2, "c"]]));
            let ops = json!([{ "op": before }, { "op": after }]);
            vec![("poll-skip", vec![json!({ "key": "x", "delta": 2, "skipped": ["b"], "ops": ops })])]
        }),
        example("an info assign forgets what it does not list, a failed one does not", false, |lines| {
            lines.send(0, "ok", abc());
            let before = lines.poll(1, "ok", json!([[0, "a"]]));
            lines.op(1, "fail", "assign", json!(["y"]));
            let after = lines.poll(1, "ok", json!([[2, "c"]]));
            lines.op(1, "info", "assign", json!(["y"]));
            lines.poll(1, "ok", json!([[0, "a"]]));
            let ops = json!([{ "op": before }, { "op": after }]);
            let skip = json!({ "key": "x", "delta": 2, "skipped": ["b"], "ops": ops });
            vec![("poll-skip", vec![skip]), none("nonmonotonic-poll")]
        }),
        example("the polls of an op are one sequence", false, |lines| {
            lines.send(0, "ok", abc());
            let value = json!([["poll", { "x": [[0, "a"]] }], ["poll", { "x": [[2, "c"]] }]]);
            let op = lines.op(1, "info", "txn", value);
            let entry = json!({ "key": "x", "values": ["a", "c"], "delta": 2, "skipped": ["b"], "op": { "op": op } });
            vec![("int-poll-skip", vec![entry])]
        }),
        example("the rebalance log exempts its keys from int-poll checks and from no others", false, |lines| {
            lines.send(0, "ok", abc());
            let before = lines.poll(1, "ok", json!([[0, "a"]]));
            let after = lines.poll(1, "ok", json!([[2, "c"], [0, "a"]]));
            lines.0[after]["rebalance-log"] = json!([{ "keys": ["y"], "type": "revoked" }, { "keys": ["x"] }]);
            let ops = json!([{ "op": before }, { "op": after }]);
            let skip = json!({ "key": "x", "delta": 2, "skipped": ["b"], "ops": ops });
            vec![none("int-nonmonotonic-poll"), ("poll-skip", vec![skip])]
        }),
        example("what failed or is unproven has no place in the version order", false, |lines| {
            lines.send(0, "ok", json!([[0, "a"]]));
            lines.send(1, "fail", json!([[1, "f"], [0, "g"]]));
            lines.send(2, "info", json!([[2, "i"], [1, "j"]]));
            lines.send(3, "ok", json!([[3, "d"]]));
            lines.poll(4, "ok", json!([[0, "a"], [3, "d"]]));
            vec![none("int-poll-skip"), none("int-nonmonotonic-send"), none("inconsistent-offsets")]
        }),
        example("one value that an ok op read proves every send of its info op, of all keys", false, |lines| {
            lines.op(0, "info", "txn", json!([["send", "y", [5, 1]], ["send", "x", [1, "b"]]]));
            lines.send(1, "ok", json!([[0, "a"], [2, "c"]]));
            lines.op(2, "ok", "poll", json!([["poll", { "y": [[5, 1]] }]]));
            let op = lines.poll(3, "ok", json!([[0, "a"], [2, "c"]]));
            let entry = json!({ "key": "x", "values": ["a", "c"], "delta": 2, "skipped": ["b"], "op": { "op": op } });
            vec![("int-poll-skip", vec![entry])]
        }),
    ]
}

fn who_counts() -> Vec<Example> {
    vec![
        example("a history without processes is one client's; its completions may stand alone", false, |lines| {
            lines.0 = vec![
                json!({ "index": 0, "time": 0, "type": "ok", "f": "send", "value": [["send", "x", [1, "b"]]] }),
                json!({ "index": 1, "time": 1, "type": "ok", "f": "send", "value": [["send", "x", [0, "a"]]] }),
            ];
            let ops = json!([{ "op": 0 }, { "op": 1 }]);
            let entry = json!({ "key": "x", "values": ["b", "a"], "delta": -1, "ops": ops });
            vec![("nonmonotonic-send", vec![entry]), ("unseen", vec![json!({ "key": "x", "values": ["a", "b"] })])]
        }),
        example("ops of other processes than clients, and other functions, are none", false, |lines| {
            lines.line(json!("nemesis"), "ok", "send", json!([["send", "x", [0, "a"]]]));
            lines.op(0, "info", "crash", Value::Null);
            lines.op(1, "ok", "debug", json!([["send", "x", [0, "b"]]]));
            lines.send(2, "ok", json!([[0, "c"]]));
            vec![none("inconsistent-offsets"), ("unseen", vec![json!({ "key": "x", "values": ["c"] })])]
        }),
    ]
}

fn cycles() -> Vec<Example> {
    vec![
        example("a ww+wr cycle and a ww+realtime cycle of one component are both told", true, |lines| {
            let first = lines.send(0, "ok", json!([[1, "a"]]));
            let value = json!([["poll", { "x": [[1, "a"]] }], ["send", "x", [0, "b"]]]);
            let second = lines.op(1, "ok", "txn", value);
            let both = vec![json!([first, second])];
            vec![
                ("G1c", both.clone()),
                ("PL-2-cycle-exists", both.clone()),
                ("G0-realtime", both.clone()),
                ("strong-PL-1-cycle-exists", both),
                none("G0"),
                none("G1c-realtime"),
            ]
        }),
        example("a ww cycle hides the others of its component, and no other component's", true, |lines| {
            let polled = json!(["poll", { "x": [[1, "b"]] }]);
            let first = json!([["send", "x", [0, "a"]], ["send", "x", [2, "c"]], polled]);
            lines.invoke(0, "txn", &first);
            let inner = lines.send(1, "ok", json!([[1, "b"]]));
            let outer = lines.line(json!(0), "ok", "txn", first);
            let reader = lines.op(2, "ok", "poll", json!([["poll", { "y": [[0, 1]] }]]));
            let writer = lines.op(3, "ok", "send", json!([["send", "y", [0, 1]]]));
            let future = vec![json!([reader, writer])];
            vec![
                ("G0", vec![json!([inner, outer])]),
                ("PL-1-cycle-exists", vec![json!([inner, outer])]),
                none("G1c"),
                ("G1c-realtime", future.clone()),
                ("strong-PL-2-cycle-exists", future),
            ]
        }),
        example("without ww-deps the version order makes no edge", false, |lines| {
            lines.invoke(0, "send", &json!([["send", "x", "a"], ["send", "x", "c"]]));
            lines.invoke(1, "send", &json!([["send", "x", "b"]]));
            lines.line(json!(1), "ok", "send", json!([["send", "x", [1, "b"]]]));
            lines.line(json!(0), "ok", "send", json!([["send", "x", [0, "a"]], ["send", "x", [2, "c"]]]));
            vec![none("G0"), none("PL-1-cycle-exists")]
        }),
        example("realtime edges come from ok ops alone but lead to ops of any type", false, |lines| {
            lines.poll(0, "info", json!([[0, "a"]]));
            lines.send(1, "ok", json!([[0, "a"]]));
            let reader = lines.poll(2, "ok", json!([[5, "z"]]));
            let writer = lines.send(3, "info", json!(["z"]));
            vec![("G1c-realtime", vec![json!([reader, writer])])]
        }),
        example("of several senders of one value the last completion is its writer", false, |lines| {
            let reader = lines.poll(0, "ok", json!([[0, "a"]]));
            lines.invoke(1, "send", &json!([["send", "x", "a"]]));
            lines.send(2, "ok", json!([[0, "a"]]));
            let last = lines.line(json!(1), "info", "send", json!([["send", "x", "a"]]));
            vec![("G1c-realtime", vec![json!([reader, last])])]
        }),
    ]
}
