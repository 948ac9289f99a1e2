//! Kafka's error codes, and those that AutoMQ adds.

use thiserror::Error;

/// Why a request, or a part of it, was refused; `org.apache.kafka.common.protocol.Errors` by its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
#[allow(missing_docs)]
pub enum ErrorCode {
    #[error("NOT_LEADER_OR_FOLLOWER")]
    NotLeaderOrFollower,
    #[error("UNKNOWN_TOPIC_OR_PARTITION")]
    UnknownTopicOrPartition,
    #[error("LEADER_NOT_AVAILABLE")]
    LeaderNotAvailable,
    #[error("FENCED_LEADER_EPOCH")]
    FencedLeaderEpoch,
    #[error("UNKNOWN_LEADER_EPOCH")]
    UnknownLeaderEpoch,
    #[error("OFFSET_OUT_OF_RANGE")]
    OffsetOutOfRange,
    #[error("OFFSET_NOT_AVAILABLE")]
    OffsetNotAvailable,
    #[error("REQUEST_TIMED_OUT")]
    RequestTimedOut,
    #[error("KAFKA_STORAGE_ERROR")]
    KafkaStorageError,
    #[error("OUT_OF_ORDER_SEQUENCE_NUMBER")]
    OutOfOrderSequenceNumber,
    #[error("INVALID_PRODUCER_EPOCH")]
    InvalidProducerEpoch,
    #[error("UNKNOWN_PRODUCER_ID")]
    UnknownProducerId,
    #[error("MESSAGE_TOO_LARGE")]
    MessageTooLarge,
    #[error("FETCH_SESSION_ID_NOT_FOUND")]
    FetchSessionIdNotFound,
    #[error("INVALID_FETCH_SESSION_EPOCH")]
    InvalidFetchSessionEpoch,
    #[error("COORDINATOR_NOT_AVAILABLE")]
    CoordinatorNotAvailable,
    #[error("COORDINATOR_LOAD_IN_PROGRESS")]
    CoordinatorLoadInProgress,
    #[error("NOT_COORDINATOR")]
    NotCoordinator,
    #[error("MEMBER_ID_REQUIRED")]
    MemberIdRequired,
    #[error("UNKNOWN_MEMBER_ID")]
    UnknownMemberId,
    #[error("ILLEGAL_GENERATION")]
    IllegalGeneration,
    #[error("REBALANCE_IN_PROGRESS")]
    RebalanceInProgress,
    #[error("INCONSISTENT_GROUP_PROTOCOL")]
    InconsistentGroupProtocol,
    #[error("NOT_CONTROLLER")]
    NotController,
    #[error("FENCED_CONTROLLER_EPOCH")]
    FencedControllerEpoch,
    #[error("DUPLICATE_BROKER_REGISTRATION")]
    DuplicateBrokerRegistration,
    #[error("STALE_BROKER_EPOCH")]
    StaleBrokerEpoch,
    #[error("BROKER_ID_NOT_REGISTERED")]
    BrokerIdNotRegistered,
    #[error("THROTTLING_QUOTA_EXCEEDED")]
    ThrottlingQuotaExceeded,
    #[error("INVALID_REQUEST")]
    InvalidRequest,
    /// AutoMQ: the node has not registered its epoch.
    #[error("NODE_EPOCH_NOT_EXIST")]
    NodeEpochNotExist,
    /// AutoMQ: a newer epoch of the node is registered.
    #[error("NODE_EPOCH_EXPIRED")]
    NodeEpochExpired,
    /// AutoMQ: the node is being failed over; only the one that does it may act for it.
    #[error("NODE_FENCED")]
    NodeFenced,
    /// AutoMQ: the node may not open streams now.
    #[error("NODE_LOCKED")]
    NodeLocked,
    /// AutoMQ: a newer epoch of the stream is known.
    #[error("STREAM_FENCED")]
    StreamFenced,
    /// AutoMQ: an earlier epoch of the stream is still open, or is not all in objects yet.
    #[error("STREAM_NOT_CLOSED")]
    StreamNotClosed,
    /// AutoMQ: nobody has the stream open.
    #[error("STREAM_NOT_OPENED")]
    StreamNotOpened,
    /// AutoMQ: no such stream.
    #[error("STREAM_NOT_EXIST")]
    StreamNotExist,
    /// AutoMQ: a lower epoch than the stream's.
    #[error("EXPIRED_STREAM_EPOCH")]
    ExpiredStreamEpoch,
    /// AutoMQ: a commit that does not begin where the stream ends.
    #[error("OFFSET_NOT_MATCHED")]
    OffsetNotMatched,
    /// AutoMQ: no such object, or it has expired.
    #[error("OBJECT_NOT_EXIST")]
    ObjectNotExist,
    /// AutoMQ: done already; counts as success.
    #[error("REDUNDANT_OPERATION")]
    RedundantOperation,
    /// AutoMQ: an object that a compaction replaces is not there any more.
    #[error("COMPACTED_OBJECTS_NOT_FOUND")]
    CompactedObjectsNotFound,
    /// A setting that a topic cannot have.
    #[error("INVALID_CONFIG")]
    InvalidConfig,
}
