//! `docs/published.md`.

use super::{Measured, NOT_REPRODUCED, Outcome, Row, Setup, latencies};
use wavetank_workloads::compare::Distribution;

/// The path of a request, by set-up: each differs from the one before it in one thing.
const PATH: [(&str, &str); 3] = [
    ("steady-idle", "100 records a second: hardly anything is queued"),
    ("steady-unlimited", "20 MiB/s: larger objects, and bulks that wait for the one before them"),
    ("steady", "and five requests in flight: records wait in the producer for the round before"),
];

/// The document.
pub fn markdown(outcomes: &[Outcome], measured: &[Measured]) -> String {
    let mut text = String::from(HEAD);
    for outcome in outcomes {
        text += &line(outcome);
    }
    text += "\nSet-ups:\n\n";
    for Measured { setup, .. } in measured {
        text += &format!("* **{}**: {}; {}.\n", setup.name, setup.about, how(setup));
    }
    text += VERIFIED;
    text += &quantiles(measured, "group-commit-verified", "with the reservation read");
    text += "\n## Not reproduced\n\n| rows | why |\n|---|---|\n";
    for (begins, why) in NOT_REPRODUCED {
        let begins: Vec<String> = begins.iter().map(|begin| format!("`{begin}{}`", rest(begin))).collect();
        text += &format!("| {} | {why} |\n", begins.join(", "));
    }
    text += PATH_HEAD;
    for (name, what) in PATH {
        text += &quantiles(measured, name, what);
    }
    text += PATH_TAIL;
    text
}

fn rest(begin: &str) -> &'static str {
    if begin.ends_with('-') { "…" } else { "" }
}

fn line(Outcome { row, ours }: &Outcome) -> String {
    let (ours_text, error) = match ours {
        Some(ours) => (format!("{} {}", rounded(*ours), row.claim.unit()), error_text(row, *ours)),
        None => ("–".into(), "–".into()),
    };
    let setup = row.figure.setup().unwrap_or("profile");
    format!("| {} | {} | {} | {ours_text} | {error} | {setup} | {} |\n", row.id, row.what, row.claim.text(), row.note)
}

fn error_text(row: &Row, ours: f64) -> String {
    let percent = row.claim.error(ours) * 100.0;
    if percent == 0.0 { "within".into() } else { format!("{percent:+.0} %") }
}

fn rounded(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn how(setup: &Setup) -> String {
    let mut parts = vec![format!("on `{}`", setup.platform.name())];
    parts.extend(setup.mutant.map(|mutant| format!("with `{mutant}`")));
    parts.push(if setup.seeds == 1 { "seed 1".into() } else { format!("seeds 1 to {}", setup.seeds) });
    parts.join(", ")
}

/// A line of a table: p50, p99, p99.9 of a set-up's produce latency.
fn quantiles(measured: &[Measured], name: &str, what: &str) -> String {
    let runs = measured.iter().find(|it| it.setup.name == name).map(|it| it.runs.as_slice());
    let Some(all) = runs.and_then(|runs| latencies(runs, Distribution::Produce)) else {
        return format!("| {name} | {what} | – | – | – |\n");
    };
    let [p50, p99, p99_9] = [0.5, 0.99, 0.999].map(|q| all.value_at_quantile(q) as f64 / 1e6);
    format!("| {name} | {what} | {p50:.0} ms | {p99:.0} ms | {p99_9:.0} ms |\n")
}

const HEAD: &str = "\
# Published figures beside ours

Written by `cargo run --release -p wavetank-benches --example published`; do not edit. Rows are compared with, never fitted
to: profiles rest on rows of devices (`models/data/profiles`), and what a system makes of them follows from its steps.
An error is how far ours is from what was published, or from the nearer end of a published range; \"within\": none.

| row | what | published | ours | error | set-up | what differs |
|---|---|---|---|---|---|---|
";

const VERIFIED: &str = "
SlateDB fences by a condition on each PUT, AutoMQ by reading the reservation object after it; that read is what the second
of these costs beyond the first row of the table above:

| set-up | what | p50 | p99 | p99.9 |
|---|---|---|---|---|
";

const PATH_HEAD: &str = "
## Why a produce request takes 350 ms where a bulk and a PUT take 200

`steady` on `s3-wal` has a produce median near 350 ms, though a bulk is closed every 250 ms (so a record waits 125 ms on
average) and a PUT and the read of the reservation take 60 to 100 ms. Each line differs from the one before it in one thing:

| set-up | what | p50 | p99 | p99.9 |
|---|---|---|---|---|
";

const PATH_TAIL: &str = "
The last step is the producer's. An idempotent producer has at most five requests in flight on a connection. With a
linger of 5 ms the five are sent within 25 ms of each other, so all five wait in one bulk and all five are acknowledged by
one PUT. The producer is then in step with the log. Let bulks be closed at 0, 250, 500… ms and acknowledged `a` later
(about 100 ms: PUT, read of the reservation, network). At `a` the five acknowledgements arrive, and within 25 ms the next
five requests are away, the first with all that has gathered; they are acknowledged at `250 + a`. A record that is due just
after them, from `a + 25` on, is not sent before `250 + a`, and not acknowledged before `500 + a`. So of each interval's
records a tenth waits about 250 ms and the rest evenly between 250 and 475 ms: a median of about 350 ms, whatever `a` is.
More bytes a second do not change it (requests get larger, up to `max.request.size`), nor does a quicker store; what does
is a linger of 50 ms or more, so that five requests cover an interval, or fewer records a producer. AutoMQ's own advice for
clients is `linger.ms=100` with larger batches, and Redpanda says the same of its topics on object storage (\"Configure
producers for Cloud Topics\": a batching interval makes every connection one of high latency, and five requests in flight
are then the limit).

What was looked at on the way, against the source of AutoMQ:

| step | here as there |
|---|---|
| broker takes a connection's requests without waiting for earlier answers | `SocketServer.scala`: a channel is muted at 64 requests in flight, answers go out in order |
| bulk timer | `min(max(min(10 ms, batch), lastForce + batch - now), batch)`; full at `maxBytesInBatch` |
| uploads | at once, up to `maxInflightUploadCount`; a slow PUT is sent again after the 99th percentile of its like |
| order | only completed bulks at the head are looked at (`DefaultWriter.callback`) |
| verification | one read of the reservation for all of them, after the upload, one at a time; not one a bulk |
| acknowledgement | when that has shown one's own epoch, in WAL order |

One difference was found, and lay in the store: a PUT of some hundred KiB took as long as a straight line from 4 KiB to
4 MiB has it, 30 ms too little. The profile has a ramp now (`models/data/profiles/s3-standard.toml`).
Its size is that of the rows S3-TP-put and S3-LIM-conn; SlateDB's rows were known when it was chosen, and suggested where it
ends, so that their medians are met is no proof of it.
";
