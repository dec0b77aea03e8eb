//! Tests of the whole core, on the simulated disk.

mod crash;
mod disk;
mod model;
mod tree;
