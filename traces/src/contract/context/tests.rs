//! Contexts are read, written, and refused with the place and what would be right.

use super::*;

const EXAMPLE: &str = include_str!("../../../examples/context.json");

#[test]
fn the_example_says_what_it_says_and_survives_being_written() {
    let context = Context::read(EXAMPLE, "context.json").unwrap();
    let again = Context::read(&serde_json::to_string(&context).unwrap(), "again").unwrap();
    assert_eq!(context, again);
    let orders = context.key("orders-0").unwrap();
    assert_eq!(orders.log_start[1].reason, Reason::DeleteRecords);
    assert_eq!(orders.end.as_ref().unwrap().last_stable_offset, Some(240));
    assert_eq!(orders.markers[1], OffsetRange { from: 200, to: 202, at: None });
    assert_eq!((context.seeks[0].to, context.seeks[1].to), (Target::End, Target::Offset(130)));
    assert_eq!((context.seeks[0].at, context.seeks[1].at), (At::Time(5_500_000_000), At::Index(41)));
    assert_eq!(context.offset_resets[0].to, Target::Beginning);
    assert_eq!(context.quiesced, Some(true));
}

#[test]
fn an_empty_context_is_one_and_is_written_as_nothing() {
    let empty = Context::read("{}", "context.json").unwrap();
    assert_eq!(empty, Context::default());
    assert_eq!(serde_json::to_string(&empty).unwrap(), "{}");
}

#[test]
fn a_process_has_the_settings_of_all_where_it_has_none() {
    let context = Context::read(EXAMPLE, "context.json").unwrap();
    let (nobody, some, dashboard, metrics) = (
        context.client(None),
        context.client(Some(Process(3))),
        context.client(Some(Process(7))),
        context.client(Some(Process(8))),
    );
    assert!(dashboard.reads_uncommitted() && !some.reads_uncommitted() && !nobody.reads_uncommitted());
    assert_eq!((metrics.acks(), some.acks()), (Acks::Leader, Acks::All));
    assert_eq!((metrics.transactional, some.transactional), (Some(false), Some(true)));
    let rest = ClientSettings { acks: Some(Acks::Leader), transactional: Some(false), ..context.clients.clone() };
    assert_eq!(metrics, ClientSettings { comment: metrics.comment.clone(), ..rest });
    let topic = |key| context.topic(key);
    assert_eq!((topic("orders-0").min_insync_replicas(), topic("metrics-0").min_insync_replicas()), (2, 1));
    assert_eq!((topic("orders-0").compacts(), topic("customers-0").compacts()), (false, true));
    assert_eq!(topic("customers-0").min_compaction_lag_ms, Some(1000));
    assert_eq!(topic("customers-0").unclean_leader_election, Some(false));
    assert_eq!(topic("customers-0").eligible_leader_replicas, Some(true));
    assert_eq!(topic("customers-0").min_insync_replicas(), 2);
    assert_eq!(topic("nobody knows me"), TopicSettings { comment: None, ..context.topics.clone() });
}

#[test]
fn what_is_not_given_is_the_careful_choice() {
    let (client, topic) = (ClientSettings::default(), TopicSettings::default());
    assert!(client.is_idempotent() && !client.reads_uncommitted());
    assert_eq!((client.acks(), client.in_flight()), (Acks::All, 5));
    assert!(!topic.compacts());
    assert_eq!(topic.min_insync_replicas(), 1);
}

#[test]
fn idempotence_ends_where_kafka_switches_it_off() {
    let cases = [
        (r#"{"acks": "1"}"#, false),
        (r#"{"acks": 0}"#, false),
        (r#"{"acks": -1}"#, true),
        (r#"{"max_in_flight": 5}"#, true),
        (r#"{"max.in.flight.requests.per.connection": 6}"#, false),
        (r#"{"enable_idempotence": false}"#, false),
        (r#"{"enable.idempotence": true, "acks": "1"}"#, true),
    ];
    for (settings, idempotent) in cases {
        let context = Context::read(&format!(r#"{{"clients": {settings}}}"#), "x").unwrap();
        assert_eq!(context.clients.is_idempotent(), idempotent, "{settings}");
    }
}

#[test]
fn compaction_is_on_under_either_policy_that_names_it() {
    for (policy, on) in [("delete", false), ("compact", true), ("compact,delete", true), ("delete,compact", true)] {
        let context = Context::read(&format!(r#"{{"topics": {{"cleanup.policy": "{policy}"}}}}"#), "x").unwrap();
        assert_eq!(context.topics.compacts(), on, "{policy}");
    }
}

#[test]
fn a_wrong_text_is_refused_with_the_place_and_what_would_be_right() {
    let cases = [
        ("{\"quiesced\": true,\n \"acks\": 1}", "x.json:2:7: `acks`: unknown field `acks`, expected one of"),
        (
            "{\"clients\": {\"acks\": \"some\"}}",
            "x.json:1:27: `clients.acks`: invalid value: string \"some\", expected \"all\", \"1\" or \"0\"",
        ),
        ("{\"clients\": {\"acks\": 2}}", "`clients.acks`: invalid value: string \"2\", expected \"all\""),
        (
            "{\"clients\": {\"isolation.level\": \"serializable\"}}",
            "unknown variant `serializable`, expected `read_committed` or `read_uncommitted`",
        ),
        (
            "{\"keys\": {\"x\": {\"markers\": [{\"from\": 3, \"to\": 4}, {\"from\": 5, \"to\": 5}]}}}",
            "`keys.x.markers[1]`: a range ends before `to`, so `to` has to be greater than `from`, 5; it is 5",
        ),
        ("{\"keys\": {\"x\": {\"end\": {\"high_watermark\": -1}}}}", "`keys.x.end.high_watermark`: invalid value"),
        (
            "{\"seeks\": [{\"process\": 1, \"key\": \"x\", \"to\": \"middle\", \"at\": {\"index\": 1}}]}",
            "`seeks[0].to`: invalid value: string \"middle\", expected an offset, \"beginning\" or \"end\"",
        ),
        (
            "{\"seeks\": [{\"process\": 1, \"key\": \"x\", \"to\": 1, \"at\": {\"line\": 1}}]}",
            "unknown variant `line`, expected `index` or `time`",
        ),
        ("{\"processes\": {\"me\": {}}}", "`processes"),
        ("{\"faults\": [{\"name\": \"fire\"}]}", "`faults[0]`: missing field `from`"),
        ("{} {}", "x.json:1:4: trailing characters"),
        ("", "x.json:1:0: EOF while parsing a value"),
        ("[1", "x.json:1:"),
    ];
    for (text, expected) in cases {
        let error = Context::read(text, "x.json").unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\ngives {error}\nnot   {expected}");
        assert!(!error.contains(" at line "), "the place is said once: {error}");
    }
}

#[test]
fn values_are_written_as_they_are_read() {
    for (json, field) in
        [(r#"{"acks":"all"}"#, Acks::All), (r#"{"acks":"1"}"#, Acks::Leader), (r#"{"acks":"0"}"#, Acks::None)]
    {
        let settings: ClientSettings = serde_json::from_str(json).unwrap();
        assert_eq!(settings.acks(), field);
        assert_eq!(serde_json::to_string(&settings).unwrap(), json);
    }
    for (target, words) in
        [(Target::Offset(7), "offset 7"), (Target::Beginning, "the beginning"), (Target::End, "the end")]
    {
        let json = serde_json::to_string(&target).unwrap();
        assert_eq!(serde_json::from_str::<Target>(&json).unwrap(), target);
        assert_eq!(target.to_string(), words);
    }
}

#[test]
fn keys_that_the_history_does_not_know_are_named() {
    let text = r#"{"keys": {"x": {}, "typo": {}},
        "seeks": [{"process": 1, "key": "sought", "to": 0, "at": {"index": 0}}],
        "offset_resets": [{"process": 1, "key": "reset", "to": 0, "at": {"index": 0}}],
        "lossy_shutdowns": [{"at": 0, "keys": ["y", "shut"]}],
        "faults": [{"name": "fire", "from": 0, "keys": ["burnt"]}, {"name": "water", "from": 0}]}"#;
    let context = Context::read(text, "x.json").unwrap();
    let mut history = History::new();
    history.key("x");
    history.key("y");
    assert_eq!(context.unknown_keys(&history), ["burnt", "reset", "shut", "sought", "typo"]);
    assert_eq!(context.lossy_shutdowns[0].replicas, 1);
}
