//! Tests of the whole core through its one entry, in the words of programs.

mod daemon;
mod device;
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod hostile;
mod memory;
mod process;
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod quota;
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod random;
mod ring;
mod source;
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod space;
mod transfer;
