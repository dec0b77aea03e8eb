//! What a daemon is written on.

pub mod sys;
