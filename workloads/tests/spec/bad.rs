//! Bad input: what is said of it, to the letter.

use wavetank_workloads::spec::omb::{OmbDriver, OmbWorkload};
use wavetank_workloads::spec::scenario::{Scenario, builtin};
use wavetank_workloads::spec::{Parsed, Problems, Source};

const SCENARIO: &str = r#"platforms = ["s3-wal"]
[scenario]
name = "good"
summary = "Nothing is wrong with it."
[cluster]
brokers = 3
[workload]
partitions = 12
message_size = "1 KiB"
rate = 1000
[workload.producer]
"linger.ms" = 5
[[group]]
name = "readers"
members = 2
[[pipeline]]
name = "job"
parallelism = 1
task_managers = 1
[pipeline.settings]
"execution.checkpointing.interval" = "30 s"
[[fault]]
at = "30 s"
for = "20 s"
kind = "kill-broker"
[storm]
broker-crash = "some"
[expect]
rpo = 0
[platform.s3-wal]
"s3.wal.upload.interval.ms" = 60000
"#;

const WORKLOAD: &str = "name: good
topics: 1
partitionsPerTopic: 12
messageSize: 1024
useRandomizedPayloads: true
randomBytesRatio: 0.5
randomizedPayloadPoolSize: 10
subscriptionsPerTopic: 1
consumerPerSubscription: 2
producersPerTopic: 2
producerRate: 1000
testDurationMinutes: 5
";

const DRIVER: &str = "name: good
replicationFactor: 3
topicConfig: |
  min.insync.replicas=2
commonConfig: |
  bootstrap.servers=localhost:9092
producerConfig: |
  # for latency
  acks=all
  linger.ms=1
consumerConfig: |
  enable.auto.commit=false
";

/// What is put in the place of what, and what is said then.
type Row = (&'static str, &'static str, &'static str);

const SCENARIOS: &[Row] = &[
    (
        "platforms = [\"s3-wal\"]",
        "platforms = [\"s3-wall\"]",
        "x.toml:1:14: `platforms`: there is no \"s3-wall\" (right would be: s3-wal?)",
    ),
    (
        "platforms = [\"s3-wal\"]",
        "platforms = []",
        "x.toml:1:13: `platforms`: names no platform (right would be: [\"s3-wal\"])",
    ),
    (
        "platforms = [\"s3-wal\"]",
        "platforms = [\"s3-wal\", \"s3-wal\"]",
        "x.toml:1:13: `platforms`: \"s3-wal\" is there twice (right would be: each once)",
    ),
    (
        "platforms = [\"s3-wal\"]",
        "platforms = \"s3-wal\"",
        "x.toml:1:13: `platforms`: \"s3-wal\" where a list belongs (right would be: [first, second])",
    ),
    (
        "platforms = [\"s3-wal\"]",
        "",
        "x.toml:1:1: `platforms`: is missing (right would be: platforms = [\"s3-wal\"], before the first [table])",
    ),
    (
        "platforms = [\"s3-wal\"]",
        "platforms = [\"s3-wal\"",
        "x.toml:2:1: this is no TOML: missing comma between array elements (right would be: `,`)",
    ),
    (
        "name = \"good\"",
        "name = \"so good\"",
        "x.toml:3:8: `scenario.name`: \"so good\" is no name (right would be: letters, digits, '.', '_' and '-')",
    ),
    (
        "summary = \"Nothing is wrong with it.\"",
        "description = \"Nothing\"",
        "x.toml:2:2: `scenario.summary`: is missing (right would be: summary = \"what it shows, in a sentence\")\nx.toml:4:1: `scenario.description`: is no key of this table (right would be: summary)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\nbrokers = 0",
        "x.toml:6:11: `cluster.brokers`: 0 is too small (right would be: a whole number from 1 to 1,000)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\nbrokers = \"three\"",
        "x.toml:6:11: `cluster.brokers`: \"three\" where a whole number belongs (right would be: a whole number from 1 to 1,000)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\nbrokers = 2.5",
        "x.toml:6:11: `cluster.brokers`: 2.5 where a whole number belongs (right would be: a whole number from 1 to 1,000)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\nbrokesr = 3",
        "x.toml:6:1: `cluster.brokesr`: is no key of this table (right would be: brokers?)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\nthreads = 3",
        "x.toml:6:1: `cluster.threads`: is no key of this table (right would be: \"num.io.threads\" and \"num.network.threads\" in [cluster.settings])",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\ncontrollers = 2",
        "x.toml:6:15: `cluster.controllers`: 2 controllers tolerate no more failures than 1 (right would be: 1, 3 or 5)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\ninstance = \"m7g.xlarg\"",
        "x.toml:6:12: `cluster.instance`: there is no instance type \"m7g.xlarg\" (right would be: m7g.xlarge?)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster]\nazs = [\"a\", \"a\"]",
        "x.toml:6:7: `cluster.azs`: zone \"a\" is there twice (right would be: [\"a\", \"b\", \"c\"])",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[cluster.settings]\n\"broker.session.timeout.ms\" = 1000",
        "x.toml:6:31: `cluster.settings.\"broker.session.timeout.ms\"`: is no longer than broker.heartbeat.interval.ms: every broker is fenced at once (right would be: several heartbeats long)",
    ),
    (
        "[cluster]\nbrokers = 3",
        "[clutser]\nbrokers = 3",
        "x.toml:5:2: `clutser`: is no key of this table (right would be: cluster?)",
    ),
    (
        "partitions = 12",
        "partitions = -12",
        "x.toml:8:14: `workload.partitions`: -12 is below zero (right would be: a whole number from 1 to 100,000)",
    ),
    ("partitions = 12", "partitions = 12\npartitions = 13", "x.toml:9:1: this is no TOML: duplicate key"),
    (
        "message_size = \"1 KiB\"",
        "message_size = \"1 Kib\"",
        "x.toml:9:16: `workload.message_size`: \"1 Kib\" is no amount of bytes (right would be: a whole number of bytes, or one with a unit of B, KB, KiB, MB, MiB, GB, GiB, TB, TiB: \"1 KiB\")",
    ),
    (
        "message_size = \"1 KiB\"",
        "message_size = \"2 MiB\"",
        "x.toml:9:16: `workload.message_size`: is more than the topic's max.message.bytes, 1,048,588 (right would be: a larger \"max.message.bytes\" in [workload.topic])",
    ),
    (
        "rate = 1000",
        "rate = \"max\"\nbacklog = \"1 GiB\"",
        "x.toml:10:8: `workload.rate`: asks for the most that can be sustained while a backlog is built (right would be: a rate: rate = 20000)",
    ),
    (
        "rate = 1000",
        "rate = \"1000 MiB/s\"",
        "x.toml:10:8: `workload.rate`: \"1000 MiB/s\" is no rate (right would be: messages a second, above zero: 20000 or \"20000 msg/s\")",
    ),
    (
        "rate = 1000",
        "rate = 1979-05-27",
        "x.toml:10:8: `workload.rate`: a date where a rate belongs (right would be: messages a second, above zero: 20000 or \"20000 msg/s\")",
    ),
    (
        "rate = 1000",
        "consumers = 4",
        "x.toml:7:2: `workload.rate`: is missing (right would be: messages a second of all producers: 20000)\nx.toml:10:1: `workload.consumers`: is no key of this table (right would be: [[group]] with members)",
    ),
    (
        "rate = 1000",
        "rate = 1000\nproducers = { a = 1, d = 1 }",
        "x.toml:11:22: `workload.producers`: there is no zone \"d\" (right would be: one of a, b, c)",
    ),
    (
        "rate = 1000",
        "rate = 1000\nkeys = { choice = \"zipf\", count = 10 }",
        "x.toml:11:1: `workload.keys.skew`: is missing (right would be: the exponent of Zipf's law: skew = 0.99)",
    ),
    (
        "rate = 1000",
        "rate = 1000\nhot = [{ partition = 12, share = 0.5 }]",
        "x.toml:11:22: `workload.hot[0].partition`: 12 is too large (right would be: a whole number from 0 to 11)",
    ),
    (
        "rate = 1000",
        "rate = 1000\nhot = [{ partition = 1, share = 0.5 }, { partition = 2, share = 0.6 }]",
        "x.toml:11:7: `workload.hot`: its shares make 1.1, more than all (right would be: 1 or less together)",
    ),
    (
        "rate = 1000",
        "rate = 1000\nomb = \"nowhere.yaml\"",
        "x.toml:8:14: `workload.partitions`: is said by the OMB file (right would be: the same in the file, or no omb; rate alone may differ)\nx.toml:9:16: `workload.message_size`: is said by the OMB file (right would be: the same in the file, or no omb; rate alone may differ)\nx.toml:11:7: `workload.omb`: \"nowhere.yaml\" cannot be read: no such file comes with wavetank (right would be: a path from the scenario's folder)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"linger.ms\" = \"5 ms\"",
        "x.toml:12:15: `workload.producer.\"linger.ms\"`: \"5 ms\" is no whole number (right would be: 5: Kafka counts milliseconds and takes no unit)",
    ),
    (
        "\"linger.ms\" = 5",
        "linger.ms = \"5.5 ms\"",
        "x.toml:12:13: `workload.producer.\"linger.ms\"`: \"5.5 ms\" is no whole number (right would be: a whole number of milliseconds)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"linger.msec\" = 5",
        "x.toml:12:1: `workload.producer.\"linger.msec\"`: is no setting that wavetank knows (right would be: linger.ms?)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"batch.size\" = \"1 MiB\"",
        "x.toml:12:16: `workload.producer.\"batch.size\"`: \"1 MiB\" is no whole number (right would be: 1048576: Kafka counts bytes and takes no unit)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"session.timeout.ms\" = 5",
        "x.toml:12:1: `workload.producer.\"session.timeout.ms\"`: is no setting that wavetank knows (right would be: the same among consumer settings)",
    ),
    (
        "\"linger.ms\" = 5",
        "acks = 2",
        "x.toml:12:8: `workload.producer.acks`: there is no \"2\" (right would be: one of all, -1, 1, 0)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"enable.idempotence\" = true\nacks = 1",
        "x.toml:13:8: `workload.producer.acks`: does not go with an idempotent producer: Kafka refuses that (right would be: all)",
    ),
    (
        "\"linger.ms\" = 5",
        "acks = 1",
        "warning: x.toml:12:8: `workload.producer.acks`: switches idempotence off: retries may duplicate records (right would be: all)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"delivery.timeout.ms\" = 1000",
        "x.toml:12:25: `workload.producer.\"delivery.timeout.ms\"`: is less than linger.ms and request.timeout.ms together: Kafka refuses that (right would be: 30005 or more)",
    ),
    (
        "\"linger.ms\" = 5",
        "\"linger.ms\" = 99999999999999999999",
        "x.toml:12:15: `workload.producer.\"linger.ms\"`: 99999999999999999999 is too large (right would be: a whole number of milliseconds)",
    ),
    (
        "members = 2",
        "members = 0",
        "x.toml:15:11: `group[0].members`: 0 is too small (right would be: a whole number from 1 to 100,000)",
    ),
    (
        "members = 2",
        "members = 2\nprotocol = \"lazy\"",
        "x.toml:16:12: `group[0].protocol`: there is no \"lazy\" (right would be: one of eager, cooperative, consumer)",
    ),
    (
        "members = 2",
        "members = 20",
        "warning: x.toml:15:11: `group[0].members`: 20 members, and partitions for 12: some idle (right would be: no more than partitions)",
    ),
    (
        "members = 2",
        "members = 2\nprotocol = \"eager\"\nsettings = { \"partition.assignment.strategy\" = \"StickyAssignor\" }",
        "x.toml:16:12: `group[0].protocol`: says what \"partition.assignment.strategy\" says too (right would be: one of the two)",
    ),
    (
        "members = 2",
        "members = 2\nsettings = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 7000 }",
        "x.toml:16:69: `group[0].settings.\"heartbeat.interval.ms\"`: heartbeats are no more frequent than the session's timeout: Kafka refuses that (right would be: a heartbeat.interval.ms of a third of session.timeout.ms, or less)",
    ),
    (
        "members = 2",
        "members = 2\ntopics = [\"topic-1\"]",
        "x.toml:16:11: `group[0].topics`: there is no topic \"topic-1\" (right would be: topic-0?)",
    ),
    (
        "parallelism = 1",
        "parallelism = 4",
        "x.toml:18:15: `pipeline[0].parallelism`: needs 4 slots and has 1 (right would be: \"taskmanager.numberOfTaskSlots\" = 4 in its settings, or more task_managers)",
    ),
    (
        "task_managers = 1",
        "task_managers = 1\nsources = []",
        "x.toml:20:11: `pipeline[0].sources`: names no topic (right would be: [\"topic-0\"])",
    ),
    (
        "task_managers = 1",
        "task_managers = 1\nsink = \"kafka\"",
        "warning: x.toml:20:8: `pipeline[0].sink`: promises nothing: records may be lost and doubled (Flink's default) (right would be: \"sink.delivery-guarantee\" = \"exactly-once\" in its settings)",
    ),
    (
        "\"execution.checkpointing.interval\" = \"30 s\"",
        "\"execution.checkpointing.interval\" = \"half a minute\"",
        "x.toml:21:38: `pipeline[0].settings.\"execution.checkpointing.interval\"`: \"half a minute\" is no span of time (right would be: a number and one of ms, s, min, h, d: \"30 s\")",
    ),
    (
        "\"execution.checkpointing.interval\" = \"30 s\"",
        "\"sink.delivery-guarantee\" = \"exactly-once\"",
        "x.toml:21:29: `pipeline[0].settings.\"sink.delivery-guarantee\"`: commits with checkpoints, and there are none (right would be: \"execution.checkpointing.interval\" = \"30 s\" beside it)\nx.toml:21:29: `pipeline[0].settings.\"sink.delivery-guarantee\"`: its transactions time out after an hour, and brokers allow 15 minutes: the sink cannot start (right would be: \"properties.transaction.timeout.ms\" = 900000 beside it)",
    ),
    (
        "\"execution.checkpointing.interval\" = \"30 s\"",
        "\"execution.checkpointing.interval\" = \"30 s\"\n\"state.backend\" = \"rocksdb\"",
        "warning: x.toml:22:1: `pipeline[0].settings.\"state.backend\"`: is the name of Flink 1.x (right would be: state.backend.type)",
    ),
    (
        "\"execution.checkpointing.interval\" = \"30 s\"",
        "\"execution.checkpointing.interval\" = \"30 s\"\n\"properties.linger.msec\" = 5",
        "x.toml:22:1: `pipeline[0].settings.\"properties.linger.msec\"`: is no setting that wavetank knows (right would be: linger.ms?)",
    ),
    (
        "at = \"30 s\"",
        "at = 30",
        "x.toml:23:6: `fault[0].at`: 30 has no unit (right would be: \"30 s\", or another of us, ms, min, h)",
    ),
    (
        "at = \"30 s\"",
        "at = \"110 s\"",
        "x.toml:24:7: `fault[0].for`: is over only at 130 s, after the run (right would be: an end within measure.duration, 2 min)",
    ),
    (
        "at = \"30 s\"",
        "",
        "x.toml:22:1: `fault[0].at`: is missing (right would be: from the end of the warm-up: \"30 s\")",
    ),
    (
        "for = \"20 s\"",
        "for = \"0 s\"",
        "x.toml:24:7: `fault[0].for`: is no time at all (right would be: more than zero: \"30 s\")",
    ),
    (
        "for = \"20 s\"",
        "duration = \"20 s\"",
        "x.toml:24:1: `fault[0].duration`: is no key of this table (right would be: for)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"kill-brokers\"",
        "x.toml:25:8: `fault[0].kind`: there is no \"kill-brokers\" (right would be: kill-broker?)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"pause-broker\"\ntarget = \"broker:4\"",
        "x.toml:26:10: `fault[0].target`: there is no broker \"4\" (right would be: 1 to 3)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"kill-broker\"\ntarget = \"az:a\"",
        "x.toml:26:10: `fault[0].target`: \"az:a\" cannot be hit by this (right would be: any, busiest, broker:1, leader-of:topic-0, leader-of:topic-0/7, coordinator-of:GROUP)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"kill-broker\"\ntarget = \"leader-of:topic-0/12\"",
        "x.toml:26:10: `fault[0].target`: \"topic-0\" has no partition \"12\" (right would be: 0 to 11)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"az-outage\"\ntarget = \"az:d\"",
        "x.toml:26:10: `fault[0].target`: there is no zone \"d\" (right would be: one of a, b, c)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"az-outage\"",
        "x.toml:22:1: `fault[0].target`: is missing (right would be: which zone: \"az:a\")",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"rolling-restart\"",
        "x.toml:24:7: `fault[0].for`: has no meaning for this kind (right would be: no `for`)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"object-store-brownout\"",
        "x.toml:25:8: `fault[0].kind`: changes nothing by itself (right would be: latency_factor = 5 or error_rate = 0.05 beside it)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"object-store-brownout\"\nerror_rate = 5",
        "x.toml:26:14: `fault[0].error_rate`: 5 is out of bounds (right would be: a number from 0 to 1)",
    ),
    (
        "kind = \"kill-broker\"",
        "kind = \"kill-broker\"\nfactor = 5",
        "x.toml:26:1: `fault[0].factor`: is no key of this table (right would be: one of at, kind, for, target)",
    ),
    (
        "broker-crash = \"some\"",
        "broker-crash = \"always\"",
        "x.toml:27:16: `storm.broker-crash`: there is no \"always\" (right would be: one of off, rare, some, often)",
    ),
    (
        "broker-crash = \"some\"",
        "broker-crush = \"some\"",
        "x.toml:27:1: `storm.broker-crush`: is no key of this table (right would be: broker-crash?)",
    ),
    (
        "rpo = 0",
        "rpo = \"> 0\"",
        "x.toml:29:7: `expect.rpo`: \"> 0\" bounds the wrong side: less is better (right would be: \"<= 0\")",
    ),
    (
        "rpo = 0",
        "\"produce.p99\" = 500",
        "x.toml:29:17: `expect.\"produce.p99\"`: 500 has no unit (right would be: \"<= 500 ms\")",
    ),
    (
        "rpo = 0",
        "\"produce.p99\" = \"< 500 parsecs\"",
        "x.toml:29:17: `expect.\"produce.p99\"`: \"< 500 parsecs\" is no such bound (right would be: \"<= 500 ms\")",
    ),
    (
        "rpo = 0",
        "\"produce.p98\" = \"< 500 ms\"",
        "x.toml:29:1: `expect.\"produce.p98\"`: is no key of this table (right would be: produce.p95?)",
    ),
    (
        "rpo = 0",
        "availability = \">= 110 %\"",
        "x.toml:29:16: `expect.availability`: \">= 110 %\" is no such bound (right would be: \">= 99.9 %\")",
    ),
    (
        "rpo = 0",
        "availability = \"=> 99 %\"",
        "x.toml:29:16: `expect.availability`: there is no sign \"=>\" (right would be: <, <=, > or >=)",
    ),
    (
        "[platform.s3-wal]",
        "[platform.ebs-wal]",
        "warning: x.toml:30:1: `platform.ebs-wal`: is set, and not among platforms (right would be: platforms = [.., \"ebs-wal\"])",
    ),
    (
        "[platform.s3-wal]",
        "[platform.gcs-wal]",
        "x.toml:30:11: `platform.gcs-wal`: is no key of this table (right would be: one of s3-wal, s3-express-wal, ebs-wal, regional-ebs-wal, nfs-wal)",
    ),
    (
        "\"s3.wal.upload.interval.ms\" = 60000",
        "\"s3.wal.path\" = \"0@file:///dev/x\"",
        "x.toml:31:17: `platform.s3-wal.\"s3.wal.path\"`: is no place for the log of s3-wal (right would be: 0@s3://wavetank-wal?batchInterval=250&maxBytesInBatch=8388608&maxUnflushedBytes=1073741824&maxInflightUploadCount=50)",
    ),
    (
        "\"s3.wal.upload.interval.ms\" = 60000",
        "\"s3.wal.path\" = \"0@s3://b?batchIntervall=250\"",
        "x.toml:31:17: `platform.s3-wal.\"s3.wal.path\"`: has no \"batchIntervall\" after the ? (right would be: batchInterval?)",
    ),
    (
        "\"s3.wal.upload.interval.ms\" = 60000",
        "\"s3.wal.path\" = \"s3://b\"",
        "x.toml:31:17: `platform.s3-wal.\"s3.wal.path\"`: \"s3://b\" has no id of a bucket (right would be: 0@s3://bucket?batchInterval=250&maxBytesInBatch=8388608, or 0@file:///dev/name?iops=3000)",
    ),
    (
        "\"s3.wal.upload.interval.ms\" = 60000",
        "\"s3.wal.path\" = \"0@s3://b?batchInterval=250ms\"",
        "x.toml:31:17: `platform.s3-wal.\"s3.wal.path\"`: its batchInterval \"250ms\" is no such number (right would be: a whole number from 1 to 86400000, without a unit)",
    ),
    (
        "\"s3.wal.upload.interval.ms\" = 60000",
        "\"s3.wal.upload.interval.ms\" = []",
        "x.toml:31:31: `platform.s3-wal.\"s3.wal.upload.interval.ms\"`: a list where one value belongs (right would be: \"first,second\")",
    ),
    (
        "for = \"20 s\"\nkind = \"kill-broker\"",
        "kind = \"rolling-restart\"\ndown = \"9100000000 s\"",
        "x.toml:24:8: `fault[0].kind`: is over only at 18446744073.709553 s, after the run (right would be: an end within measure.duration, 2 min)",
    ),
    ("\"linger.ms\" = 5", "\"metadata.max.age.ms\" = 9223372036854775807", ""),
];

const WORKLOADS: &[Row] = &[
    (
        "topics: 1",
        "topics: 1.5",
        "w.yaml:2:9: `topics`: 1.5 where a whole number belongs (right would be: a whole number from 1 to 100,000,000)",
    ),
    ("topics: 1", "topics: \"1\"", ""),
    (
        "topics: 1",
        "topics: one",
        "w.yaml:2:9: `topics`: \"one\" where a whole number belongs (right would be: a whole number from 1 to 100,000,000)",
    ),
    (
        "topics: 1",
        "topics: -1",
        "w.yaml:2:9: `topics`: -1 is below zero (right would be: a whole number from 1 to 100,000,000)",
    ),
    (
        "topics: 1",
        "topics: 0",
        "w.yaml:2:9: `topics`: 0 is too small (right would be: a whole number from 1 to 100,000,000)",
    ),
    ("topics: 1", "", "w.yaml:1:1: `topics`: is missing (right would be: how many topics to create: 1 or more)"),
    ("topics: 1", "topics:", "w.yaml:2:7: `topics`: has no value (right would be: a whole number, 1 or more)"),
    ("topics: 1", "topics: 1\ntopics: 2", "w.yaml:3:1: this is no YAML: duplicate mapping key: topics"),
    ("topics: 1", "topics: [1", "w.yaml:3:1: this is no YAML: illegal placement of ':' indicator"),
    (
        "partitionsPerTopic: 12",
        "partitonsPerTopic: 12",
        "w.yaml:1:1: `partitionsPerTopic`: is missing (right would be: 1 or more)\nw.yaml:3:1: `partitonsPerTopic`: is not known, and has no effect (right would be: partitionsPerTopic?)",
    ),
    (
        "messageSize: 1024",
        "messageSize: 1 KiB",
        "w.yaml:4:14: `messageSize`: \"1 KiB\" where a whole number belongs (right would be: 1024: OMB counts bytes and takes no unit)",
    ),
    (
        "messageSize: 1024",
        "messageSize: 1024\nkeyDistributor: ROUND_ROBIN",
        "w.yaml:5:17: `keyDistributor`: there is no \"ROUND_ROBIN\" (right would be: KEY_ROUND_ROBIN?)",
    ),
    (
        "messageSize: 1024",
        "messageSize: 1024\nsubscribers: 4",
        "warning: w.yaml:5:1: `subscribers`: is not known, and has no effect",
    ),
    (
        "useRandomizedPayloads: true",
        "useRandomizedPayloads: yes",
        "w.yaml:5:24: `useRandomizedPayloads`: \"yes\" where true or false belongs (right would be: true or false, without quotes)",
    ),
    (
        "useRandomizedPayloads: true",
        "useRandomizedPayloads: false",
        "warning: w.yaml:1:1: `payloadFile`: neither payloadFile nor useRandomizedPayloads: OMB itself would not start (right would be: useRandomizedPayloads: true)",
    ),
    (
        "randomBytesRatio: 0.5",
        "randomBytesRatio: 50",
        "w.yaml:6:19: `randomBytesRatio`: 50 is out of bounds (right would be: a number from 0 to 1)",
    ),
    (
        "randomizedPayloadPoolSize: 10",
        "",
        "w.yaml:1:1: `randomizedPayloadPoolSize`: leaves no payload to send (right would be: 1 or more: 1000)",
    ),
    (
        "consumerPerSubscription: 2",
        "consumersPerSubscription: 2",
        "w.yaml:1:1: `consumerPerSubscription`: is missing (right would be: members of each group)\nw.yaml:9:1: `consumersPerSubscription`: is not known, and has no effect (right would be: consumerPerSubscription, without the s)",
    ),
    (
        "consumerPerSubscription: 2",
        "consumerPerSubscription: 20",
        "warning: w.yaml:9:26: `consumerPerSubscription`: 20 consumers for 12 partitions to read: some idle (right would be: no more than partitionsPerTopic)",
    ),
    (
        "producerRate: 1000",
        "producerRate: 0\nconsumerBacklogSizeGB: 1",
        "w.yaml:11:15: `producerRate`: is 0 (find the largest) while a backlog is built: OMB refuses that (right would be: 1 or more)",
    ),
    (
        "producerRate: 1000",
        "producerRate: 1000000000000",
        "w.yaml:11:15: `producerRate`: 1000000000000 is too large (right would be: a whole number from 0 to 2,147,483,647)",
    ),
    (
        "testDurationMinutes: 5",
        "testDurationMinutes: 5m",
        "w.yaml:12:22: `testDurationMinutes`: \"5m\" where a whole number belongs (right would be: 5: OMB counts minutes and takes no unit)",
    ),
    (
        "testDurationMinutes: 5",
        "testDurationMinutes: 5\n---\ntopics: 1",
        "w.yaml:14:1: there are several documents (right would be: one: no second ---)",
    ),
];

const DRIVERS: &[Row] = &[
    (
        "replicationFactor: 3",
        "replicationFactor: 0",
        "d.yaml:2:20: `replicationFactor`: 0 is too small (right would be: a whole number from 1 to 32,767)",
    ),
    (
        "replicationFactor: 3",
        "replicationFactor: 1",
        "warning: d.yaml:4:23: `topicConfig.\"min.insync.replicas\"`: is more than replicationFactor, 1: no write with acks=all succeeds (right would be: replicationFactor or less)",
    ),
    (
        "replicationFactor: 3",
        "replicationFactor: 3\nproducerConfigs: x",
        "warning: d.yaml:3:1: `producerConfigs`: is not known, and has no effect (right would be: producerConfig?)",
    ),
    (
        "replicationFactor: 3",
        "replicationFactor: 3\ndriverClass: io.openmessaging.benchmark.driver.pulsar.PulsarBenchmarkDriver",
        "d.yaml:3:14: `driverClass`: is no driver that wavetank reads (right would be: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver)",
    ),
    (
        "  min.insync.replicas=2",
        "  min.insync.replicas=two",
        "d.yaml:4:23: `topicConfig.\"min.insync.replicas\"`: \"two\" is no whole number (right would be: 1 or more)",
    ),
    (
        "  min.insync.replicas=2",
        "  min.isr=2",
        "warning: d.yaml:4:3: `topicConfig.\"min.isr\"`: is not known, and has no effect here",
    ),
    (
        "  acks=all",
        "  acks=most",
        "d.yaml:9:8: `producerConfig.\"acks\"`: there is no \"most\" (right would be: one of all, -1, 1, 0)",
    ),
    (
        "  acks=all",
        "  acks=1",
        "warning: d.yaml:9:8: `producerConfig.\"acks\"`: switches idempotence off: retries may duplicate records (right would be: all)",
    ),
    (
        "  linger.ms=1",
        "  linger.ms=-1",
        "d.yaml:10:13: `producerConfig.\"linger.ms\"`: -1 is below zero (right would be: 0 or more milliseconds)",
    ),
    (
        "  linger.ms=1",
        "  linger.ms = 1ms",
        "d.yaml:10:15: `producerConfig.\"linger.ms\"`: \"1ms\" is no whole number (right would be: 1: Kafka counts milliseconds and takes no unit)",
    ),
    (
        "  linger.ms=1",
        "  linger=1",
        "warning: d.yaml:10:3: `producerConfig.\"linger\"`: is not known, and has no effect here (right would be: linger.ms?)",
    ),
    (
        "  linger.ms=1",
        "  linger.ms=1\n  linger.ms=2",
        "warning: d.yaml:11:3: `producerConfig.\"linger.ms\"`: is there twice: the last one counts (right would be: one of them)",
    ),
    (
        "  linger.ms=1",
        "  session.timeout.ms=10000",
        "warning: d.yaml:10:3: `producerConfig.\"session.timeout.ms\"`: is not known, and has no effect here (right would be: the same among consumer settings)",
    ),
    (
        "  enable.auto.commit=false",
        "  enable.auto.commit=no",
        "d.yaml:12:22: `consumerConfig.\"enable.auto.commit\"`: \"no\" is neither true nor false (right would be: true or false)",
    ),
    (
        "  enable.auto.commit=false",
        "  isolation.level=read_comitted",
        "d.yaml:12:19: `consumerConfig.\"isolation.level\"`: there is no \"read_comitted\" (right would be: one of read_uncommitted, read_committed)",
    ),
    (
        "consumerConfig: |\n  enable.auto.commit=false\n",
        "",
        "warning: d.yaml:1:1: `consumerConfig`: is missing: OMB's driver would not start (right would be: consumerConfig: |)",
    ),
    (
        "commonConfig: |\n  bootstrap.servers=localhost:9092",
        "commonConfig:\n  bootstrap.servers: localhost:9092",
        "d.yaml:6:3: `commonConfig`: a table where lines of properties belong (right would be: commonConfig: | and the lines below it, each key=value)",
    ),
];

fn said<T>(parsed: Result<Parsed<T>, Problems>) -> String {
    let problems = match parsed {
        Ok(parsed) => parsed.warnings.into_iter().map(|it| format!("warning: {it}")).collect(),
        Err(Problems(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    problems.join("\n")
}

fn check(good: &str, rows: &[Row], said: impl Fn(&str) -> String) {
    assert_eq!(said(good), "", "the good one is good");
    let mut wrong = Vec::new();
    for (number, (from, to, expected)) in rows.iter().enumerate() {
        assert_eq!(good.matches(from).count(), 1, "{from:?} stands once in the good one");
        let told = said(&good.replace(from, to));
        if told != *expected {
            wrong.push(format!("row {number}, {to:?}\n  said     {told:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_bad_scenario_is_told_with_place_key_and_what_would_be_right() {
    check(SCENARIO, SCENARIOS, |text| said(Scenario::parse(&Source::new("x.toml", text), &builtin::Files)));
}

#[test]
fn a_bad_workload_is_told_with_place_key_and_what_would_be_right() {
    check(WORKLOAD, WORKLOADS, |text| said(OmbWorkload::parse(&Source::new("w.yaml", text))));
}

#[test]
fn a_bad_driver_is_told_with_place_key_and_what_would_be_right() {
    check(DRIVER, DRIVERS, |text| said(OmbDriver::parse(&Source::new("d.yaml", text))));
}

#[test]
fn a_problem_is_shown_with_its_line_and_within_eighty_columns() {
    let long = format!("# {}\nplatforms = [\"s3-wall\"] # {}\n", "x".repeat(200), "y".repeat(200));
    let problems = Scenario::parse(&Source::new("x.toml", long), &builtin::Files).expect_err("much is missing");
    let shown = problems.errors().find(|it| it.key == "platforms").expect("there is no s3-wall").render(80);
    let line = format!("2 | platforms = [\"s3-wall\"] # {}", "y".repeat(50));
    let expected = format!(
        "error: platforms: there is no \"s3-wall\"\n --> x.toml:2:14\n  |\n{line}\n  |              ^^^^^^^^^\n  = \
         right would be: s3-wal?\n"
    );
    assert_eq!(shown, expected);
}
