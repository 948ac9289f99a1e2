//! Jepsen's stored histories become the lines that the reader knows.

use proptest::prelude::*;
use std::io::{BufRead, Read};
use wavetank_traces::history::edn::{Summary, convert};
use wavetank_traces::history::{Function, Kind, reader};

fn converted(edn: &str) -> String {
    let mut lines = Vec::new();
    convert(edn.as_bytes(), "h.edn", &mut lines).unwrap_or_else(|error| panic!("{edn}: {error}"));
    String::from_utf8(lines).unwrap()
}

/// What one form becomes.
fn form(edn: &str) -> String {
    let line = converted(&format!("{{:x {edn}}}"));
    let value = line.strip_prefix("{\"index\":0,\"x\":").and_then(|rest| rest.strip_suffix("}\n"));
    value.unwrap_or_else(|| panic!("{edn} gave {line}")).to_owned()
}

fn refusal(edn: &[u8]) -> String {
    match convert(edn, "h.edn", std::io::sink()) {
        Ok(summary) => panic!("{summary:?} for {}", String::from_utf8_lossy(edn)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_form_becomes_the_json_that_stands_for_it() {
    let table = [
        ("nil", "null"),
        ("true", "true"),
        ("false", "false"),
        (":send", r#""send""#),
        (":a.b/c", r#""a.b/c""#),
        ("::own", r#""own""#),
        ("seek-to-beginning?", r#""seek-to-beginning?""#),
        ("-", r#""-""#),
        ("-a", r#""-a""#),
        // Numbers.
        ("0", "0"),
        ("-7", "-7"),
        ("+7", "7"),
        ("7N", "7"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616N", r#""18446744073709551616""#),
        ("-9223372036854775809", r#""-9223372036854775809""#),
        ("1.5", "1.5"),
        ("-1.0E-3", "-0.001"),
        ("2e3", "2000.0"),
        ("1e999", r#""1e999""#),
        ("1.10M", "1.1"),
        ("5M", "5"),
        ("1.000000000000000001M", r#""1.000000000000000001""#),
        ("1/3", r#""1/3""#),
        ("0x1f", "31"),
        ("##Inf", r#""Inf""#),
        ("##-Inf", r#""-Inf""#),
        // Characters.
        (r"\a", r#""a""#),
        (r"\é", r#""é""#),
        (r"[\( \)]", r#"["(",")"]"#),
        (r"[\a\b]", r#"["a","b"]"#),
        (r"\newline", r#""\n""#),
        (r"\space", r#"" ""#),
        (r"\u00e9", r#""é""#),
        (r"\o101", r#""A""#),
        (r"\u", r#""u""#),
        // Strings.
        (r#""""#, r#""""#),
        (r#""a ; b #_ \"c\" \\ \n\té""#, r#""a ; b #_ \"c\" \\ \n\té""#),
        (r#""\u00e9 \ud83d\ude00 \101\0""#, "\"é 😀 A\\u0000\""),
        ("\"over\ntwo lines\"", r#""over\ntwo lines""#),
        (r#"#"\d+\"""#, r#""\\d+\\\"""#),
        // Collections.
        ("[]", "[]"),
        ("[1 :a, \"b\" ,, nil]", r#"[1,"a","b",null]"#),
        ("(1 2)", "[1,2]"),
        ("#{}", "[]"),
        ("#{10 9 :b \"a\" -1.5 nil}", r#"[-1.5,9,10,"a","b",null]"#),
        ("{}", "{}"),
        (
            r#"{5 [[0 1]], :x {}, "s" nil, nil 1, [1 2] 2, \c 3}"#,
            r#"{"5":[[0,1]],"x":{},"s":null,"null":1,"[1,2]":2,"c":3}"#,
        ),
        ("#:ns{:a 1, :other/b 2, \"c\" 3}", r#"{"ns/a":1,"other/b":2,"c":3}"#),
        // What says nothing.
        ("[1 #_2 3 #_ [4 5]]", "[1,3]"),
        ("[#_ #_ 1 2 3]", "[3]"),
        ("[1 ; 2 ]\n 3]", "[1,3]"),
        ("^{:doc \"d\"} [1]", "[1]"),
        ("^:a ^b [1]", "[1]"),
        ("#inst \"2024-01-01T00:00:00Z\"", r#""2024-01-01T00:00:00Z""#),
        ("#jepsen.Thing{:a 1}", r#"{"a":1}"#),
        ("#a #b 1", "1"),
        ("#object[java.lang.Object 0x4a3e \"o\"]", r#"["java.lang.Object",19006,"o"]"#),
        ("#'clojure.core/inc", r#""clojure.core/inc""#),
    ];
    for (edn, json) in table {
        assert_eq!(form(edn), json, "{edn}");
    }
}

const STORED: &str = r#"{:index 0, :time 3291485317, :type :invoke, :process 0, :f :send, :value [[:send 5 3]]}
{:index 1, :time 3291485400, :type :info, :process :nemesis, :f :kill, :value {"n1" :killed, "n2" nil}}
{:index 2, :time 3291485500, :type :ok, :process 0, :f :send, :value [[:send 5 [17 3]]]}
{:index 3, :time 3291485600, :type :invoke, :process 1, :f :assign, :value #{6 5}, :seek-to-beginning? true}
{:index 4, :time 3291485700, :type :ok, :process 1, :f :assign, :value #{6 5}}
{:index 5, :time 3291485800, :type :invoke, :process 1, :f :poll, :value [[:poll]], :poll-ms 1000}
{:index 6, :time 3291485900, :type :info, :process 1, :f :poll, :value [[:poll {5 [[17 3] [18 4]], 6 []}]], :error [:timeout "no \"answer\""], :rebalance-log [{:type :assigned, :keys [5 6]}]}
"#;

const LINES: &str = r#"{"index":0,"time":3291485317,"process":0,"type":"invoke","f":"send","value":[["send",5,3]]}
{"index":1,"time":3291485400,"process":"nemesis","type":"info","f":"kill","value":{"n1":"killed","n2":null}}
{"index":2,"time":3291485500,"process":0,"type":"ok","f":"send","value":[["send",5,[17,3]]]}
{"index":3,"time":3291485600,"process":1,"type":"invoke","f":"assign","value":[5,6],"seek-to-beginning?":true}
{"index":4,"time":3291485700,"process":1,"type":"ok","f":"assign","value":[5,6]}
{"index":5,"time":3291485800,"process":1,"type":"invoke","f":"poll","value":[["poll"]],"poll-ms":1000}
{"index":6,"time":3291485900,"process":1,"type":"info","f":"poll","value":[["poll",{"5":[[17,3],[18,4]],"6":[]}]],"error":["timeout","no \"answer\""],"rebalance-log":[{"type":"assigned","keys":[5,6]}]}
"#;

#[test]
fn a_stored_history_becomes_lines_whatever_its_layout() {
    let records = STORED.replace("{:index", "#jepsen.history.Op{:index");
    let layouts = [
        STORED.to_owned(),
        records.clone(),
        STORED.replace('\n', " "),
        STORED.replace(", ", "\n  "),
        format!("[{STORED}]"),
        format!("; a comment\n({records})\n#_ignored\n"),
    ];
    for layout in layouts {
        assert_eq!(converted(&layout), LINES, "{layout}");
    }
}

#[test]
fn what_was_converted_is_a_history() {
    let history = reader::read(converted(STORED).as_bytes(), "h.jsonl").unwrap();
    let seen: Vec<_> =
        history.ids().map(|id| (history.op(id).index, history.op(id).kind, history.op(id).function)).collect();
    assert_eq!(seen[4..], [(5, Kind::Invoke, Function::Poll), (6, Kind::Info, Function::Poll)]);
    let polled = history.find(6).unwrap();
    assert_eq!(
        history.polls(polled).map(|run| (history.key_name(run.key), run.count)).collect::<Vec<_>>(),
        [("5", 2), ("6", 0)]
    );
    assert_eq!(history.rebalanced(polled), history.assigned(history.find(3).unwrap()));
    assert_eq!(history.open().count(), 0);
}

#[test]
fn an_index_that_is_not_the_line_is_kept_as_the_original() {
    let mut lines = Vec::new();
    let stored = "{:type :ok, :index 0, :f :a} {:index 7 :type :ok} {:type :ok} {:index nil, :type :ok} {:index 4, :orig-index 9} {:index 6, :orig-index 9}";
    let summary = convert(stored.as_bytes(), "h.edn", &mut lines).unwrap();
    assert_eq!(summary, Summary { ops: 6, renumbered: 2 });
    assert_eq!(
        String::from_utf8(lines).unwrap(),
        r#"{"index":0,"type":"ok","f":"a"}
{"index":1,"type":"ok","orig-index":7}
{"index":2,"type":"ok"}
{"index":3,"type":"ok"}
{"index":4,"orig-index":9}
{"index":5,"orig-index":6}
"#
    );
    assert_eq!(converted(" \n; nothing\n"), "");
}

#[test]
fn what_is_not_edn_is_refused_with_its_place() {
    let table = [
        ("{:a 1}\n {:a }", "h.edn:2: column 6: a key needs a value"),
        ("{:a 1", "h.edn:1: column 1: this has no end; expected '}'"),
        ("{:a [1 {:b 2]}", "h.edn:1: column 13: ']' closes nothing; expected '}'"),
        ("{:a\n [1 2", "h.edn:2: column 2: this has no end; expected ']'"),
        ("{:a \"b}", "h.edn:1: column 5: this has no end; expected '\"'"),
        ("[{:a 1}", "h.edn:1: column 8: the file ends inside of the list of operations"),
        ("[{:a 1})", "h.edn:1: column 8: expected an operation: a map, {:type :invoke, ...}"),
        ("}", "h.edn:1: column 1: expected an operation"),
        ("[[{:a 1}]]", "h.edn:1: column 2: expected an operation"),
        ("{:a 1} 7", "h.edn:1: column 8: expected an operation"),
        ("{:value 1, :value 2}", "column 12: the operation has the key \"value\" already"),
        ("{:a 1x}", "column 5: \"1x\" is not a number"),
        ("{:a 007}", "column 5: \"007\" is not a number"),
        ("{:a 1.2.3}", "column 5: \"1.2.3\" is not a number"),
        ("{:a 1/x}", "column 5: \"1/x\" is not a number"),
        ("{: 1}", "column 2: a keyword has a name"),
        ("{:a \\nope}", "column 5: \\nope is not a character"),
        ("{:a \\ud800}", "column 5: \\ud800 is not a character"),
        ("{:a \"\\q\"}", "column 6: an escape is \\t, \\r"),
        ("{:a \"\\u12g4\"}", "column 6: \\u needs 4 hexadecimal digits"),
        ("{:a \"\\ud800 \"}", "column 6: this is half a character"),
        ("{:a \"\\ud800\\u0041\"}", "column 6: this is half a character"),
        ("{:a #_}", "column 7: #_ needs a form to discard"),
        ("{:a #inst}", "column 10: a tag needs a form"),
        ("{:a ^:b}", "column 8: metadata needs a form"),
        ("{:a #:ns[]}", "column 9: a namespace needs a map"),
        ("{:a #:ns", "column 9: a namespace needs a map"),
        ("{:a #<Object>}", "column 5: # needs a set, a tag, or _"),
        ("{:a @b}", "column 5: this is code, not EDN"),
    ];
    for (edn, expected) in table {
        let error = refusal(edn.as_bytes());
        assert!(error.contains(expected), "{edn}\n  gave {error}\n  not  {expected}");
    }
    assert_eq!(refusal(b"{:a \"x\xff\"}"), "h.edn:1: column 5: this is not UTF-8");
    assert_eq!(refusal(b"{:a x\xff}"), "h.edn:1: column 5: this is not UTF-8");
}

#[test]
fn nesting_without_end_is_refused() {
    for open in ["[", "(", "{", "{:a ", "#{", "#_", "^", "#a [", "[#_"] {
        let error = refusal(format!("{{:a {}", open.repeat(1_000_000)).as_bytes());
        assert!(error.contains("nested too deeply"), "{open}: {error}");
    }
    let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    // What the converter takes, a reader takes too.
    for depth in [100, 101, 128, 150] {
        let stored = format!("{{:type :invoke, :process 0, :f :poll, :error {}}}", deep(depth));
        let mut line = Vec::new();
        let taken = convert(stored.as_bytes(), "h.edn", &mut line).is_ok();
        assert_eq!(taken, depth <= 100, "{depth}");
        if taken {
            assert_eq!(reader::read(&line[..], "h.jsonl").unwrap().len(), 1);
        }
    }
}

#[test]
fn an_operation_without_end_is_refused_and_many_operations_are_not() {
    let endless = std::io::BufReader::new((&b"{:a [\""[..]).chain(std::io::repeat(b'a')));
    let error = convert(endless, "h.edn", std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("the operation is too long; its limit is 64 MiB"), "{error}");

    struct Repeat(u32);
    const OP: &[u8] =
        b"{:index 1, :f :send, :value \"................................................................\"}\n";
    impl Read for Repeat {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(left) = self.0.checked_sub(1) else { return Ok(0) };
            self.0 = left;
            (&OP[..]).read(buffer)
        }
    }
    let ops = (70 << 20) / OP.len() as u32;
    let summary = convert(std::io::BufReader::with_capacity(OP.len(), Repeat(ops)), "h.edn", std::io::sink()).unwrap();
    assert_eq!(summary.ops, u64::from(ops));
}

#[test]
fn the_operations_before_an_error_are_written() {
    let mut lines = Vec::new();
    convert(&b"{:a 1}\n{:b"[..], "h.edn", &mut lines).unwrap_err();
    assert_eq!(lines.lines().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_text_never_panics(text in ".{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = convert(text.as_bytes(), "random", std::io::sink());
        let _ = convert(&[b"{:a ", &bytes[..]].concat()[..], "random", std::io::sink());
    }

    /// Whatever is taken for EDN becomes JSON that a reader takes for JSON.
    #[test]
    fn random_forms_become_lines_of_json(
        parts in proptest::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", "(", ")", "#{", "#_", "^", "#tag ", "#:ns", "##", ":key ", ":a/b ", "\"s\\n\" ", "\\c ", "\\", "\"",
                "nil ", "true ", "-1 ", "7N ", "1.5e9 ", "1/2 ", "0x1f ", "sym ", ",", ";c\n", "é ", "#\"r\" ", "#'", "\u{7f} ",
            ]),
            0..30,
        )
    ) {
        let mut lines = Vec::new();
        let _ = convert(format!("{{:x [{}]}}", parts.concat()).as_bytes(), "random", &mut lines);
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok(), "{}", String::from_utf8_lossy(line));
        }
    }
}
