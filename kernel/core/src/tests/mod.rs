//! Tests of the whole core through its one entry, in the words of programs.

mod memory;
mod process;
mod ring;
mod source;
