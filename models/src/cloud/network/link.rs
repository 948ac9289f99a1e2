//! What bytes pass on their way: cards, links between zones, air.

use super::accounting::Accounting;
use super::card::Card;
use super::faults::Path;
use super::profile::NetworkProfile;
use super::topology::{Direction, HostId, LinkClass, Topology};
use wavetank_sim::{Choices, Domain, Nanos, Stream};

/// A first-in-first-out server: whoever comes is served after all who came before.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    free_at: Nanos,
}

impl Lane {
    /// Serves one, ready at `ready`. Returns when its service starts and ends.
    fn reserve(&mut self, ready: Nanos, service: Nanos) -> (Nanos, Nanos) {
        let start = ready.max(self.free_at);
        let end = start + service;
        debug_assert!(end >= self.free_at, "a lane goes back in time");
        self.free_at = end;
        (start, end)
    }
}

/// A rate under a fault: never divided down to 0, which would mean "not limited".
pub(super) fn divided(rate: u64, divisor: u64) -> u64 {
    match rate {
        0 => 0,
        rate => (rate / divisor.max(1)).max(1),
    }
}

/// A host's card, and what it draws from.
#[derive(Clone, Debug)]
struct Nic {
    /// By [`Direction`].
    cards: [Card; 2],
    /// Without power: nothing that arrives is answered.
    dark: bool,
    /// Latency draws of what this host sends (and of its device traffic). One stream per host: another host's traffic
    /// never shifts this one's latencies.
    latency: Stream,
}

/// From where to where one direction of a connection goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub from: HostId,
    pub to: HostId,
    pub class: LinkClass,
    /// Index of the ordered pair of zones.
    pub pair: usize,
}

/// How a message leaves its host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// When its first byte leaves.
    pub enter_at: Nanos,
    /// When its last byte has left.
    pub out_at: Nanos,
    /// The time between its first and its last byte on the wire.
    pub span: Nanos,
}

/// All that is shared between connections.
#[derive(Clone, Debug)]
pub(super) struct Fabric {
    pub topology: Topology,
    pub profile: NetworkProfile,
    pub accounting: Accounting,
    nics: Vec<Nic>,
    az_links: Vec<Lane>,
    /// By zone, class and direction.
    storage_links: Vec<Lane>,
}

impl Fabric {
    pub fn new(topology: Topology, profile: NetworkProfile, choices: &Choices) -> Fabric {
        let nic = |host: HostId| Nic {
            cards: [(); 2].map(|()| Card::new(topology.nic(host).bandwidth_bytes_per_sec)),
            dark: false,
            latency: choices.stream(Domain::new("network/latency"), u64::from(host.0)),
        };
        let azs = topology.az_count();
        Fabric {
            accounting: Accounting::new(&topology),
            nics: topology.hosts().map(nic).collect(),
            az_links: vec![Lane::default(); azs * azs],
            storage_links: vec![Lane::default(); azs * LinkClass::ALL.len() * 2],
            topology,
            profile,
        }
    }

    pub fn route(&self, from: HostId, to: HostId) -> Route {
        let pair = self.topology.pair_index(self.topology.az_of(from), self.topology.az_of(to));
        Route { from, to, class: self.topology.class_between(from, to), pair }
    }

    pub fn is_dark(&self, host: HostId) -> bool {
        self.nics[host.0 as usize].dark
    }

    pub fn set_dark(&mut self, host: HostId, dark: bool) {
        self.nics[host.0 as usize].dark = dark;
    }

    /// By how much each card as a whole is slower from now on. Tells which wake-ups to ask for.
    pub fn set_divisors(
        &mut self,
        now: Nanos,
        of: impl Fn(HostId, Direction) -> u64,
        mut wake: impl FnMut(HostId, Direction, Nanos),
    ) {
        for (host, nic) in self.topology.hosts().zip(&mut self.nics) {
            let rate = self.topology.nic(host).bandwidth_bytes_per_sec;
            for direction in [Direction::Out, Direction::In] {
                let card = &mut nic.cards[direction as usize];
                if let Some(at) = card.set_rate(now, divided(rate, of(host, direction))) {
                    wake(host, direction, at);
                }
            }
        }
    }

    pub fn card(&mut self, host: HostId, direction: Direction) -> &mut Card {
        &mut self.nics[host.0 as usize].cards[direction as usize]
    }

    /// Whether a message has to ask the link between the zones for its turn.
    pub fn has_link_limit(&self, class: LinkClass) -> bool {
        class != LinkClass::SameHost && self.profile.link(class).bandwidth_bytes_per_sec > 0
    }

    /// The sender's card, then the limit of the single flow. The flow's limit comes second so that its backlog never
    /// holds up the card for others.
    pub fn depart(&mut self, now: Nanos, route: Route, path: &Path, flow_free_at: &mut Nanos, bytes: u64) -> Departure {
        if route.class == LinkClass::SameHost {
            return Departure { enter_at: now, out_at: now, span: Nanos::ZERO };
        }
        let (start, end) = self.card(route.from, Direction::Out).serve(now, now, bytes);
        let in_flow = Nanos::transfer(bytes, path.flow_bytes_per_sec);
        let enter_at = start.max(*flow_free_at);
        *flow_free_at = enter_at.saturating_add(in_flow);
        Departure { enter_at, out_at: end.max(*flow_free_at), span: (end - start).max(in_flow) }
    }

    /// The link between the zones and the way itself. Called at `enter_at` where the link is limited, so that a backlog
    /// on one card never holds up the link for others; earlier where it is not. Returns when the last byte arrives,
    /// and the span between the first and the last.
    pub fn cross(&mut self, now: Nanos, route: Route, path: &Path, left: Departure, bytes: u64) -> (Nanos, Nanos) {
        let (mut out_at, mut span) = (left.out_at, left.span);
        if self.has_link_limit(route.class) {
            let rate = divided(self.profile.link(route.class).bandwidth_bytes_per_sec, path.bandwidth_divisor);
            let on_link = Nanos::transfer(bytes, rate);
            let (_, end) = self.az_links[route.pair].reserve(now, on_link);
            out_at = out_at.max(end);
            span = span.max(on_link);
        }
        let drawn = self.profile.link(route.class).one_way.sample(&mut self.nics[route.from.0 as usize].latency);
        (out_at.saturating_add(path.latency(drawn)), span)
    }

    /// The receiver's card. The message's last byte is there now; its bytes came over `span`. Returns when the card has
    /// passed the last of them up: now, when the card was idle and is as fast as the way (cut-through).
    pub fn land(&mut self, now: Nanos, route: Route, span: Nanos, bytes: u64) -> Nanos {
        if route.class == LinkClass::SameHost {
            return now;
        }
        let card = self.card(route.to, Direction::In);
        let (_, end) = card.serve(now, now.saturating_sub(span), bytes);
        // Nothing that comes later passes before this one.
        card.not_before(now);
        end.max(now)
    }

    /// Device traffic: the card, and the storage service's link. See [`Network::charge`](super::Network::charge).
    pub fn charge(
        &mut self,
        now: Nanos,
        host: HostId,
        class: LinkClass,
        direction: Direction,
        path: &Path,
        bytes: u64,
    ) -> Nanos {
        self.accounting.count(class, direction, bytes);
        let mut done_at = now;
        if class != LinkClass::BlockStorage || self.profile.block_storage_shares_nic {
            done_at = self.card(host, direction).serve(now, now, bytes).1;
        }
        done_at.max(self.past_the_card(now, host, class, direction, path, bytes))
    }

    /// Begins a transfer of device traffic that shares the card. See [`Network::transfer`](super::Network::transfer).
    /// Answers with a wake-up to ask for.
    pub fn transfer(
        &mut self,
        now: Nanos,
        (host, class, direction): (HostId, LinkClass, Direction),
        path: &Path,
        bytes: u64,
        alone: Nanos,
        tag: u64,
    ) -> Option<Nanos> {
        self.accounting.count(class, direction, bytes);
        let elsewhere = self.past_the_card(now, host, class, direction, path, bytes) - now;
        self.card(host, direction).begin(now, bytes, alone.max(elsewhere), tag)
    }

    /// When device traffic is through what limits it beside the card: the storage service's link, and a grey way.
    fn past_the_card(
        &mut self,
        now: Nanos,
        host: HostId,
        class: LinkClass,
        direction: Direction,
        path: &Path,
        bytes: u64,
    ) -> Nanos {
        let mut done_at = now;
        let rate = self.profile.link(class).bandwidth_bytes_per_sec;
        if rate > 0 {
            let az = usize::from(self.topology.az_of(host).0);
            let lane = &mut self.storage_links[(az * LinkClass::ALL.len() + class.index()) * 2 + direction as usize];
            let (_, end) = lane.reserve(now, Nanos::transfer(bytes, divided(rate, path.bandwidth_divisor)));
            done_at = end;
        }
        if path.bandwidth_divisor > 1 {
            let rate = divided(self.topology.nic(host).bandwidth_bytes_per_sec, path.bandwidth_divisor);
            done_at = done_at.max(now + Nanos::transfer(bytes, rate));
        }
        done_at
    }

    /// One draw of a class's latency, as the host sees it.
    pub fn draw_latency(&mut self, host: HostId, class: LinkClass, path: &Path) -> Nanos {
        path.latency(self.profile.link(class).one_way.sample(&mut self.nics[host.0 as usize].latency))
    }
}
