//! Knobs of exploring runs: settings that a seed draws, so that rare paths become common in some runs and stay rare in
//! others. A measured run has none.
//!
//! Each is off in most seeds: the platform then is as its scenario describes it.

use crate::storm::{LONGEST, Misfit};
use serde::{Deserialize, Serialize};
use wavetank_models::client::ProducerSettings;
use wavetank_models::kafka::broker::retention::RetentionOptions;
use wavetank_models::kafka::broker::segments::LogConfig;
use wavetank_models::kafka::controller::ControllerOptions;
use wavetank_models::kafka::shared_storage::StorageOptions;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::ring::{HEADERS, RingOptions};
use wavetank_sim::{Choices, Domain, Nanos, Stream};

/// What was drawn for a seed; the default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knobs {
    /// A write-ahead log that is full after seconds without an upload.
    pub small_log: bool,
    /// Keys in a page of a list (1,000).
    pub page_keys: Option<u32>,
    /// How long a dropped object stays (60 s): shorter than a read of it may take.
    pub object_retention: Option<Nanos>,
    /// How often what is in the log is uploaded and committed (7 s): often, so that commits are lost, and objects many; or
    /// seldom, so that much is only in logs when they change hands.
    pub upload_interval: Option<Nanos>,
    /// A broker younger than this is not failed over (60 s): shorter, so that logs change hands under load, again and again.
    pub failover_min_age: Option<Nanos>,
    /// Logs that keep little (168 h, in segments of 1 GiB): what is deleted is what somebody reads, or is not uploaded yet.
    pub retention: Option<Retention>,
    /// A stream is closed without an upload: its tail stays in the log, owed.
    pub fast_close: bool,
}

/// What logs keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How often a leader looks.
    pub check_interval: Nanos,
    /// Bytes of a segment of the load's topics.
    pub segment_bytes: u64,
    /// How long a record is kept; `null`: for ever.
    pub time: Option<Nanos>,
    /// How many bytes are kept; `null`: any number.
    pub bytes: Option<u64>,
    /// Bytes of a segment of the groups' offsets.
    pub offsets_segment_bytes: u64,
}

impl Retention {
    fn options(self) -> RetentionOptions {
        let Retention { check_interval, segment_bytes, time, bytes, offsets_segment_bytes } = self;
        RetentionOptions {
            check_interval,
            topics: LogConfig { segment_bytes, retention_time: time, retention_bytes: bytes, ..LogConfig::default() },
            offsets_segment_bytes,
            mutant: None,
        }
    }
}

/// Bytes of a small ring: twelve seconds of a third of 40 records a second, in blocks of 4 KiB.
const SMALL_RING_BYTES: u64 = 512 << 10;
/// Appended and not yet uploaded to a small log of objects.
const SMALL_UNFLUSHED_BYTES: u64 = 32 << 10;
/// Whatever is appended to a small log must fit it.
const SMALL_BATCH_BYTES: u32 = 16 << 10;

/// Retention of seconds, or of some records, in segments of some records.
fn draw_retention(stream: &mut Stream) -> Retention {
    let check_interval = stream.nanos(Nanos::millis(500)..Nanos::secs(4));
    let segment_bytes = stream.range(2 << 10..16 << 10);
    let (by_time, time) = (stream.ratio(3, 4), stream.nanos(Nanos::secs(2)..Nanos::secs(20)));
    let (by_bytes, bytes) = (stream.ratio(1, 2), stream.range(8 << 10..96 << 10));
    let offsets_segment_bytes = stream.range(512..4 << 10);
    // One of them at least.
    let (time, bytes) = (by_time.then_some(time), (by_bytes || !by_time).then_some(bytes));
    Retention { check_interval, segment_bytes, time, bytes, offsets_segment_bytes }
}

impl Knobs {
    pub(super) fn draw(choices: &Choices) -> Knobs {
        let mut stream = choices.stream(Domain::new("cluster/knobs"), 0);
        // All are drawn, so that none shifts another.
        let small_log = stream.ratio(1, 3);
        let (pages, page_keys) = (stream.ratio(1, 3), stream.range(2..8) as u32);
        let (dropped, object_retention) = (stream.ratio(1, 2), stream.nanos(Nanos::ZERO..Nanos::millis(100)));
        let (quick, upload_interval) = (stream.ratio(1, 3), stream.nanos(Nanos::millis(300)..Nanos::secs(2)));
        let (seldom, seldom_interval) = (stream.ratio(1, 4), stream.nanos(Nanos::secs(15)..Nanos::secs(60)));
        let (young, failover_min_age) = (stream.ratio(1, 2), stream.nanos(Nanos::ZERO..Nanos::secs(10)));
        let (brief, retention) = (stream.ratio(1, 4), draw_retention(&mut stream));
        Knobs {
            small_log,
            page_keys: pages.then_some(page_keys),
            object_retention: dropped.then_some(object_retention),
            upload_interval: quick.then_some(upload_interval).or(seldom.then_some(seldom_interval)),
            failover_min_age: young.then_some(failover_min_age),
            retention: brief.then_some(retention),
            fast_close: choices.stream(Domain::new("cluster/fast-close"), 0).ratio(1, 2),
        }
    }

    /// Logs that are cut into small segments and looked at often, so that what a topic lets go goes within seconds; by
    /// themselves brokers keep all. Where they keep little already, they do that.
    pub(super) fn notice_retention(&mut self, choices: &Choices) {
        let mut drawn = draw_retention(&mut choices.stream(Domain::new("cluster/knobs/retention-change"), 0));
        (drawn.time, drawn.bytes) = (None, None);
        self.retention.get_or_insert(drawn);
    }

    /// Whether a platform can be set so.
    ///
    /// # Errors
    /// The first knob that cannot be.
    pub(super) fn check(&self) -> Result<(), Misfit> {
        let times = [
            ("object_retention", self.object_retention),
            ("upload_interval", self.upload_interval),
            ("failover_min_age", self.failover_min_age),
            ("retention.check_interval", self.retention.map(|it| it.check_interval)),
            ("retention.time", self.retention.and_then(|it| it.time)),
        ];
        for (key, time) in times {
            let is_pace = matches!(key, "upload_interval" | "retention.check_interval");
            match time {
                Some(Nanos::ZERO) if is_pace => {
                    return Err(Misfit::new(format!("knobs.{key}"), "0 s: longer than that"));
                }
                Some(time) if time > LONGEST => {
                    return Err(Misfit::new(format!("knobs.{key}"), format!("{time} s: at most a day")));
                }
                Some(_) | None => {}
            }
        }
        let counts = [
            ("page_keys", self.page_keys.map(u64::from)),
            ("retention.segment_bytes", self.retention.map(|it| it.segment_bytes)),
            ("retention.offsets_segment_bytes", self.retention.map(|it| it.offsets_segment_bytes)),
        ];
        match counts.into_iter().find(|(_, count)| *count == Some(0)) {
            Some((key, _)) => Err(Misfit::new(format!("knobs.{key}"), "0: 1 or more")),
            None => Ok(()),
        }
    }

    /// Whether logs keep less than a run writes.
    pub(super) fn retains_briefly(&self) -> bool {
        self.retention.is_some()
    }

    pub(super) fn retention(&self, of: RetentionOptions) -> RetentionOptions {
        self.retention.map_or(of, Retention::options)
    }

    /// One line, of what is not as the scenario says.
    pub fn describe(&self) -> Vec<String> {
        let mut set = Vec::new();
        if self.small_log {
            set.push("a small log".to_owned());
        }
        set.extend(self.page_keys.map(|keys| format!("{keys} keys a page")));
        set.extend(self.object_retention.map(|time| format!("objects kept {time} s")));
        set.extend(self.upload_interval.map(|time| format!("uploads every {time} s")));
        set.extend(self.failover_min_age.map(|time| format!("failover from an age of {time} s")));
        set.extend(self.retention.map(|of| {
            let time = of.time.map_or_else(|| "ever".into(), |time| format!("{time} s"));
            let bytes = of.bytes.map_or_else(String::new, |bytes| format!(", at most {bytes} bytes"));
            format!("records kept for {time}{bytes}")
        }));
        vec![format!("knobs: {}", if set.is_empty() { "none".into() } else { set.join(", ") })]
    }

    pub(super) fn ring(&self, of: RingOptions) -> RingOptions {
        match self.small_log {
            false => of,
            true => RingOptions {
                capacity_bytes: HEADERS + SMALL_RING_BYTES,
                window_initial_bytes: 64 << 10,
                window_unit_bytes: 64 << 10,
                // A block that is full, and what filled it up, must fit: with less nothing is ever written again.
                window_max_bytes: SMALL_RING_BYTES / 4 * 3,
                ..of
            },
        }
    }

    pub(super) fn object_wal(&self, mut of: ObjectWalOptions) -> ObjectWalOptions {
        if self.small_log {
            of.unflushed_bytes_max = SMALL_UNFLUSHED_BYTES;
        }
        of.client.page_keys = self.page_keys.unwrap_or(of.client.page_keys);
        of
    }

    pub(super) fn storage(&self, of: StorageOptions) -> StorageOptions {
        StorageOptions { upload_interval: self.upload_interval.unwrap_or(of.upload_interval), ..of }
    }

    pub(super) fn producer(&self, mut of: ProducerSettings) -> ProducerSettings {
        if self.small_log {
            of.batch_size = of.batch_size.min(SMALL_BATCH_BYTES);
        }
        of
    }

    pub(super) fn controller(&self, of: ControllerOptions) -> ControllerOptions {
        ControllerOptions {
            object_retention: self.object_retention.unwrap_or(of.object_retention),
            failover_min_age: self.failover_min_age.unwrap_or(of.failover_min_age),
            ..of
        }
    }
}
