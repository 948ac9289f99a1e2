//! Models of clouds and of what runs on them.
pub mod blob;
pub mod cloud;
pub mod extents;
pub mod fault;
