//! The divergence finder: two runs side by side, and the first record in which they differ.

use crate::threads::on_fresh_thread;
use crate::trace::{Event, Record};
use crate::{Observer, threads};
use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Where two runs that should be one differ.
#[derive(Clone, Debug)]
pub struct Divergence<E> {
    /// How many records were the same.
    pub same: u64,
    /// The first run's next record, or `None` when it ended there.
    pub left: Option<Record<E>>,
    /// The second run's.
    pub right: Option<Record<E>>,
    /// The last records that both had, oldest first.
    pub before: Vec<Record<E>>,
}

impl<E: fmt::Debug> fmt::Display for Divergence<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the runs differ after {} equal records; what led there:", self.same)?;
        for record in &self.before {
            writeln!(f, "    {record}")?;
        }
        for (name, record) in [("first", &self.left), ("second", &self.right)] {
            match record {
                Some(record) => writeln!(f, "  {name:>6} run: {record}")?,
                None => writeln!(f, "  {name:>6} run: ended")?,
            }
        }
        Ok(())
    }
}

/// How many equal records are kept for context.
const CONTEXT: usize = 16;
/// Records handed over at once: a hand-over costs microseconds, a record nanoseconds.
const BATCH: usize = 4096;

/// Runs `first` and `second` at the same time, each on a fresh thread and each with an [`Observer`] to pass to its run,
/// and compares them record by record. `None` when they are the same to the end. Both are stopped at the first
/// difference.
///
/// # Errors
/// When a run panics before any difference.
pub fn lockstep<E: Event>(
    first: impl FnOnce(Observer<E>) + Send,
    second: impl FnOnce(Observer<E>) + Send,
) -> Result<Option<Divergence<E>>, threads::Panicked> {
    let (left_in, left_out) = sync_channel(4);
    let (right_in, right_out) = sync_channel(4);
    threads::three(
        || on_fresh_thread(|| first(tap(left_in))),
        || on_fresh_thread(|| second(tap(right_in))),
        || compare(left_out, right_out),
    )
}

/// An observer that passes records on in batches, the last of them when it is dropped.
fn tap<E: Event>(out: SyncSender<Vec<Record<E>>>) -> Observer<E> {
    struct Tap<E> {
        batch: Vec<Record<E>>,
        out: SyncSender<Vec<Record<E>>>,
    }
    impl<E> Drop for Tap<E> {
        fn drop(&mut self) {
            // An error means that nobody compares any more.
            let _ = self.out.send(std::mem::take(&mut self.batch));
        }
    }
    let mut tap = Tap { batch: Vec::with_capacity(BATCH), out };
    Box::new(move |record| {
        tap.batch.push(*record);
        if tap.batch.len() < BATCH {
            return true;
        }
        let batch = std::mem::replace(&mut tap.batch, Vec::with_capacity(BATCH));
        tap.out.send(batch).is_ok()
    })
}

/// Takes the records of one run one by one.
struct Side<E> {
    batches: Receiver<Vec<Record<E>>>,
    batch: std::vec::IntoIter<Record<E>>,
}

impl<E: Event> Side<E> {
    fn next(&mut self) -> Option<Record<E>> {
        loop {
            if let Some(record) = self.batch.next() {
                return Some(record);
            }
            self.batch = self.batches.recv().ok()?.into_iter();
        }
    }
}

fn compare<E: Event>(left: Receiver<Vec<Record<E>>>, right: Receiver<Vec<Record<E>>>) -> Option<Divergence<E>> {
    let mut left = Side { batches: left, batch: Vec::new().into_iter() };
    let mut right = Side { batches: right, batch: Vec::new().into_iter() };
    let mut before = VecDeque::with_capacity(CONTEXT);
    let mut same = 0;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (Some(l), Some(r)) if l.words() == r.words() => {
                if before.len() == CONTEXT {
                    before.pop_front();
                }
                before.push_back(l);
                same += 1;
            }
            (l, r) => return Some(Divergence { same, left: l, right: r, before: before.into() }),
        }
    }
}
