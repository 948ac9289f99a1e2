//! Where known bugs should show: for each mutant, scenarios whose sweeps are to catch it. One line a mutant.

use super::Mutant;
use crate::scenario::Scenario;

/// Mutants by name, and scenarios by what names them on the command line.
const GROUNDS: &[(&str, &[&str])] = &[
    ("ack-before-sync", &["harbour"]),
    ("trust-torn-tail", &["harbour"]),
    ("retry-failed-sync", &["harbour"]),
    ("recover-from-cache", &["harbour"]),
    ("append-resent", &["harbour"]),
    ("timeout-means-uploaded", &["harbour"]),
    ("no-commit", &["harbour"]),
    ("wal-confirm-max", &["bare-log@object", "bare-log@io2", "bare-log@nfs"]),
    ("wal-epoch-not-in-key", &["bare-log@object"]),
    ("wal-failover-verifies-nothing", &["bare-log@object", "broker-failover@s3-wal"]),
    ("wal-recover-body-offset", &["bare-log@object", "bare-log@io2", "bare-log@nfs"]),
    ("wal-reset-trims-past-end", &["bare-log@object", "bare-log@io2", "bare-log@nfs", "late-writes@s3-wal"]),
    ("wal-no-second-delete", &["bare-log@object"]),
    ("wal-no-ring-cycle-check", &["bare-log@io2", "bare-log@nfs", "late-writes@ebs-wal"]),
    ("wal-header-left-graceful", &["bare-log@io2", "bare-log@nfs", "late-writes@ebs-wal"]),
    ("wal-list-one-page", &["bare-log@object", "late-writes@s3-wal"]),
    ("wal-overlap-first-only", &["bare-log@object"]),
    ("wal-plain-put-reservation", &["bare-log@object"]),
    ("wal-no-verify-before-ack", &["bare-log@object", "broker-failover@s3-wal"]),
    ("wal-trim-not-rounded", &["bare-log@object"]),
    ("wal-header-by-wall-clock", &["bare-log@io2", "bare-log@nfs"]),
    ("storage-delta-overflows", &["late-writes@s3-wal"]),
    ("storage-cache-order-not-wal-order", &["late-writes@s3-wal", "late-writes@ebs-wal"]),
    ("storage-confirm-before-cache", &["late-writes@s3-wal", "late-writes@ebs-wal"]),
    ("storage-back-off-overtaken", &["late-writes@s3-wal", "late-writes@ebs-wal"]),
    ("storage-torn-image-read", &["late-writes@s3-wal"]),
    ("storage-failover-trims-own-wal", &["broker-failover@s3-wal"]),
    ("storage-fenced-goes-on", &["broker-failover@s3-wal"]),
    ("storage-close-without-upload", &["rebalance@s3-wal"]),
    ("storage-prepare-failure-swallowed", &["broker-failover@s3-wal", "late-writes@s3-wal"]),
    ("retention-passes-high-watermark", &["late-writes@s3-wal"]),
    ("continuity-before-redundancy", &["broker-failover@s3-wal"]),
    ("failover-without-guard", &["broker-failover@s3-wal", "az-outage@ebs-wal"]),
    ("compaction-sets-end-offset", &["late-writes@s3-wal"]),
    ("committed-objects-expire", &["late-writes@s3-wal"]),
    ("no-node-epoch-check", &["broker-failover@s3-wal"]),
    ("fast-close-forgets", &["rebalance@s3-wal"]),
    ("trim-drops-whole-sets", &["late-writes@s3-wal"]),
    ("ack-unflushed", &["bare-quorum"]),
    ("forget-votes", &["bare-quorum"]),
    ("commit-old-epochs", &["bare-quorum"]),
    ("flink-restore-from-committed-offsets", &["backfill@s3-wal"]),
    ("flink-barrier-blocks-nothing", &["backfill@s3-wal"]),
    ("flink-complete-before-metadata", &["backfill@s3-wal"]),
    ("flink-earlier-attempts-acks", &["backfill@s3-wal"]),
    ("flink-rescale-uncut", &["backfill@s3-wal"]),
];

impl Mutant {
    /// Where it should show.
    ///
    /// # Panics
    /// When the table knows it not, or names a scenario that there is not: a bug, which a test finds.
    pub fn grounds(self) -> Vec<Scenario> {
        let row = GROUNDS.iter().find(|(name, _)| *name == self.name());
        let (_, scenarios) = row.expect("every mutant has a row");
        scenarios.iter().map(|name| Scenario::by_name(name).expect("it comes with wavetank")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_a_row_and_every_row_a_mutant_and_scenarios() {
        let rows: Vec<&str> = GROUNDS.iter().map(|(name, _)| *name).collect();
        let mutants: Vec<&str> = Mutant::all().map(Mutant::name).collect();
        assert_eq!(rows, mutants, "in the order of the registry");
        for mutant in Mutant::all() {
            let grounds = mutant.grounds();
            assert!(!grounds.is_empty(), "{}", mutant.name());
            for scenario in grounds {
                let is_harbours = matches!(mutant, Mutant::Harbour(_));
                assert_eq!(is_harbours, matches!(scenario, Scenario::Harbour), "{} can show there", mutant.name());
                let is_of_a_log = matches!(mutant, Mutant::Wal(_));
                let is_of_controllers = matches!(mutant, Mutant::Controller(_));
                assert!(
                    is_of_controllers || !matches!(scenario, Scenario::BareQuorum),
                    "{} can show there",
                    mutant.name()
                );
                assert!(is_of_a_log || !matches!(scenario, Scenario::BareLog(_)), "{} can show there", mutant.name());
            }
        }
    }
}
