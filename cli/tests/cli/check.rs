//! `wavetank check` as a user runs it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A file of this name and text, in a folder of this test's own; gone when dropped.
struct TextFile(PathBuf);

impl TextFile {
    fn new(name: &str, text: &str) -> TextFile {
        let folder = std::env::temp_dir().join(format!("wavetank-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for files");
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        TextFile(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn check(input: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.arg("check").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is built with its tests");
    // It may end without reading what it does not need.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text is UTF-8")
}

const GOOD: &str = r#"{"process": 0, "type": "invoke", "f": "send", "value": [["send", "orders-0", 1], ["send", "orders-0", 2]]}
{"process": 0, "type": "ok", "f": "send", "value": [["send", "orders-0", [0, 1]], ["send", "orders-0", [1, 2]]]}
{"process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]}
{"process": 1, "type": "ok", "f": "poll", "value": [["poll", {"orders-0": [[0, 1], [1, 2]]}]]}
"#;

/// [`GOOD`] without the first record that was polled.
fn lossy() -> String {
    GOOD.replace("[[0, 1], [1, 2]]}", "[[1, 2]]}")
}

#[test]
fn a_good_history_is_valid_under_both_contracts() {
    for contract in ["jepsen", "kafka"] {
        let output = check(GOOD, &["-", "--contract", contract]);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{}", stdout(&output));
        assert_eq!(stdout(&output), "valid: operations 4, keys 1, records sent 2\n");
    }
}

#[test]
fn a_violation_is_told_in_words_of_eighty_columns_and_ends_with_3() {
    let output = check(&lossy(), &["-"]);
    assert_eq!(code(&output), 3);
    let text = stdout(&output);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let first = text.find("\nlost-write\n").expect("told");
    assert!(first < text.find("\nunseen\n").expect("told too"), "the worst first: {text}");
    assert!(text.contains("orders-0: value 1, sent by #1, lies at place 0; readers got to place 1 (#3)"), "{text}");
    assert!(text.contains("sent orders-0@0 1 and 2") && text.contains("polled orders-0@1 2"), "{text}");
}

#[test]
fn the_same_as_json_has_the_documented_shape() {
    let output = check(&lossy(), &["-", "--json"]);
    assert_eq!(code(&output), 3);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let keys: Vec<_> = report.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["bad_error_types", "error_types", "errors", "valid"]);
    assert_eq!(report["valid"], false);
    assert_eq!(report["error_types"], serde_json::json!(["lost-write", "unseen"]));
    let lost = serde_json::json!([{
        "key": "orders-0", "value": 1, "index": 0, "writer": {"op": 1}, "max-read": {"op": 3}, "max-read-index": 1,
    }]);
    assert_eq!(report["errors"]["lost-write"], lost);
    assert_eq!(report["errors"]["unseen"], serde_json::json!([{"key": "orders-0", "values": [1]}]));
}

#[test]
fn a_context_excuses_what_kafka_does_not_promise() {
    let context = r#"{"quiesced": true, "keys": {"orders-0": {"log_start": [{"offset": 1, "reason": "retention"}]}}}"#;
    let context = TextFile::new("context.json", context);
    let output = check(&lossy(), &["-", "--contract", "kafka", "--context", context.path()]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("= allowed: retention"), "{}", stdout(&output));

    let quiet = TextFile::new("quiesced.json", r#"{"quiesced": true}"#);
    let unread = GOOD.replace("[[0, 1], [1, 2]]}", "[[0, 1]]}");
    assert_eq!(code(&check(&unread, &["-", "--contract", "kafka"])), 5, "nobody knows whether readers had the time");
    let stalled = check(&unread, &["-", "--contract", "kafka", "--context", quiet.path()]);
    assert_eq!(code(&stalled), 4, "{}", stdout(&stalled));
}

#[test]
fn options_change_what_is_held_against_the_system() {
    let back = format!(
        "{GOOD}{}\n{}\n",
        r#"{"process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]}"#,
        r#"{"process": 1, "type": "ok", "f": "poll", "value": [["poll", {"orders-0": [[0, 1]]}]]}"#
    );
    assert_eq!(code(&check(&back, &["-"])), 3);
    let subscribed = check(&back, &["-", "--sub-via", "subscribe"]);
    assert_eq!(code(&subscribed), 0);
    assert!(stdout(&subscribed).contains("1 not held against it"), "{}", stdout(&subscribed));
}

#[test]
fn what_nobody_sent_leaves_the_verdict_unknown() {
    let output = check(&GOOD.replace("[1, 2]]}", "[1, 7]]}"), &["-"]);
    assert_eq!(code(&output), 5, "{}", stdout(&output));
}

#[test]
fn jepsens_own_file_is_read() {
    let edn = TextFile::new(
        "history.edn",
        "{:index 0, :time 1, :type :invoke, :process 0, :f :send, :value [[:send 5 3]]}\n\
         {:index 1, :time 2, :type :ok, :process 0, :f :send, :value [[:send 5 [0 3]]]}\n\
         {:index 2, :time 3, :type :info, :process :nemesis, :f :kill, :value nil}\n\
         {:index 3, :time 4, :type :invoke, :process 1, :f :poll, :value [[:poll]]}\n\
         {:index 4, :time 5, :type :ok, :process 1, :f :poll, :value [[:poll {5 [[0 3]]}]]}\n",
    );
    let output = check("", &[edn.path()]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{}", stdout(&output));
}

#[test]
fn bad_input_ends_with_1_and_says_where_and_what() {
    let cases = [
        (GOOD.replace("\"invoke\"", "\"begin\""), "standard input:1: "),
        (GOOD[..GOOD.len() - 10].to_owned(), "standard input:4: it breaks off"),
        (GOOD.lines().skip(1).collect::<Vec<_>>().join("\n"), "process 0 completes (ok)"),
        (GOOD.replacen("\"ok\"", "\"invoke\"", 1), "still open"),
    ];
    for (input, said) in cases {
        let output = check(&input, &["-"]);
        assert_eq!(code(&output), 1);
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    let missing = check("", &["no/such/file.jsonl"]);
    assert!(code(&missing) == 1 && stderr(&missing).starts_with("can't read no/such/file.jsonl"), "{missing:?}");
    let context = TextFile::new("typo.json", "{\n  \"quiescd\": true\n}");
    let typo = check(GOOD, &["-", "--contract", "kafka", "--context", context.path()]);
    assert!(
        code(&typo) == 1 && stderr(&typo).contains("typo.json:2:") && stderr(&typo).contains("quiesced"),
        "{typo:?}"
    );
    let useless = check(GOOD, &["-", "--context", context.path()]);
    assert!(code(&useless) == 1 && stderr(&useless).contains("--contract kafka"), "{useless:?}");
}
