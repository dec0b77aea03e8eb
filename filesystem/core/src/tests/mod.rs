//! Tests of the whole core, on the simulated disk.

mod crash;
mod disk;
mod hostile;
mod model;
mod tree;
mod volume;
