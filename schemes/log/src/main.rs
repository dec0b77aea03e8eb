//! `log:`: keeps what services and programs say.

#![forbid(unsafe_code)]

mod lines;
mod store;

fn main() {}
