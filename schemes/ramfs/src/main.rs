//! `file:` until there is a filesystem: the initfs image below, changes in memory above.

#![forbid(unsafe_code)]

mod content;
mod names;
mod node;
mod open;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

fn main() {}
