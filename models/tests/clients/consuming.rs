//! What consumers promise.
