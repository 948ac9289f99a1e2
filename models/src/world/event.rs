//! What the world schedules in the tank.

use super::process::{ExpressId, InputKind, ShareId, StoreId, TimerId, VolumeId};
use crate::cloud::host::HostStep;
use crate::cloud::network::{self, HostId};
use crate::cloud::nfs::NfsStep;
use crate::cloud::object_store::ObjectStep;
use crate::cloud::volume::VolumeStep;
use slotmap::Key;

slotmap::new_key_type! {
    /// An input that waits for its process.
    pub struct InputKey;
    /// A request that waits for its host's network card.
    pub struct RequestKey;
    /// An answer whose body passes its host's network card.
    pub(crate) struct DownloadKey;
}

/// An event: a small copy; what it carries lies in the world's slabs.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Event {
    /// To a node: its life begins.
    Boot,
    /// To a node: a timer fires.
    Timer { timer: TimerId, token: u64 },
    /// To a node: an input. In the trace also for inputs that were delivered at once, then with a null key.
    Input { input: InputKey, kind: InputKind, word: u64 },
    /// The network's step.
    Network(network::Step),
    /// A host's step.
    Host { host: HostId, step: HostStep },
    /// A volume's step.
    Volume { volume: VolumeId, step: VolumeStep },
    /// An object store's step.
    Object { store: StoreId, step: ObjectStep },
    /// An express store's step.
    Express { store: ExpressId, step: ObjectStep },
    /// A file share's step.
    Nfs { share: ShareId, step: NfsStep },
    /// A request has passed its host's network card.
    Request { request: RequestKey },
    /// The plan's n-th action is due.
    Plan { action: u32 },
}

const _: () = assert!(size_of::<Event>() <= 32, "events lie in the tank's queue by the million");

impl wavetank_sim::Event for Event {
    #[inline]
    fn fingerprint(&self) -> (u64, u64) {
        match *self {
            Event::Boot => (1, 0),
            Event::Timer { timer, token } => (2 | timer.data().as_ffi() << 8, token),
            Event::Input { input: _, kind, word } => (3 | (kind as u64) << 8, word),
            Event::Network(step) => (4, step.fingerprint()),
            Event::Host { host, step } => (5 | u64::from(host.0) << 8, step.fingerprint()),
            Event::Volume { volume, step } => (6 | u64::from(volume.0) << 8, step.fingerprint()),
            Event::Object { store, step } => (7 | u64::from(store.0) << 8, step.fingerprint()),
            Event::Express { store, step } => (8 | u64::from(store.0) << 8, step.fingerprint()),
            Event::Nfs { share, step } => (9 | u64::from(share.0) << 8, step.fingerprint()),
            Event::Request { request } => (10, request.data().as_ffi()),
            Event::Plan { action } => (11, u64::from(action)),
        }
    }
}
