//! Tests of the whole core through its one entry, in the words of programs.

#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod hostile;
mod memory;
mod process;
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod random;
mod ring;
mod source;
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod space;
