//! virtio framework.
