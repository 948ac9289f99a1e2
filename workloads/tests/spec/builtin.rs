//! The scenarios that come with wavetank.

use wavetank_workloads::spec::scenario::{Origin, builtin};

#[test]
fn every_built_in_scenario_is_read_without_a_warning() {
    for (name, _) in builtin::ALL {
        let parsed = builtin::scenario(name).expect("it is listed");
        let parsed = parsed.unwrap_or_else(|problems| panic!("{problems}"));
        let warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0], "{name}");
        assert_eq!(&parsed.value.name, name, "a scenario is named after its file");
    }
}

#[test]
fn the_failover_scenario_is_the_benchmarks_at_a_tenth_of_its_rate() {
    let scenario = builtin::scenario("broker-failover").expect("it is listed").expect("it is read").value;
    let load = &scenario.workload;
    let Origin::Omb { workload, driver, .. } = &load.origin else { panic!("it is inline") };
    assert_eq!((load.topics, load.partitions, load.message_size), (1, 100, 1024));
    assert_eq!((load.producers.total(), scenario.groups[0].members.total()), (4, 4));
    assert_eq!((workload.producer_rate, load.rate), (Some(200_000), Some(20_000)));
    assert_eq!(load.producer.linger, wavetank_sim::Nanos::millis(1));
    assert_eq!(driver.as_ref().map(|(_, driver)| driver.replication_factor), Some(3));
    assert_eq!(scenario.platforms.len(), 5);
}
