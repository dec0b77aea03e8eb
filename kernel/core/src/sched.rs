//! Who runs next.

use crate::table::ThreadId;

/// What a state change means for the CPU that made it; losing one loses a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dropped `Next` is a lost wake-up"]
pub enum Next {
    /// Ask the run queue.
    Pick,
    /// Go on with this thread: the caller itself, or one that it hands the CPU to.
    To(ThreadId),
}
