//! What processes of a cluster say to each other: requests and responses by Kafka's names.
//!
//! Sizes on the wire are Kafka's, to within a few bytes a field; they load network cards and are billed between zones.

pub mod client;
pub mod controller;
mod error;
mod fingerprint;
pub mod group;

pub use error::ErrorCode;
pub(crate) use fingerprint::fingerprint;

use client::*;
use controller::*;
use group::*;

/// A request's or response's header on the wire: length, api key and version, correlation id, client id.
pub const HEADER_BYTES: u64 = 24;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident($request:ty) -> $response:ty;)*) => {
        /// A request.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Request {$(
            $(#[$doc])*
            $name($request),
        )*}

        /// The answer to the request of that name.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Response {$(
            $(#[$doc])*
            $name($response),
        )*}

        impl Request {
            /// Its name, for traces.
            pub fn name(&self) -> &'static str {
                match self {$( Request::$name(_) => stringify!($name), )*}
            }

            /// Bytes on the wire.
            pub fn wire_bytes(&self) -> u64 {
                HEADER_BYTES + match self {$( Request::$name(request) => request.wire_bytes(), )*}
            }
        }

        impl Response {
            /// Its name, for traces.
            pub fn name(&self) -> &'static str {
                match self {$( Response::$name(_) => stringify!($name), )*}
            }

            /// Bytes on the wire.
            pub fn wire_bytes(&self) -> u64 {
                HEADER_BYTES + match self {$( Response::$name(response) => response.wire_bytes(), )*}
            }
        }
    };
}

/// Size on the wire, header not counted.
pub trait WireSize {
    /// Bytes.
    fn wire_bytes(&self) -> u64;
}

messages! {
    /// Client to broker: who leads what.
    Metadata(MetadataRequest) -> MetadataResponse;
    /// Client to broker: a producer id.
    InitProducerId(InitProducerIdRequest) -> InitProducerIdResponse;
    /// Client to broker: append.
    Produce(ProduceRequest) -> ProduceResponse;
    /// Client to broker: read.
    Fetch(FetchRequest) -> FetchResponse;
    /// Client to broker: first and last offsets.
    ListOffsets(ListOffsetsRequest) -> ListOffsetsResponse;
    /// Client to broker: who coordinates a group.
    FindCoordinator(FindCoordinatorRequest) -> FindCoordinatorResponse;
    /// Member to coordinator: join or rejoin a group.
    JoinGroup(JoinGroupRequest) -> JoinGroupResponse;
    /// Member to coordinator: give and get the assignment.
    SyncGroup(SyncGroupRequest) -> SyncGroupResponse;
    /// Member to coordinator: still here.
    Heartbeat(HeartbeatRequest) -> HeartbeatResponse;
    /// Member to coordinator: leaves.
    LeaveGroup(LeaveGroupRequest) -> LeaveGroupResponse;
    /// Member to coordinator: this far.
    OffsetCommit(OffsetCommitRequest) -> OffsetCommitResponse;
    /// Member to coordinator: how far?
    OffsetFetch(OffsetFetchRequest) -> OffsetFetchResponse;
    /// Controller to controller: a vote, please.
    Vote(VoteRequest) -> VoteResponse;
    /// New leader of the quorum to the others.
    BeginQuorumEpoch(BeginQuorumEpochRequest) -> BeginQuorumEpochResponse;
    /// Controllers and brokers to the active controller: the metadata log from an offset on.
    FetchMetadata(FetchMetadataRequest) -> FetchMetadataResponse;
    /// Broker (or tool) to the active controller.
    Controller(ControllerRequest) -> ControllerResponse;
}
