//! Kafka's contract and Jepsen's on the same histories: where they differ, and why.
//!
//! The tests' names are those of the table in `CONTRACT.md`.

mod bench;
mod clients;
mod elections;
mod log;
mod own;
mod positions;
mod properties;
mod transactions;

/// The table, and everything in which its tests may be.
const TABLE: &str = include_str!("../../CONTRACT.md");
const TESTS: [(&str, &str); 7] = [
    ("log", include_str!("log.rs")),
    ("positions", include_str!("positions.rs")),
    ("clients", include_str!("clients.rs")),
    ("transactions", include_str!("transactions.rs")),
    ("elections", include_str!("elections.rs")),
    ("own", include_str!("own.rs")),
    ("excuse::tests", include_str!("../../src/contract/excuse/tests.rs")),
];

#[test]
fn every_case_of_the_table_has_a_test() {
    let mut named = 0;
    for row in TABLE.lines().filter(|line| line.starts_with("| ") && line.matches(" |").count() >= 5) {
        let tests = row.rsplit('|').nth(1).unwrap().trim();
        for test in tests.split(", ").filter(|test| test.starts_with('`')) {
            let (module, name) = test.trim_matches('`').rsplit_once("::").unwrap();
            let (_, source) = TESTS.iter().find(|(known, _)| *known == module).unwrap();
            assert!(source.contains(&format!("#[test]\nfn {name}()")), "{test} is no test");
            named += 1;
        }
        assert!(tests.starts_with('`') || ["test", "the same"].contains(&tests), "{row}");
    }
    assert!(named > 50, "{named}");
}

#[test]
fn the_context_with_remarks_is_one() {
    let (_, rest) = TABLE.split_once("```jsonc\n").unwrap();
    let (remarked, _) = rest.split_once("```").unwrap();
    let text: String = remarked.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect();
    let context = wavetank_traces::contract::Context::read(&text, "CONTRACT.md").unwrap();
    assert_eq!((context.keys.len(), context.seeks.len(), context.faults.len()), (3, 1, 1));
}
