//! What the test programs share: their programs are in `src/bin`, in the image they lie in `/test`.
#![forbid(unsafe_code)]

pub mod service;

use std::{env, process::ExitCode, str::FromStr};

/// A generator of numbers that the host knows too (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

/// What its state grows by with each number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The same generator, when it has given so many numbers.
    #[must_use]
    pub const fn after(self, numbers: u64) -> Self {
        Self(self.0.wrapping_add(STEP.wrapping_mul(numbers)))
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.word().checked_rem(limit).unwrap_or(0)
    }

    /// Any number.
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// A running checksum (FNV-1a, 64 bits).
#[derive(Clone, Debug)]
pub struct Checksum(pub u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Adds more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The argument of this number, from 1.
///
/// # Errors
///
/// A sentence if it is missing or does not read as a `T`.
pub fn argument<T: FromStr>(number: usize) -> Result<T, String> {
    let text = env::args().nth(number).ok_or_else(|| format!("argument {number} is missing"))?;
    text.parse().map_err(|_error| format!("argument {number}: what is `{text}`?"))
}

/// Prints what a test program found, or why it failed.
pub fn finish(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
