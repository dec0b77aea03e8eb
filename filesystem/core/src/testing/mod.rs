//! A disk that fails in every way that disks do, and every state that a power cut may leave.

pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod random;
