//! The report for people: the verdict, a count of each kind, then the worst first with the operations that prove it.

use wavetank_traces::check::anomaly::Anomaly;
use wavetank_traces::check::proof::Proof;
use wavetank_traces::check::{Report, Story, Verdict};
use wavetank_traces::contract::{Class, KafkaReport};
use wavetank_traces::history::{History, Kind};

/// So many findings of a kind are told in full.
const TOLD: usize = 3;
const COLUMNS: usize = 80;

/// All findings of one kind.
struct Section<'a> {
    anomaly: Anomaly,
    findings: Vec<Told<'a>>,
}

/// One finding, and what to say of it.
struct Told<'a> {
    proof: &'a Proof,
    /// Whether it counts against the system.
    is_bad: bool,
    /// Why it does not, or by what.
    remark: Option<String>,
}

/// What Jepsen's checkers found.
pub fn jepsen(history: &History, report: &Report) -> String {
    let sections = report.proofs.iter().map(|(anomaly, proofs)| {
        let is_bad = report.bad.contains(anomaly);
        let findings = proofs.iter().map(|proof| Told { proof, is_bad, remark: None }).collect();
        Section { anomaly: *anomaly, findings }
    });
    text(history, report.verdict, sections.collect())
}

/// What was found under Kafka's contract.
pub fn kafka(history: &History, report: &KafkaReport) -> String {
    let sections = report.findings.iter().map(|(anomaly, findings)| Section {
        anomaly: *anomaly,
        findings: findings
            .iter()
            .map(|finding| Told {
                proof: &finding.proof,
                is_bad: finding.class == Class::Violation,
                remark: remark(&finding.class),
            })
            .collect(),
    });
    text(history, report.verdict, sections.collect())
}

fn remark(class: &Class) -> Option<String> {
    match class {
        Class::Violation => None,
        Class::Unknown { why } => Some(format!("unknown: {why}")),
        Class::PromiseEnded { by } => Some(format!("the promise was ended by {by}")),
        Class::Allowed { by } => Some(format!("allowed: {by}")),
    }
}

fn text(history: &History, verdict: Verdict, mut sections: Vec<Section>) -> String {
    sections.sort_by_key(|section| (!section.findings.iter().any(|finding| finding.is_bad), section.anomaly));
    let mut out = summary(history, verdict, &sections);
    let story = Story::new(history);
    for section in &sections {
        // That a cycle exists is told by the cycle itself.
        if matches!(section.findings.first(), Some(Told { proof: Proof::CycleExists { .. }, .. })) {
            continue;
        }
        out += &format!("\n{}\n", section.anomaly);
        for finding in section.findings.iter().take(TOLD) {
            out += &wrapped(&story.sentence(finding.proof), "  ", "    ");
            if let Some(remark) = &finding.remark {
                out += &wrapped(remark, "    = ", "      ");
            }
            for line in story.operations(finding.proof) {
                out += &wrapped(&line, "    ", "            ");
            }
        }
        if section.findings.len() > TOLD {
            out += &format!("  ... and {} more; --json tells them all\n", section.findings.len() - TOLD);
        }
    }
    out
}

fn summary(history: &History, verdict: Verdict, sections: &[Section]) -> String {
    let ends = history.ids().filter(|id| history.op(*id).kind != Kind::Invoke);
    let records: u64 = ends.flat_map(|id| history.sends(id)).map(|run| u64::from(run.count)).sum();
    let verdict = match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "INVALID",
    };
    let (operations, keys) = (history.len(), history.keys());
    let mut out = format!("{verdict}: operations {operations}, keys {keys}, records sent {records}\n");
    for section in sections {
        let count = |is_bad: bool| -> u64 {
            let findings = section.findings.iter().filter(|finding| finding.is_bad == is_bad);
            findings.map(|finding| finding.proof.count()).sum()
        };
        let (bad, other) = (count(true), count(false));
        let other = if other > 0 { format!("  {other} not held against it") } else { String::new() };
        out += &format!("  {:<26} {bad:>8}{other}\n", section.anomaly.name());
    }
    out
}

fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let options = textwrap::Options::new(COLUMNS).initial_indent(first).subsequent_indent(rest);
    textwrap::fill(text, options) + "\n"
}
