//! What a host is made of: cores, threads, service times, pauses, credits.

use crate::cloud::latency::Latency;
use wavetank_sim::{Nanos, Stream};

/// A host, and the thread pools of every process on it.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Cores (vCPUs): how many threads run at once.
    pub cores: u32,
    /// Network threads of each process: Kafka `num.network.threads`, default 3 (`SocketServerConfigs`).
    pub network_threads: u32,
    /// Request-handler threads of each process: Kafka `num.io.threads`, default 8 (`ServerConfigs`).
    pub request_handler_threads: u32,
    /// Background threads of each process: Kafka `background.threads`, default 10 (`ServerConfigs`).
    pub background_threads: u32,
    /// Requests that wait for a handler thread before network threads block: Kafka `queued.max.requests`, default 500
    /// (`SocketServerConfigs`; the capacity of `RequestChannel`'s `ArrayBlockingQueue`).
    pub request_queue_max: u32,
    /// CPU time of a network thread on one request: read, decrypt, parse.
    pub network: ServiceTime,
    /// CPU time of a handler thread on one request: validate, append or look up, build the response.
    pub handler: ServiceTime,
    /// How service times scatter around their mean. Background work is always exactly as long as it was asked for.
    pub service_shape: ServiceShape,
    /// How long a thread keeps its core while others wait for one. Linux's EEVDF: a base slice of
    /// 0.75 ms x (1 + log2(cores, at most 8)), so 3 ms from 8 cores on (`kernel/sched/fair.c`). `Nanos::MAX`: never
    /// preempted.
    pub time_slice: Nanos,
    /// When a connection's next request may be read.
    pub unmute: Unmute,
    /// Stop-the-world pauses that the host takes by itself.
    pub gc: Option<GcProfile>,
    /// CPU credits of a burstable instance type.
    pub credits: Option<CpuCredits>,
}

impl HostSpec {
    /// Zero service everywhere: a request passes at once, with no event. A pause still holds it.
    pub fn instant() -> HostSpec {
        HostSpec { network: ServiceTime::ZERO, handler: ServiceTime::ZERO, ..HostSpec::kafka(1) }
    }

    /// A Kafka broker with default threads on a machine with that many cores. The service times are *assumed*: 5 us and
    /// 0.1 ns/B to receive (one copy at 10 GB/s), 20 us and 0.25 ns/B to handle (CRC-32C and one copy). A profile brings
    /// its own.
    pub fn kafka(cores: u32) -> HostSpec {
        HostSpec {
            cores,
            network_threads: 3,
            request_handler_threads: 8,
            background_threads: 10,
            request_queue_max: 500,
            network: ServiceTime { per_request: Nanos::micros(5), per_byte_picos: 100 },
            handler: ServiceTime { per_request: Nanos::micros(20), per_byte_picos: 250 },
            service_shape: ServiceShape::Constant,
            time_slice: Nanos::millis(3),
            unmute: Unmute::OnServed,
            gc: None,
            credits: None,
        }
    }

    /// Whether a host can be built from this.
    ///
    /// # Errors
    /// What is zero and must not be.
    pub fn validate(&self) -> Result<(), HostSpecError> {
        let least_one = [
            ("cores", self.cores),
            ("network_threads", self.network_threads),
            ("request_handler_threads", self.request_handler_threads),
            ("background_threads", self.background_threads),
            ("request_queue_max", self.request_queue_max),
        ];
        if let Some((field, _)) = least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(HostSpecError::Zero { field });
        }
        if self.time_slice == Nanos::ZERO {
            return Err(HostSpecError::Zero { field: "time_slice" });
        }
        match self.credits {
            Some(credits) if credits.earned_per_hour_milli == 0 => {
                Err(HostSpecError::Zero { field: "credits.earned_per_hour_milli" })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Why a host cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostSpecError {
    /// A field is zero and nothing would ever run.
    #[error("a host's `{field}` must be at least 1, it is 0: nothing would ever run")]
    Zero {
        /// Which field.
        field: &'static str,
    },
}

/// CPU time of one stage on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTime {
    /// For the request as such.
    pub per_request: Nanos,
    /// For each of its bytes, in picoseconds.
    pub per_byte_picos: u64,
}

impl ServiceTime {
    /// No CPU time at all: the stage makes no event.
    pub const ZERO: ServiceTime = ServiceTime { per_request: Nanos::ZERO, per_byte_picos: 0 };

    /// The mean for a request of that size, rounded up to a nanosecond.
    pub fn mean(&self, bytes: u64) -> Nanos {
        let picos = u128::from(bytes) * u128::from(self.per_byte_picos);
        let of_bytes = u64::try_from(picos.div_ceil(1_000)).unwrap_or(u64::MAX);
        self.per_request.saturating_add(Nanos(of_bytes))
    }

    pub(super) fn draw(&self, bytes: u64, shape: ServiceShape, stream: &mut Stream) -> Nanos {
        let mean = self.mean(bytes);
        match shape {
            ServiceShape::Constant => mean,
            // Zero stays zero and draws nothing: an instant stage must not shift the other one's values.
            ServiceShape::Exponential if mean == Nanos::ZERO => Nanos::ZERO,
            ServiceShape::Exponential => stream.exponential(mean),
        }
    }
}

/// How service times scatter around their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceShape {
    /// Not at all: M/D/k.
    Constant,
    /// Exponentially: M/M/k.
    Exponential,
}

/// When a connection's next request may be read. Kafka's `SocketServer` mutes a channel when it has received a request
/// and unmutes it when the *response* has been sent, so pipelined requests of one connection never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmute {
    /// As soon as a handler thread is done with the request, even where its response waits (acks=all, long poll): the
    /// pipelining of AutoMQ's `SocketServer`, without its bound of 64 requests in flight a connection.
    OnServed,
    /// When the driver says so with [`Host::responded`](super::Host::responded): Apache Kafka.
    OnResponse,
}

/// Stop-the-world pauses that come by themselves.
#[derive(Clone, Debug)]
pub struct GcProfile {
    /// From the end of one pause to the start of the next.
    pub every: Latency,
    /// Length of a pause.
    pub duration: Latency,
}

/// CPU credits of a burstable instance (T3, T4g; EC2 User Guide, "Key concepts for burstable performance instances"):
/// one credit is one vCPU busy for one minute. All figures in thousandths of a credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuCredits {
    /// Earned each hour, busy or not. Fixes the baseline: see [`CpuCredits::baseline_percent`].
    pub earned_per_hour_milli: u32,
    /// The balance never grows beyond this: what is earned in 24 hours.
    pub max_milli: u32,
    /// The balance at the start (T2 only; T3 and T4g launch with none).
    pub launch_milli: u32,
    /// `unlimited` (the default of T3 and T4g): never slowed; what is spent beyond the balance is billed, see
    /// [`Host::surplus_core_nanos`](super::Host::surplus_core_nanos).
    pub unlimited: bool,
}

impl CpuCredits {
    /// Credits of a T3 or T4g type, standard mode, e.g. 12 an hour for t3.micro.
    pub const fn standard(earned_per_hour: u32) -> CpuCredits {
        CpuCredits {
            earned_per_hour_milli: earned_per_hour * 1_000,
            max_milli: earned_per_hour * 24_000,
            launch_milli: 0,
            unlimited: false,
        }
    }

    /// What share of each of `cores` vCPUs the earnings sustain, in percent: 12 an hour on 2 vCPUs are 10 %.
    pub fn baseline_percent(&self, cores: u32) -> u64 {
        u64::from(self.earned_per_hour_milli) * 100 / (60_000 * u64::from(cores.max(1)))
    }
}
