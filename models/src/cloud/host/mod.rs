//! A host: cores, the thread pools of the processes on it, their bounded queues, and what makes them wait.
//!
//! # Contract of faults
//! May: delay any job for as long as a pause, a slow-down, empty CPU credits or missing cores hold; discard the jobs of
//! a process that died, and of a connection that closed what nobody has read yet. Never: serve a job twice, lose one
//! without saying so, serve two requests of one connection out of order or at once, serve anything while paused, exceed
//! a queue's bound. Every submitted job ends as exactly one [`HostDone`].
//!
//! # The model, in the order of a Kafka broker (`SocketServer`, `RequestChannel`, `KafkaRequestHandlerPool`)
//! 1. A request waits in its connection's socket buffer until the one before it is through: `Processor` mutes a channel
//!    when it has received a request and reads on when the channel is unmuted ([`Unmute`] says when that is).
//! 2. A network thread reads and parses it (CPU time [`HostSpec::network`]) and puts it into the request queue. A full
//!    queue (`ArrayBlockingQueue::put`) blocks the network thread: it keeps its request and needs no core.
//! 3. A handler thread takes it from the queue and serves it (CPU time [`HostSpec::handler`]): [`HostDone::Serve`].
//! 4. Background threads do [`work`](Host::work): compaction, recovery, checkpoints.
//! 5. A thread with work needs a core. Ready threads get one in the order in which they became ready and give it back
//!    after a time slice if others wait.
//! 6. A pause freezes every thread where it is; a slow-down stretches what is left; burstable types without credits get
//!    only what they earn. Running jobs are delayed by exactly that.
//!
//! Thread pools and queues belong to a process (an [`Incarnation`]), cores and faults to the host. A stage of zero CPU
//! time makes no event and needs no core; a pause still holds it.
//!
//! # Simpler than reality, and what that can hide
//! - Network threads are one pool; Kafka pins a connection to one of them, so an unlucky spread of busy connections, or
//!   one blocked thread, hurts only its own connections there, and more.
//! - Sending a response takes no network thread; put its cost into [`HostSpec::network`]. Hides response queue times.
//! - Round-robin over time slices, no priorities, no migration cost, no caches: EEVDF lets a thread that slept overtake,
//!   so short requests beside long background work wait *less* in reality; context switches and cold caches cost more.
//! - A GC pause stops the whole host, not one process, costs no credits and does not depend on the allocation rate.
//! - No locks: two requests for one partition never wait for each other here.
//! - Surplus credits (unlimited mode) are counted for good; AWS lets later earnings pay them back within 24 hours.
//! - Memory is not modelled: no page cache, no swapping, no out-of-memory kill.

mod clock;
mod spec;
mod stats;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod theory;
mod threads;

pub use spec::{CpuCredits, GcProfile, HostSpec, HostSpecError, ServiceShape, ServiceTime, Unmute};
pub use stats::{HostStats, WaitStage, WaitStats};

use crate::cloud::Output;
use crate::fault::FaultId;
use clock::{CpuClock, Speed};
use slotmap::{Key, SlotMap, new_key_type};
use std::collections::VecDeque;
use wavetank_sim::{Choices, Domain, Incarnation, Nanos, SortedMap, Stream};

new_key_type! {
    struct JobKey;
    struct ProcessKey;
}

/// A wake-up's meaning; opaque to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStep(StepKind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepKind {
    /// The job's thread has had what it needs of its core, if nothing came in between.
    Ran(JobKey),
    /// The host's own stop-the-world pause begins.
    GcBegins,
    /// It ends.
    GcEnds,
}

impl HostStep {
    /// A word that tells steps apart, for the digest.
    pub fn fingerprint(self) -> u64 {
        match self.0 {
            StepKind::Ran(key) => key.data().as_ffi(),
            StepKind::GcBegins => 1,
            StepKind::GcEnds => 2,
        }
    }
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostDone<J> {
    /// Its CPU time is through: deliver it.
    Serve {
        /// The job.
        job: J,
        /// From submission to now, without `service`: queues, pauses, slow-downs.
        waited: Nanos,
        /// CPU time it needed at full speed, all stages together.
        service: Nanos,
    },
    /// It will never be served: its process died or its connection closed. Free its payload.
    Discarded {
        /// The job.
        job: J,
    },
    /// A stop-the-world collection of the host's own began: what runs on the host stands still, timers and all.
    CollectionBegan,
    /// It ended.
    CollectionEnded,
}

/// What a host answers with.
pub type HostOutput<J> = Output<HostStep, HostDone<J>>;

/// What can be done to a host. Overlays: any number hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFault {
    /// Every thread is frozen while it holds: a stop-the-world collection, a live migration, a stopped VM.
    Pause,
    /// Service takes `num / den` times as long: a noisy neighbour, CPU steal, thermal throttling. Several multiply. A
    /// zero on either side counts as one.
    Slow {
        /// Stretch, above the line.
        num: u32,
        /// Stretch, below the line.
        den: u32,
    },
    /// So many cores take no new thread (running ones finish their slice). Several add up; nothing runs when none is
    /// left.
    CoresOffline {
        /// How many.
        cores: u32,
    },
}

/// Which threads do a piece of [`work`](Host::work).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkPool {
    /// The process's background threads.
    Background,
}

/// Which thread a job holds or waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    Network,
    Handler,
    Background,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind an earlier request of its connection.
    Socket,
    /// First of its connection, waits for a network thread.
    Readable,
    /// Waits for a background thread.
    Background,
    /// Its thread waits for a core.
    Ready(Pool),
    /// Its thread has a core.
    Running(Pool),
    /// Its network thread waits for room in the request queue.
    Blocked,
    /// In the request queue.
    Queued,
}

#[derive(Debug)]
struct Job<J> {
    handle: J,
    process: ProcessKey,
    flow: u64,
    bytes: u64,
    place: Place,
    // When it came to where it waits now.
    since: Nanos,
    submitted: Nanos,
    // Service drawn so far, and what is left of the present stage's.
    service: Nanos,
    left: Nanos,
    // While running: where the clock of work has to be for the slice to end, and the wake-up that will look.
    target: u64,
    wake: Nanos,
    // The next request of the same connection.
    next: Option<JobKey>,
}

/// A connection that has a request somewhere, or owes a response.
#[derive(Debug, Default)]
struct Flow {
    // The socket buffer: a list through `Job::next`.
    first: Option<JobKey>,
    last: Option<JobKey>,
    // Served, and muted until the driver says that the response is out (`Unmute::OnResponse`).
    owes_response: bool,
    // Closed while a request of it was being served: no response will ever be sent.
    closed: bool,
}

#[derive(Debug)]
struct Process {
    owner: Incarnation,
    network_free: u32,
    handlers_free: u32,
    background_free: u32,
    readable: VecDeque<JobKey>,
    queue: VecDeque<JobKey>,
    blocked: VecDeque<JobKey>,
    background: VecDeque<JobKey>,
    // Muted connections and what waits in their socket buffers.
    flows: SortedMap<u64, Flow>,
}

/// A host. `J` is the driver's handle of a job, opaque here.
#[derive(Debug)]
pub struct Host<J> {
    spec: HostSpec,
    clock: CpuClock,
    faults: SortedMap<FaultId, HostFault>,
    in_gc: bool,
    jobs: SlotMap<JobKey, Job<J>>,
    processes: SlotMap<ProcessKey, Process>,
    by_owner: SortedMap<Incarnation, ProcessKey>,
    ready: VecDeque<JobKey>,
    // Threads whose stage costs nothing but that a pause caught.
    frozen: VecDeque<JobKey>,
    running: Vec<JobKey>,
    queued: u32,
    blocked: u32,
    service_draws: Stream,
    gc_draws: Stream,
    stats: HostStats,
}

impl<J: Copy> Host<J> {
    /// A host with nothing to do. `entity` is its number among hosts, for its streams.
    ///
    /// # Errors
    /// When nothing would ever run on it.
    pub fn new(spec: HostSpec, choices: &Choices, entity: u64) -> Result<Host<J>, HostSpecError> {
        spec.validate()?;
        Ok(Host {
            clock: CpuClock::new(spec.credits),
            spec,
            faults: SortedMap::new(),
            in_gc: false,
            jobs: SlotMap::with_key(),
            processes: SlotMap::with_key(),
            by_owner: SortedMap::new(),
            ready: VecDeque::new(),
            frozen: VecDeque::new(),
            running: Vec::new(),
            queued: 0,
            blocked: 0,
            service_draws: choices.stream(Domain::new("host/service"), entity),
            gc_draws: choices.stream(Domain::new("host/gc"), entity),
            stats: HostStats::default(),
        })
    }

    /// To be called once, before all else: sets the host's own pauses going, where it has any.
    pub fn start(&mut self, now: Nanos, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        self.plan_gc(now, out);
    }

    /// A request of `bytes` bytes has arrived for process `owner` on connection `flow` (a number unique within the
    /// process).
    pub fn submit(
        &mut self,
        now: Nanos,
        job: J,
        owner: Incarnation,
        flow: u64,
        bytes: u64,
        out: &mut Vec<HostOutput<J>>,
    ) {
        self.tick(now);
        let process = self.process_of(owner);
        let key = self.insert(now, job, process, flow, bytes, Place::Socket);
        let flows = &mut self.processes[process].flows;
        if let Some(muted) = flows.get_mut(&flow) {
            match muted.last.replace(key) {
                Some(last) => self.jobs[last].next = Some(key),
                None => muted.first = Some(key),
            }
            return;
        }
        flows.insert(flow, Flow::default());
        self.readable(process, key);
        self.settle(now, process, out);
    }

    /// Work of that much CPU time for `pool`. Ends as `Serve` too.
    pub fn work(
        &mut self,
        now: Nanos,
        job: J,
        owner: Incarnation,
        pool: WorkPool,
        service: Nanos,
        out: &mut Vec<HostOutput<J>>,
    ) {
        self.tick(now);
        let process = self.process_of(owner);
        match pool {
            WorkPool::Background => {
                let key = self.insert(now, job, process, 0, 0, Place::Background);
                self.jobs[key].left = service;
                self.processes[process].background.push_back(key);
            }
        }
        self.settle(now, process, out);
    }

    /// The response to the request that connection `flow` was last served has been sent: its next one may be read.
    /// Only for [`Unmute::OnResponse`]; a response that nobody owes is ignored.
    pub fn responded(&mut self, now: Nanos, owner: Incarnation, flow: u64, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        let Some(&process) = self.by_owner.get(&owner) else { return };
        let Some(muted) = self.processes[process].flows.get_mut(&flow) else { return };
        if std::mem::take(&mut muted.owes_response) {
            self.unmute(process, flow);
            self.settle(now, process, out);
        }
    }

    /// The data sheet.
    pub fn spec(&self) -> &HostSpec {
        &self.spec
    }

    /// A wake-up that this host asked for.
    pub fn step(&mut self, now: Nanos, step: HostStep, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        match step.0 {
            StepKind::Ran(key) => self.ran(now, key, out),
            StepKind::GcBegins => {
                self.in_gc = true;
                self.apply_faults(now, out);
                out.push(Output::Done(HostDone::CollectionBegan));
                let duration = self.spec.gc.as_ref().map_or(Nanos::ZERO, |gc| gc.duration.sample(&mut self.gc_draws));
                out.push(Output::Wake { at: now.saturating_add(duration), step: HostStep(StepKind::GcEnds) });
            }
            StepKind::GcEnds => {
                self.in_gc = false;
                out.push(Output::Done(HostDone::CollectionEnded));
                self.apply_faults(now, out);
                self.plan_gc(now, out);
            }
        }
    }

    /// Lays a fault over the host. An id that is in use gets the new fault instead.
    pub fn inject(&mut self, now: Nanos, id: FaultId, fault: HostFault, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        self.faults.insert(id, fault);
        self.apply_faults(now, out);
    }

    /// Takes a fault away. An id that is not in use is ignored.
    pub fn heal(&mut self, now: Nanos, id: FaultId, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        if self.faults.remove(&id).is_some() {
            self.apply_faults(now, out);
        }
    }

    /// A process died: every job of it is discarded, its threads, queues and connections are gone.
    pub fn process_died(&mut self, now: Nanos, owner: Incarnation, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        let Some(process) = self.by_owner.remove(&owner) else { return };
        let gone = self.processes.remove(process).expect("listed by owner");
        self.queued -= gone.queue.len() as u32;
        self.blocked -= gone.blocked.len() as u32;
        let jobs = &self.jobs;
        self.ready.retain(|key| jobs[*key].process != process);
        self.frozen.retain(|key| jobs[*key].process != process);
        self.running.retain(|key| jobs[*key].process != process);
        // In the order of slots: the same in every run.
        let dead: Vec<JobKey> = self.jobs.iter().filter(|(_, j)| j.process == process).map(|(key, _)| key).collect();
        for key in dead {
            self.discard(key, out);
        }
        self.busy_changed(out);
        self.dispatch(now, out);
    }

    /// Connection `flow` closed: what is still in its socket buffer is discarded; a request that a network thread has
    /// read already is served all the same, as in Kafka, and its response goes nowhere.
    pub fn connection_closed(&mut self, now: Nanos, owner: Incarnation, flow: u64, out: &mut Vec<HostOutput<J>>) {
        self.tick(now);
        let Some(&process) = self.by_owner.get(&owner) else { return };
        let Some(muted) = self.processes[process].flows.get_mut(&flow) else { return };
        let mut waiting = muted.first.take();
        muted.last = None;
        while let Some(key) = waiting {
            waiting = self.jobs[key].next;
            self.discard(key, out);
        }
        let jobs = &self.jobs;
        let unread = self.processes[process].readable.iter().position(|key| jobs[*key].flow == flow);
        if let Some(at) = unread {
            let key = self.processes[process].readable.remove(at).expect("found above");
            self.discard(key, out);
        }
        let read = self.jobs.values().any(|job| job.process == process && job.flow == flow && in_pipeline(job.place));
        let flows = &mut self.processes[process].flows;
        match flows.get_mut(&flow) {
            Some(muted) if read => muted.closed = true,
            Some(_) | None => {
                flows.remove(&flow);
            }
        }
    }

    /// Whether a network thread has read a request of that connection which has not been served yet.
    pub fn is_serving(&self, owner: Incarnation, flow: u64) -> bool {
        let Some(&process) = self.by_owner.get(&owner) else { return false };
        self.jobs.values().any(|job| job.process == process && job.flow == flow && in_pipeline(job.place))
    }

    /// What was counted up to `now`.
    pub fn stats(&mut self, now: Nanos) -> &HostStats {
        self.tick(now);
        &self.stats
    }

    /// Jobs that have not ended.
    pub fn jobs_open(&self) -> usize {
        self.jobs.len()
    }

    /// Thousandths of a CPU credit left as of the last call; `None` for types without credits.
    pub fn credits_milli(&self) -> Option<u64> {
        self.clock.credits_milli()
    }

    /// Core-nanoseconds spent beyond the credit balance in unlimited mode, as of the last call: what is billed.
    pub fn surplus_core_nanos(&self) -> u64 {
        self.clock.surplus_core_nanos()
    }

    /// Brings clock and integrals up to `now`.
    fn tick(&mut self, now: Nanos) {
        let span = u128::from((now - self.stats.until).0);
        if span > 0 {
            let stats = &mut self.stats;
            if self.clock.is_paused() {
                stats.paused += now - stats.until;
            } else {
                stats.busy_core_nanos += span * u128::from(self.clock.busy());
            }
            stats.request_queue_nanos += span * u128::from(self.queued);
            stats.blocked_network_threads_nanos += span * u128::from(self.blocked);
            stats.core_queue_nanos += span * self.ready.len() as u128;
            stats.until = now;
        }
        self.clock.advance(now);
    }

    fn process_of(&mut self, owner: Incarnation) -> ProcessKey {
        let (processes, spec) = (&mut self.processes, &self.spec);
        *self.by_owner.entry(owner).or_insert_with(|| {
            processes.insert(Process {
                owner,
                network_free: spec.network_threads,
                handlers_free: spec.request_handler_threads,
                background_free: spec.background_threads,
                readable: VecDeque::new(),
                queue: VecDeque::new(),
                blocked: VecDeque::new(),
                background: VecDeque::new(),
                flows: SortedMap::new(),
            })
        })
    }

    fn insert(&mut self, now: Nanos, handle: J, process: ProcessKey, flow: u64, bytes: u64, place: Place) -> JobKey {
        self.stats.submitted += 1;
        self.jobs.insert(Job {
            handle,
            process,
            flow,
            bytes,
            place,
            since: now,
            submitted: now,
            service: Nanos::ZERO,
            left: Nanos::ZERO,
            target: 0,
            wake: Nanos::MAX,
            next: None,
        })
    }

    fn readable(&mut self, process: ProcessKey, key: JobKey) {
        self.jobs[key].place = Place::Readable;
        self.processes[process].readable.push_back(key);
    }

    fn after_request(&mut self, process: ProcessKey, flow: u64) {
        let muted = self.processes[process].flows.get_mut(&flow).expect("a connection with a request is muted");
        assert!(!muted.owes_response, "a connection served two requests at once");
        match self.spec.unmute {
            Unmute::OnResponse if !muted.closed => muted.owes_response = true,
            Unmute::OnServed | Unmute::OnResponse => {
                muted.closed = false;
                self.unmute(process, flow);
            }
        }
    }

    /// The connection's next request may be read; without one, the connection is forgotten until its next request.
    fn unmute(&mut self, process: ProcessKey, flow: u64) {
        let flows = &mut self.processes[process].flows;
        let Some(muted) = flows.get_mut(&flow) else { return };
        match muted.first {
            Some(key) => {
                muted.first = self.jobs[key].next.take();
                if muted.first.is_none() {
                    muted.last = None;
                }
                self.readable(process, key);
            }
            None => {
                flows.remove(&flow);
            }
        }
    }

    fn serve(&mut self, now: Nanos, key: JobKey, out: &mut Vec<HostOutput<J>>) {
        let job = self.jobs.remove(key).expect("a job ends once");
        self.stats.served += 1;
        // A slow-down below one (a faster host) can serve in less than the nominal time.
        let waited = (now - job.submitted).saturating_sub(job.service);
        out.push(Output::Done(HostDone::Serve { job: job.handle, waited, service: job.service }));
    }

    fn discard(&mut self, key: JobKey, out: &mut Vec<HostOutput<J>>) {
        let job = self.jobs.remove(key).expect("a job ends once");
        self.stats.discarded += 1;
        out.push(Output::Done(HostDone::Discarded { job: job.handle }));
    }

    /// The faults that hold, and the host's own pause, make the speed; whoever waits for what they held may go on.
    fn apply_faults(&mut self, now: Nanos, out: &mut Vec<HostOutput<J>>) {
        let held = self.in_gc || self.faults.values().any(|fault| matches!(fault, HostFault::Pause));
        let speed = self.faults.values().fold(Speed::FULL, |speed, fault| match fault {
            HostFault::Slow { num, den } => speed.stretched((*num).max(1), (*den).max(1)),
            HostFault::Pause | HostFault::CoresOffline { .. } => speed,
        });
        if self.clock.set_faults(if held { Speed::PAUSED } else { speed }) {
            self.arm_all(out);
        }
        self.dispatch(now, out);
    }

    fn plan_gc(&mut self, now: Nanos, out: &mut Vec<HostOutput<J>>) {
        if let Some(gc) = &self.spec.gc {
            // At least a nanosecond apart, or a profile of zeros would never let time pass.
            let every = gc.every.sample(&mut self.gc_draws).max(Nanos(1));
            out.push(Output::Wake { at: now.saturating_add(every), step: HostStep(StepKind::GcBegins) });
        }
    }
}

/// Whether a network thread has read the request.
fn in_pipeline(place: Place) -> bool {
    match place {
        Place::Socket | Place::Readable | Place::Background => false,
        Place::Ready(pool) | Place::Running(pool) => pool != Pool::Background,
        Place::Blocked | Place::Queued => true,
    }
}
