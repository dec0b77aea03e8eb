//! block framework.
