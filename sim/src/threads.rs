//! Threads: the only place that makes them.
//!
//! A world runs on one thread from its first event to its last, and each world gets a fresh one: what a thread keeps
//! (hash seeds, allocator caches) then cannot leak from one run into the next.
#![allow(clippy::disallowed_methods)]

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, mpsc};

/// A run that panicked: a bug in wavetank or in a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// What the panic said.
    pub message: String,
}

/// Runs `f` on a thread of its own.
///
/// # Errors
/// When it panics.
///
/// # Panics
/// When the operating system gives no thread.
pub fn on_fresh_thread<R: Send>(f: impl FnOnce() -> R + Send) -> Result<R, Panicked> {
    std::thread::scope(|scope| {
        let handle = std::thread::Builder::new()
            .name("world".into())
            .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(f)))
            .expect("the system gives a thread");
        handle.join().expect("panics are caught inside").map_err(|panic| Panicked { message: panic_message(&*panic) })
    })
}

/// How many results a job may be ahead of the one that is handed over next.
const TICKETS_PER_JOB: usize = 8;

/// Runs `f(item)` for every item, each on a fresh thread, at most `jobs` at once (capped at the machine's cores), and
/// calls `done` with each result in the order of the items, on the calling thread.
///
/// The order of results never depends on `jobs`. Items are taken one by one when a run is to begin, so there may be any
/// number of them. `done` returns `false` to start no further runs.
pub fn run_many<I, R>(
    jobs: usize,
    items: impl IntoIterator<Item = I, IntoIter: Send>,
    f: impl Fn(&I) -> R + Sync,
    mut done: impl FnMut(&I, Result<R, Panicked>) -> bool,
) where
    I: Send + Sync,
    R: Send,
{
    let jobs = jobs.clamp(1, cores());
    let next = Mutex::new(items.into_iter().enumerate().fuse());
    let is_over = AtomicBool::new(false);
    let (send, receive) = mpsc::channel::<(usize, I, Result<R, Panicked>)>();
    // Results are handed over in order, so behind one slow item the others' would pile up without bound: each run takes
    // a ticket, and gives it back when its result has been handed over.
    let (give_back, tickets) = mpsc::channel::<()>();
    let tickets = Mutex::new(tickets);
    std::thread::scope(|scope| {
        for _ in 0..jobs * TICKETS_PER_JOB {
            give_back.send(()).expect("the receiver is alive");
        }
        // Dropped with this closure, also by a panic of `done`: no run begins after that.
        let give_back = give_back;
        for _ in 0..jobs {
            let (send, next, f, tickets, is_over) = (send.clone(), &next, &f, &tickets, &is_over);
            std::thread::Builder::new()
                .name("runner".into())
                .spawn_scoped(scope, move || {
                    loop {
                        let ticket = tickets.lock().expect("nobody panics with it").recv();
                        if ticket.is_err() || is_over.load(Relaxed) {
                            return;
                        }
                        let Some((index, item)) = next.lock().expect("items do not panic").next() else { return };
                        let result = on_fresh_thread(|| f(&item));
                        if send.send((index, item, result)).is_err() {
                            return;
                        }
                    }
                })
                .expect("the system gives a thread");
        }
        drop(send);
        let mut early = std::collections::BTreeMap::new();
        let mut expected = 0;
        for (index, item, result) in receive {
            early.insert(index, (item, result));
            while let Some((item, result)) = early.remove(&expected) {
                if !done(&item, result) {
                    is_over.store(true, Relaxed);
                    return;
                }
                expected += 1;
                // An error means that all runners have gone home.
                let _ = give_back.send(());
            }
        }
    });
}

/// Runs two producers beside a consumer on this thread, for [`lockstep`](crate::lockstep). A producer's panic counts only
/// when the consumer found nothing.
pub(crate) fn three<R>(
    first: impl FnOnce() -> Result<(), Panicked> + Send,
    second: impl FnOnce() -> Result<(), Panicked> + Send,
    consumer: impl FnOnce() -> Option<R>,
) -> Result<Option<R>, Panicked> {
    std::thread::scope(|scope| {
        let producers = [scope.spawn(first), scope.spawn(second)];
        let found = consumer();
        let ends = producers.map(|producer| producer.join().expect("panics are caught inside"));
        if found.is_none() {
            ends.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(found)
    })
}

/// How many threads the machine runs at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn results_come_in_order_whatever_the_jobs_and_a_panic_is_one_result() {
        for jobs in [1, 2, 8] {
            let items: Vec<u64> = (0..50).collect();
            let mut seen = Vec::new();
            let work = |i: &u64| {
                assert!(*i != 13, "unlucky");
                i * i
            };
            run_many(jobs, items.iter().copied(), work, |i, result| {
                match result {
                    Ok(square) => assert_eq!(square, i * i),
                    Err(panic) => assert_eq!((*i, panic.message.as_str()), (13, "unlucky")),
                }
                seen.push(*i);
                true
            });
            assert_eq!(seen, items);
        }
    }

    #[test]
    fn behind_a_slow_run_the_others_do_not_pile_up() {
        let (started, handed_over, ahead) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let jobs = cores().min(2);
        let tickets = jobs * TICKETS_PER_JOB;
        let work = |i: &usize| {
            let now = started.fetch_add(1, Relaxed) + 1;
            ahead.fetch_max(now.saturating_sub(handed_over.load(Relaxed)), Relaxed);
            // The first run ends when all tickets are out.
            while *i == 0 && jobs > 1 && started.load(Relaxed) < tickets {
                std::thread::yield_now();
            }
        };
        run_many(jobs, 0..10_000, work, |i, _| {
            handed_over.store(i + 1, Relaxed);
            *i < 100
        });
        assert!(ahead.load(Relaxed) <= tickets, "{} ahead", ahead.load(Relaxed));
    }

    #[test]
    fn done_can_end_it() {
        let mut seen = 0;
        run_many(
            2,
            0..1000,
            |i| *i,
            |_, _| {
                seen += 1;
                seen < 5
            },
        );
        assert_eq!(seen, 5);
    }
}
