//! The small programs.
