//! Workload and driver files of the OpenMessaging Benchmark.

use super::page::{Page, bytes, many, ratio};
use super::settings;
use wavetank_workloads::spec::grouped;
use wavetank_workloads::spec::omb::{KeyDistributor, OmbDriver, OmbWorkload, Payload};
use wavetank_workloads::spec::scenario::words;
use wavetank_workloads::spec::settings::Scope;

/// OMB's first guess when it looks for the largest sustainable rate.
const FIRST_GUESS: u64 = 10_000;

pub fn workload(page: &mut Page, it: &OmbWorkload) {
    page.title(&it.name, "A workload of the OpenMessaging Benchmark.");
    page.heading("Load");
    let partitions = it.partitions();
    let of = many(it.partitions_per_topic.into(), "partition");
    page.line("topics", &format!("{} of {of}: {} in all", grouped(it.topics.into()), grouped(partitions)));
    let size = bytes(it.message_size);
    match it.producer_rate {
        Some(rate) => {
            let written = rate.saturating_mul(it.message_size);
            page.line("in", &format!("{} messages/s of {size}: {}/s", grouped(rate), bytes(written)));
            let (messages, share) = (ratio(rate, partitions), bytes(written / partitions.max(1)));
            page.line("per partition", &format!("{messages} messages/s, {share}/s"));
            let read = u64::from(it.subscriptions_per_topic) * u64::from(it.consumers_per_subscription.min(1));
            let fan_out =
                if read == 0 { "nobody reads".into() } else { format!("each record is read {}", times(read)) };
            page.line("out", &format!("{}/s: {fan_out}", bytes(written.saturating_mul(read))));
        }
        None => page.line(
            "in",
            &format!(
                "messages of {size} as fast as can be sustained; OMB starts at {} messages/s",
                grouped(FIRST_GUESS)
            ),
        ),
    }
    page.line(
        "keys",
        match it.key_distributor {
            KeyDistributor::NoKey => "none: producers fill one partition's batch after the other",
            KeyDistributor::RoundRobin => "10,000, one after the other",
            KeyDistributor::Random => "10,000, at random",
        },
    );
    page.line(
        "payload",
        &match &it.payload {
            Payload::File(file) => format!("the bytes of {file}"),
            Payload::Random { ratio, pool } => {
                format!(
                    "{:.0} % random bytes, the rest zeros; {} different ones",
                    ratio * 100.0,
                    grouped((*pool).into())
                )
            }
            Payload::Unsaid => "the file says none".into(),
        },
    );
    page.heading("Clients");
    page.line("producers", &format!("{} for each topic: {} in all", it.producers_per_topic, grouped(it.producers())));
    let groups = many(it.subscriptions_per_topic.into(), "group");
    let members = many(it.consumers_per_subscription.into(), "consumer");
    page.line("consumers", &format!("{groups} of {members} for each topic: {} in all", grouped(it.consumers())));
    page.heading("Run");
    page.line("warm-up", &words(it.warmup_duration));
    page.line("measured", &words(it.test_duration));
    if it.backlog_bytes > 0 {
        let drained = format!("until {:.0} % of it is read", it.backlog_drain_ratio * 100.0);
        page.line(
            "backlog",
            &format!("{} are written first; then consumers start, {drained}", bytes(it.backlog_bytes)),
        );
    }
    if !it.defaults.is_empty() {
        page.heading("Defaults taken");
        page.paragraph(&it.defaults.join(", "));
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "once".into(),
        2 => "twice".into(),
        more => format!("{} times", grouped(more)),
    }
}

pub fn driver(page: &mut Page, it: &OmbDriver) {
    page.title(&it.name, "A Kafka driver of the OpenMessaging Benchmark: settings of topics and clients.");
    page.heading("Topics");
    let min_isr = it.topic().min_insync_replicas;
    page.line(
        "replicas",
        &format!("{}, {min_isr} of them in sync for a write; shared storage keeps one", it.replication_factor),
    );
    page.heading("Settings");
    let scopes = [Scope::Topic, Scope::Producer, Scope::Consumer];
    settings::explain(page, &it.given, &scopes);
    page.heading("Defaults taken");
    settings::defaults(page, &it.given, &scopes);
}
