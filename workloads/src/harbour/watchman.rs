//! A watchman: a guest, ordinary async code, that keeps two log books.
//!
//! One book lies on the NFS share and belongs to all watchmen: whoever holds its lock reads the number in it and writes
//! the next one, first unstably, then commits, and writes again when the server's verifier says that it forgot. The
//! other book is an object of the zone's express store that grows by appends. What a watchman was told is durable it
//! puts into the ledger; whoever opens a book checks that it holds at least that.

use super::Berth;
use super::ledger::Ledger;
use super::mutant::Mutant;
use std::sync::{Arc, Mutex};
use wavetank_models::blob::Blob;
use wavetank_models::cloud::nfs::{ClientId, FileHandle, NfsCall, NfsError, NfsOp, NfsReply, OpenHow, Stable, StateId};
use wavetank_models::cloud::object_store::{Condition, ObjectError, ObjectOk, ObjectOp};
use wavetank_models::world::Guest;
use wavetank_sim::Nanos;

const BOOK: &str = "/book";
/// Bytes of an entry in the express book.
const ENTRY: u64 = 64;
/// Entries that a watchman writes while it holds the lock.
const WATCH: usize = 8;

/// Why a watch ended early: the caller begins anew.
struct Interrupted;

/// A life's work.
pub async fn watch(guest: Guest, number: usize, at: Berth, ledger: Arc<Mutex<Ledger>>, mutant: Option<Mutant>) {
    let watchman = Watchman { guest, number, at, ledger, mutant };
    loop {
        // An interrupted watch has left its mark; the next one starts from nothing.
        let _ = watchman.keep_share_book().await;
        let _ = watchman.keep_express_book().await;
        watchman.nap().await;
    }
}

struct Watchman {
    guest: Guest,
    number: usize,
    at: Berth,
    ledger: Arc<Mutex<Ledger>>,
    mutant: Option<Mutant>,
}

impl Watchman {
    async fn nap(&self) {
        let span = self.guest.act(|cx| cx.random().nanos(Nanos::millis(20)..Nanos::secs(1)));
        self.guest.sleep(span.unwrap_or(Nanos::secs(1))).await;
    }

    fn mark(&self, name: &'static str) {
        self.guest.act(|cx| cx.mark(name));
    }

    fn fail(&self, why: String) {
        self.guest.act(|cx| cx.fail(why));
    }

    /// Raises what the ledger has for a place.
    fn promised(&self, place: &str, value: u64) {
        let mut ledger = self.ledger.lock().expect("ledger");
        if ledger.entry(place) < value {
            ledger.write(place, value);
        }
    }

    // ---- the share ----

    async fn nfs(&self, op: NfsOp) -> Result<NfsReply, NfsError> {
        loop {
            match self.guest.nfs(self.at.share, op.clone()).await.result {
                Err(NfsError::Delay | NfsError::Grace) => self.nap().await,
                result => return result,
            }
        }
    }

    async fn call(&self, client: ClientId, call: NfsCall) -> Result<NfsReply, Interrupted> {
        match self.nfs(NfsOp::Call { client, call }).await {
            Ok(reply) => Ok(reply),
            Err(NfsError::Denied) => {
                self.mark("watchman: found the share's lock taken");
                Err(Interrupted)
            }
            Err(_) => {
                self.mark("watchman: lost its lease or file handle");
                Err(Interrupted)
            }
        }
    }

    async fn keep_share_book(&self) -> Result<(), Interrupted> {
        let Ok(NfsReply::Connected(client)) = self.nfs(NfsOp::ExchangeId).await else { return Err(Interrupted) };
        let open = NfsCall::Open { path: BOOK.into(), how: OpenHow::Create };
        let NfsReply::Opened { handle, state: open, .. } = self.call(client, open).await? else {
            unreachable!("an open answers with an open")
        };
        let NfsReply::Locked { state } = self.call(client, NfsCall::Lock { open, exclusive: true }).await? else {
            unreachable!("a lock answers with a lock")
        };
        for _ in 0..WATCH {
            self.write_share_entry(client, state, handle).await?;
            self.nap().await;
        }
        self.call(client, NfsCall::Release { state }).await?;
        Ok(())
    }

    /// Reads the book's number, checks it, and writes the next.
    async fn write_share_entry(&self, client: ClientId, state: StateId, handle: FileHandle) -> Result<(), Interrupted> {
        // What was promised before the read was sent: its answer may come a minute late, when others have written since.
        let promised = self.ledger.lock().expect("ledger").entry(BOOK);
        let read = NfsCall::Read { state, handle, offset: 0, len: 8 };
        let NfsReply::Data { data, .. } = self.call(client, read).await? else {
            unreachable!("a read answers with data")
        };
        let bytes = data.to_bytes().expect("the number is real bytes");
        let present = <[u8; 8]>::try_from(&bytes[..]).map_or(0, u64::from_le_bytes);
        if present < promised {
            self.fail(format!("the share's book was told to hold {promised} and holds {present}"));
            return Err(Interrupted);
        }
        let next = present + 1;
        loop {
            let data = Blob::real(next.to_le_bytes().to_vec());
            let write = NfsCall::Write { state, handle, offset: 0, data, stable: Stable::Unstable };
            let NfsReply::Written { verifier: written, .. } = self.call(client, write).await? else {
                unreachable!("a write answers that it is written")
            };
            if self.mutant == Some(Mutant::NoCommit) {
                break;
            }
            // Clients commit when they must, not at once: a server that fails over in between forgets.
            self.nap().await;
            let NfsReply::Committed { verifier } = self.call(client, NfsCall::Commit { handle }).await? else {
                unreachable!("a commit answers with a verifier")
            };
            if verifier == written {
                break;
            }
            self.mark("watchman: the share forgot an unstable write");
        }
        self.mark("watchman: wrote to the share");
        self.promised(BOOK, next);
        Ok(())
    }

    // ---- the express store ----

    async fn express(&self, op: ObjectOp) -> Result<ObjectOk, ObjectError> {
        self.guest.express(self.at.express, self.at.express_bucket, op).await.result
    }

    async fn keep_express_book(&self) -> Result<(), Interrupted> {
        let place = format!("book-{}", self.number);
        let mut size = self.express_size(&place).await?;
        for _ in 0..WATCH {
            let body = Blob::named(self.number as u64 + 1, ENTRY);
            let append =
                ObjectOp::Append { key: place.as_str().into(), offset: size, body, condition: Condition::None };
            match self.express(append).await {
                Ok(_) => {
                    size += ENTRY;
                    self.mark("watchman: appended to the express store");
                    self.promised(&place, size);
                }
                Err(_) => {
                    self.mark("watchman: an answer was ambiguous");
                    size = self.express_size(&place).await?;
                }
            }
        }
        Ok(())
    }

    /// How large the book is: never smaller than was promised.
    async fn express_size(&self, place: &str) -> Result<u64, Interrupted> {
        let promised = self.ledger.lock().expect("ledger").entry(place);
        let size = match self.express(ObjectOp::Head { key: place.into() }).await {
            Ok(ObjectOk::Meta { size, .. }) => size,
            Err(ObjectError::NoSuchKey) => 0,
            Ok(_) => unreachable!("a head answers with metadata"),
            Err(_) => return Err(Interrupted),
        };
        if size < promised {
            self.fail(format!("express {place} was told to hold {promised} bytes and holds {size}"));
            return Err(Interrupted);
        }
        Ok(size)
    }
}
