//! Tests of the whole core, on the simulated disk.

mod disk;
