//! Names for what can be broken.

use std::fmt;

/// One injected fault. Faults are overlays on pristine devices: any number may hold at once, each is healed by its
/// own id, and the device behaves as the sum of those that hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault-{}", self.0)
    }
}
