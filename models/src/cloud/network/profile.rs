//! The network's numbers.

use super::topology::LinkClass;
use crate::cloud::latency::Latency;
use wavetank_sim::Nanos;

/// One class of ways.
#[derive(Clone, Debug)]
pub struct LinkProfile {
    /// Propagation from card to card, without the time on the cards and in queues. Half a measured round trip.
    pub one_way: Latency,
    /// Bytes per second, shared by all traffic of one ordered pair of zones (for storage classes: of one zone, each
    /// direction); 0 = not limited. [`LinkClass::SameHost`] ignores it.
    pub bandwidth_bytes_per_sec: u64,
}

/// All numbers of a network.
#[derive(Clone, Debug)]
pub struct NetworkProfile {
    /// See [`LinkClass::SameHost`].
    pub same_host: LinkProfile,
    /// See [`LinkClass::SameAz`].
    pub same_az: LinkProfile,
    /// See [`LinkClass::CrossAz`].
    pub cross_az: LinkProfile,
    /// See [`LinkClass::CrossRegion`].
    pub cross_region: LinkProfile,
    /// See [`LinkClass::ObjectStorage`].
    pub object_storage: LinkProfile,
    /// See [`LinkClass::BlockStorage`].
    pub block_storage: LinkProfile,
    /// See [`LinkClass::FileStorage`].
    pub file_storage: LinkProfile,
    /// Whether volume traffic queues on the network card. False on EC2 since EBS-optimised instances have bandwidth of
    /// their own for it (Amazon EBS User Guide, "EBS optimization").
    pub block_storage_shares_nic: bool,
    /// How long the initiator waits for its connection. Kafka's `socket.connection.setup.timeout.ms`: 10 s.
    pub connect_timeout: Nanos,
    /// First retransmission time-out of a handshake: 1 s (RFC 6298 section 2; Linux `TCP_TIMEOUT_INIT`).
    pub handshake_rto: Nanos,
    /// First retransmission time-out of data: 200 ms (Linux `TCP_RTO_MIN`; RFC 6298 would say 1 s).
    pub rto_min: Nanos,
    /// Where doubling ends: 120 s (Linux `TCP_RTO_MAX`).
    pub rto_max: Nanos,
    /// How long data may stay unacknowledged before its sender gives the connection up. Linux without
    /// `TCP_USER_TIMEOUT`: `tcp_retries2` = 15, "a hypothetical timeout of 924.6 seconds" (kernel, ip-sysctl).
    pub tcp_user_timeout: Nanos,
}

impl NetworkProfile {
    /// Round numbers near the calibration rows (NET-NM-samezone, NET-OS-aa: 0.1-0.26 ms round trip in a zone;
    /// NET-LL-x, NET-FG: 0.5-1.5 ms between zones). Graded *assumed*: calibrated profiles come from data files.
    pub fn assumed() -> NetworkProfile {
        let constant = |one_way| LinkProfile { one_way: Latency::constant(one_way), bandwidth_bytes_per_sec: 0 };
        NetworkProfile {
            same_host: constant(Nanos::micros(10)),
            same_az: constant(Nanos::micros(100)),
            cross_az: constant(Nanos::micros(400)),
            cross_region: constant(Nanos::millis(35)),
            object_storage: constant(Nanos::micros(500)),
            block_storage: constant(Nanos::micros(50)),
            file_storage: constant(Nanos::micros(250)),
            block_storage_shares_nic: false,
            connect_timeout: Nanos::secs(10),
            handshake_rto: Nanos::secs(1),
            rto_min: Nanos::millis(200),
            rto_max: Nanos::secs(120),
            tcp_user_timeout: Nanos::millis(924_600),
        }
    }

    /// The numbers of one class.
    pub fn link(&self, class: LinkClass) -> &LinkProfile {
        match class {
            LinkClass::SameHost => &self.same_host,
            LinkClass::SameAz => &self.same_az,
            LinkClass::CrossAz => &self.cross_az,
            LinkClass::CrossRegion => &self.cross_region,
            LinkClass::ObjectStorage => &self.object_storage,
            LinkClass::BlockStorage => &self.block_storage,
            LinkClass::FileStorage => &self.file_storage,
        }
    }

    /// The numbers of one class, to change them.
    pub fn link_mut(&mut self, class: LinkClass) -> &mut LinkProfile {
        match class {
            LinkClass::SameHost => &mut self.same_host,
            LinkClass::SameAz => &mut self.same_az,
            LinkClass::CrossAz => &mut self.cross_az,
            LinkClass::CrossRegion => &mut self.cross_region,
            LinkClass::ObjectStorage => &mut self.object_storage,
            LinkClass::BlockStorage => &mut self.block_storage,
            LinkClass::FileStorage => &mut self.file_storage,
        }
    }
}
