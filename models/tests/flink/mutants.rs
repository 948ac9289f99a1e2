//! Each bug is caught, and the same storms without it are not.

use super::harness::Setup;
use super::promises::storm;
use wavetank_models::flink::FlinkMutant;

/// The first storm in which a bug shows, and how.
fn caught(mutant: FlinkMutant, of: impl Fn(u64) -> Setup) -> (u64, String) {
    for seed in 0..200 {
        let setup = of(seed);
        if let Some(why) = (Setup { mutant: Some(mutant), ..setup.clone() }).run().bad() {
            assert_eq!(setup.run().bad(), None, "seed {seed} without {}", mutant.name());
            return (seed, why);
        }
    }
    panic!("{} was not caught", mutant.name());
}

#[test]
fn restoring_from_committed_offsets() {
    let (seed, why) = caught(FlinkMutant::RestoreFromCommittedOffsets, storm);
    assert!(why.contains("twice") || why.contains("missing") || why.contains("no consistent cut"), "{seed}: {why}");
}

#[test]
fn a_barrier_that_blocks_nothing() {
    let (seed, why) = caught(FlinkMutant::BarrierBlocksNothing, storm);
    assert!(why.contains("no consistent cut"), "{seed}: {why}");
}

#[test]
fn complete_before_the_metadata_is_written() {
    let (seed, why) = caught(FlinkMutant::CompleteBeforeMetadata, storm);
    assert!(why.contains("is lost") || why.contains("completed-is-restored"), "{seed}: {why}");
}

#[test]
fn acknowledgements_of_an_earlier_execution() {
    let (seed, why) = caught(FlinkMutant::EarlierAttemptsAcks, storm);
    assert!(why.contains("no consistent cut"), "{seed}: {why}");
}
