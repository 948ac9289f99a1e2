//! No text makes a reader panic: bytes at random, and good files with something cut, doubled or replaced.

use proptest::prelude::*;
use wavetank_workloads::spec::scenario::builtin;
use wavetank_workloads::spec::{File, Parsed, Problem, Problems, Source};

fn read(name: &str, text: &str) -> Vec<Problem> {
    match File::parse(&Source::new(name, text), &builtin::Files) {
        Ok(Parsed { value, warnings }) => {
            use_it(&value);
            warnings
        }
        Err(Problems(problems)) => {
            assert!(!problems.is_empty(), "refused without a word");
            problems
        }
    }
}

/// What is derived from a file that was read holds for every one that was.
fn use_it(file: &File) {
    if let File::Scenario(it) = file {
        it.bytes_out_per_sec(it.workload.bytes_in_per_sec().unwrap_or(u64::MAX));
        it.pipelines.iter().for_each(|pipeline| assert!(pipeline.state_bytes() == 0 || pipeline.state_keys > 0));
        it.platforms.iter().for_each(|platform| assert!(it.expectations_on(platform).len() >= it.expectations.len()));
        for fault in &it.faults {
            let end = fault.at.saturating_add(fault.length().unwrap_or_default());
            assert!(end <= it.measure.duration && !fault.kind.to_string().is_empty(), "{fault:?}");
        }
    }
}

/// Reads it as every kind of file, and tells every problem in both ways.
fn read_and_tell(text: &str) {
    let drivers = format!("driverClass: x\n{text}");
    for (name, text) in [("x.toml", text), ("x.yaml", text), ("x.yaml", &drivers)] {
        for problem in read(name, text) {
            assert!(!problem.problem.is_empty() && problem.line >= 1 && problem.column >= 1, "{problem}");
            if problem.file == name {
                assert!(problem.line <= text.matches('\n').count() + 1, "{problem}");
            }
            problem.render(80);
        }
    }
}

fn good() -> impl Strategy<Value = String> {
    let workload = include_str!("../../scenarios/omb/1-topic-100-partitions-1kb-4p-4c.yaml");
    let driver = include_str!("../../scenarios/omb/kafka-latency.yaml");
    let texts: Vec<String> =
        builtin::ALL.iter().map(|(_, text)| *text).chain([workload, driver]).map(String::from).collect();
    proptest::sample::select(texts)
}

/// What may stand where something else stood.
fn scrap() -> impl Strategy<Value = String> {
    let scraps = [
        "",
        "-1",
        "0",
        "1e999",
        "nan",
        "\"\"",
        "\"ü\u{1F30A}\"",
        "99999999999999999999999",
        "[",
        "]",
        "{",
        "}",
        "=",
        ": |",
        "\t",
        "\r\n",
        "\\",
        "&a *a",
        "[[fault]]",
        "\"0@s3://?\"",
        "\"< \"",
        "18446744073709551615",
        "\"9223372036 s\"",
        "\"broker:99999999999\"",
        "null",
        "- x",
        "2026-01-01",
        "\"1e5 s\"",
        "\"9100000000 s\"",
        "9223372036854775807",
        "true",
    ];
    prop_oneof![proptest::sample::select(scraps.map(String::from).to_vec()), "\\PC{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        read_and_tell(&text);
    }

    #[test]
    fn a_good_file_with_a_word_replaced_is_read_or_refused(text in good(), at in any::<prop::sample::Index>(), scrap in scrap()) {
        let words: Vec<&str> = text.split_inclusive([' ', '\n', '=']).collect();
        let hit = at.index(words.len());
        let changed: String = words.iter().enumerate().map(|(i, word)| match i == hit {
            true => format!("{scrap}{}", &word[word.trim_end_matches([' ', '\n', '=']).len()..]),
            false => (*word).to_owned(),
        }).collect();
        read_and_tell(&changed);
    }

    #[test]
    fn a_good_file_cut_anywhere_is_read_or_refused(text in good(), from in any::<prop::sample::Index>(), len in 0_usize..60) {
        let chars: Vec<char> = text.chars().collect();
        let from = from.index(chars.len());
        let cut: String = chars.iter().take(from).chain(chars.iter().skip(from + len)).collect();
        read_and_tell(&cut);
    }

    #[test]
    fn a_setting_takes_any_value_or_refuses_it(
        at in any::<prop::sample::Index>(),
        value in prop_oneof!["\\PC{0,20}", any::<i64>().prop_map(|it| it.to_string()), scrap()],
    ) {
        use wavetank_workloads::spec::settings::Scope;
        let all: Vec<_> = Scope::ALL.into_iter().flat_map(|scope| scope.table().iter().map(move |row| (scope, row))).collect();
        let (scope, row) = all[at.index(all.len())];
        let table = match scope {
            Scope::Topic => "[workload.topic]",
            Scope::Producer => "[workload.producer]",
            Scope::Consumer => "[workload.consumer]",
            Scope::Broker => "[cluster.settings]",
            Scope::SharedStorage => "[platform.s3-wal]",
            Scope::Flink => "[[pipeline]]\n[pipeline.settings]",
        };
        let value = value.replace(['\\', '"', '\n', '\r'], "");
        read("x.toml", &format!("platforms = [\"s3-wal\"]\n{table}\n\"{}\" = \"{value}\"\n", row.key));
    }
}
