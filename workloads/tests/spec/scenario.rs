//! What a scenario file means.

use wavetank_sim::Nanos;
use wavetank_workloads::spec::scenario::{
    Fault, FaultKind, KeyChoice, Measured, Metric, Order, PlatformKind, Scenario, Sink, Target, builtin,
};
use wavetank_workloads::spec::settings::{Acks, Assignor, GroupProtocol, WalUri};
use wavetank_workloads::spec::{Parsed, ReadFile, Source};

const HEAD: &str = "platforms = [\"s3-wal\", \"ebs-wal\"]\n[scenario]\nname = \"x\"\nsummary = \"y\"\n";
const LOAD: &str = "[workload]\npartitions = 12\nmessage_size = 100\nrate = 1000\n";

fn parse(text: &str) -> Parsed<Scenario> {
    Scenario::parse(&Source::new("x.toml", text), &builtin::Files).unwrap_or_else(|problems| panic!("{problems}"))
}

fn scenario(rest: &str) -> Scenario {
    parse(&format!("{HEAD}{LOAD}{rest}")).value
}

#[test]
fn the_more_particular_setting_counts() {
    let it = scenario(
        "[workload.consumer]\n\"max.poll.records\" = 7\n\"fetch.min.bytes\" = 8\n\
         [cluster.settings]\n\"broker.session.timeout.ms\" = 6000\n\"num.io.threads\" = 4\n\
         [platform.ebs-wal]\n\"broker.session.timeout.ms\" = 5000\n\"s3.wal.path\" = \"0@file:///dev/x?iops=9000\"\n\
         [[group]]\nname = \"g\"\nmembers = 1\nsettings = { \"max.poll.records\" = 9 }\n",
    );
    let consumer = &it.groups[0].settings;
    assert_eq!((consumer.max_poll_records, consumer.fetch_min_bytes), (9, 8));
    let [s3, ebs] = it.platforms.as_slice() else { panic!("two platforms") };
    assert_eq!((s3.kind, ebs.kind), (PlatformKind::S3Wal, PlatformKind::EbsWal));
    assert_eq!((s3.broker.session_timeout, ebs.broker.session_timeout), (Nanos::secs(6), Nanos::secs(5)));
    assert_eq!((s3.broker.io_threads, ebs.broker.io_threads), (4, 4));
    assert!(matches!(&s3.wal, WalUri::Object(wal) if wal.batch_interval == Nanos::millis(250)));
    assert!(matches!(&ebs.wal, WalUri::File(wal) if wal.iops == 9000 && wal.path == "/dev/x"));
    assert_eq!(ebs.shared_storage.wal_path.as_ref(), Some(&ebs.wal));
}

#[test]
fn what_is_run_otherwise_than_asked_for_is_said() {
    let group = |name, assignor| {
        format!(
            "[[group]]\nname = \"{name}\"\nmembers = 1\nsettings = {{ \"partition.assignment.strategy\" = \"{assignor}\" }}\n"
        )
    };
    let plain = group("a", "RangeAssignor") + &group("b", "CooperativeStickyAssignor");
    assert_eq!(scenario(&plain).simulated_otherwise(), [""; 0]);
    let forgets = "[platform.ebs-wal]\n\"producer.id.expiration.ms\" = 5000\n";
    let other = format!("{forgets}{plain}{}{}", group("c", "StickyAssignor"), group("d", "RoundRobinAssignor"));
    assert_eq!(
        scenario(&other).simulated_otherwise(),
        [
            "group c: StickyAssignor is not simulated: partitions are given out as by RangeAssignor",
            "group d: RoundRobinAssignor is not simulated: partitions are given out as by RangeAssignor",
            "brokers: producer.id.expiration.ms is not simulated: producers are not forgotten",
        ]
    );
}

#[test]
fn a_driver_file_counts_less_than_the_scenario() {
    let text = format!(
        "{HEAD}[workload]\nomb = \"omb/1-topic-100-partitions-1kb-4p-4c.yaml\"\ndriver = \"omb/kafka-latency.yaml\"\n\
         [workload.producer]\nlinger.ms = 20\n"
    );
    let it = parse(&text).value;
    assert_eq!((it.workload.producer.linger, it.workload.producer.batch_size), (Nanos::millis(20), 131_072));
    assert_eq!(it.workload.rate, Some(200_000));
}

#[test]
fn the_most_that_can_be_sustained_is_asked_for_in_three_ways() {
    let omb = |rate| {
        let text = format!("{HEAD}[workload]\nomb = \"omb/1-topic-100-partitions-1kb-4p-4c.yaml\"\n{rate}");
        parse(&text).value.workload.rate
    };
    let inline = |rate| parse(&format!("{HEAD}{}", LOAD.replace("1000", rate))).value.workload.rate;
    assert_eq!((inline("\"max\""), inline("0"), inline("7")), (None, None, Some(7)));
    assert_eq!((omb("rate = \"max\""), omb("rate = 8"), omb("")), (None, Some(8), Some(200_000)));
}

#[test]
fn a_rack_is_each_members_zone_or_one_of_them() {
    let warnings = |rack| {
        let group = format!("[[group]]\nname = \"g\"\nmembers = 1\nsettings = {{ \"client.rack\" = \"{rack}\" }}\n");
        let parsed = parse(&format!("{HEAD}{LOAD}{group}"));
        assert_eq!(parsed.value.groups[0].settings.client_rack.as_deref(), Some(rack));
        parsed.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!((warnings("a").len(), warnings("{zone.id}").len()), (0, 0));
    let warned = warnings("z").join("\n");
    assert!(warned.contains("client.rack of \"g\" is \"z\", where no broker is"), "{warned}");
}

#[test]
fn idempotence_is_off_where_another_setting_excludes_it() {
    for (settings, on) in [
        ("acks = \"all\"", true),
        ("acks = 1", false),
        ("retries = 0", false),
        ("\"max.in.flight.requests.per.connection\" = 6", false),
        ("\"enable.idempotence\" = false", false),
    ] {
        let parsed = parse(&format!("{HEAD}{LOAD}[workload.producer]\n{settings}\n"));
        assert_eq!(parsed.value.workload.producer.enable_idempotence, on, "{settings}");
        // Who says so knows it; who does not is warned.
        assert_eq!(parsed.warnings.is_empty(), on || settings.contains("idempotence"), "{settings}");
    }
    assert_eq!(scenario("[workload.producer]\nacks = -1\n").workload.producer.acks, Acks::All);
}

#[test]
fn groups_jobs_keys_and_places_are_read() {
    let it = scenario(
        "producers = { a = 2, c = 1 }\nkeys = { choice = \"zipf\", count = 10, skew = 0.5 }\n\
         hot = [{ partition = 3, share = 0.25 }]\ntopics = 2\n\
         [[group]]\nname = \"e\"\nmembers = 4\nprotocol = \"eager\"\n\
         [[group]]\nname = \"c\"\nmembers = 4\nprotocol = \"cooperative\"\ntopics = [\"topic-1\"]\nstart_at = \"10 s\"\n\
         [[group]]\nname = \"k\"\nmembers = 4\nprotocol = \"consumer\"\n\
         [[pipeline]]\nname = \"p\"\nparallelism = 2\ntask_managers = 2\nstate_keys = 10\nstate_per_key = \"1 KiB\"\nsink = \"none\"\n\
         [pipeline.settings]\n\"execution.checkpointing.interval\" = \"1 min\"\n\"properties.fetch.max.bytes\" = 7\n",
    );
    let load = &it.workload;
    assert_eq!(load.producers.per_az, [("a".into(), 2), ("b".into(), 0), ("c".into(), 1)]);
    assert_eq!((load.keys.choice, load.hot[0].share), (KeyChoice::Zipf { skew: 0.5 }, 0.25));
    let assignors: Vec<_> = it.groups.iter().map(|group| group.settings.assignor).collect();
    assert_eq!(assignors[..2], [Assignor::Range, Assignor::CooperativeSticky]);
    assert_eq!(it.groups[2].settings.group_protocol, GroupProtocol::Consumer);
    assert_eq!((it.groups[1].topics.len(), it.groups[1].start_at), (1, Nanos::secs(10)));
    assert_eq!(it.groups[0].members.per_az.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 1, 1]);
    let job = &it.pipelines[0];
    assert_eq!((job.state_bytes(), job.sink, job.settings.consumer.fetch_max_bytes), (10_240, Sink::None, 7));
    assert_eq!(job.settings.checkpoint_interval, Some(Nanos::secs(60)));
    // 100 kB/s: two groups of both topics, a group of one, a job of both.
    assert_eq!((load.bytes_in_per_sec(), it.bytes_out_per_sec(100_000)), (Some(100_000), 350_000));
}

#[test]
fn every_fault_is_read_and_told() {
    let rows = [
        ("kind = \"kill-broker\"", "the process of any broker (the seed draws it) dies"),
        (
            "kind = \"pause-broker\"\nfor = \"1 s\"\ntarget = \"broker:2\"",
            "broker 2 stops, and comes back as if no time had passed (zombie)",
        ),
        (
            "kind = \"slow-broker\"\nfor = \"1 s\"\ntarget = \"busiest\"",
            "the busiest broker becomes 10 times slower (slow death)",
        ),
        ("kind = \"power-loss\"\ntarget = \"az:b\"", "zone b loses power, and all that was not synced"),
        ("kind = \"az-outage\"\nfor = \"1 s\"\ntarget = \"az:c\"", "all of zone c is gone"),
        (
            "kind = \"object-store-brownout\"\nfor = \"1 s\"\nlatency_factor = 5\nerror_rate = 0.05",
            "the object store is 5 times slower and fails 5 % of requests",
        ),
        ("kind = \"object-store-outage\"\nfor = \"1 s\"", "the object store fails every request"),
        (
            "kind = \"partition\"\nfor = \"1 s\"\ntarget = \"controller:active\"",
            "the active controller is cut off from everyone",
        ),
        (
            "kind = \"one-way-cut\"\nfor = \"1 s\"\ntarget = \"broker:1\"\nfrom = \"object-store\"",
            "broker 1 is no longer heard by the object store, and still hears",
        ),
        (
            "kind = \"rolling-restart\"",
            "3 brokers restart, one after the other: each is down for 5 s, the next follows after 10 s",
        ),
        ("kind = \"add-broker\"\ntarget = \"az:a\"", "one more broker joins in zone a"),
        (
            "kind = \"remove-broker\"\ntarget = \"leader-of:topic-0/11\"",
            "the leader of topic-0/11 is shut down cleanly for good",
        ),
        (
            "kind = \"consumer-churn\"\nfor = \"1 s\"\ntarget = \"group:g\"",
            "in group g a member leaves and another joins, every 10 s",
        ),
        (
            "kind = \"noisy-neighbour\"\nfor = \"1 s\"\ntarget = \"coordinator-of:g\"",
            "a neighbour takes 50 % of the host of the coordinator of group g",
        ),
        (
            "kind = \"clock-jump\"\nby = \"5 s\"\nbackwards = true",
            "the wall clock of any broker (the seed draws it) jumps 5 s back",
        ),
        ("kind = \"volume-stall\"\nfor = \"1 s\"\ntarget = \"broker:3\"", "the volume of broker 3 answers nothing"),
        (
            "kind = \"log-loss\"\nfor = \"1 s\"\ntarget = \"broker:2\"",
            "what the log of broker 2 is kept on is lost with all that it held",
        ),
        ("kind = \"kill-controller\"", "the process of the active controller dies"),
        ("kind = \"kill-task-manager\"", "the process of task manager 1 dies"),
    ];
    for (fault, told) in rows {
        let it = scenario(&format!(
            "[[group]]\nname = \"g\"\nmembers = 1\n[[pipeline]]\nname = \"p\"\nparallelism = 1\ntask_managers = 1\n\
             [[fault]]\nat = \"1 s\"\n{fault}\n"
        ));
        assert_eq!(it.faults[0].kind.to_string(), told);
    }
}

#[test]
fn faults_stand_in_the_order_of_time() {
    let it = scenario(
        "[[fault]]\nat = \"50 s\"\nkind = \"kill-controller\"\n\
         [[fault]]\nat = \"10 s\"\nfor = \"5 s\"\nkind = \"pause-broker\"\ntarget = \"broker:1\"\n",
    );
    let first =
        Fault { at: Nanos::secs(10), lasts: Some(Nanos::secs(5)), kind: FaultKind::PauseBroker(Target::Broker(1)) };
    assert_eq!(it.faults[0], first);
    assert_eq!((it.faults[1].at, it.faults[1].length()), (Nanos::secs(50), None));
}

#[test]
fn a_platforms_own_expectation_takes_the_place_of_the_common_one() {
    let it = scenario(
        "[expect]\n\"produce.p99\" = \"< 500 ms\"\nrpo = 0\n[platform.ebs-wal.expect]\n\"produce.p99\" = \"5 ms\"\n",
    );
    let p99 = |platform: usize| {
        let all = it.expectations_on(&it.platforms[platform]);
        let mut names: Vec<&str> = all.iter().map(|it| it.metric.name()).collect();
        names.sort_unstable();
        assert_eq!(names, ["produce.p99", "rpo"]);
        all.into_iter().find(|it| it.metric.name() == "produce.p99").expect("it is there").bound
    };
    assert_eq!((p99(0).order, p99(0).value), (Order::Below, Measured::Span(Nanos::millis(500))));
    assert_eq!((p99(1).order, p99(1).value), (Order::AtMost, Measured::Span(Nanos::millis(5))));
    let rpo = it.expectations.iter().find(|it| it.metric == Metric::Rpo).expect("it is there").bound;
    assert_eq!((rpo.order, rpo.value), (Order::AtMost, Measured::Count(0)));
}

#[test]
fn problems_of_a_file_that_is_named_are_told_in_that_file() {
    struct Bad;
    impl ReadFile for Bad {
        fn read(&self, _: &str) -> Result<String, String> {
            Ok("topics: none\n".into())
        }
    }
    let text = format!("{HEAD}[workload]\nomb = \"bad.yaml\"\n");
    let problems = Scenario::parse(&Source::new("x.toml", text), &Bad).expect_err("it is bad");
    assert!(problems.errors().all(|it| it.file == "bad.yaml"), "{problems}");
    assert_eq!((problems.0[0].line, problems.errors().count()), (1, 8));
}
