//! Pauses and dark zones are overlays: whoever ends one does not end the others.

use std::sync::{Arc, Mutex};
use wavetank_models::cloud::host::{HostFault, HostSpec};
use wavetank_models::cloud::network::{HostId, NetworkProfile, NicSpec};
use wavetank_models::fault::{Fault, FaultId};
use wavetank_models::world::{Action, Behaviour, CloudSpec, Cx, Input, Process, launch};
use wavetank_sim::{Limits, Nanos, NodeId};

/// Ticks every second and writes down when; exits at its first tick when told to.
struct Clockwork {
    ticks: Arc<Mutex<Vec<u64>>>,
    exits: bool,
}

impl Process for Clockwork {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => {}
            _ if self.exits => return cx.exit("as told"),
            _ => self.ticks.lock().unwrap().push(cx.monotonic().0 / 1_000_000_000),
        }
        cx.set_timer(Nanos::secs(1), 0);
    }
}

const NODE: NodeId = NodeId(0);
const HOST: HostId = HostId(0);

/// The whole seconds in which the process ticked, up to 30.
fn ticks(exits: bool, plan: &[(u64, Action)]) -> Vec<u64> {
    let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    let nic = NicSpec { bandwidth_bytes_per_sec: 0, single_flow_bytes_per_sec: 0 };
    cloud.host(azs[0], nic, HostSpec::kafka(1)).unwrap();
    let ticks: Arc<Mutex<Vec<u64>>> = Arc::default();
    let seen = ticks.clone();
    let limits = Limits { time_max: Nanos::secs(30), ..Limits::default() };
    launch(
        1,
        limits,
        None,
        cloud,
        |world, core, _| {
            let mut first = exits;
            let factory = Box::new(move |_| {
                let exits = std::mem::take(&mut first);
                Behaviour::Machine(Box::new(Clockwork { ticks: ticks.clone(), exits }))
            });
            world.add_node(core, "clockwork", HOST, factory);
            world.supervise(NODE, Nanos::secs(2));
            for (ms, action) in plan {
                world.plan(core, Nanos::millis(*ms), action.clone());
            }
        },
        |_, _, _| (),
    );
    let mut seen = seen.lock().unwrap().clone();
    seen.dedup();
    seen
}

fn pause_host(id: u32) -> Action {
    Action::Inject(FaultId(id), Fault::Host(HOST, HostFault::Pause))
}

fn darken(id: u32) -> Action {
    let (_, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    Action::Inject(FaultId(id), Fault::AzDown(azs[0]))
}

fn heal(id: u32) -> Action {
    Action::Heal(FaultId(id))
}

/// Whether it ticked anywhere between the two seconds.
fn between(ticks: &[u64], from: u64, to: u64) -> bool {
    ticks.iter().any(|tick| (from..to).contains(tick))
}

#[test]
fn a_process_goes_on_when_neither_it_nor_its_host_is_paused() {
    let seen = ticks(
        false,
        &[(5_500, Action::Pause(NODE)), (6_500, pause_host(1)), (10_500, Action::Resume(NODE)), (20_500, heal(1))],
    );
    assert!(!between(&seen, 6, 20) && between(&seen, 20, 30), "{seen:?}");
    let seen = ticks(
        false,
        &[(5_500, Action::Pause(NODE)), (6_500, pause_host(1)), (10_500, heal(1)), (20_500, Action::Resume(NODE))],
    );
    assert!(!between(&seen, 6, 20) && between(&seen, 20, 30), "{seen:?}");
}

#[test]
fn a_process_that_is_started_on_a_paused_host_waits_with_it() {
    let plan = [(5_500, pause_host(1)), (6_500, Action::Kill(NODE)), (7_500, Action::Restart(NODE)), (20_500, heal(1))];
    let seen = ticks(false, &plan);
    assert!(!between(&seen, 6, 20) && between(&seen, 20, 30), "{seen:?}");
}

#[test]
fn nothing_starts_in_a_dark_zone_and_everything_that_should_run_starts_after_it() {
    // The plan restarts it in the dark; two faults keep the zone dark.
    let plan =
        [(5_500, darken(1)), (6_500, darken(2)), (7_500, Action::Restart(NODE)), (12_500, heal(1)), (20_500, heal(2))];
    let seen = ticks(false, &plan);
    assert!(!between(&seen, 6, 20) && between(&seen, 20, 30), "{seen:?}");
    // It ended itself at 1 s; its supervisor wants it at 3 s, in the dark.
    let seen = ticks(true, &[(2_500, darken(1)), (20_500, heal(1))]);
    assert!(!between(&seen, 0, 20) && between(&seen, 20, 30), "{seen:?}");
}
