//! A broker's link to the quorum: registration, heartbeats, the metadata log, and requests to the active controller.
//!
//! * **Registration** (`BrokerLifecycleManager`): tried until it is accepted; an earlier life whose session still lives
//!   delays it (`DUPLICATE_BROKER_REGISTRATION`).
//! * **Heartbeats** every `broker.heartbeat.interval.ms`; the first ones say "fence me" until the broker is ready to lead,
//!   the last ones "I want to shut down"; after the first answer to that the next follows 50 ms later.
//! * **Metadata**: the broker is an observer of the quorum: it fetches the log and applies it to its image.
//! * **Requests** are retried until they are answered by an active controller: at once on `NOT_CONTROLLER` with a hint,
//!   otherwise after 500 ms, doubled up to 10 s (AutoMQ's `ControllerRequestSender`). So a request may be carried out more
//!   than once; what is asked must bear that.

use crate::kafka::ids::{BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, MetadataOffset};
use crate::kafka::metadata::ClusterImage;
use crate::kafka::protocol::controller::{
    ControllerAnswer, ControllerRequest, FetchMetadataRequest, FetchedMetadata, LogEnd, Replica,
};
use crate::kafka::protocol::{ErrorCode, Request, Response};
use crate::kafka::rpc::{CallId, Reply, Rpc};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input};
use std::collections::VecDeque;
use wavetank_sim::{Nanos, NodeId, SortedMap};

/// Time limits of the link.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Nanos,
    /// How long a request to a controller may take (60 s: AutoMQ's sender; heartbeats: the session).
    pub request_timeout: Nanos,
    /// How long a fetch of metadata waits for news.
    pub fetch_wait: Nanos,
    /// First pause before a request is sent again.
    pub retry_base: Nanos,
    /// Longest.
    pub retry_max: Nanos,
}

impl Default for LinkOptions {
    fn default() -> LinkOptions {
        LinkOptions {
            heartbeat_interval: Nanos::secs(2),
            request_timeout: Nanos::secs(60),
            fetch_wait: Nanos::millis(500),
            retry_base: Nanos::millis(500),
            retry_max: Nanos::secs(10),
        }
    }
}

/// A request of the broker's to the active controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What the link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The broker is registered.
    Registered,
    /// The image has moved on.
    ImageMoved,
    /// A request was answered by an active controller.
    Answered(Ticket, Result<ControllerAnswer, ErrorCode>),
    /// The broker's registration is not valid any more: another life of it has registered.
    Superseded,
    /// The broker may end now.
    MayShutDown,
}

/// What a broker wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Not ready to lead.
    Fenced,
    /// Ready.
    Active,
    /// To leave in good order.
    ShutDown,
}

enum Asked {
    Register,
    Heartbeat,
    Metadata,
    Request(Ticket),
}

struct Open {
    request: ControllerRequest,
    retry: Nanos,
}

const RPC_OFFSET: u16 = 1;
const HEARTBEAT: u64 = 1 << 40;
const FETCH: u64 = 2 << 40;
const REGISTER: u64 = 3 << 40;
const RETRY: u64 = 4 << 40;
const HEARTBEAT_SOON: u64 = 5 << 40;
const KIND: u64 = 0xff << 40;

/// After the first answer to its wish to shut down a broker asks again so soon.
const SHUT_DOWN_SOON: Nanos = Nanos::millis(50);

/// See the [module](self).
pub struct ControllerLink {
    space: TokenSpace,
    broker: BrokerId,
    rack: u32,
    incarnation: u64,
    epoch: BrokerEpoch,
    options: LinkOptions,
    controllers: Vec<NodeId>,
    /// Which controller to try.
    active: usize,
    rpc: Rpc,
    calls: SortedMap<CallId, Asked>,
    open: SortedMap<Ticket, Open>,
    next_ticket: u64,
    registered: bool,
    wish: Wish,
    /// The controller knows that it wants to shut down (`gotControlledShutdownResponse`).
    is_leaving: bool,
    /// The cluster as far as this broker has read.
    pub image: ClusterImage,
    last_epoch: ControllerEpoch,
    fetching: bool,
    events: VecDeque<LinkEvent>,
}

impl ControllerLink {
    /// A link of a fresh process. Uses this token space and the next.
    pub fn new(
        cx: &mut Cx<'_>,
        space: TokenSpace,
        broker: BrokerId,
        rack: u32,
        controllers: Vec<NodeId>,
        options: LinkOptions,
    ) -> ControllerLink {
        let active = cx.random().index(controllers.len());
        ControllerLink {
            space,
            broker,
            rack,
            incarnation: cx.random().bits64(),
            epoch: BrokerEpoch(ClusterImage::wall_ms(cx.wall())),
            options,
            controllers,
            active,
            rpc: Rpc::new(TokenSpace(space.0 + RPC_OFFSET)),
            calls: SortedMap::new(),
            open: SortedMap::new(),
            next_ticket: 0,
            registered: false,
            wish: Wish::Fenced,
            is_leaving: false,
            image: ClusterImage::default(),
            last_epoch: ControllerEpoch(0),
            fetching: false,
            events: VecDeque::new(),
        }
    }

    /// Begins.
    pub fn boot(&mut self, cx: &mut Cx<'_>) {
        self.register(cx);
        self.fetch(cx);
    }

    /// This life's registration.
    pub fn epoch(&self) -> BrokerEpoch {
        self.epoch
    }

    /// Whether the quorum has this life's registration.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether a request is not answered yet.
    pub fn is_open(&self, ticket: Ticket) -> bool {
        self.open.contains_key(&ticket)
    }

    /// What the next heartbeats say.
    pub fn set_wish(&mut self, cx: &mut Cx<'_>, wish: Wish) {
        if self.wish != wish {
            self.wish = wish;
            // The first heartbeat of a new wish goes out at once (`BrokerLifecycleManager.setReadyToUnfence`).
            if self.registered {
                self.heartbeat(cx);
            }
        }
    }

    /// Asks the active controller, until it answers.
    pub fn ask(&mut self, cx: &mut Cx<'_>, request: ControllerRequest) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.open.insert(ticket, Open { request, retry: self.options.retry_base });
        self.send_ticket(cx, ticket);
        ticket
    }

    /// What it has to say, in order.
    pub fn poll(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Takes an input that is the link's; gives back one that is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        if let Input::Timer { token, .. } = input
            && TokenSpace::split(token).0 == self.space
        {
            self.timer(cx, TokenSpace::split(token).1);
            return None;
        }
        let rest = self.rpc.input(cx, input);
        while let Some((call, reply)) = self.rpc.poll() {
            self.replied(cx, call, reply);
        }
        rest
    }

    fn timer(&mut self, cx: &mut Cx<'_>, local: u64) {
        match local & KIND {
            HEARTBEAT => {
                self.heartbeat(cx);
                self.space.set_timer(cx, self.options.heartbeat_interval, HEARTBEAT);
            }
            HEARTBEAT_SOON => self.heartbeat(cx),
            FETCH => self.fetch(cx),
            REGISTER => self.register(cx),
            RETRY => self.send_ticket(cx, Ticket(local & !KIND)),
            other => unreachable!("the link sets no timer {other:x}"),
        }
    }

    fn call(&mut self, cx: &mut Cx<'_>, asked: Asked, request: Request, timeout: Nanos) {
        let call = self.rpc.call(cx, self.controllers[self.active], request, timeout);
        self.calls.insert(call, asked);
        // A peer that is in its back-off fails the call at once.
        while let Some((call, reply)) = self.rpc.poll() {
            self.replied(cx, call, reply);
        }
    }

    fn register(&mut self, cx: &mut Cx<'_>) {
        let request = ControllerRequest::RegisterBroker {
            broker: self.broker,
            incarnation: self.incarnation,
            epoch: self.epoch,
            rack: self.rack,
        };
        self.call(cx, Asked::Register, Request::Controller(request), Nanos::secs(5));
    }

    fn heartbeat(&mut self, cx: &mut Cx<'_>) {
        let request = ControllerRequest::BrokerHeartbeat {
            broker: self.broker,
            epoch: self.epoch,
            current: self.image.next,
            want_fence: self.wish == Wish::Fenced,
            want_shut_down: self.wish == Wish::ShutDown,
        };
        self.call(cx, Asked::Heartbeat, Request::Controller(request), self.options.heartbeat_interval * 2);
    }

    fn fetch(&mut self, cx: &mut Cx<'_>) {
        if self.fetching {
            return;
        }
        self.fetching = true;
        let request = FetchMetadataRequest {
            replica: Replica::Observer(self.broker),
            epoch: self.last_epoch,
            from: LogEnd { epoch: self.last_epoch, offset: self.image.next },
            max_wait: self.options.fetch_wait,
        };
        let timeout = self.options.fetch_wait + Nanos::secs(2);
        self.call(cx, Asked::Metadata, Request::FetchMetadata(request), timeout);
    }

    fn send_ticket(&mut self, cx: &mut Cx<'_>, ticket: Ticket) {
        let Some(open) = self.open.get(&ticket) else { return };
        let request = Request::Controller(open.request.clone());
        self.call(cx, Asked::Request(ticket), request, self.options.request_timeout);
    }

    /// The next controller, or the one that was hinted at.
    fn try_another(&mut self, hint: Option<ControllerId>) {
        self.active = match hint {
            Some(ControllerId(id)) if (id as usize) < self.controllers.len() => id as usize,
            Some(_) | None => (self.active + 1) % self.controllers.len(),
        };
    }

    fn replied(&mut self, cx: &mut Cx<'_>, call: CallId, reply: Reply) {
        let asked = self.calls.remove(&call).expect("it was asked");
        match reply {
            Reply::Lost(_) => {
                self.try_another(None);
                self.again(cx, asked, false);
            }
            Reply::Answer(Response::FetchMetadata(response)) => match response.result {
                Ok(fetched) => self.fetched(cx, fetched),
                Err(_) => {
                    self.try_another(response.leader);
                    self.again(cx, asked, response.leader.is_some());
                }
            },
            Reply::Answer(Response::Controller(response)) => match response.result {
                Err(ErrorCode::NotController) => {
                    self.try_another(response.leader);
                    self.again(cx, asked, response.leader.is_some());
                }
                result => self.answered(cx, asked, result),
            },
            Reply::Answer(other) => unreachable!("a controller does not answer with {}", other.name()),
        }
    }

    /// Tries again, soon if there is a hint where.
    fn again(&mut self, cx: &mut Cx<'_>, asked: Asked, hinted: bool) {
        let soon = if hinted { Nanos::millis(20) } else { Nanos::millis(100) };
        match asked {
            // The next heartbeat comes by itself.
            Asked::Heartbeat => {}
            Asked::Register => drop(self.space.set_timer(cx, soon, REGISTER)),
            Asked::Metadata => {
                self.fetching = false;
                self.space.set_timer(cx, soon, FETCH);
            }
            Asked::Request(ticket) => {
                let Some(open) = self.open.get_mut(&ticket) else { return };
                let pause = if hinted { soon } else { open.retry };
                if !hinted {
                    open.retry = Nanos((open.retry.0 * 2).min(self.options.retry_max.0));
                }
                self.space.set_timer(cx, pause, RETRY | ticket.0);
            }
        }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, asked: Asked, result: Result<ControllerAnswer, ErrorCode>) {
        match (asked, result) {
            (Asked::Register, Ok(_)) => {
                self.registered = true;
                self.events.push_back(LinkEvent::Registered);
                self.heartbeat(cx);
                self.space.set_timer(cx, self.options.heartbeat_interval, HEARTBEAT);
            }
            (Asked::Register, Err(_)) => drop(self.space.set_timer(cx, Nanos::millis(500), REGISTER)),
            (Asked::Heartbeat, Err(ErrorCode::StaleBrokerEpoch)) => self.events.push_back(LinkEvent::Superseded),
            (Asked::Heartbeat, Ok(ControllerAnswer::Heartbeat { should_shut_down: true, .. })) => {
                self.events.push_back(LinkEvent::MayShutDown);
            }
            (Asked::Heartbeat, Ok(_)) if self.wish == Wish::ShutDown && !self.is_leaving => {
                self.is_leaving = true;
                self.space.set_timer(cx, SHUT_DOWN_SOON, HEARTBEAT_SOON);
            }
            (Asked::Heartbeat, _) => {}
            (Asked::Request(ticket), result) => {
                self.open.remove(&ticket);
                self.events.push_back(LinkEvent::Answered(ticket, result));
            }
            (Asked::Metadata, _) => unreachable!("a fetch is not answered so"),
        }
    }

    fn fetched(&mut self, cx: &mut Cx<'_>, fetched: FetchedMetadata) {
        self.fetching = false;
        match fetched {
            FetchedMetadata::Entries { entries, .. } => {
                let before = self.image.next;
                for entry in &entries {
                    if entry.offset == self.image.next {
                        self.image.apply(entry);
                        self.last_epoch = entry.epoch;
                    }
                }
                if self.image.next != before {
                    self.events.push_back(LinkEvent::ImageMoved);
                }
            }
            FetchedMetadata::Snapshot { image, end, .. } => {
                if image.next > self.image.next {
                    self.image = (*image).clone();
                    self.last_epoch = end.epoch;
                    self.events.push_back(LinkEvent::ImageMoved);
                }
            }
            // Observers read what is committed alone, which nobody takes back.
            FetchedMetadata::Diverging(at) => {
                cx.fail(format!("broker {}: the metadata log at {:?} was taken back", self.broker, at.offset));
            }
        }
        self.fetch(cx);
    }

    /// How far this broker has read the metadata log.
    pub fn offset(&self) -> MetadataOffset {
        self.image.next
    }
}
