//! `zero:` asked through its whole loop.

use anode_scheme::testing::Fake;
use redox::error::{ENOENT, Error};

use super::Zero;

#[test]
fn every_byte_is_zero_however_many_are_asked_for() {
    let mut zero = Fake::new(Zero);
    let id = zero.open("", 0).unwrap();
    for len in [0, 1, 4096, 4097, 60_000] {
        assert_eq!(zero.read(id, len, 0), Ok(vec![0; len]));
    }
    assert_eq!(zero.write(id, b"x", 0), Ok(1));
}

#[test]
fn nothing_lies_beneath_it() {
    let mut zero = Fake::new(Zero);
    assert_eq!(zero.open("x", 0), Err(Error::new(ENOENT)));
}
