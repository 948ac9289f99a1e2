//! A scenario in plain words.

use super::page::{Page, bytes, many, ratio};
use super::settings;
use wavetank_sim::Nanos;
use wavetank_workloads::spec::grouped;
use wavetank_workloads::spec::scenario::{
    EXPLORE_RATE, Fault, Group, KeyChoice, Origin, Pipeline, Placement, Platform, Scenario, Sink, Workload, words,
};
use wavetank_workloads::spec::settings::{
    CheckpointingMode, DeliveryGuarantee, Given, GroupProtocol, OWN_ZONE, RestartStrategy, Scope, WalUri,
};

pub fn explain(page: &mut Page, it: &Scenario) {
    page.title(&it.name, &it.summary);
    page.heading("Platforms");
    it.platforms.iter().for_each(|platform| self::platform(page, platform));
    cluster(page, it);
    load(page, it);
    readers(page, it);
    timeline(page, it);
    storm(page, it);
    expectations(page, it);
    otherwise(page, it);
    all_settings(page, it);
}

fn otherwise(page: &mut Page, it: &Scenario) {
    let otherwise = it.simulated_otherwise();
    if !otherwise.is_empty() {
        page.heading("Not simulated as it says");
        otherwise.iter().for_each(|what| page.line("", what));
    }
}

fn platform(page: &mut Page, platform: &Platform) {
    page.line(platform.kind.name(), platform.kind.summary());
    page.line(
        "",
        &match &platform.wal {
            WalUri::Object(wal) => format!(
                "s3://{}: an object each {} or {}, {} at once",
                wal.bucket,
                words(wal.batch_interval),
                bytes(wal.max_bytes_in_batch),
                wal.max_inflight_upload_count
            ),
            WalUri::File(wal) => format!(
                "{}: a ring of {}, {} writes/s, {} at once",
                wal.path,
                bytes(wal.capacity),
                grouped(wal.iops.into()),
                wal.iodepth
            ),
        },
    );
}

fn cluster(page: &mut Page, it: &Scenario) {
    let cluster = &it.cluster;
    page.heading("Cluster");
    let placed = placed(&Placement::spread(cluster.brokers, &cluster.azs));
    let (cores, memory) = (many(cluster.vcpus.into(), "core"), bytes(cluster.memory_bytes));
    let (one_zone, spread): (Vec<&Platform>, Vec<&Platform>) =
        it.platforms.iter().partition(|platform| platform.kind.is_in_one_zone());
    let here = format!("all in zone {}", cluster.azs[0]);
    let placed = if spread.is_empty() { here.clone() } else { placed };
    page.line("brokers", &format!("{} x {} ({cores}, {memory}): {placed}", cluster.brokers, cluster.instance));
    if !spread.is_empty() && cluster.azs.len() > 1 {
        for platform in one_zone {
            page.line("", &format!("on {} {here}, where its volumes can be attached", platform.kind.name()));
        }
    }
    let threads = (cluster.settings.network_threads, cluster.settings.io_threads);
    page.line("threads", &format!("{} for the network, {} for requests, in each broker", threads.0, threads.1));
    page.line("controllers", &cluster.controllers.to_string());
}

fn load(page: &mut Page, it: &Scenario) {
    let load = &it.workload;
    page.heading("Load");
    if let Origin::Omb { path, driver, .. } = &load.origin {
        let driver = driver.as_ref().map_or_else(String::new, |(path, _)| format!(" and {path}"));
        page.line("from", &format!("{path}{driver}"));
    }
    let partitions = load.all_partitions();
    let each = many(load.partitions.into(), "partition");
    page.line("topics", &format!("{} of {each}: {} in all", grouped(load.topics.into()), grouped(partitions)));
    let said = match &load.origin {
        Origin::Omb { workload, .. } if workload.producer_rate != load.rate => {
            let rate = workload.producer_rate.map_or_else(|| "the most it can".into(), grouped);
            format!(" (the OMB file says {rate})")
        }
        Origin::Omb { .. } | Origin::Inline => String::new(),
    };
    let size = bytes(load.message_size);
    match load.rate {
        Some(rate) => {
            let written = rate.saturating_mul(load.message_size);
            page.line("in", &format!("{} messages/s of {size}: {}/s{said}", grouped(rate), bytes(written)));
            let (messages, share) = (ratio(rate, partitions), bytes(written / partitions.max(1)));
            page.line("per partition", &format!("{messages} messages/s, {share}/s{}", hot(load, rate)));
            let read = it.bytes_out_per_sec(written);
            page.line("out", &format!("{}/s: {}", bytes(read), fan_out(read, written)));
        }
        None => {
            page.line("in", &format!("messages of {size} as fast as each platform sustains{said}"));
            page.line("", "a search finds the rate first, for each platform and seed; the measurement runs at it");
            // So many bytes that every reader's share of them is a whole number.
            let written = load.message_size.saturating_mul(u64::from(load.topics));
            page.line("out", &fan_out(it.bytes_out_per_sec(written), written));
        }
    }
    page.line("producers", &format!("{}: {}", load.producers.total(), placed(&load.producers)));
    page.line("", &format!("linger {}, batches of {}", words(load.producer.linger), bytes(load.producer.batch_size)));
    page.line("keys", &keys(load));
    page.line("kept", &kept(load, it.platforms.first()));
    if load.backlog_bytes > 0 {
        page.line("backlog", &format!("{} are written before consumers start", bytes(load.backlog_bytes)));
    }
}

/// What retention leaves, as the first platform has it.
fn kept(load: &Workload, platform: Option<&Platform>) -> String {
    let Some(of) = platform.map(|platform| load.log_config(platform)) else { return "nothing".into() };
    let time = of.retention_time.map_or_else(|| "for ever".into(), |time| format!("for {}", words(time)));
    let most = of.retention_bytes.map_or_else(String::new, |most| format!(", at most {} a partition", bytes(most)));
    let check = words(of.check_interval);
    format!("{time}{most}; deleted in whole segments of {}, looked at every {check}", bytes(of.segment_bytes))
}

fn fan_out(read: u64, written: u64) -> String {
    if read == 0 { "nobody reads".into() } else { format!("fan-out {}", ratio(read, written)) }
}

fn hot(load: &Workload, rate: u64) -> String {
    let hot = load.hot.iter().map(|hot| {
        let messages = rate as f64 / f64::from(load.topics) * hot.share;
        format!(
            "; partition {} is hot: {:.0} % of its topic, {messages:.0} messages/s",
            hot.partition,
            hot.share * 100.0
        )
    });
    hot.collect()
}

fn keys(load: &Workload) -> String {
    let count = grouped(load.keys.count);
    match load.keys.choice {
        KeyChoice::None => "none: producers fill one partition's batch after the other".into(),
        KeyChoice::RoundRobin => format!("{count}, one after the other"),
        KeyChoice::Uniform => format!("{count}, all alike"),
        KeyChoice::Zipf { skew } => format!("{count}, by Zipf's law with exponent {skew}"),
    }
}

/// `a 2, b 1, c 1`; all alike as `2 in each of a, b, c`.
fn placed(placement: &Placement) -> String {
    let azs: Vec<&str> = placement.per_az.iter().map(|(az, _)| az.as_str()).collect();
    let counts: Vec<u32> = placement.per_az.iter().map(|(_, count)| *count).collect();
    match counts.as_slice() {
        [] => "nowhere".into(),
        [_] => format!("all in zone {}", azs[0]),
        [first, rest @ ..] if rest.iter().all(|count| count == first) => {
            format!("{first} in each of the zones {}", azs.join(", "))
        }
        _ => {
            let places = azs.iter().zip(&counts).filter(|(_, count)| **count > 0);
            places.map(|(az, count)| format!("{count} in zone {az}")).collect::<Vec<_>>().join(", ")
        }
    }
}

fn readers(page: &mut Page, it: &Scenario) {
    if it.groups.is_empty() && it.pipelines.is_empty() {
        return;
    }
    page.heading("Readers");
    it.groups.iter().for_each(|group| self::group(page, group, &it.workload));
    it.pipelines.iter().for_each(|pipeline| self::pipeline(page, pipeline, &it.workload));
}

fn topics(topics: &[String], load: &Workload) -> String {
    match topics {
        [one] => one.clone(),
        all if all.len() as u64 == u64::from(load.topics) => "all topics".into(),
        some => some.join(", "),
    }
}

fn starts(at: Nanos) -> String {
    if at == Nanos::ZERO { String::new() } else { format!(", from {} on", words(at)) }
}

fn group(page: &mut Page, group: &Group, load: &Workload) {
    let members = many(group.members.total().into(), "member");
    let what = topics(&group.topics, load);
    page.line(&group.name, &format!("group of {members} reading {what}{}", starts(group.start_at)));
    page.line("", &placed(&group.members));
    let protocol = match group.settings.group_protocol {
        GroupProtocol::Consumer => "the coordinator assigns (KIP-848)".to_owned(),
        GroupProtocol::Classic => {
            let way = if group.settings.assignor.is_cooperative() { "cooperative" } else { "eager" };
            format!("{way} rebalances ({})", group.settings.assignor.class())
        }
    };
    page.line("", &protocol);
    if let Some(rack) = &group.settings.client_rack {
        let whose = if rack == OWN_ZONE { "each member's own zone" } else { rack.as_str() };
        page.line("", &format!("client.rack is {whose}: members are assigned partitions that are led there (KIP-881)"));
        page.line("", "shared storage has no followers to fetch from (KIP-392)");
    }
}

fn pipeline(page: &mut Page, pipeline: &Pipeline, load: &Workload) {
    let what = topics(&pipeline.sources, load);
    page.line(&pipeline.name, &format!("Flink-style job reading {what}{}", starts(pipeline.start_at)));
    let (managers, slots) = (pipeline.task_managers.total(), pipeline.settings.slots_per_task_manager);
    let managers = many(managers.into(), "task manager");
    let parallelism = pipeline.parallelism;
    page.line(
        "",
        &format!(
            "parallelism {parallelism} on {managers} of {}: {}",
            many(slots.into(), "slot"),
            placed(&pipeline.task_managers)
        ),
    );
    if pipeline.state_keys > 0 {
        let state = bytes(pipeline.state_bytes());
        page.line("", &format!("state of {} keys, {state}", grouped(pipeline.state_keys)));
    }
    page.line("", &checkpoints(pipeline));
    page.line(
        "",
        match (pipeline.sink, pipeline.settings.delivery_guarantee) {
            (Sink::IdempotentByKey, _) => "sink: one row a key, written again at will",
            (Sink::None, _) => "no sink: its state is the result",
            (Sink::Kafka, DeliveryGuarantee::ExactlyOnce) => "sink: Kafka, in transactions: exactly once",
            (Sink::Kafka, DeliveryGuarantee::AtLeastOnce) => "sink: Kafka, at least once",
            (Sink::Kafka, DeliveryGuarantee::None) => "sink: Kafka, without any promise",
        },
    );
}

fn checkpoints(pipeline: &Pipeline) -> String {
    let it = &pipeline.settings;
    let Some(interval) = it.checkpoint_interval else { return "no checkpoints".into() };
    let mode = match (it.mode, it.unaligned) {
        (CheckpointingMode::AtLeastOnce, _) => "at-least-once",
        (CheckpointingMode::ExactlyOnce, true) => "unaligned",
        (CheckpointingMode::ExactlyOnce, false) => "aligned",
    };
    let restart = match it.restart {
        RestartStrategy::ExponentialDelay { initial, max, .. } => {
            format!("after {} to {}", words(initial), words(max))
        }
        RestartStrategy::FixedDelay { attempts, delay } => format!("{attempts} times, after {}", words(delay)),
        RestartStrategy::FailureRate { max_failures, interval, .. } => {
            format!("while no more than {max_failures} failures in {}", words(interval))
        }
        RestartStrategy::None => "never".into(),
    };
    format!("{mode} checkpoint every {}; restarts {restart}", words(interval))
}

/// What a bar of time is wide.
const BAR: u64 = 60;

fn timeline(page: &mut Page, it: &Scenario) {
    let measure = &it.measure;
    page.heading(&format!("A measured run: {} of warm-up, then {}", words(measure.warm_up), words(measure.duration)));
    if it.faults.is_empty() {
        return page.paragraph("Nothing goes wrong.");
    }
    let end = words(measure.duration);
    page.plain(&format!("    0{end:>width$}", width = BAR as usize));
    for (number, fault) in (1..).zip(&it.faults) {
        page.plain(&format!("{number:>3} |{}|", bar(fault, measure.duration)));
    }
    for (number, fault) in (1..).zip(&it.faults) {
        let lasts = fault.length().map_or_else(String::new, |length| format!(" for {}", words(length)));
        page.numbered(number, &format!("at {}{lasts}: {}", words(fault.at), fault.kind));
    }
}

/// `....####....`: a fault with no end reaches to the end, one without length is a `|`.
fn bar(fault: &Fault, whole: Nanos) -> String {
    let column = |at: Nanos| Nanos(BAR).scale(at.0, whole.0.max(1)).0.min(BAR);
    let begin = column(fault.at).min(BAR - 1);
    let end = match (fault.length(), fault.kind.is_instant()) {
        (Some(length), _) => column(fault.at.saturating_add(length)),
        (None, true) => begin + 1,
        (None, false) => BAR,
    };
    let mark = |at: u64| if (begin..end.max(begin + 1)).contains(&at) { '#' } else { '.' };
    (0..BAR).map(mark).collect()
}

fn storm(page: &mut Page, it: &Scenario) {
    let explore = &it.explore;
    let (warm_up, duration) = (words(explore.warm_up), words(explore.duration));
    page.heading(&format!("An exploring run: {warm_up} of warm-up, then {duration}"));
    let load = &it.workload;
    let rate = explore.rate.or(load.rate).unwrap_or(EXPLORE_RATE);
    let partitions = explore.partitions.unwrap_or(load.partitions);
    let topics = explore.topics.unwrap_or(load.topics);
    let producers = explore.producers.unwrap_or(load.producers.total());
    let members = explore.members.map_or_else(String::new, |members| format!(", groups of {members}"));
    let of = many(partitions.into(), "partition");
    page.line(
        "load",
        &format!(
            "{} messages/s, {} of {of}, {}{members}",
            grouped(rate),
            many(topics.into(), "topic"),
            many(producers.into(), "producer")
        ),
    );
    page.line("ends", &format!("after {} events at the latest", grouped(explore.events_max)));
    let families: Vec<String> =
        it.storm.families.iter().map(|(family, intensity)| format!("{} {}", family.name(), intensity.name())).collect();
    page.line(
        "storm",
        &match families.is_empty() {
            true => "none".into(),
            false => format!("each seed draws from: {}", families.join(", ")),
        },
    );
    if it.storm.over_budget {
        page.line("", "over budget: more than the architecture promises to survive");
    }
}

fn expectations(page: &mut Page, it: &Scenario) {
    let own = it.platforms.iter().any(|platform| !platform.expectations.is_empty());
    if it.expectations.is_empty() && !own {
        return;
    }
    page.heading("Expected");
    for expectation in &it.expectations {
        page.line(expectation.metric.name(), &format!("{}: {}", expectation.bound, expectation.metric.words()));
    }
    for platform in &it.platforms {
        for expectation in &platform.expectations {
            let on = format!("{}, on {}", expectation.bound, platform.kind.name());
            page.line(expectation.metric.name(), &format!("{on}: {}", expectation.metric.words()));
        }
    }
}

fn all_settings(page: &mut Page, it: &Scenario) {
    let clients = [Scope::Topic, Scope::Producer, Scope::Consumer];
    let brokers = [Scope::Broker, Scope::SharedStorage];
    let empty = Given::default();
    let anything = |given: &Given| given.iter().next().is_some();
    let own = |platform: &Platform| platform.given != it.cluster.given;
    if anything(&it.workload.given)
        || anything(&it.cluster.given)
        || it.platforms.iter().any(own)
        || !it.pipelines.is_empty()
    {
        page.heading("Settings");
    }
    settings::explain(page, &it.workload.given, &clients);
    settings::explain(page, &it.cluster.given, &brokers);
    for platform in it.platforms.iter().filter(|platform| own(platform)) {
        page.line(platform.kind.name(), &listed(&platform.given));
    }
    for group in it.groups.iter().filter(|group| group.given != it.workload.given.of(Scope::Consumer)) {
        page.line(&group.name, &listed(&group.given));
    }
    for pipeline in &it.pipelines {
        page.line(&pipeline.name, &listed(&pipeline.given));
    }
    page.heading("Defaults taken, where no platform, group or job says otherwise");
    settings::defaults(page, &it.workload.given, &clients);
    settings::defaults(page, &it.cluster.given, &brokers);
    if let Some(pipeline) = it.pipelines.first() {
        let given = if it.pipelines.len() == 1 { &pipeline.given } else { &empty };
        settings::defaults(page, given, &[Scope::Flink]);
    }
}

/// What is set, on one line; what has no effect is marked.
fn listed(given: &Given) -> String {
    let mut seen = Vec::new();
    let settings = given.iter().filter_map(|it| {
        // A client's setting of a job is one of its sources and of its sinks.
        let text = format!("{}={}", it.setting.key, it.text);
        let new = !seen.contains(&text);
        seen.push(text.clone());
        let inert = it.setting.class == wavetank_workloads::spec::settings::Class::Inert;
        new.then(|| if inert { format!("{text} (without effect)") } else { text })
    });
    settings.collect::<Vec<_>>().join(", ")
}
