//! A managed NFSv4.1 share: two servers in two zones (or one), files, leases, locks.
//!
//! # Contract of faults
//! May: delay or hang any operation (throughput, takeover, a stalled server, a lost request); answer with any
//! [`NfsError`]; drop a client's state when its lease runs out or is not reclaimed; without `nvram`, lose writes that
//! were answered `Unstable` and not committed, and then only together with a change of the write verifier. Never: lose
//! what was answered as stable or committed; apply an operation twice, or in part; change anything for a client that is
//! fenced or expired; let two clients hold conflicting locks; return wrong bytes. Every operation ends as exactly one
//! [`NfsDone`], once whatever stops the share is healed.
//!
//! # The model, in the order of the real system
//! 1. A request takes its share of the operations a second and of the throughput (first come, first served), then its
//!    latency, more from another zone. FSx: the file server's network throughput and IOPS.
//! 2. It is applied as a whole at one instant, unless the share is not serving: then it hangs (a hard mount) and is
//!    sent again when it does. The session's slot makes that exactly once (RFC 8881, 2.10.6): a lost answer is repeated
//!    from the slot.
//! 3. Any operation renews its client's lease (8.3). A lease of `lease_time` that ran out takes all state with it
//!    (8.4.3); a later life of the same process replaces the earlier (18.35.5).
//! 4. A write is stable when it says so (18.32); COMMIT makes the rest stable (18.3). Both return the verifier: when it
//!    differs from the write's, what was not committed must be sent again.
//! 5. A takeover: nobody is served while it lasts (under a minute between the zones of FSx for ONTAP). Then a
//!    grace period (8.4.2.1): no new state for anyone; a client that is heard of keeps (reclaims) its state, one that
//!    is not has lost it at the end. ONTAP acknowledges a write when it is in NVRAM on both servers, so none is lost.
//! 6. A fence takes effect at the instant it is applied; writes of the fenced client that arrive later fail, however
//!    long they were on their way.
//!
//! Operations in flight together may be applied in any order (there are many slots): who wants an order waits.
//!
//! # Simpler than reality, and what that can hide
//! - No client cache: every operation is as with `O_DIRECT` on a `sync` mount, as a WAL uses it. Hides close-to-open
//!   consistency (stale reads on another client), write-back errors that show at `fsync` only, attribute caching,
//!   delegations and their recall.
//! - The process is the client; really the kernel is. It reclaims for us; [`NfsShare::process_died`] is its clean-up.
//! - Locks cover whole files. Reclaiming is implied by any operation in the grace period.
//! - A server is strict: leases expire on the dot. Courteous servers (Linux since 5.19) wait for a conflict, so a client
//!   that comes back late keeps more in reality.
//! - The file system is one flat name space, without directories to create, links or permissions. A removed file's
//!   handles are stale at once (no silly rename, no `PRESERVE_UNLINKED`).
//! - Takeover interrupts everything at once; the reply cache survives it; no split between servers is possible.
//! - Space is the sum of sizes: no snapshots, no deduplication, no tiering (row FSX-cap: tens of ms from the capacity
//!   tier), no cache of the server's (all reads cost the same), no burst credits of small file systems.
//! - One queue for the share, not one a connection (row FSX-nconn).

mod calls;
mod client;
mod file;
mod takeover;
#[cfg(test)]
mod tests;
mod types;

pub use types::{
    ClientId, FileHandle, FileKey, NfsCall, NfsDone, NfsError, NfsFate, NfsFault, NfsOp, NfsRates, NfsReply, NfsSpec,
    OpenHow, Stable, StateId, WriteVerifier,
};

use crate::blob::Blob;
use crate::cloud::Output;
use crate::fault::FaultId;
use file::File;
use slotmap::{Key, SlotMap, new_key_type};
use std::sync::Arc;
use wavetank_sim::{Choices, Domain, Incarnation, Nanos, SortedMap, Stream};

new_key_type! { struct OpKey; }

/// A wake-up's meaning; opaque to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NfsStep(StepKind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepKind {
    Apply(OpKey),
    Reply(OpKey),
    TakeoverEnds,
    Failback,
}

impl NfsStep {
    /// A word that tells steps apart, for the digest.
    pub fn fingerprint(self) -> u64 {
        match self.0 {
            StepKind::Apply(key) => key.data().as_ffi(),
            StepKind::Reply(key) => key.data().as_ffi() ^ 1 << 63,
            StepKind::TakeoverEnds => 1,
            StepKind::Failback => 2,
        }
    }
}

/// What a share answers with.
pub type NfsOutput = Output<NfsStep, NfsDone>;

#[derive(Debug)]
struct Op {
    token: u64,
    owner: Incarnation,
    op: NfsOp,
    fate: NfsFate,
    // What it takes from being sent (again) to being applied.
    latency: Nanos,
    // In the session's slot, when the answer got lost.
    result: Option<Result<NfsReply, NfsError>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientStatus {
    Active,
    Expired,
    Fenced,
    /// A later life took its place, or it was cleaned up.
    Replaced,
}

#[derive(Debug)]
struct Client {
    owner: Incarnation,
    status: ClientStatus,
    lease_until: Nanos,
    // Not heard of since the last takeover.
    must_reclaim: bool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    client: ClientId,
    file: FileKey,
    kind: StateKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateKind {
    Open,
    Lock { exclusive: bool },
}

#[derive(Clone, Copy, Debug)]
struct Takeover {
    to_az: u8,
    until: Nanos,
}

/// A share.
#[derive(Debug)]
pub struct NfsShare {
    spec: NfsSpec,
    faults: SortedMap<FaultId, NfsFault>,
    ops: SlotMap<OpKey, Op>,
    parked: Vec<OpKey>,
    names: SortedMap<Arc<str>, FileKey>,
    files: SlotMap<FileKey, File>,
    clients: SortedMap<ClientId, Client>,
    states: SlotMap<StateId, State>,
    verifier: WriteVerifier,
    used_bytes: u64,
    active_az: u8,
    // The active server went down with its zone and nobody has taken over yet.
    server_lost: bool,
    takeover: Option<Takeover>,
    grace_until: Option<Nanos>,
    // Since when nobody is served: leases stand still meanwhile.
    silent_since: Option<Nanos>,
    transfer_free_at: Nanos,
    ops_free_at: Nanos,
    read_bytes: u64,
    written_bytes: u64,
    latency_draws: Stream,
    loss_draws: Stream,
}

impl NfsShare {
    /// An empty share, served from its preferred zone. `entity` is its number among shares, for its streams.
    pub fn new(spec: NfsSpec, choices: &Choices, entity: u64) -> NfsShare {
        NfsShare {
            active_az: spec.preferred_az,
            spec,
            faults: SortedMap::new(),
            ops: SlotMap::with_key(),
            parked: Vec::new(),
            names: SortedMap::new(),
            files: SlotMap::with_key(),
            clients: SortedMap::new(),
            states: SlotMap::with_key(),
            verifier: WriteVerifier(1),
            used_bytes: 0,
            server_lost: false,
            takeover: None,
            grace_until: None,
            silent_since: None,
            transfer_free_at: Nanos::ZERO,
            ops_free_at: Nanos::ZERO,
            read_bytes: 0,
            written_bytes: 0,
            latency_draws: choices.stream(Domain::new("nfs/latency"), entity),
            loss_draws: choices.stream(Domain::new("nfs/unstable_loss"), entity),
        }
    }

    /// A process in zone `from_az` asks for `op`. Answered with one [`NfsDone`] that carries `token` and `owner`.
    #[expect(clippy::too_many_arguments, reason = "the house's shape of a device's submit")]
    pub fn submit(
        &mut self,
        now: Nanos,
        token: u64,
        owner: Incarnation,
        from_az: u8,
        op: NfsOp,
        fate: NfsFate,
        out: &mut Vec<NfsOutput>,
    ) {
        let (served_at, latency) = self.queue(now, from_az, &op);
        self.written_bytes += op.upload_len();
        let lost = if fate.request_lost { self.spec.retransmit_after } else { Nanos::ZERO };
        let key = self.ops.insert(Op { token, owner, op, fate, latency, result: None });
        let at = served_at.saturating_add(latency).saturating_add(lost);
        out.push(Output::Wake { at, step: NfsStep(StepKind::Apply(key)) });
    }

    /// A wake-up that this share asked for.
    pub fn step(&mut self, now: Nanos, step: NfsStep, out: &mut Vec<NfsOutput>) {
        match step.0 {
            StepKind::Apply(key) if !self.is_serving() => self.parked.push(key),
            StepKind::Apply(key) => self.apply_and_answer(now, key, out),
            StepKind::Reply(key) if !self.is_serving() => self.parked.push(key),
            StepKind::Reply(key) => self.answer(key, out),
            StepKind::TakeoverEnds => self.takeover_ends(now, out),
            StepKind::Failback => self.fail_back(now, out),
        }
    }

    /// Lays a fault over the share. An id that is in use gets the new fault instead.
    pub fn inject(&mut self, now: Nanos, id: FaultId, fault: NfsFault, out: &mut Vec<NfsOutput>) {
        self.expire(now);
        self.faults.insert(id, fault);
        if let NfsFault::Failover { duration } = fault {
            self.begin_takeover(now, duration, out);
        }
        if fault == NfsFault::Lost {
            self.lose_everything();
        }
        self.elect(now, out);
        self.resume(now, out);
    }

    fn lose_everything(&mut self) {
        for client in self.clients_of(|client| client.status == ClientStatus::Active) {
            self.drop_state(client, ClientStatus::Expired);
        }
        self.names.clear();
        self.files.clear();
        self.used_bytes = 0;
    }

    /// Takes a fault away. An id that is not in use is ignored.
    pub fn heal(&mut self, now: Nanos, id: FaultId, out: &mut Vec<NfsOutput>) {
        let Some(fault) = self.faults.remove(&id) else { return };
        self.elect(now, out);
        if let (NfsFault::AzDown { az }, Some(after)) = (fault, self.spec.failback_after)
            && az == self.spec.preferred_az
        {
            out.push(Output::Wake { at: now.saturating_add(after), step: NfsStep(StepKind::Failback) });
        }
        self.resume(now, out);
    }

    /// A process died on a host that lives on: its kernel gives back what the process had open and locked. Not to be
    /// called when the whole host died: then the lease has to run out. What is on its way is applied all the same if
    /// it comes before this.
    pub fn process_died(&mut self, owner: Incarnation) {
        let gone: Vec<ClientId> = self.clients_of(|c| c.owner == owner && c.status == ClientStatus::Active);
        for client in gone {
            self.drop_state(client, ClientStatus::Replaced);
        }
    }

    /// The server that serves now or will after the takeover: its zone.
    pub fn active_az(&self) -> u8 {
        self.takeover.map_or(self.active_az, |takeover| takeover.to_az)
    }

    /// Whether operations are applied now.
    pub fn is_serving(&self) -> bool {
        self.takeover.is_none()
            && !self.server_lost
            && !self.holds(|fault| matches!(fault, NfsFault::Stall | NfsFault::Lost))
    }

    /// What the share holds, and the file's size, past all faults: for checkers and tests.
    pub fn peek(&self, path: &str) -> Option<Blob> {
        let file = &self.files[*self.names.get(path)?];
        Some(file.read(0..file.size()))
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// The data sheet.
    pub fn spec(&self) -> &NfsSpec {
        &self.spec
    }

    /// Bytes of content read so far: in answers.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Bytes of content sent to be written so far, refused ones included.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Operations that have not ended.
    pub fn ops_open(&self) -> usize {
        self.ops.len()
    }

    fn holds(&self, what: impl Fn(&NfsFault) -> bool) -> bool {
        self.faults.values().any(what)
    }

    fn is_down(&self, az: u8) -> bool {
        self.holds(|fault| *fault == NfsFault::AzDown { az })
    }

    /// The file system's identity: zero, or that of the latest fault that changed it.
    fn fsid(&self) -> u64 {
        let changed = self.faults.iter().filter(|(_, fault)| **fault == NfsFault::StaleHandles).map(|(id, _)| id.0);
        changed.max().map_or(0, |id| u64::from(id) + 1)
    }

    /// Takes a place in the queues: when the server has moved the bytes, and the latency on top.
    fn queue(&mut self, now: Nanos, from_az: u8, op: &NfsOp) -> (Nanos, Nanos) {
        let (kind, bytes) = cost(op);
        // What is larger is refused when it is applied: it must not take the queue for centuries.
        let bytes = bytes.min(self.spec.transfer_bytes_max);
        let draws = &mut self.latency_draws;
        let latency = match kind {
            Cost::Read => self.spec.read.sample(bytes, draws),
            Cost::Write => self.spec.write.sample(bytes, draws),
            Cost::UnstableWrite => self.spec.unstable_write.sample(bytes, draws),
            Cost::Commit => self.spec.commit.sample(draws),
            Cost::Metadata => self.spec.metadata.sample(draws),
        };
        let distance = if from_az == self.active_az() { Nanos::ZERO } else { self.spec.cross_az };
        let transfer = self.stretched(Nanos::transfer(bytes, self.spec.throughput_bytes_per_sec));
        let slot = self.stretched(Nanos::transfer(1, self.spec.ops_per_sec));
        self.transfer_free_at = self.transfer_free_at.max(now).saturating_add(transfer);
        self.ops_free_at = self.ops_free_at.max(now).saturating_add(slot);
        // What is not limited is not waited for.
        let of_transfer = if transfer == Nanos::ZERO { now } else { self.transfer_free_at };
        let of_ops = if slot == Nanos::ZERO { now } else { self.ops_free_at };
        (of_transfer.max(of_ops), self.stretched(latency).saturating_add(distance))
    }

    fn stretched(&self, span: Nanos) -> Nanos {
        self.faults.values().fold(span, |span, fault| match fault {
            NfsFault::Slow { num, den } => span.scale(u64::from((*num).max(1)), u64::from((*den).max(1))),
            NfsFault::Failover { .. }
            | NfsFault::AzDown { .. }
            | NfsFault::Stall
            | NfsFault::Lost
            | NfsFault::StaleHandles
            | NfsFault::Full => span,
        })
    }

    /// After a change: where the share serves (again), leases go on and what hung is sent again, each with its own
    /// latency.
    fn resume(&mut self, now: Nanos, out: &mut Vec<NfsOutput>) {
        if !self.is_serving() {
            self.silent_since.get_or_insert(now);
            return;
        }
        if let Some(since) = self.silent_since.take() {
            let full = now.saturating_add(self.spec.lease_time);
            for client in self.clients.values_mut().filter(|c| c.status == ClientStatus::Active) {
                client.lease_until = client.lease_until.saturating_add(now - since).min(full);
            }
        }
        for key in std::mem::take(&mut self.parked) {
            let op = &self.ops[key];
            let kind = if op.result.is_some() { StepKind::Reply(key) } else { StepKind::Apply(key) };
            out.push(Output::Wake { at: now.saturating_add(op.latency), step: NfsStep(kind) });
        }
    }

    fn apply_and_answer(&mut self, now: Nanos, key: OpKey, out: &mut Vec<NfsOutput>) {
        self.expire(now);
        let op = &mut self.ops[key];
        debug_assert!(op.result.is_none(), "an operation is applied once");
        let (fate, owner) = (op.fate, op.owner);
        // The payload is moved out, not copied; what stays behind is never looked at again.
        let wanted = std::mem::replace(&mut op.op, NfsOp::ExchangeId);
        let result = if fate.delay {
            Err(NfsError::Delay)
        } else if fate.io_error {
            Err(NfsError::Io)
        } else {
            match wanted {
                NfsOp::ExchangeId => self.connect(now, owner),
                NfsOp::Fence { client } => self.fence(client),
                NfsOp::Call { client, call } => self.renew(now, client).and_then(|()| self.call(client, call)),
            }
        };
        self.ops[key].result = Some(result);
        debug_assert!(self.locks_are_exclusive(), "two clients hold one lock");
        if fate.reply_lost {
            let at = now.saturating_add(self.spec.retransmit_after);
            out.push(Output::Wake { at, step: NfsStep(StepKind::Reply(key)) });
        } else {
            self.answer(key, out);
        }
    }

    fn answer(&mut self, key: OpKey, out: &mut Vec<NfsOutput>) {
        let op = self.ops.remove(key).expect("an operation ends once");
        let result = op.result.expect("answered after it was applied");
        let done = NfsDone { token: op.token, owner: op.owner, result };
        self.read_bytes += done.download_len();
        out.push(Output::Done(done));
    }
}

enum Cost {
    Read,
    Write,
    UnstableWrite,
    Commit,
    Metadata,
}

/// What an operation costs: its kind and the bytes it moves.
fn cost(op: &NfsOp) -> (Cost, u64) {
    match op {
        NfsOp::ExchangeId | NfsOp::Fence { .. } => (Cost::Metadata, 0),
        NfsOp::Call { call, .. } => match call {
            NfsCall::Write { data, stable: Stable::Unstable, .. } => (Cost::UnstableWrite, data.len()),
            NfsCall::Write { data, stable: Stable::DataSync | Stable::FileSync, .. } => (Cost::Write, data.len()),
            NfsCall::Commit { .. } => (Cost::Commit, 0),
            NfsCall::Read { len, .. } => (Cost::Read, *len),
            NfsCall::Renew
            | NfsCall::Open { .. }
            | NfsCall::Release { .. }
            | NfsCall::Lock { .. }
            | NfsCall::SetSize { .. }
            | NfsCall::Rename { .. }
            | NfsCall::Remove { .. }
            | NfsCall::ReadDir { .. } => (Cost::Metadata, 0),
        },
    }
}
