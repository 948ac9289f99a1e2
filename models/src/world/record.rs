//! The recorder of what clients asked and were told: a history in Jepsen's vocabulary, as it happens.
//!
//! It belongs to the world, so it survives its clients. A *client* is one logical thread of a node, named by a number
//! that the node's process gives it ([`ClientId`]); it does one thing at a time, begins it with
//! [`Cx::invoke`] and ends it with [`Cx::complete`]. The numbers by which a
//! history knows clients (Jepsen's processes) are the recorder's business:
//!
//! * when a node's life ends, whatever its clients have open closes as `info`, for nobody will ever know;
//! * whoever ends with `info`, or comes back in a new life, goes on under a number that nobody had before;
//! * nobody ends what is not open any more: not a later life, and not the same client after it has gone on.
//!
//! Times are true virtual time, whatever a node's clocks say; indices count operations in the order in which they are
//! recorded, from 0. Recording is no event and makes no choice: a run is the same to the last event with it and without,
//! unless the [online checker](Online) finds a violation and ends it.

use super::{Cx, Event, Witness, World};
use std::fmt;
use std::io::Write;
use std::ops::Range;
use wavetank_sim::{Core, Nanos, NodeId};
use wavetank_traces::Concern;
use wavetank_traces::check::online::Online;
use wavetank_traces::check::{Options, Report, Story};
use wavetank_traces::history::{
    Draft, Form, Function, History, KeyId, Kind, LinesRecorder, Process, RecordError, Recorder, Value,
};

/// A logical thread of a node, by the number that its process gives it; small numbers, for they are places in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// An operation that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation {
    client: ClientId,
    index: u64,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It happened.
    Ok,
    /// It did not happen and never will, for this reason.
    Fail(&'static str),
    /// Nobody knows, for this reason. The client goes on under a new number.
    Info(&'static str),
}

impl Ended {
    fn kind(self) -> Kind {
        match self {
            Ended::Ok => Kind::Ok,
            Ended::Fail(_) => Kind::Fail,
            Ended::Info(_) => Kind::Info,
        }
    }

    fn error(self) -> Option<&'static str> {
        match self {
            Ended::Ok => None,
            Ended::Fail(why) | Ended::Info(why) => Some(why),
        }
    }
}

/// The reason for which an operation closes whose client died.
pub const KILLED: &str = "killed";
/// The reason for which an operation closes whose client began another one.
pub const ABANDONED: &str = "abandoned";
/// The reason for which an operation closes that is open when the run ends.
pub const RUN_ENDED: &str = "the run ended";

/// Records the operations of a world's clients.
#[derive(Default)]
pub struct Recording {
    sinks: Sinks,
    now: Nanos,
    next_index: u64,
    next_process: i64,
    /// By node, its clients by their numbers.
    nodes: Vec<Vec<Client>>,
    /// Reasons that were given so far, as values of the history.
    reasons: Vec<(&'static str, Value)>,
    /// What a completion is put together in.
    completion: Draft,
}

/// One client of one node.
#[derive(Default)]
struct Client {
    /// Its number in the history; `None` when it is to get a new one.
    process: Option<Process>,
    /// The index of its open invocation.
    open: Option<u64>,
    /// What it last invoked: what it closes with when its outcome stays unknown.
    invoked: Draft,
}

/// Where operations go.
#[derive(Default)]
struct Sinks {
    online: Option<Box<Online>>,
    /// It takes no more: a prefix of the history is checked.
    online_is_full: bool,
    /// The online checker has found a violation, and it has not been told yet.
    news: bool,
    /// It is to tell at the end alone.
    at_end: bool,
    lines: Option<LinesRecorder<Box<dyn Write + Send>>>,
    broken: Option<RecordError>,
}

/// A recording that is over.
#[derive(Debug)]
pub struct Recorded {
    /// What was recorded and what the checkers say of it, if it was checked.
    pub checked: Option<(History, Report)>,
    /// Why the recording is not whole, if it is not: it could not be written, or it got too long.
    pub broken: Option<RecordError>,
}

impl Recording {
    /// One that goes nowhere yet.
    pub fn new() -> Recording {
        Recording::default()
    }

    /// Also keeps everything in memory and checks it for this, operation by operation.
    #[must_use]
    pub fn checked(mut self, options: Options) -> Recording {
        assert_eq!(self.next_index, 0, "a sink takes all or nothing");
        self.sinks.online = Some(Box::new(Online::new(options)));
        self
    }

    /// The same, but the checkers are heard at the end alone: what looks wrong to them may be explained by what else is known.
    #[must_use]
    pub fn checked_at_end(mut self, options: Options) -> Recording {
        self.sinks.at_end = true;
        self.checked(options)
    }

    /// Also writes each operation as a line, at once; `out` had better have a buffer. When it fails, nothing more is
    /// written, and [`Recorded::broken`] says so.
    #[must_use]
    pub fn written(mut self, out: Box<dyn Write + Send>) -> Recording {
        assert_eq!(self.next_index, 0, "a sink takes all or nothing");
        self.sinks.lines = Some(LinesRecorder::new(out, Form::Ranges));
        self
    }

    /// What is recorded from now on happens at that time.
    pub(super) fn at(&mut self, now: Nanos) {
        self.now = now;
    }

    /// The number of a key, new or known.
    fn key(&mut self, name: &str) -> KeyId {
        self.sinks.intern(|sink| sink.key(name)).unwrap_or(KeyId(0))
    }

    /// Values of a key are written again under a new producer epoch.
    fn rewritten(&mut self, key: KeyId, values: Range<u64>) {
        if let Some(online) = &mut self.sinks.online {
            online.rewritten(key, values);
        }
    }

    fn invoke(
        &mut self,
        node: NodeId,
        client: ClientId,
        function: Function,
        fill: impl FnOnce(&mut Draft),
    ) -> Invocation {
        if let Some(index) = self.client(node, client).open {
            self.complete_as_invoked(node, Invocation { client, index }, Ended::Info(ABANDONED));
        }
        let (index, time, next) = (self.take_index(), self.time(), Process(self.next_process));
        let client_of_node = self.client(node, client);
        let is_new = client_of_node.process.is_none();
        let process = *client_of_node.process.get_or_insert(next);
        client_of_node.open = Some(index);
        let draft = &mut client_of_node.invoked;
        draft.clear();
        fill(draft);
        (draft.index, draft.time, draft.process) = (index, time, Some(process));
        (draft.kind, draft.function, draft.error) = (Kind::Invoke, function, None);
        self.next_process += i64::from(is_new);
        self.sinks.record(&self.nodes[node.0 as usize][client.0 as usize].invoked);
        Invocation { client, index }
    }

    fn complete(&mut self, node: NodeId, invocation: Invocation, ended: Ended, fill: impl FnOnce(&mut Draft)) -> bool {
        if !self.is_open(node, invocation) {
            return false;
        }
        let error = ended.error().map(|why| self.reason(why));
        let (index, time) = (self.take_index(), self.time());
        let client = &mut self.nodes[node.0 as usize][invocation.client.0 as usize];
        let draft = &mut self.completion;
        draft.clear();
        fill(draft);
        (draft.index, draft.time, draft.process) = (index, time, client.process);
        (draft.kind, draft.function, draft.error) = (ended.kind(), client.invoked.function, error);
        client.close(ended);
        self.sinks.record(draft);
        true
    }

    /// Ends an operation with what it was invoked with: all that is known of one that failed or whose outcome is not
    /// known.
    fn complete_as_invoked(&mut self, node: NodeId, invocation: Invocation, ended: Ended) -> bool {
        if !self.is_open(node, invocation) {
            return false;
        }
        let error = ended.error().map(|why| self.reason(why));
        let (index, time) = (self.take_index(), self.time());
        let client = &mut self.nodes[node.0 as usize][invocation.client.0 as usize];
        let draft = &mut client.invoked;
        (draft.index, draft.time, draft.kind, draft.error) = (index, time, ended.kind(), error);
        self.sinks.record(draft);
        client.close(ended);
        true
    }

    /// A node's life is over, and its clients with it.
    pub(super) fn life_ended(&mut self, node: NodeId) {
        self.close_all(node, KILLED);
        for client in self.nodes.get_mut(node.0 as usize).into_iter().flatten() {
            client.process = None;
        }
    }

    /// What the online checker has found since it was last asked, and the key that it is about.
    fn news(&mut self) -> Option<(String, Option<Concern>)> {
        if !std::mem::take(&mut self.sinks.news) {
            return None;
        }
        let online = self.sinks.online.as_ref()?;
        let proof = online.violation()?;
        let about = proof.key().map(|key| Concern::Partition(online.history().key_name(key).into()));
        Some((format!("{}: {}", proof.anomaly(), Story::new(online.history()).sentence(proof)), about))
    }

    /// The end of the run: closes what is open as `info`, and checks the whole.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        for node in 0..self.nodes.len() as u32 {
            self.close_all(NodeId(node), RUN_ENDED);
        }
        let Sinks { online, lines, mut broken, .. } = self.sinks;
        if let Some(Err(error)) = lines.map(LinesRecorder::finish) {
            broken.get_or_insert(error.into());
        }
        Recorded { checked: online.map(|online| online.finish()), broken }
    }

    fn close_all(&mut self, node: NodeId, why: &'static str) {
        let clients = self.nodes.get(node.0 as usize).map_or(0, Vec::len) as u32;
        for client in (0..clients).map(ClientId) {
            if let Some(index) = self.client(node, client).open {
                self.complete_as_invoked(node, Invocation { client, index }, Ended::Info(why));
            }
        }
    }

    fn client(&mut self, node: NodeId, client: ClientId) -> &mut Client {
        let (node, client) = (node.0 as usize, client.0 as usize);
        if self.nodes.len() <= node {
            self.nodes.resize_with(node + 1, Vec::new);
        }
        let clients = &mut self.nodes[node];
        if clients.len() <= client {
            clients.resize_with(client + 1, Client::default);
        }
        &mut clients[client]
    }

    fn is_open(&self, node: NodeId, invocation: Invocation) -> bool {
        let clients = self.nodes.get(node.0 as usize);
        let client = clients.and_then(|clients| clients.get(invocation.client.0 as usize));
        client.is_some_and(|client| client.open == Some(invocation.index))
    }

    fn take_index(&mut self) -> u64 {
        self.next_index += 1;
        self.next_index - 1
    }

    fn time(&self) -> i64 {
        self.now.0 as i64
    }

    fn reason(&mut self, why: &'static str) -> Value {
        if let Some((_, value)) = self.reasons.iter().find(|(known, _)| *known == why) {
            return *value;
        }
        let value = self.sinks.intern(|sink| sink.value(&why.into())).unwrap_or(Value(0));
        self.reasons.push((why, value));
        value
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("operations", &self.next_index).finish_non_exhaustive()
    }
}

impl Client {
    fn close(&mut self, ended: Ended) {
        self.open = None;
        if let Ended::Info(_) = ended {
            self.process = None;
        }
    }
}

impl Sinks {
    /// Asks all sinks for a number. All have been asked for the same before, so all give the same.
    fn intern<T: Copy + PartialEq + fmt::Debug>(&mut self, ask: impl Fn(&mut dyn Recorder) -> T) -> Option<T> {
        let online = self.online.as_mut().map(|online| ask(&mut **online));
        let lines = self.lines.as_mut().map(|lines| ask(lines));
        debug_assert!(online.is_none() || lines.is_none() || online == lines, "{online:?} and {lines:?}");
        online.or(lines)
    }

    /// Gives an operation to all. Who cannot take it is given none after it.
    fn record(&mut self, draft: &Draft) {
        if let Some(online) = self.online.as_mut().filter(|_| !self.online_is_full) {
            let had_one = online.violation().is_some();
            match online.add(draft) {
                Ok(violation) => self.news |= violation.is_some() && !had_one && !self.at_end,
                Err(refusal) => {
                    self.online_is_full = true;
                    self.broken.get_or_insert(refusal.into());
                }
            }
        }
        if let Some(lines) = &mut self.lines
            && let Err(error) = lines.record(draft)
        {
            self.lines = None;
            self.broken.get_or_insert(error);
        }
    }
}

/// What a world without a recorder says to everybody.
const NOT_RECORDED: Invocation = Invocation { client: ClientId(0), index: 0 };

/// Recording, as a process and a guest do it. Without a recorder nothing happens, and closures are not called.
impl Cx<'_> {
    /// The number of a key (a partition's name) in the history, new or known.
    pub fn history_key(&mut self, name: &str) -> KeyId {
        self.recording.as_mut().map_or(KeyId(0), |recording| recording.key(name))
    }

    /// Tells the recorder that a producer writes these values again under a new epoch, while an earlier write of them may
    /// land: see [`Online::rewritten`].
    pub fn rewritten_in_history(&mut self, key: KeyId, values: Range<u64>) {
        if let Some(recording) = &mut self.recording {
            recording.rewritten(key, values);
        }
    }

    /// Records that a client of this node begins an operation; `fill` says what it asks for. One that it has open still
    /// is given up: that closes as `info`.
    pub fn invoke(&mut self, client: ClientId, function: Function, fill: impl FnOnce(&mut Draft)) -> Invocation {
        let node = self.me.node;
        self.recording.as_mut().map_or(NOT_RECORDED, |recording| recording.invoke(node, client, function, fill))
    }

    /// Records how an operation ended; `fill` says what the client was told. `false`, and nothing is recorded, when it is
    /// not open any more.
    pub fn complete(&mut self, invocation: Invocation, ended: Ended, fill: impl FnOnce(&mut Draft)) -> bool {
        let node = self.me.node;
        self.recording.as_mut().is_some_and(|recording| recording.complete(node, invocation, ended, fill))
    }

    /// As [`complete`](Cx::complete), when the client was told no more than what it had asked for: how an operation that
    /// failed, or whose outcome is unknown, ends.
    pub fn complete_as_invoked(&mut self, invocation: Invocation, ended: Ended) -> bool {
        let node = self.me.node;
        self.recording.as_mut().is_some_and(|recording| recording.complete_as_invoked(node, invocation, ended))
    }
}

/// The world's side.
impl World {
    /// From now on, what clients ask and are told is recorded there. Before the first node is added: numbers of keys mean
    /// something to one recorder only.
    pub fn set_recording(&mut self, recording: Recording) {
        assert!(self.nodes.is_empty(), "clients would have numbers of another recorder");
        self.recording = Some(Box::new(recording));
    }

    /// Ends the recording, at the end of the run: what is open closes as `info`, and the whole is checked. `None` if there
    /// was none.
    pub fn finish_recording(&mut self, core: &Core<Event>) -> Option<Recorded> {
        let mut recording = self.recording.take()?;
        recording.at(core.now());
        Some(recording.finish())
    }

    /// A violation that the online checker has found is a broken promise like any other.
    #[inline]
    pub(super) fn heed_recording(&mut self, core: &mut Core<Event>) {
        if let Some((why, about)) = self.recording.as_mut().and_then(|recording| recording.news()) {
            self.broken_promise(core, Witness::History, why, about.into_iter().collect());
        }
    }
}
