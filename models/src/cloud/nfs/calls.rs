//! What a client's call does to files and states. A call that fails changes nothing.

use super::file::File;
use super::{
    ClientId, FileHandle, FileKey, NfsCall, NfsError, NfsFault, NfsReply, NfsShare, OpenHow, Stable, State, StateId,
    StateKind,
};
use crate::blob::Blob;
use std::sync::Arc;

impl NfsShare {
    pub(super) fn call(&mut self, client: ClientId, call: NfsCall) -> Result<NfsReply, NfsError> {
        match call {
            NfsCall::Renew => Ok(NfsReply::Ok),
            NfsCall::Open { path, how } => self.open(client, path, how),
            NfsCall::Release { state } => self.release(client, state),
            NfsCall::Lock { open, exclusive } => self.lock(client, open, exclusive),
            NfsCall::Write { state, handle, offset, data, stable } => {
                let file = self.checked(client, state, handle, true)?;
                self.write(file, offset, &data, stable)
            }
            NfsCall::Commit { handle } => {
                let file = self.resolve(handle)?;
                self.files[file].commit();
                Ok(NfsReply::Committed { verifier: self.verifier })
            }
            NfsCall::Read { state, handle, offset, len } => {
                let file = self.checked(client, state, handle, false)?;
                self.read(file, offset, len)
            }
            NfsCall::SetSize { state, handle, size } => {
                let file = self.checked(client, state, handle, true)?;
                self.grow_to(file, size)?;
                self.used_bytes -= self.files[file].size().saturating_sub(size);
                self.files[file].set_size(size);
                Ok(NfsReply::Ok)
            }
            NfsCall::Rename { from, to } => self.rename(&from, to),
            NfsCall::Remove { path } => {
                let file = self.names.remove(&path).ok_or(NfsError::NoEnt)?;
                self.forget(file);
                Ok(NfsReply::Ok)
            }
            NfsCall::ReadDir { prefix } => {
                let from = self.names.range(prefix.clone()..).map(|(name, _)| name);
                Ok(NfsReply::Names(from.take_while(|name| name.starts_with(&*prefix)).cloned().collect()))
            }
        }
    }

    fn open(&mut self, client: ClientId, path: Arc<str>, how: OpenHow) -> Result<NfsReply, NfsError> {
        if self.grace_until.is_some() {
            return Err(NfsError::Grace);
        }
        let file = match (self.names.get(&path), how) {
            (Some(_), OpenHow::CreateNew) => return Err(NfsError::Exist),
            (None, OpenHow::MustExist) => return Err(NfsError::NoEnt),
            (Some(file), OpenHow::MustExist | OpenHow::Create) => *file,
            (None, OpenHow::Create | OpenHow::CreateNew) => {
                if self.holds(|fault| *fault == NfsFault::Full) {
                    return Err(NfsError::NoSpc);
                }
                let file = self.files.insert(File::default());
                self.names.insert(path, file);
                file
            }
        };
        let state = self.states.insert(State { client, file, kind: StateKind::Open });
        let handle = FileHandle { fsid: self.fsid(), file };
        Ok(NfsReply::Opened { handle, state, size: self.files[file].size() })
    }

    fn release(&mut self, client: ClientId, state: StateId) -> Result<NfsReply, NfsError> {
        self.states.get(state).filter(|s| s.client == client).ok_or(NfsError::BadStateId)?;
        let released = self.states.remove(state).expect("found above");
        if let Some(file) = self.files.get_mut(released.file) {
            file.locks.retain(|lock| *lock != state);
        }
        Ok(NfsReply::Ok)
    }

    fn lock(&mut self, client: ClientId, open: StateId, exclusive: bool) -> Result<NfsReply, NfsError> {
        if self.grace_until.is_some() {
            return Err(NfsError::Grace);
        }
        let open = *self.states.get(open).filter(|s| s.client == client).ok_or(NfsError::BadStateId)?;
        let file = self.files.get(open.file).ok_or(NfsError::Stale)?;
        let conflicts = |lock: &StateId| {
            let held = &self.states[*lock];
            held.client != client && (exclusive || held.kind == StateKind::Lock { exclusive: true })
        };
        if file.locks.iter().any(conflicts) {
            return Err(NfsError::Denied);
        }
        let state = self.states.insert(State { client, file: open.file, kind: StateKind::Lock { exclusive } });
        self.files[open.file].locks.push(state);
        Ok(NfsReply::Locked { state })
    }

    pub(super) fn locks_are_exclusive(&self) -> bool {
        self.files.values().all(|file| {
            let mut holders = file.locks.iter().map(|lock| &self.states[*lock]);
            let alone = |held: &State| file.locks.iter().all(|lock| self.states[*lock].client == held.client);
            holders.all(|held| held.kind != StateKind::Lock { exclusive: true } || alone(held))
        })
    }

    fn resolve(&self, handle: FileHandle) -> Result<FileKey, NfsError> {
        let good = handle.fsid == self.fsid() && self.files.contains_key(handle.file);
        good.then_some(handle.file).ok_or(NfsError::Stale)
    }

    /// The handle's file, if the client may do that under this state.
    fn checked(&self, client: ClientId, state: StateId, handle: FileHandle, writes: bool) -> Result<FileKey, NfsError> {
        let file = self.resolve(handle)?;
        self.states.get(state).filter(|s| s.client == client && s.file == file).ok_or(NfsError::BadStateId)?;
        let locked_out = |lock: &StateId| {
            let held = &self.states[*lock];
            held.client != client && (writes || held.kind == StateKind::Lock { exclusive: true })
        };
        if self.spec.mandatory_locks && self.files[file].locks.iter().any(locked_out) {
            return Err(NfsError::Locked);
        }
        Ok(file)
    }

    fn write(&mut self, file: FileKey, offset: u64, data: &Blob, stable: Stable) -> Result<NfsReply, NfsError> {
        if data.len() > self.spec.transfer_bytes_max {
            return Err(NfsError::ReqTooBig);
        }
        let end = offset.checked_add(data.len()).ok_or(NfsError::NoSpc)?;
        if !data.is_empty() {
            self.grow_to(file, end)?;
        }
        let nvram = self.spec.nvram;
        match stable {
            Stable::Unstable if !nvram => self.files[file].write_unstable(offset, data),
            Stable::Unstable | Stable::DataSync | Stable::FileSync => {
                self.files[file].write_stable(offset, data, nvram);
            }
        }
        let committed = if nvram { Stable::FileSync } else { stable };
        Ok(NfsReply::Written { committed, verifier: self.verifier })
    }

    fn read(&self, file: FileKey, offset: u64, len: u64) -> Result<NfsReply, NfsError> {
        if len > self.spec.transfer_bytes_max {
            return Err(NfsError::ReqTooBig);
        }
        let file = &self.files[file];
        let end = offset.saturating_add(len);
        Ok(NfsReply::Data { data: file.read(offset..end), eof: end >= file.size() })
    }

    /// Accounts for a file that is about to end at `end`, if it ends earlier now.
    fn grow_to(&mut self, file: FileKey, end: u64) -> Result<(), NfsError> {
        let growth = end.saturating_sub(self.files[file].size());
        let full = self.holds(|fault| *fault == NfsFault::Full);
        let used = self.used_bytes.saturating_add(growth);
        if growth > 0 && (full || used > self.spec.capacity_bytes) {
            return Err(NfsError::NoSpc);
        }
        self.used_bytes = used;
        Ok(())
    }

    fn rename(&mut self, from: &str, to: Arc<str>) -> Result<NfsReply, NfsError> {
        let file = self.names.remove(from).ok_or(NfsError::NoEnt)?;
        if let Some(replaced) = self.names.insert(to, file).filter(|replaced| *replaced != file) {
            self.forget(replaced);
        }
        Ok(NfsReply::Ok)
    }

    /// A file without a name is gone, and so is every state on it.
    fn forget(&mut self, file: FileKey) {
        let gone = self.files.remove(file).expect("a name names a file");
        self.used_bytes -= gone.size();
        self.states.retain(|_, state| state.file != file);
    }
}
