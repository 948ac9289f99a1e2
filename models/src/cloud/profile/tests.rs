//! What a profile file must hold, and how its errors read.

use super::*;

/// A small good profile to break.
const GOOD: &str = r#"name = "test-host"
kind = "host"
grade = "assumed"
about = "for tests"

[host]
network_threads = 3
request_handler_threads = 8
queued_requests_max = 500
network_per_request = "15 us"
produce_per_request = "40 us"
produce_per_mib = "1.6 ms"
fetch_per_request = "40 us"
fetch_per_mib = "500 us"
replica_append_per_mib = "900 us"
per_partition = "3 us"
pause = { min = "2 ms", p50 = "8 ms", p90 = "18 ms", p99 = "50 ms", p99_9 = "120 ms", max = "1 s" }
pause_interval_mean = "5 s"

[rests_on]
network_threads = "test"
request_handler_threads = "test"
queued_requests_max = "test"
network_per_request = "test"
produce_per_request = "test"
produce_per_mib = "test"
fetch_per_request = "test"
fetch_per_mib = "test"
replica_append_per_mib = "test"
per_partition = "test"
pause_interval_mean = "test"

[[rows]]
figure = "pause"
id = "X-1"
at = "p50"
value = 8
unit = "ms"
use = "check"
"#;

fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "nothing to break: {from}");
    Profile::parse("mine.toml", &GOOD.replacen(from, to, 1)).expect_err("a bad file was accepted").to_string()
}

#[test]
fn a_profile_of_ones_own_is_read() {
    let profile = Profile::parse("mine.toml", GOOD).unwrap();
    assert_eq!((profile.kind, profile.grade, profile.name.as_str()), (Kind::Host, Grade::Assumed, "test-host"));
    let Figures::Host(host) = &profile.figures else { panic!("a host profile without host figures") };
    assert_eq!(host.produce_per_mib, Nanos::micros(1_600));
    assert_eq!(host.pause.quantile(1.0), Nanos::secs(1));
    assert_eq!(profile.rows[0].line, 33, "a row knows its line");
    let model = profile.model(&profile.rows[0]).unwrap();
    assert!((model - 8.0).abs() < 0.01, "{model}");
}

#[test]
fn every_mistake_is_named_with_its_line_its_key_and_what_would_be_right() {
    let cases = [
        (
            "produce_per_mib = \"1.6 ms\"",
            "produce_per_mb = \"1.6 ms\"",
            "mine.toml:12: `host.produce_per_mb`: unknown field `produce_per_mb` (right would be: ",
        ),
        (
            "grade = \"assumed\"",
            "grade = \"excellent\"",
            "mine.toml:3: `grade`: unknown \"excellent\" (right would be: one of measured, partial, assumed)",
        ),
        (
            "grade = \"assumed\"",
            "grade = \"measured\"",
            "mine.toml:3: `grade`: `measured`, but not fitted to rows at p50, p90 and p99",
        ),
        (
            "kind = \"host\"",
            "kind = \"volume\"",
            "mine.toml:2: `kind`: kind \"volume\" with [\"host\"] (right would be: one table, [volume])",
        ),
        (
            "p90 = \"18 ms\"",
            "p90 = \"80 ms\"",
            "mine.toml:17: `pause.p99`: p99 (50ms) must be greater than p90 (80ms) \
             (right would be: min < p50 < p90 < p99 < p99_9 < max, or a constant)",
        ),
        (
            "p90 = \"18 ms\"",
            "p90 = \"-18 ms\"",
            "mine.toml:17: `pause.p90`: \"-18 ms\" is no span of time (right would be: a number and one of ns, us, ms, s",
        ),
        ("p90 = \"18 ms\", ", "", "mine.toml:17: `pause`: `p90` is missing (right would be: all of min, p50, "),
        (
            "pause = { min",
            "pause = { constant = \"1 s\", min",
            "mine.toml:17: `pause`: both a constant and percentiles (right would be: one of the two)",
        ),
        (
            "network_threads = 3",
            "network_threads = 0",
            "mine.toml:7: `network_threads`: 0 is not above zero (right would be: a whole number above zero)",
        ),
        (
            "produce_per_mib = \"test\"\n",
            "",
            "mine.toml:1: `produce_per_mib`: names no source (right would be: a row with figure = \"produce_per_mib\", \
             or rests_on.\"produce_per_mib\" = \"from what\")",
        ),
        (
            "per_partition = \"test\"",
            "per_partitoin = \"test\"",
            "mine.toml:30: `rests_on`: no figure is called \"per_partitoin\" (right would be: one of network_threads, ",
        ),
        ("figure = \"pause\"", "figure = \"paws\"", "mine.toml:34: `rows.figure`: no figure is called \"paws\""),
        (
            "use = \"check\"",
            "use = \"prove\"",
            "mine.toml:39: `rows.use`: unknown \"prove\" (right would be: one of fit, check, context)",
        ),
        ("unit = \"ms\"", "unit = \"furlong\"", "mine.toml:33: `rows.unit`: unknown unit \"furlong\""),
        ("value = 8", "value = \"about 8\"", "mine.toml:33: `rows.value`: \"about 8\" is no number"),
        ("at = \"p50\"", "at = \"typical\"", "mine.toml:33: `rows.at`: \"typical\" is no place in a distribution"),
        ("unit = \"ms\"", "unit = \"ms\"\nconnections = 4", "mine.toml:33: `rows`: half of a shared link"),
        ("[host]", "[host", "mine.toml:6: "),
        ("about = \"for tests\"\n", "", "mine.toml:1: "),
    ];
    for (from, to, want) in cases {
        let got = error(from, to);
        assert!(got.starts_with(want), "{from} -> {to}\n got: {got}\nwant: {want}");
    }
}

#[test]
fn every_profile_that_comes_with_wavetank_is_whole_and_found_by_its_name() {
    for profile in Profile::builtin() {
        assert_eq!(Profile::named(&profile.name).map(|p| p.name), Some(profile.name.clone()));
        assert!(!profile.about.is_empty(), "{} does not say what it is", profile.name);
        for text in profile.rests_on.values() {
            assert!(text.len() > 3, "{}: an assumption that says nothing: {text:?}", profile.name);
        }
    }
    assert!(Profile::named("s4-standard").is_none());
}

#[test]
fn a_grade_is_no_better_than_the_rows() {
    let with_grade =
        |grade| Profile::builtin().into_iter().filter(|p| p.grade == grade).map(|p| p.name).collect::<Vec<_>>();
    assert_eq!(with_grade(Grade::Measured), ["s3-standard"]);
    for name in with_grade(Grade::Assumed) {
        let rows = Profile::named(&name).unwrap().rows;
        assert!(rows.iter().all(|row| row.role == Role::Context), "{name} is fitted to something: partial, then");
    }
}

#[test]
fn two_runs_are_pooled_by_their_geometric_mean() {
    let two_rows = GOOD.replacen("use = \"check\"", "use = \"fit\"", 1)
        + "\n[[rows]]\nfigure = \"pause\"\nid = \"X-2\"\nat = \"p50\"\nvalue = 2\nunit = \"ms\"\nuse = \"fit\"\n";
    let profile = Profile::parse("mine.toml", &two_rows).unwrap();
    for row in &profile.rows {
        assert!((profile.pooled(row).unwrap() - 4.0).abs() < 1e-9);
    }
}
