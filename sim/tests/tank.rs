//! The tank's promises, one by one: lives do not mix, pauses hold, guests are exact, runs repeat.

use std::sync::{Arc, Mutex};
use wavetank_sim::{
    Choices, Core, Dispatch, Domain, EndReason, Event, EventId, GuestHandle, Incarnation, Limits, Mailbox, Nanos,
    NodeId, NodeState, Observer, Outcome, Reseed, Tank, lockstep, on_fresh_thread, run,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ev {
    /// Delivered to a node; the number is the payload.
    Note(u64),
    /// A step of the test's script.
    Script(u64),
}

impl Event for Ev {
    fn fingerprint(&self) -> (u64, u64) {
        match self {
            Ev::Note(n) => (1, *n),
            Ev::Script(n) => (2, *n),
        }
    }
}

type Log = Vec<(u64, Option<Incarnation>, Ev)>;
type Script = Box<dyn FnMut(&Arc<Tank<Ev>>, &mut Core<Ev>, u64) + Send>;

/// Logs what it gets; script events call the test's closure.
struct Probe {
    tank: Arc<Tank<Ev>>,
    log: Log,
    discarded: Vec<Ev>,
    script: Script,
}

impl Dispatch<Ev> for Probe {
    fn dispatch(&mut self, core: &mut Core<Ev>, to: Option<Incarnation>, event: Ev) {
        self.log.push((core.now().0, to, event));
        if let Ev::Script(n) = event {
            (self.script)(&self.tank.clone(), core, n);
        }
    }
    fn discard(&mut self, _: &mut Core<Ev>, _: Incarnation, event: Ev) {
        self.discarded.push(event);
    }
}

struct Seen {
    log: Log,
    discarded: Vec<Ev>,
    outcome: Outcome<Ev>,
}

impl Seen {
    fn notes(&self) -> Vec<(u64, u32, u64)> {
        let note = |(at, to, event): &(u64, Option<Incarnation>, Ev)| match event {
            Ev::Note(n) => Some((*at, to.map_or(0, |to| to.epoch.0), *n)),
            Ev::Script(_) => None,
        };
        self.log.iter().filter_map(note).collect()
    }
}

const NODE: NodeId = NodeId(0);

/// One node; script steps at the given times.
fn probe(
    choices: impl Into<Choices>,
    limits: Limits,
    observer: Option<Observer<Ev>>,
    steps: &[u64],
    script: Script,
) -> Seen {
    run(
        choices,
        limits,
        observer,
        |tank, core| {
            core.create_node("only");
            for (n, at) in steps.iter().enumerate() {
                core.schedule(Nanos(*at), Ev::Script(n as u64));
            }
            Arc::new(Mutex::new(Probe { tank: tank.clone(), log: Vec::new(), discarded: Vec::new(), script }))
        },
        |probe, _, outcome| Seen {
            log: std::mem::take(&mut probe.log),
            discarded: std::mem::take(&mut probe.discarded),
            outcome,
        },
    )
}

fn simple(steps: &[u64], script: impl FnMut(&Arc<Tank<Ev>>, &mut Core<Ev>, u64) + Send + 'static) -> Seen {
    probe(1, Limits::default(), None, steps, Box::new(script))
}

fn note(core: &mut Core<Ev>, at: u64, n: u64) -> EventId {
    let to = core.incarnation(NODE);
    core.schedule_to(Nanos(at), to, Ev::Note(n))
}

#[test]
fn nothing_of_an_old_life_reaches_the_new_one() {
    let seen = simple(&[0, 100, 200], |_, core, n| match n {
        0 => {
            for at in [50, 150, 250] {
                note(core, at, at);
            }
        }
        1 => core.kill(NODE, |_| ()),
        _ => {
            let life = core.restart(NODE);
            assert_eq!(life.epoch.0, 2);
            note(core, 260, 260);
        }
    });
    assert_eq!(seen.notes(), [(50, 1, 50), (260, 2, 260)]);
    assert_eq!(seen.discarded, [Ev::Note(150), Ev::Note(250)]);
    assert_eq!(seen.outcome.discarded, 2);
}

#[test]
fn a_cancelled_event_never_comes_and_cancelling_late_does_nothing() {
    let mut ids = Vec::new();
    let seen = simple(&[0, 100], move |_, core, n| match n {
        0 => ids = vec![note(core, 50, 1), note(core, 150, 2)],
        _ => {
            assert_eq!(core.cancel(ids[0]), None);
            assert_eq!(core.cancel(ids[1]), Some(Ev::Note(2)));
            assert_eq!(core.cancel(ids[1]), None);
        }
    });
    assert_eq!(seen.notes(), [(50, 1, 1)]);
}

#[test]
fn a_paused_node_gets_everything_later_in_order_and_before_anything_newer() {
    for seed in 0..50 {
        let steps = [0, 10, 100];
        let script = |_: &Arc<Tank<Ev>>, core: &mut Core<Ev>, n| match n {
            0 => {
                for (at, n) in [(5, 0), (20, 1), (30, 2), (40, 3), (100, 4), (110, 5)] {
                    note(core, at, n);
                }
            }
            1 => core.pause(NODE),
            _ => {
                assert_eq!(core.node_state(NODE), NodeState::Paused);
                core.resume(NODE);
                core.resume(NODE);
                note(core, 100, 6);
            }
        };
        let seen = probe(seed, Limits::default(), None, &steps, Box::new(script));
        let notes = seen.notes();
        let order: Vec<u64> = notes.iter().map(|n| n.2).collect();
        assert_eq!((&order[..4], order[6]), (&[0, 1, 2, 3][..], 5), "seed {seed}");
        assert!(notes[1..6].iter().all(|n| n.0 == 100), "{notes:?}");
    }
}

#[test]
fn killing_a_paused_node_discards_what_waited() {
    let mut freed = Vec::new();
    let seen = simple(&[0, 10, 50, 60], move |_, core, n| match n {
        0 => drop(note(core, 20, 1)),
        1 => core.pause(NODE),
        2 => {
            core.kill(NODE, |event| freed.push(event));
            assert_eq!(freed, [Ev::Note(1)]);
        }
        _ => {
            core.restart(NODE);
            note(core, 70, 2);
        }
    });
    assert_eq!(seen.notes(), [(70, 2, 2)]);
}

#[test]
fn a_pause_within_the_resumption_holds_the_rest() {
    // The first note that is delivered pauses the node again.
    let seen = simple(&[0, 10, 50, 90], |_, core, n| match n {
        0 => {
            let to = core.incarnation(NODE);
            core.schedule_to(Nanos(20), to, Ev::Script(100));
            note(core, 30, 2);
        }
        1 | 100 => core.pause(NODE),
        _ => core.resume(NODE),
    });
    assert_eq!(seen.notes(), [(90, 1, 2)]);
    assert!(seen.log.contains(&(
        50,
        Some(Incarnation { node: NODE, epoch: wavetank_sim::NodeEpoch(1) }),
        Ev::Script(100)
    )));
}

#[test]
fn at_one_instant_the_last_wish_counts_and_no_resumption_outlives_its_pause() {
    type Wish = fn(&mut Core<Ev>);
    let (pause, resume): (Wish, Wish) = (|core| core.pause(NODE), |core| core.resume(NODE));
    let cases: [(Vec<Wish>, u64); 4] = [
        (vec![pause, resume, pause], 90),
        (vec![pause, resume, resume, pause], 90),
        (vec![pause, resume, pause, resume], 50),
        (vec![resume, resume], 50),
    ];
    for seed in 0..20 {
        for (wishes, delivered_at) in cases.clone() {
            let script = move |_: &Arc<Tank<Ev>>, core: &mut Core<Ev>, n| match n {
                0 => {
                    core.pause(NODE);
                    note(core, 20, 1);
                }
                1 => wishes.iter().for_each(|wish| wish(core)),
                _ => core.resume(NODE),
            };
            let seen = probe(seed, Limits::default(), None, &[0, 50, 90], Box::new(script));
            assert_eq!(seen.notes(), [(delivered_at, 1, 1)], "seed {seed}");
        }
    }
}

#[test]
fn a_pause_right_after_a_resumption_takes_it_back_and_a_second_resumption_is_none() {
    // Both within one call of the world: the resumption has not begun yet.
    let seen = simple(&[0, 10, 50, 90], |_, core, n| match n {
        0 => drop(note(core, 20, 1)),
        1 => core.pause(NODE),
        2 => {
            core.resume(NODE);
            core.pause(NODE);
        }
        _ => core.resume(NODE),
    });
    assert_eq!(seen.notes(), [(90, 1, 1)]);
    // What was asked for twice does not end a pause that began in between.
    let seen = simple(&[0, 10, 50, 90], |_, core, n| match n {
        0 => {
            let to = core.incarnation(NODE);
            core.schedule_to(Nanos(20), to, Ev::Script(77));
            note(core, 30, 1);
        }
        1 | 77 => core.pause(NODE),
        2 => {
            core.resume(NODE);
            core.resume(NODE);
        }
        _ => core.resume(NODE),
    });
    assert_eq!(seen.notes(), [(90, 1, 1)]);
}

#[test]
fn runs_end_for_a_stated_reason() {
    let idle = simple(&[5], |_, _, _| ());
    assert_eq!((idle.outcome.reason, idle.outcome.now), (EndReason::Idle, Nanos(5)));
    let forever = |_: &Arc<Tank<Ev>>, core: &mut Core<Ev>, n| {
        core.schedule(core.now() + Nanos(10), Ev::Script(n));
    };
    let limits = Limits { events_max: 7, ..Limits::default() };
    let capped = probe(1, limits, None, &[0], Box::new(forever)).outcome;
    assert_eq!((capped.reason, capped.events, capped.now), (EndReason::EventCap, 7, Nanos(60)));
    let limits = Limits { time_max: Nanos(95), ..Limits::default() };
    let late = probe(1, limits, None, &[0], Box::new(forever)).outcome;
    assert_eq!((late.reason, late.events, late.now), (EndReason::TimeCap, 10, Nanos(95)));
    let itself = |_: &Arc<Tank<Ev>>, core: &mut Core<Ev>, _| {
        let me = core.incarnation(NODE);
        while !core.is_over() {
            core.note(me, Ev::Note(0));
        }
    };
    let limits = Limits { events_max: 7, ..Limits::default() };
    let fed = probe(1, limits, None, &[0, 5], Box::new(itself)).outcome;
    assert_eq!((fed.reason, fed.events, fed.now), (EndReason::EventCap, 8, Nanos(0)));
    let stopped = simple(&[3, 9], |_, core, _| core.stop("enough")).outcome;
    assert_eq!((stopped.reason, stopped.now), (EndReason::Stopped("enough".into()), Nanos(3)));
}

// ---- guests ----

type Shared<T> = Arc<Mutex<T>>;

fn spawn(
    tank: &Arc<Tank<Ev>>,
    core: &mut Core<Ev>,
    body: impl FnOnce(GuestHandle<Ev>) -> wavetank_sim::GuestFuture + Send,
) {
    let handle = tank.guest(core.incarnation(NODE));
    core.spawn_guest(NODE, body(handle));
}

#[test]
fn a_guests_sleep_is_exact_to_the_nanosecond_and_runs_on_the_nodes_clock() {
    let times: Shared<Vec<u64>> = Arc::default();
    let seen_times = times.clone();
    simple(&[1_000], move |tank, core, _| {
        core.set_clock_drift(NODE, 100_000_000);
        let times = times.clone();
        spawn(tank, core, move |me| {
            Box::pin(async move {
                for span in [1, 999, 11_000, 110_000_000] {
                    me.sleep(Nanos(span)).await;
                    times.lock().unwrap().push(me.tank().lock().now().0);
                }
            })
        });
    });
    // A clock that runs 10 % fast: 11,000 local nanoseconds are 10,000 true ones, rounded up.
    assert_eq!(*seen_times.lock().unwrap(), [1_001, 1_910, 11_910, 100_011_910]);
}

#[test]
fn a_killed_guest_is_dropped_before_time_moves_and_never_wakes() {
    struct OnDrop(Shared<Vec<(u64, &'static str)>>, GuestHandle<Ev>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let now = self.1.tank().lock().now().0;
            self.0.lock().unwrap().push((now, "dropped"));
        }
    }
    let log: Shared<Vec<(u64, &'static str)>> = Arc::default();
    let seen = log.clone();
    for paused in [false, true] {
        let log = log.clone();
        simple(&[0, 100, 150, 160], move |tank, core, n| match n {
            0 => {
                let log = log.clone();
                spawn(tank, core, move |me| {
                    Box::pin(async move {
                        let guard = OnDrop(log.clone(), me.clone());
                        me.sleep(Nanos(120)).await;
                        log.lock().unwrap().push((me.tank().lock().now().0, "woke"));
                        drop(guard);
                    })
                });
            }
            1 if paused => core.pause(NODE),
            1 => core.kill(NODE, |_| ()),
            2 if paused => core.kill(NODE, |_| ()),
            2 => (),
            _ => drop(core.restart(NODE)),
        });
    }
    assert_eq!(*seen.lock().unwrap(), [(100, "dropped"), (150, "dropped")]);
}

#[test]
fn a_paused_guest_stands_still_and_goes_on_after() {
    let log: Shared<Vec<u64>> = Arc::default();
    let seen = log.clone();
    let mailbox: Mailbox<u64> = Mailbox::default();
    simple(&[0, 15, 20, 57], move |tank, core, n| match n {
        0 => {
            let (log, mailbox) = (log.clone(), mailbox.clone());
            spawn(tank, core, move |me| {
                Box::pin(async move {
                    for _ in 0..3 {
                        me.sleep(Nanos(10)).await;
                        log.lock().unwrap().push(me.tank().lock().now().0);
                    }
                    let got = mailbox.recv().await;
                    log.lock().unwrap().push(me.tank().lock().now().0 + got);
                })
            });
        }
        1 => core.pause(NODE),
        2 => mailbox.push(1_000),
        _ => core.resume(NODE),
    });
    assert_eq!(*seen.lock().unwrap(), [10, 57, 67, 1_067]);
}

#[test]
fn a_dropped_sleep_is_cancelled() {
    let outcome = simple(&[0], |tank, core, _| {
        spawn(tank, core, |me| {
            Box::pin(async move {
                let mut long = Box::pin(me.sleep(Nanos::secs(1_000)));
                let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(long.as_mut().poll(cx).is_pending()));
                assert!(polled.await);
                drop(long);
                me.sleep(Nanos(5)).await;
            })
        });
    })
    .outcome;
    assert_eq!(outcome.now, Nanos(5));
}

#[test]
fn a_guest_that_never_waits_ends_the_run() {
    let outcome = simple(&[3, 9], |tank, core, _| {
        spawn(tank, core, |_| {
            Box::pin(std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            }))
        });
    })
    .outcome;
    assert_eq!((outcome.reason, outcome.now), (EndReason::Livelock, Nanos(3)));
}

#[test]
fn killing_a_madsim_node_behind_the_tanks_back_is_refused() {
    let panic = on_fresh_thread(|| {
        simple(&[0, 10], |_, _, n| {
            if n == 0 {
                madsim::runtime::Handle::current().kill("only");
            }
        });
    });
    assert!(panic.unwrap_err().message.contains("behind the tank's back"));
}

// ---- determinism ----

/// A busy world of machines and guests under kills, restarts and pauses.
fn busy(seed: u64, observer: Option<Observer<Ev>>, planted: Option<u64>) -> Outcome<Ev> {
    let steps: Vec<u64> = (0..300).map(|n| n * 1_000).collect();
    let mut stream = wavetank_sim::Choices::new(seed).stream(Domain::new("busy"), 0);
    let script = move |tank: &Arc<Tank<Ev>>, core: &mut Core<Ev>, n: u64| {
        for _ in 0..3 {
            let at = core.now() + stream.nanos(Nanos(0)..Nanos(5_000));
            if core.node_state(NODE) != NodeState::Down {
                note(core, at.0, n);
            }
        }
        match stream.range(0..12) {
            0 => core.kill(NODE, |_| ()),
            1 if core.node_state(NODE) == NodeState::Down => drop(core.restart(NODE)),
            2 => core.pause(NODE),
            3 | 4 => core.resume(NODE),
            5..8 if core.node_state(NODE) != NodeState::Down => {
                let naps: Vec<Nanos> = (0..5).map(|_| stream.nanos(Nanos(0)..Nanos(3_000))).collect();
                spawn(tank, core, |me| {
                    Box::pin(async move {
                        for nap in naps {
                            me.sleep(nap).await;
                            let mut core = me.tank().lock();
                            let at = core.now();
                            note(&mut core, at.0, 77);
                        }
                    })
                });
            }
            _ => (),
        }
        if planted == Some(n) {
            // What a model might do by mistake: something that no seed decides.
            let address = std::ptr::from_ref(&n) as u64 ^ std::process::id() as u64;
            core.schedule(core.now() + Nanos(1), Ev::Note(address | 1 << 63));
        }
    };
    probe(seed, Limits::default(), observer, &steps, Box::new(script)).outcome
}

#[test]
fn same_seed_same_digest_and_other_seed_other_digest() {
    let digest = |seed| on_fresh_thread(move || busy(seed, None, None).digest).unwrap();
    let mut all = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let first = digest(seed);
        assert_eq!(first, digest(seed), "seed {seed}");
        assert!(all.insert(first), "seed {seed} repeats another's digest");
    }
}

#[test]
fn a_pinned_digest_holds_in_every_build_and_on_every_machine() {
    // Change it only with the tank's own behaviour, and say so in the commit.
    let outcome = on_fresh_thread(|| busy(42, None, None)).unwrap();
    assert_eq!((outcome.events, outcome.digest.to_string().as_str()), (700, "8bd05c895eceb9415c8542f5dfb2f7ea"));
}

#[test]
fn lockstep_is_silent_on_equal_runs_and_names_the_first_difference() {
    let equal = lockstep(|o| drop(busy(3, Some(o), None)), |o| drop(busy(3, Some(o), None))).unwrap();
    assert!(equal.is_none(), "{}", equal.unwrap());
    let found = lockstep(|o| drop(busy(3, Some(o), None)), |o| drop(busy(3, Some(o), Some(100)))).unwrap().unwrap();
    assert!(found.same > 100 && !found.before.is_empty());
    let right = found.right.expect("the second run goes on").to_string();
    let left = found.left.expect("the first run goes on").to_string();
    assert_ne!(left, right);
    let ended = lockstep(
        |o| drop(probe(1, Limits::default(), Some(o), &[0, 5], Box::new(|_, _, _| ()))),
        |o| drop(probe(1, Limits::default(), Some(o), &[0], Box::new(|_, _, _| ()))),
    );
    let ended = ended.unwrap().unwrap();
    assert!(ended.left.is_some() && ended.right.is_none(), "{ended}");
}

#[test]
fn a_panicking_run_is_reported_by_lockstep() {
    let broken = |o| drop(probe(1, Limits::default(), Some(o), &[0], Box::new(|_, _, _| panic!("broken model"))));
    assert_eq!(lockstep(broken, broken).unwrap_err().message, "broken model");
}

/// What a stream that is made at once, and one that is made on the way, draw at each step; and in which order the notes of one
/// instant come that each step schedules.
fn drawn_at_each_step(choices: Choices) -> Vec<(u64, u64, Vec<u64>)> {
    let (drawn, steps) = (Arc::new(Mutex::new(Vec::new())), [10, 20, 30, 40]);
    let (into, mut early, mut late) = (drawn.clone(), None, None);
    let script = move |_: &Arc<Tank<Ev>>, core: &mut Core<Ev>, n: u64| {
        let early = early.get_or_insert_with(|| core.choices().stream(Domain::new("test/early"), 0));
        let late =
            (n >= 2).then(|| late.get_or_insert_with(|| core.choices().stream(Domain::new("test/late"), 0)).bits64());
        into.lock().unwrap().push((early.bits64(), late.unwrap_or(0)));
        for note in 0..16 {
            core.schedule(core.now() + Nanos(5), Ev::Note(100 * n + note));
        }
    };
    let seen = probe(choices, Limits::default(), None, &steps, Box::new(script));
    let notes = |n: u64| seen.notes().iter().map(|note| note.2).filter(|note| note / 100 == n).collect::<Vec<_>>();
    let drawn = drawn.lock().unwrap().clone();
    (0..).zip(drawn).map(|(n, (early, late))| (early, late, notes(n))).collect()
}

#[test]
fn from_its_moment_on_another_seed_is_drawn_from_and_nothing_changes_before() {
    let of = |later| drawn_at_each_step(Choices::new(1).reseeded(later));
    let kept = drawn_at_each_step(Choices::new(1));
    let at = |at| of(Reseed { at: Nanos(at), seed: 2 });
    assert_eq!(at(41), kept, "nothing is drawn after it");
    let changed = at(30);
    assert_eq!(changed[..2], kept[..2]);
    for (new, old) in changed[2..].iter().zip(&kept[2..]) {
        assert!(new.0 != old.0 && new.1 != old.1, "streams of before and after it");
        assert_ne!(new.2, old.2, "the order of one instant");
    }
    // From its start on, and only then, it is the other seed's run.
    assert_eq!(at(0), drawn_at_each_step(Choices::new(2)));
    let other = Reseed { at: Nanos(30), seed: 3 };
    assert_ne!(of(other)[2..], changed[2..]);
}
