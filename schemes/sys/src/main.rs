//! `sys:`, `proc:` and `irq:`: what the kernel tells about the system, as texts; and `time:`.
//!
//! ```text
//!  sys:    uname counters memory cpu uptime_ns exe log boot; power: write reboot
//!  proc:   PID/stat, one line; PID/signal: write a number
//!  irq:    LINE: how often it came
//!  time:   1 the wall clock, 4 the time since boot: read the time, write an alarm
//! ```
//!
//! `tree` is the scheme of texts, the same for three names but for its root; `texts` is what the
//! files say; `clock` is `time:`; `kernel` is who is asked. Nothing here waits for another daemon, so that every other one
//! may wait for this one.
#![forbid(unsafe_code)]

mod clock;
mod kernel;
#[cfg(test)]
mod tests;
mod texts;
mod tree;

use std::process::ExitCode;
use std::thread;

use anode_scheme::{Scheme, serve};

use crate::clock::Clocks;
use crate::kernel::Real;
use crate::tree::{Node, System};

fn main() -> ExitCode {
    let texts = |root| move || System::new(Real, root);
    let started = beside("proc", texts(Node::Processes))
        .and_then(|()| beside("irq", texts(Node::Interrupts)))
        .and_then(|()| beside("time", || Clocks::new(Real)));
    match started {
        Ok(()) => serve("sys", System::new(Real, Node::System)),
        Err(error) => {
            eprintln!("sysd: no thread for a scheme: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves a scheme on a thread of its own. One that ends takes all with it: init starts them again
/// together.
fn beside<S: Scheme>(
    name: &'static str,
    make: impl FnOnce() -> S + Send + 'static,
) -> std::io::Result<()> {
    let serving = move || {
        let _failed = serve(name, make());
        std::process::exit(1);
    };
    thread::Builder::new().name(name.to_owned()).spawn(serving).map(drop)
}
