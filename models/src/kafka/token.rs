//! Tokens of several components in one process.

use crate::world::{Cx, Input, TimerId};
use wavetank_sim::Nanos;

/// The tokens of one component of a process: no two components of a process share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenSpace(pub u16);

const LOCAL_BITS: u32 = 48;

impl TokenSpace {
    /// The token for a component's own number, below 2^48.
    pub fn token(self, local: u64) -> u64 {
        assert!(local >> LOCAL_BITS == 0, "a component's own numbers have 48 bits");
        u64::from(self.0) << LOCAL_BITS | local
    }

    /// Which component's token this is, and its own number.
    pub fn split(token: u64) -> (TokenSpace, u64) {
        (TokenSpace((token >> LOCAL_BITS) as u16), token & ((1 << LOCAL_BITS) - 1))
    }

    /// A timer of this component.
    pub fn set_timer(self, cx: &mut Cx<'_>, after: Nanos, local: u64) -> TimerId {
        cx.set_timer(after, self.token(local))
    }
}

/// The token that an input answers to; `None` for what comes from connections, and for the boot.
pub fn token_of(input: &Input) -> Option<u64> {
    match input {
        Input::Timer { token, .. } | Input::Worked { token } => Some(*token),
        Input::Volume(done) => Some(done.token),
        Input::Object(done) | Input::Express(done) => Some(done.token),
        Input::Nfs(done) => Some(done.token),
        Input::Boot
        | Input::Connected { .. }
        | Input::Accepted { .. }
        | Input::Message { .. }
        | Input::Reset { .. }
        | Input::Signal(_) => None,
    }
}
