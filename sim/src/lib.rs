//! **wavetank-sim**: the tank. Virtual time, choices, nodes and their life, one queue of opaque events, a digest.
//!
//! This crate knows nothing of Kafka, clouds or disks: it schedules events of a type `E` that somebody else defines and
//! calls that somebody, the [`Dispatch`]er, when they are due. What it guarantees:
//!
//! * **Determinism.** The same seed, limits and dispatcher give the same [`Digest`], in any process, build profile and
//!   machine. All randomness comes from [`Choices`], all time from one heap of whole nanoseconds.
//! * **Lives do not mix.** A node has [incarnations](Incarnation); what was scheduled for one never reaches another.
//! * **Speed.** State machines are stepped inline by one pump: a few tens of nanoseconds an event, digest and trace on.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use wavetank_sim::{Core, Dispatch, Event, Incarnation, Limits, Nanos, run};
//!
//! // Two nodes that send one ball back and forth.
//! #[derive(Clone, Copy, Debug)]
//! struct Ball { bounces: u64 }
//! impl Event for Ball {
//!     fn fingerprint(&self) -> (u64, u64) { (1, self.bounces) }
//! }
//!
//! struct Game { last: u64 }
//! impl Dispatch<Ball> for Game {
//!     fn dispatch(&mut self, core: &mut Core<Ball>, to: Option<Incarnation>, ball: Ball) {
//!         let me = to.expect("the ball is always at a node").node;
//!         let other = core.incarnation(wavetank_sim::NodeId(1 - me.0));
//!         self.last = ball.bounces;
//!         if ball.bounces == 10 {
//!             return core.stop("ten bounces");
//!         }
//!         core.schedule_to(core.now() + Nanos::millis(3), other, Ball { bounces: ball.bounces + 1 });
//!     }
//!     fn discard(&mut self, _: &mut Core<Ball>, _: Incarnation, _: Ball) {}
//! }
//!
//! let (last, outcome) = run(42, Limits::default(), None, |_, core| {
//!     let (a, _b) = (core.create_node("a"), core.create_node("b"));
//!     core.schedule_to(Nanos::ZERO, core.incarnation(a), Ball { bounces: 0 });
//!     Arc::new(Mutex::new(Game { last: 0 }))
//! }, |game, _, outcome| (game.last, outcome));
//! assert_eq!((last, outcome.now), (10, Nanos::millis(30)));
//! ```

#[cfg(not(madsim))]
compile_error!(
    "wavetank needs madsim's simulation build, which is chosen by `--cfg madsim`.\n\
     The repository's .cargo/config.toml sets it, but a RUSTFLAGS variable (even an empty one) replaces that setting:\n\
     unset RUSTFLAGS, or add `--cfg madsim` to it, and build from inside the repository."
);

mod choices;
mod clock;
mod digest;
mod guest;
mod lockstep;
mod logging;
mod marks;
mod nanos;
mod node;
mod node_id;
mod queue;
pub mod sorted;
mod tank;
mod threads;
mod trace;

pub use choices::{Choices, Domain, Reseed, Stream, normal_quantile};
pub use clock::{DRIFT_PPB_MAX, DriftPpb, NodeClock};
pub use digest::Digest;
pub use guest::{GuestFuture, GuestHandle, Mailbox, Sleep};
pub use lockstep::{Divergence, lockstep};
pub use logging::VirtualTime;
pub use marks::Marks;
pub use nanos::Nanos;
pub use node::NodeState;
pub use node_id::{Incarnation, NodeEpoch, NodeId};
pub use queue::EventId;
pub use sorted::{SortedMap, SortedSet};
pub use tank::{Admission, Core, CoreGuard, Dispatch, EndReason, Limits, Observer, Outcome, Tank, run};
pub use threads::{Panicked, cores, on_fresh_thread, run_many};
pub use trace::{Event, Record, What};
