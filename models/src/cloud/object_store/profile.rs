//! How fast a store is: distributions to draw from, and rates.

use super::api::OpClass;
use super::engine::Timing;
use super::limits::PrefixLimits;
use crate::cloud::latency::{Latency, Ramp};
use wavetank_sim::{Nanos, Stream};

/// The latencies of one class of store.
///
/// A request takes its class's latency plus the transfer of its body at the pace of one connection, which is drawn once a
/// request (a [`SizedLatency`](crate::cloud::latency::SizedLatency) in two fields); a caller that wants more throughput
/// uses more connections, i.e. requests at once, up to its own host's network.
#[derive(Clone, Debug)]
pub struct ObjectLatencies {
    /// GET: to the first byte.
    pub first_byte_get: Latency,
    /// PUT and UploadPart: what a PUT takes beyond the transfer of its body.
    pub first_byte_put: Latency,
    /// CompleteMultipartUpload.
    pub complete: Latency,
    /// HEAD.
    pub head: Latency,
    /// DELETE, DeleteObjects, abort.
    pub delete: Latency,
    /// One page of LIST.
    pub list: Latency,
    /// Time for one mebibyte of a body received from the store, drawn once a request.
    pub get_per_mib: Latency,
    /// Time for one mebibyte of a body sent to the store, drawn once a request.
    pub put_per_mib: Latency,
    /// How much slower the beginning of a body sent to the store is.
    pub put_ramp: Ramp,
    /// The share of a request's latency that has passed when it reaches the store, in parts per million. Its instant of
    /// effect is drawn evenly between that and the answer. At most 1,000,000 (effect and answer coincide).
    pub arrival_ppm: u32,
    /// How long a 503 takes.
    pub slow_down: Latency,
    /// The hint that comes with a 503: not sooner than after this.
    pub retry_after: Nanos,
    /// When a client gives up that gets no answer at all because of an outage.
    pub attempt_timeout: Nanos,
}

/// A regional store's speed and limits.
#[derive(Clone, Debug)]
pub struct ObjectStoreProfile {
    /// Latencies.
    pub latencies: ObjectLatencies,
    /// Request rates per prefix.
    pub limits: PrefixLimits,
}

impl ObjectStoreProfile {
    /// Round figures near the medians of rows S3-A-* (28 ms for a small PUT, 25 ms for a small GET and a LIST page,
    /// 85 MB/s a connection as in S3-LIM-conn): an assumption, constant and without tails.
    pub fn assumed() -> ObjectStoreProfile {
        let ms = |ms| Latency::constant(Nanos::millis(ms));
        ObjectStoreProfile {
            latencies: ObjectLatencies {
                first_byte_get: ms(25),
                first_byte_put: ms(30),
                complete: ms(60),
                head: ms(20),
                delete: ms(25),
                list: ms(30),
                get_per_mib: ms(12),
                put_per_mib: ms(12),
                put_ramp: Ramp::default(),
                arrival_ppm: 250_000,
                slow_down: ms(5),
                retry_after: Nanos::secs(1),
                attempt_timeout: Nanos::secs(10),
            },
            limits: PrefixLimits {
                put_per_sec: 3_500,
                get_per_sec: 5_500,
                burst_ms: 1_000,
                prefix_depth: 1,
                split_after: Nanos::secs(600),
                split_forget: Nanos::secs(60),
                scale_max: 16,
            },
        }
    }
}

const PPM: u64 = 1_000_000;
const MIB: u64 = 1 << 20;

impl ObjectLatencies {
    /// Draws how long a body takes to the store on its connection alone: one draw, whatever its size.
    pub(crate) fn draw_upload(&self, upload_len: u64, percent: u64, stream: &mut Stream) -> Nanos {
        self.put_per_mib.sample(stream).scale(percent, 100).scale(self.put_ramp.paced(upload_len), MIB)
    }

    /// Draws one request's other times, given what its body took: two draws of latency and pace, one of the instant,
    /// whatever the operation.
    pub(crate) fn draw(&self, class: OpClass, upload: Nanos, percent: u64, stream: &mut Stream) -> Timing {
        assert!(u64::from(self.arrival_ppm) <= PPM, "a request that arrives after its answer");
        let latency = match class {
            OpClass::Put => &self.first_byte_put,
            OpClass::Complete => &self.complete,
            OpClass::Get => &self.first_byte_get,
            OpClass::Head => &self.head,
            OpClass::Delete => &self.delete,
            OpClass::List => &self.list,
        };
        let latency = latency.sample(stream).scale(percent, 100);
        let mib_out = self.get_per_mib.sample(stream).scale(percent, 100);
        let arrival = latency.scale(u64::from(self.arrival_ppm), PPM);
        let share = stream.range(0..PPM + 1);
        let instant = arrival.saturating_add((latency - arrival).scale(share, PPM));
        // An answer lies within a virtual year: what is beyond is a timeout anyway.
        let cap = Nanos::secs(365 * 86_400);
        Timing {
            effect: upload.saturating_add(instant).min(cap),
            answer: upload.saturating_add(latency).min(cap),
            mib_out,
            attempt_timeout: self.attempt_timeout,
        }
    }
}
