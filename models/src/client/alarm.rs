//! One timer of a component, for the next thing it has to do.

use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input, TimerId};
use wavetank_sim::Nanos;

/// See the [module](self). It may ring too early: a component looks at the time, not at why it was woken.
#[derive(Debug)]
pub(super) struct Alarm {
    space: TokenSpace,
    set: Option<(TimerId, Nanos)>,
}

impl Alarm {
    pub fn new(space: TokenSpace) -> Alarm {
        Alarm { space, set: None }
    }

    /// Rings at that time of the monotonic clock, or before.
    pub fn set(&mut self, cx: &mut Cx<'_>, at: Nanos) {
        if at == Nanos::MAX || self.set.is_some_and(|(_, set)| set <= at) {
            return;
        }
        if let Some((timer, _)) = self.set.take() {
            cx.cancel_timer(timer);
        }
        let after = at.saturating_sub(cx.monotonic());
        self.set = Some((self.space.set_timer(cx, after, 0), at));
    }

    /// Whether this input is its ring.
    pub fn rang(&mut self, input: &Input) -> bool {
        let Input::Timer { timer, .. } = input else { return false };
        let mine = self.set.is_some_and(|(set, _)| set == *timer);
        if mine {
            self.set = None;
        }
        mine
    }
}
