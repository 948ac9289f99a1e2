//! Worlds give their memory back: read from the kernel, so on Linux only.

use wavetank_workloads::lab::{self, Next, Plan};
use wavetank_workloads::scenario::{RunOptions, Scenario};

/// A line of `/proc/self/status`, in bytes; `None` where there is none.
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kb| kb << 10)
}

#[test]
fn a_world_needs_little_and_returns_it() {
    let sweep = |from, to| {
        let plan =
            Plan { scenarios: &[Scenario::Harbour], seeds: (from..to).into(), options: RunOptions::default(), jobs: 1 };
        let swept = lab::sweep(&plan, &mut [], |swept| {
            assert!(!swept.outcome.has_failed(), "seed {}", swept.seed);
            Next::GoOn
        });
        swept.expect("there is no book that could fail");
    };
    sweep(0, 50);
    let (Some(peak), Some(after_50)) = (status("VmHWM"), status("VmRSS")) else {
        println!("skipped: no /proc/self/status here");
        return;
    };
    sweep(50, 350);
    let after_350 = status("VmRSS").expect("as above");
    println!("peak {} KiB, after 50 worlds {} KiB, after 350 {} KiB", peak >> 10, after_50 >> 10, after_350 >> 10);
    assert!(peak <= 50 << 20, "one world at a time took {peak} bytes");
    assert!(after_350 <= after_50 + (4 << 20), "memory grew from {after_50} to {after_350} bytes over 300 worlds");
}
