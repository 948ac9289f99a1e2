//! What a controller waits for.

use super::quorum::Standing;
use super::{Controller, Running};
use crate::kafka::ids::ControllerId;
use crate::world::{On, Wait, Want};

impl Controller {
    pub(super) fn waits_for(&self) -> Vec<Wait> {
        let volume = On::Volume(self.spec.volume);
        let Some(running) = &self.running else { return vec![Wait::on("reads its files", volume)] };
        if running.is_persisting {
            return vec![Wait::on("makes a promise durable", volume)];
        }
        self.quorum_waits(running)
    }

    fn quorum_waits(&self, running: &Running) -> Vec<Wait> {
        let on = |id: ControllerId| On::Node(self.spec.peers[&id]);
        match running.quorum.standing() {
            Standing::Follows(leader) => vec![Wait::new("follows", on(leader), Want::Answer)],
            Standing::Votes(missing) => {
                let ask = |id| Wait::new("has no majority: it asks for a vote", on(id), Want::Answer);
                missing.into_iter().map(ask).collect()
            }
            Standing::Leads { behind } => {
                if !self.log_file.is_idle() {
                    return vec![Wait::on("leads, and writes to its log", On::Volume(self.spec.volume))];
                }
                let wait = |id| Wait::new("leads, and has entries that no majority has", on(id), Want::Answer);
                behind.into_iter().map(wait).collect()
            }
            Standing::Pauses => {
                let others = self.spec.peers.keys().copied().filter(|id| *id != self.spec.id);
                others.map(|id| Wait::new("knows no leader", on(id), Want::Answer)).collect()
            }
        }
    }
}
