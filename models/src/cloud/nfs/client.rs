//! Clients: leases, fences, what becomes of their state.

use super::{Client, ClientId, ClientStatus, NfsError, NfsReply, NfsShare};
use wavetank_sim::{Incarnation, Nanos};

impl NfsShare {
    pub(super) fn clients_of(&self, which: impl Fn(&Client) -> bool) -> Vec<ClientId> {
        self.clients.iter().filter(|(_, client)| which(client)).map(|(id, _)| *id).collect()
    }

    /// Drops the state of everyone whose time is up by now. While nobody is served, time stands still.
    pub(super) fn expire(&mut self, now: Nanos) {
        if self.silent_since.is_some() {
            return;
        }
        let grace_over = self.grace_until.is_some_and(|until| until <= now);
        if grace_over {
            self.grace_until = None;
        }
        let due = self.clients_of(|c| {
            c.status == ClientStatus::Active && (c.lease_until <= now || (grace_over && c.must_reclaim))
        });
        for client in due {
            self.drop_state(client, ClientStatus::Expired);
        }
    }

    pub(super) fn drop_state(&mut self, client: ClientId, status: ClientStatus) {
        if let Some(entry) = self.clients.get_mut(&client) {
            entry.status = status;
        }
        let states = &mut self.states;
        for file in self.files.values_mut() {
            file.locks.retain(|lock| states[*lock].client != client);
        }
        states.retain(|_, state| state.client != client);
    }

    pub(super) fn connect(&mut self, now: Nanos, owner: Incarnation) -> Result<NfsReply, NfsError> {
        let same_node = |c: &Client| c.owner.node == owner.node;
        if !self.clients_of(|c| c.owner == owner && c.status == ClientStatus::Fenced).is_empty() {
            return Err(NfsError::Access);
        }
        if !self.clients_of(|c| same_node(c) && c.owner.epoch > owner.epoch).is_empty() {
            return Err(NfsError::StaleClientId);
        }
        for earlier in self.clients_of(|c| same_node(c) && c.owner != owner && c.status == ClientStatus::Active) {
            self.drop_state(earlier, ClientStatus::Replaced);
        }
        let lease_until = now.saturating_add(self.spec.lease_time);
        if let Some(known) = self.clients_of(|c| c.owner == owner && c.status == ClientStatus::Active).first() {
            self.renew(now, *known)?;
            return Ok(NfsReply::Connected(*known));
        }
        let id = ClientId(self.clients.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        let client = Client { owner, status: ClientStatus::Active, lease_until, must_reclaim: false };
        self.clients.insert(id, client);
        // The server knows no more of earlier lives than that they are over, which it says of unknown clients too.
        self.clients
            .retain(|_, c| c.owner == owner || c.owner.node != owner.node || c.status != ClientStatus::Replaced);
        Ok(NfsReply::Connected(id))
    }

    pub(super) fn renew(&mut self, now: Nanos, client: ClientId) -> Result<(), NfsError> {
        let entry = self.clients.get_mut(&client).ok_or(NfsError::StaleClientId)?;
        match entry.status {
            ClientStatus::Active => {
                entry.lease_until = now.saturating_add(self.spec.lease_time);
                entry.must_reclaim = false;
                Ok(())
            }
            ClientStatus::Expired => Err(NfsError::Expired),
            ClientStatus::Fenced => Err(NfsError::AdminRevoked),
            ClientStatus::Replaced => Err(NfsError::StaleClientId),
        }
    }

    pub(super) fn fence(&mut self, client: ClientId) -> Result<NfsReply, NfsError> {
        if !self.clients.contains_key(&client) {
            return Err(NfsError::StaleClientId);
        }
        let owner = self.clients[&client].owner;
        for each in self.clients_of(|c| c.owner == owner) {
            self.drop_state(each, ClientStatus::Fenced);
        }
        Ok(NfsReply::Fenced)
    }
}
