//! What producers promise.

use super::broker::Script;
use super::common::*;
use super::harness::Setup;
use wavetank_models::probe::Probe;
use wavetank_traces::history::Kind;

#[test]
fn a_quiet_day() {
    let ran = Setup::new(1).run();
    assert_eq!(ran.bad(), [""; 0]);
    // 500 records a second for 20 s.
    assert_eq!(ran.records_in_log(), 10_000);
    ran.assert_logs_in_order(1);
    assert_eq!((ran.ended(Kind::Fail), ran.ended(Kind::Info)), (0, 0));
    let consumed = |probe: &Probe| match probe {
        Probe::Consumed { span, .. } => span.next - span.base,
        _ => 0,
    };
    assert_eq!(ran.probes.all().iter().map(|(_, _, probe)| consumed(probe)).sum::<u64>(), 10_000);
}

fn storm(seed: u64) -> Script {
    let pick = |n: u64, of: &[u32]| of[(seed / n % of.len() as u64) as usize];
    Script {
        lose_answer: pick(1, &[0, 20, 100]),
        lose_request: pick(3, &[0, 20, 100]),
        deny: pick(9, &[0, 50]),
        forget_session: pick(2, &[0, 30]),
        delay_max: ms(u64::from(pick(5, &[0, 3, 40]))),
        ..Script::default()
    }
}

#[test]
fn an_idempotent_producer_loses_doubles_and_reorders_nothing() {
    for seed in 0..60 {
        let setup = Setup { script: storm(seed), ..Setup::new(seed) };
        let ran = setup.run();
        assert_eq!(ran.bad(), [""; 0], "seed {seed}");
        assert_eq!(ran.records_in_log(), 10_000, "seed {seed}");
        ran.assert_logs_in_order(seed);
    }
}
