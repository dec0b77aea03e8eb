//! virtio 1.x over PCI: finding a device's registers, bringing it up, and its queues.
//!
//! ```text
//!  configuration space ─▶ capability ─▶ Transport ── reset, features, queue addresses, doorbell
//!                                           │
//!  driver ── push(segments) ─▶ Queue ── descriptors, available ─▶ device
//!         ◀── pop() ────────────  └──── used ring, checked ◀──────┘
//! ```
//!
//! Start with [`Transport::bring_up`], then [`Queue`]. The device is not believed: every index and length
//! that it writes is checked against what was lent to it, and what it may not say is a
//! [`Violation`], after which a driver resets it. Transitional devices are driven by their
//! modern registers; legacy ones are not supported.
#![forbid(unsafe_code)]

mod capability;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod queue;
#[cfg(test)]
mod tests;
mod transport;

pub use capability::{Layout, Window};
pub use queue::{Queue, Segment, Used, Violation};
pub use transport::{Addresses, Doorbell, Failure, Transport};

/// Feature bit: the device follows virtio 1.0 or later. Always required.
pub const VERSION_1: u64 = 1 << 32;
/// Feature bit: the device reaches memory through an IOMMU as any PCI device does.
pub const ACCESS_PLATFORM: u64 = 1 << 33;
/// Vendor id of all virtio PCI functions.
pub const PCI_VENDOR: u16 = 0x1AF4;
