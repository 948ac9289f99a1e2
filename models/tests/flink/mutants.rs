//! Each bug is caught, and the same storms without it are not.

use super::common::*;
use super::harness::Setup;
use super::promises::storm;
use wavetank_models::cloud::object_store::ObjectStoreFault;
use wavetank_models::fault::Fault;
use wavetank_models::flink::FlinkMutant;
use wavetank_models::world::Action;
use wavetank_sim::Nanos;

/// There is a storm in which a bug shows in one of these ways, and in which nothing is wrong without it.
fn is_caught(mutant: FlinkMutant, ways: &[&str]) {
    let mut others = Vec::new();
    for seed in 0..200 {
        let setup = storm(seed);
        let Some(why) = (Setup { mutant: Some(mutant), ..setup.clone() }).run().bad() else { continue };
        if ways.iter().any(|way| why.contains(way)) {
            println!("seed {seed}: {why}");
            assert_eq!(setup.run().bad(), None, "seed {seed} without {}", mutant.name());
            return;
        }
        others.push((seed, why));
    }
    panic!("{} was not caught; but {others:?}", mutant.name());
}

#[test]
fn restoring_from_committed_offsets() {
    is_caught(FlinkMutant::RestoreFromCommittedOffsets, &["records twice"]);
}

#[test]
fn a_barrier_that_blocks_nothing() {
    is_caught(FlinkMutant::BarrierBlocksNothing, &["no consistent cut"]);
}

#[test]
fn complete_before_the_metadata_is_written() {
    is_caught(FlinkMutant::CompleteBeforeMetadata, &["checkpoint is lost"]);
    is_caught(FlinkMutant::CompleteBeforeMetadata, &["begins from checkpoint"]);
}

/// The first checkpoint's uploads are slow; a task manager dies, and the next execution's first checkpoint has the same
/// number while the late ones arrive. Then another one dies, so that it is restored.
#[test]
fn acknowledgements_of_an_earlier_execution() {
    let run = |mutant| {
        let setup = Setup { mutant, ..Setup::new(1) };
        setup.run_with(|world, core, sea| {
            let slow = ObjectStoreFault::Brownout { az: None, latency_percent: 20_000, error_ppm: 0 };
            fault_between(world, core, Fault::Object(sea.store, slow), ms(900), Nanos::secs(9));
            for (at, number) in [(ms(2500), 0), (ms(11_900), 1)] {
                world.plan(core, at, Action::Kill(setup.task_manager(number)));
                world.plan(core, at + ms(300), Action::Restart(setup.task_manager(number)));
            }
        })
    };
    let ran = run(None);
    assert_eq!(ran.bad(), None);
    assert!(ran.marks.contains_key("flink: an acknowledgement of an earlier execution came"), "{:?}", ran.marks);
    let ran = run(Some(FlinkMutant::EarlierAttemptsAcks));
    let why = ran.bad().unwrap_or_else(|| panic!("not caught: {:?}", ran.probes_in_short()));
    assert!(why.contains("no consistent cut"), "{why}");
}
