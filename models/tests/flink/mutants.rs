//! Each bug is caught, and the same storms without it are not.

use super::harness::Setup;
use super::promises::storm;
use wavetank_models::flink::FlinkMutant;

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

#[test]
fn acknowledgements_of_an_earlier_execution() {
    is_caught(FlinkMutant::EarlierAttemptsAcks, &["no consistent cut"]);
}
