//! The tank.
mod choices;
mod nanos;
mod node_id;
pub use choices::{Choices, Domain, Stream, normal_quantile};
pub use nanos::Nanos;
pub use node_id::{Incarnation, NodeEpoch, NodeId};
