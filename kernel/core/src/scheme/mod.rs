//! Schemes: from a path to who answers it, and how.
//!
//! `route` finds the scheme, `submit` hands a request to a daemon, `pump` fills its queue,
//! `answer` takes answers back, `cancel` is what happens to requests when one side goes. The
//! kernel's own schemes are `memory pipe event device debug`, opened by `builtin`.

pub mod answer;
pub mod builtin;
pub mod cancel;
pub mod debug;
pub mod device;
pub mod event;
pub mod memory;
pub mod pipe;
pub mod pump;
pub mod route;
pub mod submit;
