//! Compaction: the background life of objects.
//!
//! ```text
//!   stream-set objects ──[stream_sets]──> one stream-set object, and stream objects for large streams
//!   stream objects     ──[stream_objects]──> one stream object for each contiguous group
//!   stream objects below the stream's start ──> dropped
//! ```
//!
//! Both read their sources, write what is to replace them, and commit that in one entry of the metadata log, so that every
//! offset is readable at every moment: before the entry in the sources, after it in what replaces them. The sources are only
//! deleted some time later. Whoever reads them then gets nothing and looks again where the offset is.
//!
//! A compaction that cannot be sure gives its plan up: nothing is lost by that but work. Prepared objects that are never
//! committed are dropped by the controller at their deadline.
//!
//! Simpler than reality: sources are read whole, one after the other, as fast as the [limiter](super::network) lets them,
//! not spread over the interval; a run over stream-set objects is one plan, where AutoMQ makes one for each
//! `s3.stream.set.object.compaction.cache.size` of data; composite objects (V1) do not exist. So compaction traffic comes in
//! larger bursts.

mod rewrite;
mod stream_objects;
mod stream_sets;

use super::objects::{ObjectAnswer, ObjectCall, Objects};
use super::{Identity, StorageOptions};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{StreamEpoch, StreamId};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::ControllerAnswer;
use crate::kafka::token::TokenSpace;
use crate::world::Cx;
use stream_objects::StreamObjects;
use stream_sets::StreamSets;
use wavetank_sim::Nanos;

const ABANDONED: &str = "compaction: a plan was abandoned";
const SETS: u64 = 1;
const STREAMS: u64 = 2;

/// When and how much, by AutoMQ's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionOptions {
    /// `s3.stream.set.object.compaction.interval.minutes`: from the begin of a run to the next (5 min).
    pub set_interval: Nanos,
    /// From the end of a run to the next, at least (10 s).
    pub set_pause: Nanos,
    /// `s3.stream.set.object.compaction.max.num`: stream-set objects of one run (500).
    pub set_objects_max: usize,
    /// `s3.stream.set.object.compaction.stream.split.size`: a stream with more goes into its own object, bytes (8 MiB).
    pub set_split_bytes: u64,
    /// `s3.stream.set.object.compaction.force.split.minutes`: an object that old is split up altogether (120 min).
    pub set_force_split: Nanos,
    /// How often open streams are looked at (1 min).
    pub stream_scan: Nanos,
    /// From opening a stream to its first compaction, at least (1 min).
    pub stream_cooldown: Nanos,
    /// How often small objects of a stream are joined (5 min).
    pub minor_interval: Nanos,
    /// Up to that size, bytes (128 MiB).
    pub minor_bytes: u64,
    /// `s3.stream.object.compaction.interval.minutes` (30 min).
    pub major_interval: Nanos,
    /// `s3.stream.object.compaction.max.size.bytes` (10 GiB).
    pub major_bytes: u64,
}

impl Default for CompactionOptions {
    fn default() -> CompactionOptions {
        CompactionOptions {
            set_interval: Nanos::secs(5 * 60),
            set_pause: Nanos::secs(10),
            set_objects_max: 500,
            set_split_bytes: 8 << 20,
            set_force_split: Nanos::secs(120 * 60),
            stream_scan: Nanos::secs(60),
            stream_cooldown: Nanos::secs(60),
            minor_interval: Nanos::secs(5 * 60),
            minor_bytes: 128 << 20,
            major_interval: Nanos::secs(30 * 60),
            major_bytes: 10 << 30,
        }
    }
}

impl CompactionOptions {
    /// Everything within seconds, for short runs: a run over stream-set objects each 5 s, over streams each 2 s.
    pub fn quick() -> CompactionOptions {
        CompactionOptions {
            set_interval: Nanos::secs(5),
            set_pause: Nanos::secs(1),
            set_split_bytes: 16 << 10,
            set_force_split: Nanos::secs(30),
            stream_scan: Nanos::secs(2),
            stream_cooldown: Nanos::secs(1),
            minor_interval: Nanos::secs(4),
            minor_bytes: 128 << 10,
            major_interval: Nanos::secs(15),
            major_bytes: 10 << 20,
            ..CompactionOptions::default()
        }
    }
}

/// Both compactions of a broker. See the [module](self).
pub struct Compaction {
    space: TokenSpace,
    options: CompactionOptions,
    sets: StreamSets,
    streams: StreamObjects,
}

impl Compaction {
    /// Begins; uses this token space for its timers.
    pub fn new(cx: &mut Cx<'_>, space: TokenSpace, identity: Identity, options: &StorageOptions) -> Compaction {
        space.set_timer(cx, options.compaction.set_interval, SETS);
        space.set_timer(cx, options.compaction.stream_scan, STREAMS);
        Compaction {
            space,
            options: options.compaction.clone(),
            sets: StreamSets::new(identity, options.clone()),
            streams: StreamObjects::new(identity, options.clone()),
        }
    }

    /// A stream is open at this broker.
    pub fn opened(&mut self, cx: &mut Cx<'_>, stream: StreamId, epoch: StreamEpoch) {
        self.streams.opened(cx, stream, epoch);
    }

    /// A stream is not this broker's any more: what is being done with its objects is given up.
    pub fn forget(&mut self, stream: StreamId) {
        self.streams.forget(stream);
    }

    /// A stream is to begin there: what lies before is dropped as soon as the image says so too.
    pub fn trimmed(&mut self, stream: StreamId, start_offset: u64) {
        self.streams.trimmed(stream, start_offset);
    }

    /// The image has moved on.
    pub fn image_moved(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects) {
        self.streams.image_moved(cx, link, objects);
    }

    /// A timer of the compactions' space.
    pub fn timer(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects, local: u64) {
        match local {
            SETS => {
                self.sets.run(cx, link, objects);
                self.after_sets(cx);
            }
            STREAMS => {
                self.streams.scan(cx, link, objects);
                self.space.set_timer(cx, self.options.stream_scan, STREAMS);
            }
            other => unreachable!("compaction sets no timer {other}"),
        }
    }

    /// The next run follows its interval after the begin of this one, but not at once.
    fn after_sets(&mut self, cx: &mut Cx<'_>) {
        if let Some(began) = self.sets.take_ended() {
            let elapsed = cx.monotonic() - began;
            let left = Nanos(self.options.set_interval.0.saturating_sub(elapsed.0));
            self.space.set_timer(cx, left.max(self.options.set_pause), SETS);
        }
    }

    /// A get or put is done; `false` when it is not a compaction's.
    pub fn object(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        call: ObjectCall,
        answer: &ObjectAnswer,
    ) -> bool {
        let is_its =
            self.sets.object(cx, link, objects, call, answer) || self.streams.object(cx, link, objects, call, answer);
        self.after_sets(cx);
        is_its
    }

    /// The controller's answer; `false` when it is not to a compaction.
    pub fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        let is_its = self.sets.answered(cx, link, objects, ticket, result)
            || self.streams.answered(cx, link, objects, ticket, result);
        self.after_sets(cx);
        is_its
    }
}

/// Whether the controller will take nothing more from this life of the broker.
fn is_final(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::NodeEpochNotExist | ErrorCode::NodeEpochExpired | ErrorCode::NodeFenced)
}

#[cfg(test)]
mod tests;
