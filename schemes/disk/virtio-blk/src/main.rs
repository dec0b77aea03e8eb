//! The virtio block driver: serves disk:.

fn main() {}
