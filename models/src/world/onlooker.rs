//! Who looks on at a run and changes nothing in it: for stories and traces of what happened.
//!
//! An onlooker hears what processes say ([`Probe`]s), what single operations of devices meet, and how nodes live and die.
//! What it hears of is no event and no choice, so a run is the same to the last event with it and without.

use super::Event;
use crate::anomaly::{Fate, Operation};
use crate::probe::Probe;
use std::fmt;
use std::sync::{Arc, Mutex};
use wavetank_sim::{Incarnation, Nanos, NodeId, Observer, What};

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// A node is made: this is what people call it. Its first life has begun already.
    Named {
        /// Which.
        node: NodeId,
        /// What it is called.
        name: &'a str,
    },
    /// A node's life begins.
    Begins(Incarnation),
    /// A node's life is over.
    Ends(Incarnation),
    /// A node stands still.
    Pauses(Incarnation),
    /// It goes on.
    Resumes(Incarnation),
    /// A process ends itself; that its life is over follows.
    Exits {
        /// Who.
        by: Incarnation,
        /// What it says.
        why: &'a str,
    },
    /// A single operation of a device meets something beyond the ordinary.
    Meets {
        /// Whose operation.
        by: Incarnation,
        /// Which.
        operation: Operation,
        /// What.
        fate: Fate,
    },
    /// A process says what it does.
    Said {
        /// Who.
        by: Incarnation,
        /// What.
        probe: &'a Probe,
    },
    /// A process has reached a situation that sweeps count: see [`Marks`](wavetank_sim::Marks).
    Reached {
        /// Who.
        by: Incarnation,
        /// The situation's name.
        situation: &'static str,
    },
}

/// Looks on.
pub trait Onlooker: Send {
    /// Something happened.
    fn heed(&mut self, now: Nanos, happening: &Happening<'_>);
}

/// Everybody who looks on at a run. Clones are the same people.
#[derive(Clone, Default)]
pub struct Audience(Vec<Arc<Mutex<dyn Onlooker>>>);

impl Audience {
    /// One more; whoever keeps the other end of it can ask it afterwards.
    pub fn add(&mut self, onlooker: Arc<Mutex<dyn Onlooker>>) {
        self.0.push(onlooker);
    }

    /// Tells everybody.
    #[inline]
    pub(super) fn hear(&self, now: Nanos, happening: &Happening<'_>) {
        for onlooker in &self.0 {
            onlooker.lock().expect("no onlooker panics").heed(now, happening);
        }
    }

    /// Tells everybody of nodes' lives too, which the trace alone knows for certain; `first` looks at each record before.
    /// With nobody to tell, that is `first` itself.
    pub fn with_lives(&self, first: Option<Observer<Event>>) -> Option<Observer<Event>> {
        if self.0.is_empty() {
            return first;
        }
        let (audience, mut first) = (self.clone(), first);
        Some(Box::new(move |record| {
            let goes_on = first.as_mut().is_none_or(|first| first(record));
            if let Some(life) = record.to {
                let happening = match record.what {
                    What::Started => Happening::Begins(life),
                    What::Killed => Happening::Ends(life),
                    What::Paused => Happening::Pauses(life),
                    What::Resumed => Happening::Resumes(life),
                    What::Event(_) | What::GuestWake => return goes_on,
                };
                audience.hear(record.at, &happening);
            }
            goes_on
        }))
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} onlookers", self.0.len())
    }
}
