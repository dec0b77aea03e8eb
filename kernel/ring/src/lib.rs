//! The packet ring: one queue code for kernel, daemon and client.
