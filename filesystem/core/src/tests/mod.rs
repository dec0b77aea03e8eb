//! Tests of the whole core, on the simulated disk.

mod copies;
mod crash;
mod disk;
mod fsck;
mod hostile;
mod model;
mod snapshot;
mod together;
mod tree;
mod volume;
