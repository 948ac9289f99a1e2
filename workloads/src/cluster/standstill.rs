//! Why a cluster stands still: a cause that the plan made permanent, or a bug.
//!
//! The last [phase](crate::lab::Phase) of a run is the time to become **quiet**: all that was acknowledged is read, nobody has
//! anything on its way, jobs have worked off all of it. A cluster that has not become quiet in time stands still.
//!
//! What the plan never mends ([`Entry::permanent`](crate::storm::Entry)) may be the cause. That is not guessed but tried: one after the other is mended, each
//! time with as long to become quiet as before. If that helps, what was mended is the cause, and the run is not wrong. If
//! everything is mended and the cluster still stands still, it is a bug. Either way [who waits for whom](super::chain) is told.

use super::cause::Cause;
use super::chain::Chain;
use crate::storm::Permanent;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use wavetank_models::world::{Event, World};
use wavetank_sim::{Core, Nanos};

/// A cluster that stood still, and what was mended then.
#[derive(Clone, Debug)]
pub(super) struct Standstill {
    /// When it was taken for one.
    at: Nanos,
    /// Who waited for whom.
    chain: Option<Chain>,
    /// What was mended.
    cause: Cause,
    /// In the storm's words.
    what: String,
    /// How long it took then until everything was quiet; none: it did not become quiet.
    quiet_after: Option<Nanos>,
}

/// What a run tells of how it stood still.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// What was mended then, in order.
    pub(super) mended: Vec<Standstill>,
    /// When everybody was up again, and everything led, after the storm.
    pub(super) healed: Option<Nanos>,
    /// Who waited for whom when there was nothing left to mend.
    pub(super) last: Option<Chain>,
}

/// Told to the end of a run.
pub(super) type Standstills = Arc<Mutex<Told>>;

/// Why a run ends that stands still with everything mended.
pub(super) const STANDS_STILL: &str = "the cluster stands still";

/// What the plan leaves broken, and how long a cluster has to become quiet.
pub(super) struct Patience {
    /// In the order in which it is mended.
    unmended: VecDeque<Permanent>,
    /// When the cluster stands still, if it is not quiet before.
    until: Nanos,
    span: Nanos,
    told: Standstills,
}

impl Patience {
    /// A cluster has `span` to become quiet after the load's end, and as long after each thing that is mended.
    pub(super) fn new(unmended: Vec<Permanent>, load_ends: Nanos, span: Nanos, told: Standstills) -> Patience {
        Patience { unmended: unmended.into(), until: load_ends + span, span, told }
    }

    /// The cluster is not quiet: when it has been waited for long enough, something is mended; when there is nothing left to
    /// mend, the run is over.
    pub(super) fn wait(
        &mut self,
        world: &mut World,
        core: &mut Core<Event>,
        chain: impl FnOnce(&World, &Core<Event>) -> Option<Chain>,
    ) {
        let now = core.now();
        if now < self.until {
            return;
        }
        let chain = chain(world, core);
        let mut told = self.told.lock().expect("nobody panics with it");
        let Some(Permanent { what, mend }) = self.unmended.pop_front() else {
            told.last = chain;
            return core.stop(STANDS_STILL);
        };
        mend.iter().for_each(|action| world.act(core, action));
        self.until = now + self.span;
        let (cause, what) = (Cause::of(&what), what.to_string());
        told.mended.push(Standstill { at: now, chain, cause, what, quiet_after: None });
    }

    /// The storm is over, and everybody is up and everything led.
    pub(super) fn is_healed(&self, core: &Core<Event>) {
        self.told.lock().expect("nobody panics with it").healed.get_or_insert(core.now());
    }

    /// The cluster is quiet: if something was mended, that was why.
    pub(super) fn is_quiet(&self, core: &mut Core<Event>) {
        if let Some(last) = self.told.lock().expect("nobody panics with it").mended.last_mut() {
            last.quiet_after = Some(core.now() - last.at);
            core.mark(last.cause.mark());
        }
    }
}

/// For people: a line a standstill, and the links of its chain below.
pub(super) fn describe(all: &[Standstill]) -> Vec<String> {
    let mut lines = Vec::new();
    for Standstill { at, chain, cause, what, quiet_after } in all {
        let then = match quiet_after {
            Some(after) => format!("quiet {after} s after that was mended"),
            None => "not quiet either when that was mended".into(),
        };
        lines.push(format!("stood still at {at} s: {}", cause.words()));
        lines.push(format!("  {what}; {then}"));
        lines.extend(chain.iter().flat_map(|chain| &chain.links).map(|link| format!("  {link}")));
    }
    lines
}
