//! device framework.
