//! What is no history is refused with its line and a reason, whatever it is.

use proptest::prelude::*;
use std::cell::Cell;
use std::io::{BufReader, Read};
use wavetank_traces::history::{History, ReadError, ReadErrorKind, Reader, reader};

const INVOKE: &str = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"send","value":[["send","x",1]]}"#;

fn refusal(text: &[u8]) -> String {
    match reader::read(text, "h.jsonl") {
        Ok(history) => panic!("{} operations were read of {}", history.len(), String::from_utf8_lossy(text)),
        Err(error) => error.to_string(),
    }
}

/// The error of a line that follows a good invocation of process 0.
fn second(line: &str) -> String {
    refusal(format!("{INVOKE}\n{line}\n").as_bytes())
}

#[test]
fn bad_lines_are_refused_with_the_line_and_the_reason() {
    let table = [
        // Not a whole line of JSON.
        (&INVOKE[..40], "h.jsonl:2: it breaks off at column 40; a line is one whole JSON object"),
        ("hello", "h.jsonl:2: it is not JSON at column 1: expected value"),
        (r#"{"process":"n","type":"ok"} {}"#, "h.jsonl:2: it is not JSON at column 29: trailing characters"),
        (r#"{"type":"ok","time":1e999}"#, "number out of range"),
        ("7", "invalid type: integer `7`, expected an operation: a JSON object"),
        ("[]", "expected an operation: a JSON object"),
        // The operation.
        (
            r#"{"process":1,"type":"began","f":"poll"}"#,
            r#"h.jsonl:2: type: unknown "began"; expected a type: "invoke", "ok", "fail" or "info""#,
        ),
        (r#"{"process":"nemesis","type":"began","f":"kill"}"#, r#"type: unknown "began""#),
        (r#"{"process":1,"type":7,"f":"poll"}"#, "type: invalid type: integer `7`, expected a type"),
        (r#"{"process":1,"f":"poll"}"#, "missing field `type`"),
        (r#"{"process":1,"type":"invoke"}"#, "missing field `f`"),
        (r#"{"process":1,"process":2,"type":"invoke","f":"poll"}"#, "process: duplicate field `process`"),
        (r#"{"value":[],"process":1,"value":[],"type":"invoke","f":"poll"}"#, "value: duplicate field `value`"),
        (r#"{"process":18446744073709551615,"type":"invoke","f":"poll"}"#, "process: 18446744073709551615 is too big"),
        (
            r#"{"process":1,"type":"invoke","f":"poll","time":1.5}"#,
            "time: invalid type: floating point `1.5`, expected a whole number",
        ),
        (r#"{"process":1,"type":"invoke","f":"poll","time":1e30}"#, "time: invalid type: floating point `1e+30`"),
        (r#"{"process":1,"type":"invoke","f":"poll","index":-1}"#, "index: -1 is negative"),
        (r#"{"process":1,"type":"invoke","f":"poll","index":"1"}"#, "index: invalid type: string"),
        // Its place among the others.
        (
            r#"{"process":1,"type":"ok","f":"poll"}"#,
            "h.jsonl:2: process 1 completes (ok) an operation that it never invoked",
        ),
        (
            r#"{"process":0,"type":"invoke","f":"poll"}"#,
            "h.jsonl:2: process 0 invokes while its operation 0 is still open; complete that one first",
        ),
        (
            r#"{"process":1,"type":"invoke","f":"poll","index":0}"#,
            "h.jsonl:2: index 0 comes after index 0; indices must grow from line to line",
        ),
        // Its other parts.
        (
            r#"{"process":1,"type":"invoke","f":"assign","value":"x"}"#,
            "value: invalid type: string \"x\", expected a list of keys",
        ),
        (
            r#"{"process":1,"type":"invoke","f":"assign","value":[["x"]]}"#,
            "value: invalid type: sequence, expected a key: a string or a number",
        ),
        (
            r#"{"process":1,"type":"invoke","f":"assign","seek-to-beginning?":"yes"}"#,
            "seek-to-beginning?: invalid type: string \"yes\", expected a boolean",
        ),
        (
            r#"{"process":1,"type":"invoke","f":"poll","rebalance-log":[{"keys":["x"]},7]}"#,
            "rebalance-log[1]: invalid type: integer `7`, expected a rebalance",
        ),
        (
            r#"{"process":1,"type":"invoke","f":"poll","rebalance-log":[{"keys":7}]}"#,
            "rebalance-log[0]: invalid type: integer `7`, expected a list of keys",
        ),
    ];
    for (line, expected) in table {
        let error = second(line);
        assert!(
            error.contains(expected) && error.starts_with("h.jsonl:2: "),
            "{line}\n  gave {error}\n  not  {expected}"
        );
    }
}

#[test]
fn bad_micro_operations_are_refused_with_their_place() {
    let table = [
        ("{}", "value: invalid type: map, expected a list of micro-operations, or null"),
        (r#"[["send","x",1],7]"#, "value[1]: invalid type: integer `7`, expected a micro-operation"),
        (r#"[["send","x",1],["poll"],[]]"#, "value[2]: invalid length 0, expected a micro-operation"),
        (r#"[["read","x"]]"#, r#"value[0]: unknown "read"; expected "send" or "poll""#),
        (r#"[["send"]]"#, r#"value[0]: invalid length 1, expected ["send", key, value]"#),
        (r#"[["send","x"]]"#, r#"value[0]: invalid length 2, expected ["send", key, value]"#),
        (r#"[["send","x",1,2]]"#, r#"value[0]: it has more elements than ["send", key, value]"#),
        (r#"[["send",null,1]]"#, "value[0]: invalid type: null, expected a key: a string or a number"),
        (r#"[["send",1e40,1]]"#, "value[0]: a number too big to be a key"),
        (r#"[["send","x",[]]]"#, "value[0]: invalid length 0, expected [offset, value]"),
        (r#"[["send","x",[1]]]"#, "value[0]: invalid length 1, expected [offset, value]"),
        (r#"[["send","x",[1,2,3]]]"#, "value[0]: it has more elements than [offset, value]"),
        (
            r#"[["send","x",["a",2]]]"#,
            r#"value[0]: invalid type: string "a", expected an offset: a whole number, or null"#,
        ),
        (r#"[["send","x",[1.0,2]]]"#, "value[0]: invalid type: floating point `1.0`, expected an offset"),
        (r#"[["send","x",[9223372036854775808,2]]]"#, "value[0]: 9223372036854775808 is too big; expected an offset"),
        (r#"[["send","x",100000000000000000000]]"#, "value[0]: a number too big to tell it from its neighbours"),
        (r#"[["poll",7]]"#, "value[0]: invalid type: integer `7`, expected an object of records by key, or null"),
        (r#"[["poll",{},1]]"#, r#"value[0]: it has more elements than ["poll", {key: records, ...}]"#),
        (r#"[["poll",{"x":null}]]"#, "value[0]: invalid type: null, expected a list of records"),
        (
            r#"[["poll",{"x":[7]}]]"#,
            "value[0]: invalid type: integer `7`, expected a record: [offset, value] or a range",
        ),
        (r#"[["poll",{"x":[[1,2],[3]]}]]"#, "value[0]: invalid length 1, expected [offset, value]"),
        // Ranges.
        (r#"[["send","x",{}]]"#, "value[0]: missing field `offset`"),
        (r#"[["send","x",{"first":1,"count":2}]]"#, "value[0]: missing field `offset`"),
        (r#"[["send","x",{"offset":1,"count":2}]]"#, "value[0]: missing field `first`"),
        (r#"[["send","x",{"offset":1,"first":2}]]"#, "value[0]: missing field `count`"),
        (r#"[["send","x",{"offset":1,"first":2,"count":3,"last":4}]]"#, "value[0]: unknown field `last`"),
        (r#"[["send","x",{"offset":1,"first":2,"count":3,"count":3}]]"#, "value[0]: duplicate field `count`"),
        (r#"[["send","x",{"offset":1,"first":2,"count":0}]]"#, "value[0]: a range holds at least 1 record; count is 0"),
        (r#"[["send","x",{"offset":-1,"first":2,"count":3}]]"#, "value[0]: invalid value: integer `-1`, expected u64"),
        (r#"[["send","x",{"offset":1,"first":-2,"count":3}]]"#, "value[0]: invalid value: integer `-2`, expected u64"),
        (r#"[["send","x",{"offset":1,"first":"a","count":3}]]"#, r#"value[0]: invalid type: string "a", expected u64"#),
        (
            r#"[["send","x",{"offset":1,"first":2,"count":4294967296}]]"#,
            "value[0]: invalid value: integer `4294967296`, expected u32",
        ),
        (
            r#"[["send","x",{"offset":9223372036854775807,"first":2,"count":2}]]"#,
            "value[0]: the range's last offset is too big",
        ),
        (
            r#"[["poll",{"x":[{"offset":1,"first":9223372036854775807,"count":2}]}]]"#,
            "value[0]: the range's last value is too big",
        ),
    ];
    for (value, expected) in table {
        let error = second(&format!(r#"{{"process":1,"type":"invoke","f":"txn","value":{value}}}"#));
        assert!(error.contains(expected), "{value}\n  gave {error}\n  not  {expected}");
        // The order of the keys makes no difference to what is wrong.
        let error = second(&format!(r#"{{"value":{value},"f":"txn","type":"invoke","process":1}}"#));
        assert!(error.contains(expected), "{value} before what it depends on\n  gave {error}\n  not  {expected}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_byte() {
    let mut text = format!("{INVOKE}\n\n{INVOKE}\n").into_bytes();
    text[INVOKE.len() + 2 + 5] = 0xff;
    let error = reader::read(&text[..], "h.jsonl").unwrap_err();
    assert!(matches!(error, ReadError { line: 3, kind: ReadErrorKind::NotUtf8 { byte: 6 }, .. }), "{error}");
}

/// Endless, counting what was taken.
struct Endless<'a>(&'a Cell<u64>);

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(b'a');
        self.0.set(self.0.get() + buffer.len() as u64);
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_end_is_refused_after_the_limit() {
    let taken = Cell::new(0);
    let error = reader::read(BufReader::new(Endless(&taken)), "h.jsonl").unwrap_err();
    assert!(matches!(error.kind, ReadErrorKind::TooLong { limit: reader::MAX_LINE }), "{error}");
    assert!(taken.get() <= reader::MAX_LINE as u64 + 64 * 1024, "{} bytes were read", taken.get());
}

#[test]
fn the_limit_is_the_longest_line_that_is_read() {
    let read = |limit: usize, end: &str| {
        let text = format!("{INVOKE}{end}");
        Reader::new(text.as_bytes(), "h.jsonl").with_max_line(limit).next_into(&mut History::new())
    };
    for end in ["", "\n"] {
        assert!(read(INVOKE.len(), end).is_ok_and(|id| id.is_some()));
        let error = read(INVOKE.len() - 1, end).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("h.jsonl:1: it is longer than {} bytes; a history has one operation a line", INVOKE.len() - 1)
        );
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = "[".repeat(1_000_000);
    for line in [
        format!(r#"{{"process":1,"type":"invoke","f":"poll","error":{deep}"#),
        format!(r#"{{"process":1,"type":"invoke","f":"send","value":[["send","x",[0,{deep}"#),
        deep.clone(),
    ] {
        let error = second(&line);
        assert!(error.contains("recursion limit exceeded") || error.contains("expected an operation"), "{error}");
    }
    // Where nothing looks, nothing is built either: only the grammar is checked.
    assert!(second(&format!(r#"{{"process":1,"type":"invoke","f":"poll","other":{deep}"#)).contains("breaks off"));
}

#[test]
fn a_message_never_repeats_a_whole_file() {
    let error = second(&format!(r#"{{"process":1,"type":"{}","f":"poll"}}"#, "é".repeat(1_000_000)));
    assert!(error.starts_with("h.jsonl:2: type: unknown \"éé") && error.len() < 1000, "{error}");
}

#[test]
fn a_source_that_breaks_says_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let source = BufReader::new(INVOKE.as_bytes().chain(&b"\n"[..]).chain(Broken));
    let error = reader::read(source, "h.jsonl").unwrap_err();
    assert_eq!(error.to_string(), "h.jsonl:2: it cannot be read: the disk is gone");
}

/// A history with everything that the format has.
const EVERYTHING: &str = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"txn","value":[["send","x",1],["send","y","é"],["poll"]]}
{"index":1,"time":2,"process":"nemesis","type":"info","f":"kill","value":{"n1":"killed"}}
{"index":2,"time":3,"process":0,"type":"ok","f":"txn","value":[["send","x",[10,1]],["send","y",[null,[1,{"a":-2.5}]]],["poll",{"x":[[8,true],{"offset":9,"first":5,"count":4}],"y":[]}]],"rebalance-log":[{"keys":["x",7],"type":"assigned"}]}
{"index":4,"time":4,"process":1,"type":"invoke","f":"assign","value":["x"],"seek-to-beginning?":true}
{"index":5,"time":5,"process":1,"type":"info","f":"assign","value":["x"],"error":["timeout","no \"answer\""]}
"#;

#[test]
fn the_history_that_is_mutilated_below_is_a_good_one() {
    assert_eq!(reader::read(EVERYTHING.as_bytes(), "h.jsonl").unwrap().len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = reader::read(&bytes[..], "random");
    }

    #[test]
    fn random_json_never_panics(
        parts in proptest::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\n", " ", "null", "true", "-1", "0", "1e400", "1.5", "18446744073709551616",
                "\"process\":", "\"type\":", "\"f\":", "\"value\":", "\"rebalance-log\":", "\"error\":", "\"index\":", "\"time\":",
                "\"invoke\"", "\"ok\"", "\"txn\"", "\"send\"", "\"poll\"", "\"assign\"", "\"x\"", "\"offset\":", "\"first\":", "\"count\":",
            ]),
            0..60,
        )
    ) {
        let _ = reader::read(parts.concat().as_bytes(), "random");
    }

    #[test]
    fn a_history_cut_or_changed_anywhere_never_panics(
        cut in 0..=EVERYTHING.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 0..3),
    ) {
        let mut bytes = EVERYTHING.as_bytes()[..cut].to_vec();
        for (place, byte, what) in edits {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match what {
                0 => bytes[place] = byte,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, byte),
            }
        }
        let _ = reader::read(&bytes[..], "changed");
    }
}

#[test]
fn a_history_cut_anywhere_but_between_lines_is_refused_at_the_cut() {
    for cut in 0..EVERYTHING.len() {
        let part = &EVERYTHING.as_bytes()[..cut];
        let whole = part.is_empty() || part.ends_with(b"\n") || EVERYTHING.as_bytes()[cut] == b'\n';
        match reader::read(part, "cut") {
            Ok(_) => assert!(whole, "cut at {cut}"),
            Err(error) => {
                assert!(!whole, "cut at {cut}: {error}");
                let lines = part.iter().filter(|byte| **byte == b'\n').count() as u64;
                assert_eq!(error.line, lines + 1);
                assert!(
                    matches!(error.kind, ReadErrorKind::Truncated { .. } | ReadErrorKind::NotUtf8 { .. }),
                    "{error}"
                );
            }
        }
    }
}
