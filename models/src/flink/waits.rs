//! What a job's processes wait for.

use super::job_manager::{JobManager, Phase, WorkerId};
use super::task_manager::TaskManager;
use crate::world::{On, Wait, Want};

impl JobManager {
    pub(super) fn waits_for(&self) -> Vec<Wait> {
        if let Some(wait) = self.store.waits() {
            return vec![wait];
        }
        let nodes = |what: &str, missing: &mut dyn Iterator<Item = &WorkerId>| -> Vec<Wait> {
            missing.map(|(node, _)| Wait::on(what, On::Node(*node))).collect()
        };
        let job = self.spec.job;
        match &self.phase {
            Phase::Recovering => vec![Wait::on("does not lead its job yet", On::Nobody)],
            Phase::Waiting => {
                let free: u32 = self.workers.values().filter(|it| it.conn.is_some()).map(|it| it.slots).sum();
                let what = format!("has {free} of {} slots", self.parallelism);
                vec![Wait::on(what, On::Workers(job))]
            }
            Phase::Deploying { missing } => nodes("waits for tasks to have their state", &mut missing.iter()),
            Phase::Cancelling { missing } => nodes("waits for tasks to be cancelled", &mut missing.iter()),
            Phase::Delaying => vec![Wait::on("restarts its job after a delay", On::Time)],
            Phase::Running => nodes("runs its job, whose tasks are behind", &mut self.assigned.iter()),
        }
    }
}

impl TaskManager {
    pub(super) fn waits_for(&self, want: Want) -> Vec<Wait> {
        let mut waits: Vec<Wait> = self.objects.waits().into_iter().collect();
        match &self.execution {
            None => waits.push(Wait::on("has nothing to run", On::Node(self.spec.job_manager))),
            Some(execution) => {
                if !execution.sink().has_room() {
                    waits.push(Wait::on("has rows that the table has not made durable", On::Node(self.spec.table)));
                }
                waits.extend(execution.consumers().flat_map(|consumer| consumer.waits(want)));
            }
        }
        waits
    }
}
