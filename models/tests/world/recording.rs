//! What clients ask and are told is recorded, whatever becomes of them.

use crate::common::*;
use std::io::Write;
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::network::{AzId, HostId};
use wavetank_models::cloud::volume::Survival;
use wavetank_models::fault::{Fault, FaultId};
use wavetank_models::world::{
    Action, ClientId, Cx, Detached, Ended, Factory, Failure, Guest, Input, Invocation, Recorded, Recording, Witness,
};
use wavetank_sim::{Core, Digest, EndReason, NodeId};
use wavetank_traces::Offset;
use wavetank_traces::check::Options;
use wavetank_traces::history::{Draft, Function, History, OpId, Value, reader};

const A: NodeId = NodeId(0);
const PRODUCER: ClientId = ClientId(0);
const CONSUMER: ClientId = ClientId(1);

/// An operation in a few words: when, whose, which end of what, the values, and why.
fn line(history: &History, id: OpId) -> String {
    let op = history.op(id);
    assert_eq!(op.index, u64::from(id.0), "indices are dense");
    let mut line =
        format!("{} p{} {} {}", op.time / 1_000_000, op.process.unwrap(), op.kind.name(), op.function.name());
    for run in history.runs(id) {
        line += &format!(" {}", run.value.0);
        if let Some(offset) = run.offset {
            line += &format!("@{offset}");
        }
    }
    if let Some(error) = op.error {
        line += &format!(" {}", history.value_json(error));
    }
    line
}

fn lines(history: &History) -> Vec<String> {
    history.ids().map(|id| line(history, id)).collect()
}

fn checked(recorded: Recorded) -> History {
    assert!(recorded.broken.is_none());
    recorded.checked.expect("it was to be checked").0
}

fn send(cx: &mut Cx<'_>, client: ClientId, value: u64) -> Invocation {
    let key = cx.history_key("x");
    cx.invoke(client, Function::Send, |draft| draft.send(key, None, Value(value)))
}

fn sent(cx: &mut Cx<'_>, invocation: Invocation, offset: i64, value: u64) -> bool {
    let key = cx.history_key("x");
    cx.complete(invocation, Ended::Ok, |draft| draft.send(key, Some(Offset(offset)), Value(value)))
}

/// Runs one node at host 0 under a plan, and gives back its history.
fn history_of(factory: Factory, plan: &[(u64, Action)]) -> Vec<String> {
    Chart::default().run(
        |world, core, sea| {
            world.set_recording(Recording::new().checked(Options::default()));
            world.add_node(core, "client", sea.hosts[0], factory);
            plan.iter().for_each(|(at, action)| world.plan(core, ms(*at), action.clone()));
        },
        |world, core, _, _| lines(&checked(world.finish_recording(core).expect("recorded"))),
    )
}

/// Sends, in each life, its epoch at once, and is told 1 s later that it happened; polls on the side from 100 ms on.
fn client() -> Factory {
    let log = Log::default();
    let mut open = None;
    let mut poll = None;
    actor(&log, move |cx, input| match input {
        Input::Boot => {
            open = Some(send(cx, PRODUCER, u64::from(cx.me().epoch.0)));
            cx.set_timer(ms(100), 1);
            cx.set_timer(ms(1_000), 2);
        }
        Input::Timer { token: 1, .. } => poll = Some(cx.invoke(CONSUMER, Function::Poll, Draft::poll)),
        Input::Timer { token: 2, .. } => {
            let epoch = u64::from(cx.me().epoch.0);
            assert!(sent(cx, open.take().unwrap(), epoch as i64, epoch));
            assert!(cx.complete(poll.take().unwrap(), Ended::Ok, Draft::poll));
        }
        _ => (),
    })
}

#[test]
fn what_a_dead_client_had_open_closes_as_info_and_it_comes_back_as_somebody_else() {
    let (fault, host, az) = (FaultId(1), HostId(0), AzId(0));
    let deaths = [
        (Action::Kill(A), Action::Restart(A)),
        (Action::PowerLoss(host, Survival::Drawn), Action::Restart(A)),
        (Action::InstanceLost(host, Survival::Drawn), Action::Restart(A)),
        (Action::Inject(fault, Fault::AzDown(az)), Action::Heal(fault)),
    ];
    for (death, comeback) in deaths {
        let seen = history_of(client(), &[(500, death.clone()), (700, comeback)]);
        let wanted = [
            "0 p0 invoke send 1",
            "100 p1 invoke poll",
            r#"500 p0 info send 1 "killed""#,
            r#"500 p1 info poll "killed""#,
            "700 p2 invoke send 2",
            "800 p3 invoke poll",
            "1700 p2 ok send 2@2",
            "1700 p3 ok poll",
        ];
        assert_eq!(seen, wanted, "{death:?}");
    }
}

#[test]
fn a_client_with_nothing_open_is_somebody_else_after_a_death_too() {
    let seen = history_of(client(), &[(1_200, Action::Kill(A)), (1_300, Action::Restart(A))]);
    assert_eq!(seen[2..6], ["1000 p0 ok send 1@1", "1000 p1 ok poll", "1300 p2 invoke send 2", "1400 p3 invoke poll"]);
}

#[test]
fn a_process_that_ends_itself_leaves_what_is_open_unknown() {
    let exits = actor(&Log::default(), |cx, input| {
        if let Input::Boot = input {
            send(cx, PRODUCER, 7);
            cx.exit("enough");
        }
    });
    assert_eq!(history_of(exits, &[]), ["0 p0 invoke send 7", r#"0 p0 info send 7 "killed""#]);
}

#[test]
fn a_pause_closes_nothing_and_the_client_goes_on_as_itself() {
    let seen = history_of(client(), &[(500, Action::Pause(A)), (3_000, Action::Resume(A))]);
    assert_eq!(seen, ["0 p0 invoke send 1", "100 p1 invoke poll", "3000 p0 ok send 1@1", "3000 p1 ok poll"]);
}

#[test]
fn what_is_open_when_the_run_ends_is_unknown() {
    let stops = actor(&Log::default(), |cx, input| {
        if let Input::Boot = input {
            send(cx, PRODUCER, 7);
            cx.set_timer(ms(9), 0);
        } else {
            cx.stop("enough");
        }
    });
    assert_eq!(history_of(stops, &[]), ["0 p0 invoke send 7", r#"9 p0 info send 7 "the run ended""#]);
}

#[test]
fn no_later_life_completes_what_a_former_one_invoked() {
    // Beyond the world, as a careless process may keep it: on a disk, in a message.
    let kept: Arc<Mutex<Vec<Invocation>>> = Arc::default();
    let later = kept.clone();
    let careless = actor(&Log::default(), move |cx, input| {
        let Input::Boot = input else { return };
        let mut kept = later.lock().unwrap();
        for former in kept.iter() {
            assert!(!sent(cx, *former, 1, 1), "the former life's operation is closed");
        }
        let mine = send(cx, PRODUCER, 10 + u64::from(cx.me().epoch.0));
        for former in kept.iter() {
            assert!(!sent(cx, *former, 1, 1), "nor may it end what this life has begun");
            assert!(!cx.complete_as_invoked(*former, Ended::Fail("late")));
        }
        kept.push(mine);
    });
    let plan = [(1, Action::Kill(A)), (2, Action::Restart(A))];
    let seen = history_of(careless, &plan);
    let wanted = [
        "0 p0 invoke send 11",
        r#"1 p0 info send 11 "killed""#,
        "2 p1 invoke send 12",
        r#"2 p1 info send 12 "the run ended""#,
    ];
    assert_eq!(seen, wanted);
}

/// A recording without a world, at one instant.
fn history_alone(step: impl FnOnce(&mut Cx<'_>)) -> Vec<String> {
    let mut detached = Detached::new(1);
    detached.recording = Some(Recording::new().checked(Options::default()));
    step(&mut Cx::detached(&mut detached));
    lines(&checked(detached.recording.expect("given").finish()))
}

#[test]
fn a_client_keeps_its_number_until_an_outcome_is_unknown() {
    let seen = history_alone(|cx| {
        let one = send(cx, PRODUCER, 1);
        assert!(sent(cx, one, 0, 1));
        assert!(!sent(cx, one, 0, 1), "an operation ends once");
        let two = send(cx, PRODUCER, 2);
        assert!(cx.complete_as_invoked(two, Ended::Fail("refused")));
        let three = send(cx, PRODUCER, 3);
        assert!(cx.complete_as_invoked(three, Ended::Info("timeout")));
        assert!(!sent(cx, three, 2, 3), "an answer that comes too late changes nothing");
        let four = send(cx, PRODUCER, 4);
        assert!(sent(cx, four, 3, 4));
        let other = send(cx, CONSUMER, 5);
        assert!(sent(cx, other, 4, 5));
    });
    let wanted = [
        "0 p0 invoke send 1",
        "0 p0 ok send 1@0",
        "0 p0 invoke send 2",
        r#"0 p0 fail send 2 "refused""#,
        "0 p0 invoke send 3",
        r#"0 p0 info send 3 "timeout""#,
        "0 p1 invoke send 4",
        "0 p1 ok send 4@3",
        "0 p2 invoke send 5",
        "0 p2 ok send 5@4",
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn a_client_that_begins_anew_has_given_up_what_it_had_open() {
    let seen = history_alone(|cx| {
        let one = send(cx, PRODUCER, 1);
        let two = send(cx, PRODUCER, 2);
        assert!(!sent(cx, one, 0, 1));
        assert!(sent(cx, two, 1, 2));
    });
    let wanted = ["0 p0 invoke send 1", r#"0 p0 info send 1 "abandoned""#, "0 p1 invoke send 2", "0 p1 ok send 2@1"];
    assert_eq!(seen, wanted);
}

#[test]
fn without_a_recorder_nothing_is_recorded_and_nothing_breaks() {
    let mut detached = Detached::new(1);
    let cx = &mut Cx::detached(&mut detached);
    let key = cx.history_key("x");
    let open = cx.invoke(PRODUCER, Function::Send, |draft| draft.send(key, None, Value(1)));
    assert!(!cx.complete(open, Ended::Ok, |_| panic!("nobody wants to know")));
    assert!(!cx.complete_as_invoked(open, Ended::Info("timeout")));
}

#[test]
fn guests_record_as_state_machines_do() {
    let factory: Factory = Box::new(|_| {
        Guest::behaviour(|guest| async move {
            let open = guest.act(|cx| send(cx, PRODUCER, 1)).unwrap();
            guest.sleep(ms(5)).await;
            assert_eq!(guest.act(|cx| sent(cx, open, 0, 1)), Some(true));
            guest.act(|cx| send(cx, PRODUCER, 2));
            guest.sleep(ms(5_000)).await;
        })
    });
    let wanted = ["0 p0 invoke send 1", "5 p0 ok send 1@0", "5 p0 invoke send 2", r#"8 p0 info send 2 "killed""#];
    assert_eq!(history_of(factory, &[(8, Action::Kill(A))]), wanted);
}

#[test]
fn times_are_true_whatever_the_clocks_say() {
    let plan = [(200, Action::JumpClock(A, -1_000_000_000)), (300, Action::DriftClock(A, 100_000_000))];
    let seen = history_of(client(), &plan);
    // The clock runs a tenth fast from 300 ms on, but what was set before fires when it was to.
    assert_eq!(seen[2], "1000 p0 ok send 1@1");
}

/// What two producers make of one log: each puts value n at offset n, but the second is wrong about one.
fn producer(wrong: Option<u64>) -> Factory {
    let mut n = 0;
    actor(&Log::default(), move |cx, input| {
        match input {
            Input::Boot => n = if wrong.is_some() { 1_000 } else { 0 },
            _ => {
                let open = send(cx, PRODUCER, n);
                let at = if wrong == Some(n) { 3 } else { n };
                sent(cx, open, at as i64, n);
                n += 1;
            }
        }
        if n % 1_000 < 100 {
            cx.set_timer(ms(10), 0);
        }
    })
}

struct Seen {
    digest: Digest,
    reason: EndReason,
    failures: Vec<Failure>,
    recorded: Option<Recorded>,
    told: Vec<String>,
}

fn two_producers(recording: Option<Recording>, stop: bool, wrong: u64) -> Seen {
    Chart::default().run(
        |world, core, sea| {
            world.set_stop_at_failure(stop);
            recording.into_iter().for_each(|recording| world.set_recording(recording));
            world.add_node(core, "right", sea.hosts[0], producer(None));
            world.add_node(core, "wrong", sea.hosts[1], producer(Some(wrong)));
        },
        |world, core, outcome, _| Seen {
            digest: outcome.digest,
            reason: outcome.reason,
            failures: world.failures().to_vec(),
            told: told(world.failures(), core),
            recorded: world.finish_recording(core),
        },
    )
}

fn told(failures: &[Failure], core: &Core<wavetank_models::world::Event>) -> Vec<String> {
    failures.iter().map(|failure| failure.as_finding(core).to_string()).collect()
}

#[test]
fn the_online_checker_ends_the_run_at_the_first_violation_and_says_what_it_is() {
    let recording = || Some(Recording::new().checked(Options::default()));
    let seen = two_producers(recording(), true, 1_050);
    let why = "inconsistent-offsets: x: offset 3 holds 3 and 1050";
    assert_eq!(seen.reason, EndReason::Stopped(why.into()));
    assert_eq!(seen.told, [format!("violation at 0.510000000 s, seen by the history: {why}")]);
    assert_eq!(seen.failures[0].by, Witness::History);
    let (history, report) = seen.recorded.unwrap().checked.unwrap();
    assert!(history.len() < 300, "the run ended there: {}", history.len());
    assert!(!report.bad.is_empty());

    let seen = two_producers(recording(), false, 1_050);
    assert_eq!((seen.reason, seen.failures.len()), (EndReason::Idle, 1), "told once, and the run goes on");
    assert_eq!(seen.recorded.unwrap().checked.unwrap().0.len(), 400);
}

#[test]
fn what_a_guest_records_ends_the_run_too() {
    let reason = Chart::default().run(
        |world, core, sea| {
            world.set_recording(Recording::new().checked(Options::default()));
            let factory: Factory = Box::new(|_| {
                Guest::behaviour(|guest| async move {
                    for value in 0..9 {
                        guest.sleep(ms(5)).await;
                        guest.act(|cx| {
                            let open = send(cx, PRODUCER, value);
                            sent(cx, open, if value < 4 { value as i64 } else { 1 }, value)
                        });
                    }
                })
            });
            world.add_node(core, "guest", sea.hosts[0], factory);
        },
        |_, _, outcome, _| (outcome.now, outcome.reason),
    );
    let why = "inconsistent-offsets: x: offset 1 holds 1 and 4";
    assert_eq!(reason, (ms(25), EndReason::Stopped(why.into())));
}

/// A file that all can see.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_run_is_the_same_with_and_without_a_recorder_and_the_file_is_what_was_checked() {
    let plain = two_producers(None, true, u64::MAX);
    assert!(plain.recorded.is_none() && plain.reason == EndReason::Idle);
    let file = Shared::default();
    let both = Recording::new().checked(Options::default()).written(Box::new(file.clone()));
    let seen = two_producers(Some(both), true, u64::MAX);
    assert_eq!(seen.digest, plain.digest);
    let read = reader::read(&file.0.lock().unwrap()[..], "the file").unwrap();
    assert_eq!(lines(&read), lines(&checked(seen.recorded.unwrap())));
    assert_eq!(read.len(), 400);
}

/// A file on a disk that gets full.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| std::io::Error::other("the disk is full"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_cannot_be_written_is_said_at_the_end_and_changes_nothing_else() {
    let recording = Recording::new().checked(Options::default()).written(Box::new(Full(5_000)));
    let seen = two_producers(Some(recording), true, u64::MAX);
    assert_eq!(seen.digest, two_producers(None, true, u64::MAX).digest);
    let recorded = seen.recorded.unwrap();
    assert_eq!(recorded.broken.unwrap().to_string(), "the history cannot be written: the disk is full");
    assert_eq!(recorded.checked.unwrap().0.len(), 400, "the checker goes on");
}
