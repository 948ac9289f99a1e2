//! A run as a timeline for Perfetto or `chrome://tracing`: trace events in JSON, in virtual time.
//!
//! | track | what is on it |
//! |---|---|
//! | the storm | a slice a fault |
//! | each node | its lives as slices, and within them the times at which it stood still |
//! | each node, "says" | what it said ([`Probe`]), what its operations met, what it reached: instants |
//! | each node, by name | requests of its producer, recoveries of logs, failovers and job restarts: slices from begin to end |
//! | lag | by group: records that were acknowledged and not read |
//!
//! Written as it happens; what is kept is what has begun and not ended. Everything that is open when a node dies ends with
//! it, and the rest with the run. The format: "Trace Event Format" of the Chromium project, JSON object form; times are
//! microseconds, here with three digits more.

use super::story::kind;
use crate::case::Case;
use crate::storm::Met;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use wavetank_models::kafka::ids::GroupId;
use wavetank_models::probe::Probe;
use wavetank_models::world::{Happening, Onlooker};
use wavetank_sim::{Incarnation, Nanos, NodeId};

/// The storm's process; nodes have theirs after it.
const STORM: u32 = 1;
/// Clients' lag.
const LAG: u32 = 2;
const FIRST_NODE: u32 = 3;
/// A node's threads.
const LIFE: u32 = 1;
const SAYS: u32 = 2;
/// Lag is written no more often than this.
const LAG_EVERY: Nanos = Nanos::millis(20);

/// Something with a begin and an end, beside others of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Span {
    /// A batch on its way to a partition, in order.
    Request(String),
    /// A log from its acquisition until it is empty.
    Recovery(u32, i64),
    /// Of a broker.
    Failover(u32),
    /// Of a job.
    Restart(u32),
}

/// A span's id and name: viewers want both again at its end.
type Begun = (u64, String);

/// What a node has begun and not ended.
#[derive(Default)]
struct Open {
    lives: bool,
    still: bool,
    spans: BTreeMap<Span, VecDeque<Begun>>,
}

/// Writes a run's timeline, as it happens: for Perfetto or `chrome://tracing`.
pub struct Timeline<W: Write + Send> {
    out: W,
    /// The first error: nothing is written after it.
    broken: Option<io::Error>,
    is_empty: bool,
    last: Nanos,
    nodes: BTreeMap<NodeId, Open>,
    faults: Faults,
    spans: u64,
    produced: u64,
    consumed: BTreeMap<GroupId, (u64, Nanos)>,
}

/// Faults, by when they begin, and those that go on.
struct Faults {
    to_come: VecDeque<(Nanos, Nanos, String)>,
    open: BTreeMap<(Nanos, u64), String>,
}

impl<W: Write + Send> Timeline<W> {
    /// Of a run of that case.
    pub fn new(out: W, case: &Case) -> Timeline<W> {
        let entries = case.storm().entries.iter();
        let mut to_come: Vec<_> = entries.map(|entry| (entry.start, entry.ends(), entry.what.to_string())).collect();
        to_come.sort();
        let mut timeline = Timeline {
            out,
            broken: None,
            is_empty: true,
            last: Nanos::ZERO,
            nodes: BTreeMap::new(),
            faults: Faults { to_come: to_come.into(), open: BTreeMap::new() },
            spans: 0,
            produced: 0,
            consumed: BTreeMap::new(),
        };
        timeline.raw("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
        for (process, name) in [(STORM, "the storm"), (LAG, "lag")] {
            timeline.name(process, name);
        }
        timeline
    }

    /// Ends what is open, and the file.
    ///
    /// # Errors
    /// The first thing that went wrong while it was written.
    pub fn finish(&mut self, end: Nanos) -> io::Result<()> {
        self.go_on_to(end.max(self.last));
        let end = self.last;
        for ((_, id), what) in std::mem::take(&mut self.faults.open) {
            self.end_span(end, STORM, "fault", (id, what), "the run ended");
        }
        self.nodes.keys().copied().collect::<Vec<_>>().into_iter().for_each(|node| self.end_life(end, node));
        self.raw("\n]}\n");
        let flushed = self.out.flush();
        match self.broken.take() {
            Some(error) => Err(error),
            None => flushed,
        }
    }

    fn raw(&mut self, text: &str) {
        if self.broken.is_none()
            && let Err(error) = self.out.write_all(text.as_bytes())
        {
            self.broken = Some(error);
        }
    }

    /// Writes an event; `more` is what it has beside its time and place.
    fn event(&mut self, at: Nanos, process: u32, thread: u32, more: &serde_json::Value) {
        let comma = if std::mem::take(&mut self.is_empty) { "" } else { "," };
        let more = more.to_string();
        let more = more.strip_prefix('{').and_then(|more| more.strip_suffix('}')).expect("an object");
        let (micros, nanos) = (at.0 / 1_000, at.0 % 1_000);
        let place = format!("\"ts\":{micros}.{nanos:03},\"pid\":{process},\"tid\":{thread}");
        self.raw(&format!("{comma}\n{{{place},{more}}}"));
    }

    fn name(&mut self, process: u32, name: &str) {
        let named = json!({"ph": "M", "name": "process_name", "args": {"name": name}});
        self.event(Nanos::ZERO, process, 0, &named);
        let sorted = json!({"ph": "M", "name": "process_sort_index", "args": {"sort_index": process}});
        self.event(Nanos::ZERO, process, 0, &sorted);
    }

    fn name_thread(&mut self, process: u32, thread: u32, name: &str) {
        let named = json!({"ph": "M", "name": "thread_name", "args": {"name": name}});
        self.event(Nanos::ZERO, process, thread, &named);
    }

    fn begin_span(&mut self, at: Nanos, process: u32, category: &str, name: &str) -> u64 {
        self.spans += 1;
        let begins = json!({"ph": "b", "cat": category, "id": self.spans, "name": name});
        self.event(at, process, SAYS, &begins);
        self.spans
    }

    fn end_span(&mut self, at: Nanos, process: u32, category: &str, (id, name): Begun, how: &str) {
        let ends = json!({"ph": "e", "cat": category, "id": id, "name": name, "args": {"how": how}});
        self.event(at, process, SAYS, &ends);
    }

    /// Faults that begin and end until then.
    fn go_on_to(&mut self, now: Nanos) {
        self.last = now;
        loop {
            let begins = self.faults.to_come.front().map(|(start, ..)| *start).filter(|start| *start <= now);
            let ends = self.faults.open.keys().next().copied().filter(|(end, _)| *end <= now);
            match (begins, ends) {
                (Some(begins), ends) if ends.is_none_or(|(ends, _)| begins <= ends) => {
                    let (start, end, what) = self.faults.to_come.pop_front().expect("looked at");
                    let id = self.begin_span(start, STORM, "fault", &what);
                    self.faults.open.insert((end, id), what);
                }
                (_, Some((end, id))) => {
                    let what = self.faults.open.remove(&(end, id)).expect("looked at");
                    self.end_span(end, STORM, "fault", (id, what), "healed");
                }
                (_, None) => return,
            }
        }
    }

    fn begin_life(&mut self, now: Nanos, life: Incarnation) {
        let named = json!({"ph": "B", "name": format!("life {}", life.epoch.0)});
        self.event(now, process(life.node), LIFE, &named);
        self.nodes.entry(life.node).or_default().lives = true;
    }

    fn end_life(&mut self, now: Nanos, node: NodeId) {
        let Open { lives, still, spans } = std::mem::take(self.nodes.entry(node).or_default());
        for _ in 0..u32::from(lives) + u32::from(still) {
            self.event(now, process(node), LIFE, &json!({"ph": "E"}));
        }
        for (span, begun) in spans {
            for begun in begun {
                self.end_span(now, process(node), span.category(), begun, "its node died, or the run ended");
            }
        }
    }

    fn set_still(&mut self, now: Nanos, node: NodeId, still: bool) {
        let open = self.nodes.entry(node).or_default();
        if open.lives && open.still != still {
            open.still = still;
            let event = if still { json!({"ph": "B", "name": "stands still"}) } else { json!({"ph": "E"}) };
            self.event(now, process(node), LIFE, &event);
        }
    }

    fn instant(&mut self, now: Nanos, node: NodeId, name: &str, what: &str) {
        let event = json!({"ph": "i", "s": "t", "name": name, "args": {"what": what}});
        self.event(now, process(node), SAYS, &event);
    }

    fn begins(&mut self, now: Nanos, node: NodeId, span: Span, name: &str) {
        let id = self.begin_span(now, process(node), span.category(), name);
        let open = self.nodes.entry(node).or_default();
        open.spans.entry(span).or_default().push_back((id, name.into()));
    }

    /// Ends the oldest of these, if there is one.
    fn ends(&mut self, now: Nanos, node: NodeId, span: Span, how: &str) {
        let open = self.nodes.entry(node).or_default();
        if let Some(begun) = open.spans.get_mut(&span).and_then(VecDeque::pop_front) {
            self.end_span(now, process(node), span.category(), begun, how);
        }
    }

    fn said(&mut self, now: Nanos, node: NodeId, probe: &Probe) {
        self.instant(now, node, kind(probe), &format!("{probe:?}"));
        match probe {
            Probe::Sent { tp, records } => {
                self.begins(now, node, Span::Request(tp.to_string()), &format!("{records} records to {tp}"));
            }
            Probe::Produced { span, .. } => {
                self.ends(now, node, Span::Request(span.tp.to_string()), "acknowledged");
                self.produced += span.next - span.base;
            }
            Probe::GaveUp { tp, .. } => self.ends(now, node, Span::Request(tp.to_string()), "given up"),
            Probe::WalAcquired { wal, epoch, .. } => {
                let name = format!("recovers the log of broker {wal} in epoch {epoch}");
                self.begins(now, node, Span::Recovery(wal.0, epoch.0), &name);
            }
            Probe::WalReset { wal, epoch } => self.ends(now, node, Span::Recovery(wal.0, epoch.0), "empty"),
            Probe::FailoverBegan { broker, .. } => {
                self.begins(now, node, Span::Failover(broker.0), &format!("failover of broker {broker}"));
            }
            Probe::FailoverDone { broker, .. } => self.ends(now, node, Span::Failover(broker.0), "done"),
            Probe::JobFailed { job } => {
                self.ends(now, node, Span::Restart(*job), "failed again");
                self.begins(now, node, Span::Restart(*job), &format!("job {job} restarts"));
            }
            Probe::JobCaughtUp { job } => self.ends(now, node, Span::Restart(*job), "caught up"),
            Probe::Consumed { group, span, .. } => self.consumed.entry(*group).or_default().0 += span.next - span.base,
            _ => {}
        }
        self.write_lag(now);
    }

    fn write_lag(&mut self, now: Nanos) {
        let produced = self.produced;
        let is_due = |last: &Nanos| *last == Nanos::ZERO || now >= *last + LAG_EVERY;
        let due = self.consumed.iter_mut().filter(|(_, (_, last))| is_due(last));
        let lags: Vec<(GroupId, u64)> = due
            .map(|(group, (consumed, last))| {
                *last = now;
                (*group, produced.saturating_sub(*consumed))
            })
            .collect();
        for (group, lag) in lags {
            let name = format!("lag of group {group}");
            self.event(now, LAG, 0, &json!({"ph": "C", "name": name, "args": {"records": lag}}));
        }
    }
}

impl Span {
    fn category(&self) -> &'static str {
        match self {
            Span::Request(_) => "request",
            Span::Recovery(..) => "recovery",
            Span::Failover(_) => "failover",
            Span::Restart(_) => "restart",
        }
    }
}

fn process(node: NodeId) -> u32 {
    FIRST_NODE + node.0
}

impl<W: Write + Send> Onlooker for Timeline<W> {
    fn heed(&mut self, now: Nanos, happening: &Happening<'_>) {
        self.go_on_to(now);
        match *happening {
            Happening::Named { node, name } => {
                self.name(process(node), name);
                self.name_thread(process(node), LIFE, "life");
                self.name_thread(process(node), SAYS, "says");
            }
            Happening::Begins(life) => self.begin_life(now, life),
            Happening::Ends(life) => self.end_life(now, life.node),
            Happening::Pauses(life) => self.set_still(now, life.node, true),
            Happening::Resumes(life) => self.set_still(now, life.node, false),
            Happening::Exits { by, why } => self.instant(now, by.node, "exit", why),
            Happening::Meets { by, operation, fate } => {
                self.instant(now, by.node, "odd operation", &Met { operation, fate }.to_string());
            }
            Happening::Reached { by, situation } => self.instant(now, by.node, "reached", situation),
            Happening::Said { by, probe } => self.said(now, by.node, probe),
        }
    }
}
