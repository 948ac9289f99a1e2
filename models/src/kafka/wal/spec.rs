//! Which log, on which devices.

use super::Wal;
use super::block::{BlockWal, BlockWalOptions};
use super::file::{FileWal, FileWalOptions};
use super::mutant::WalMutant;
use super::object::{ObjectWal, ObjectWalOptions};
use crate::kafka::object_client::ObjectPlace;
use crate::kafka::token::TokenSpace;

/// A log's medium.
#[derive(Clone, Debug)]
pub enum WalSpec {
    /// Objects: in a region's store, or in an express store of one zone.
    Object {
        /// Where.
        place: ObjectPlace,
        /// How.
        options: ObjectWalOptions,
    },
    /// A ring on a raw volume.
    Block(BlockWalOptions),
    /// A ring in a file of a share.
    File(FileWalOptions),
}

/// A log of this kind that nobody has opened. All its tokens are of `space`.
pub fn build(spec: WalSpec, space: TokenSpace, mutant: Option<WalMutant>) -> Box<dyn Wal> {
    match spec {
        WalSpec::Object { place, options } => Box::new(ObjectWal::new(place, space, options, mutant)),
        WalSpec::File(options) => Box::new(FileWal::new(options, space, mutant)),
        WalSpec::Block(options) => Box::new(BlockWal::new(options, space, mutant)),
    }
}
