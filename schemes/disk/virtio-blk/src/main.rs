//! The virtio block driver: serves disk:.

mod disk;
mod facts;
#[cfg(test)]
mod tests;

fn main() {}
