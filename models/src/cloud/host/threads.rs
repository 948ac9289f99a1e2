//! Threads and cores: who takes a job on, who runs, who waits.

use super::{Host, HostFault, HostOutput, HostStep, JobKey, Place, Pool, ProcessKey, StepKind, WaitStage};
use crate::cloud::Output;
use wavetank_sim::Nanos;

impl<J: Copy> Host<J> {
    /// Gives work to every free thread of the process, and cores to every ready thread of the host.
    pub(super) fn settle(&mut self, now: Nanos, process: ProcessKey, out: &mut Vec<HostOutput<J>>) {
        self.man_threads(now, process, out);
        self.dispatch(now, out);
    }

    pub(super) fn man_threads(&mut self, now: Nanos, process: ProcessKey, out: &mut Vec<HostOutput<J>>) {
        loop {
            let p = &mut self.processes[process];
            if p.handlers_free > 0
                && let Some(key) = p.queue.pop_front()
            {
                p.handlers_free -= 1;
                self.queued -= 1;
                self.unblock_one(process);
                self.take(now, key, Pool::Handler, out);
            } else if p.network_free > 0
                && let Some(key) = p.readable.pop_front()
            {
                p.network_free -= 1;
                self.take(now, key, Pool::Network, out);
            } else if p.background_free > 0
                && let Some(key) = p.background.pop_front()
            {
                p.background_free -= 1;
                self.take(now, key, Pool::Background, out);
            } else {
                return;
            }
        }
    }

    /// There is room in the request queue: the network thread that has waited longest puts its request there.
    fn unblock_one(&mut self, process: ProcessKey) {
        let p = &mut self.processes[process];
        if let Some(key) = p.blocked.pop_front() {
            p.network_free += 1;
            p.queue.push_back(key);
            self.blocked -= 1;
            self.queued += 1;
            self.jobs[key].place = Place::Queued;
        }
    }

    /// A thread of `pool` takes the job on.
    fn take(&mut self, now: Nanos, key: JobKey, pool: Pool, out: &mut Vec<HostOutput<J>>) {
        let job = &mut self.jobs[key];
        let (stage, drawn) = match pool {
            Pool::Network => {
                (WaitStage::Socket, self.spec.network.draw(job.bytes, self.spec.service_shape, &mut self.service_draws))
            }
            Pool::Handler => (
                WaitStage::RequestQueue,
                self.spec.handler.draw(job.bytes, self.spec.service_shape, &mut self.service_draws),
            ),
            Pool::Background => (WaitStage::BackgroundQueue, job.left),
        };
        self.stats.waited(stage, now - job.since);
        job.since = now;
        job.left = drawn;
        job.service = job.service.saturating_add(drawn);
        job.place = Place::Ready(pool);
        if drawn > Nanos::ZERO {
            self.ready.push_back(key);
        } else if self.clock.is_paused() || !self.frozen.is_empty() {
            // While a pause's last ones thaw, nobody overtakes them.
            self.frozen.push_back(key);
        } else {
            self.stage_done(now, key, pool, out);
        }
    }

    /// Cores to ready threads, first come first served.
    pub(super) fn dispatch(&mut self, now: Nanos, out: &mut Vec<HostOutput<J>>) {
        while !self.clock.is_paused() {
            if let Some(key) = self.frozen.pop_front() {
                let (pool, process) = (self.pool_of_ready(key), self.jobs[key].process);
                self.stage_done(now, key, pool, out);
                self.man_threads(now, process, out);
            } else if (self.running.len() as u32) < self.cores_online()
                && let Some(key) = self.ready.pop_front()
            {
                let pool = self.pool_of_ready(key);
                self.run(now, key, pool, out);
            } else {
                break;
            }
        }
        debug_assert!(self.is_work_conserving(), "a core idles while a thread waits for one");
    }

    fn pool_of_ready(&self, key: JobKey) -> Pool {
        match self.jobs[key].place {
            Place::Ready(pool) => pool,
            place => unreachable!("a ready thread's job is {place:?}"),
        }
    }

    fn cores_online(&self) -> u32 {
        let offline = self.faults.values().fold(0u32, |sum, fault| match fault {
            HostFault::CoresOffline { cores } => sum.saturating_add(*cores),
            HostFault::Pause | HostFault::Slow { .. } => sum,
        });
        self.spec.cores.saturating_sub(offline)
    }

    fn is_work_conserving(&self) -> bool {
        self.clock.is_paused() || self.ready.is_empty() || self.running.len() as u32 >= self.cores_online()
    }

    fn run(&mut self, now: Nanos, key: JobKey, pool: Pool, out: &mut Vec<HostOutput<J>>) {
        self.running.push(key);
        let sped_up = self.clock.set_busy(self.running.len() as u32);
        assert!(!sped_up, "one more thread cannot make the others faster");
        let job = &mut self.jobs[key];
        self.stats.waited(WaitStage::Core, now - job.since);
        job.place = Place::Running(pool);
        job.target = self.clock.work().saturating_add(job.left.min(self.spec.time_slice).0);
        self.arm(key, out);
    }

    /// Asks for the wake-up at which a running thread's slice ends if nothing changes.
    fn arm(&mut self, key: JobKey, out: &mut Vec<HostOutput<J>>) {
        let job = &mut self.jobs[key];
        match self.clock.due(job.target) {
            Some(at) if at == job.wake => {}
            Some(at) => {
                job.wake = at;
                out.push(Output::Wake { at, step: HostStep(StepKind::Ran(key)) });
            }
            // Paused: whatever ends the pause arms again.
            None => job.wake = Nanos::MAX,
        }
    }

    pub(super) fn ran(&mut self, now: Nanos, key: JobKey, out: &mut Vec<HostOutput<J>>) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let Place::Running(pool) = job.place else { return };
        if job.wake != now {
            return;
        }
        if self.clock.is_paused() || self.clock.work() < job.target {
            // Delayed since the wake-up was asked for. `due` is later than now, so this cannot spin.
            self.arm(key, out);
            return;
        }
        let slice = job.left.min(self.spec.time_slice);
        job.left = job.left - slice;
        job.wake = Nanos::MAX;
        job.since = now;
        job.place = Place::Ready(pool);
        let process = job.process;
        let at = self.running.iter().position(|k| *k == key).expect("it has a core");
        self.running.swap_remove(at);
        if self.jobs[key].left > Nanos::ZERO {
            self.ready.push_back(key);
        } else {
            self.stage_done(now, key, pool, out);
            self.man_threads(now, process, out);
        }
        self.dispatch(now, out);
        self.busy_changed(out);
    }

    /// Tells the clock how many cores are at work; fewer can make those that remain faster (shared credits).
    pub(super) fn busy_changed(&mut self, out: &mut Vec<HostOutput<J>>) {
        if self.clock.set_busy(self.running.len() as u32) {
            self.arm_all(out);
        }
    }

    pub(super) fn arm_all(&mut self, out: &mut Vec<HostOutput<J>>) {
        for i in 0..self.running.len() {
            self.arm(self.running[i], out);
        }
    }

    /// The job has had all CPU time of this stage: its thread hands it on and is free (or blocks).
    fn stage_done(&mut self, now: Nanos, key: JobKey, pool: Pool, out: &mut Vec<HostOutput<J>>) {
        let job = &mut self.jobs[key];
        job.since = now;
        let (process, flow) = (job.process, job.flow);
        let p = &mut self.processes[process];
        match pool {
            Pool::Network if (p.queue.len() as u32) < self.spec.request_queue_max => {
                job.place = Place::Queued;
                p.queue.push_back(key);
                p.network_free += 1;
                self.queued += 1;
                self.stats.request_queue_longest = self.stats.request_queue_longest.max(p.queue.len() as u32);
            }
            Pool::Network => {
                job.place = Place::Blocked;
                p.blocked.push_back(key);
                self.blocked += 1;
            }
            Pool::Handler => {
                p.handlers_free += 1;
                self.serve(now, key, out);
                self.after_request(process, flow);
            }
            Pool::Background => {
                p.background_free += 1;
                self.serve(now, key, out);
            }
        }
        debug_assert!(self.threads_are_accounted_for(process));
    }

    fn threads_are_accounted_for(&self, process: ProcessKey) -> bool {
        let p = &self.processes[process];
        p.queue.len() as u32 <= self.spec.request_queue_max
            && p.blocked.len() as u32 + p.network_free <= self.spec.network_threads
            && p.handlers_free <= self.spec.request_handler_threads
            && p.background_free <= self.spec.background_threads
            && self.by_owner.get(&p.owner) == Some(&process)
    }
}
