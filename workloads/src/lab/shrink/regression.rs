//! A shrunk failure as a test.

use super::{Failure, Fingerprint};

/// The text of a test that replays a failure from its file, which is to lie beside the test, and holds that it is the same
/// one: the bug is still there, and still found. Once the bug is mended the test says so, by failing.
pub fn regression_test(failure: &Failure, fingerprint: &Fingerprint, file_name: &str) -> String {
    let about = failure.options.mutant.map(|mutant| format!(" with the bug {}", mutant.name())).unwrap_or_default();
    let name = failure.file_name();
    let name: String =
        name.trim_end_matches(".json").chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    format!(
        r#"use wavetank_workloads::lab::{{Failure, Fingerprint, Sameness, outcome}};
use wavetank_workloads::scenario::Listeners;

/// {scenario}{about}: {fingerprint}.
#[test]
fn {name}() {{
    let kept = Failure::parse("{file_name}", include_str!("{file_name}")).expect("it can be read");
    let now = outcome(&kept.replay(Listeners::default()));
    let fingerprint = Fingerprint::of(&now).map(|it| it.to_string());
    assert_eq!(fingerprint.as_deref(), Some({quoted:?}));
    assert_eq!(kept.compare(&now), Sameness::Same);
}}
"#,
        scenario = failure.scenario.name(),
        quoted = fingerprint.to_string(),
    )
}
