//! `sys:`, `proc:` and `irq:`: what the kernel tells about the system, as texts.
//!
//! ```text
//!  sys:    uname counters memory cpu uptime_ns exe log boot; power: write reboot or poweroff
//!  proc:   PID/stat, one line; PID/signal: write a number
//!  irq:    LINE: how often it came
//! ```
//!
//! `tree` is the scheme, the same for all three names but for its root; `texts` is what the files
//! say; `kernel` is who is asked. Nothing here waits for another daemon, so that every other one
//! may wait for this one.
#![forbid(unsafe_code)]

mod kernel;
#[cfg(test)]
mod tests;
mod texts;
mod tree;

use std::process::ExitCode;
use std::thread;

use anode_scheme::serve;

use crate::kernel::Real;
use crate::tree::{Node, System};

fn main() -> ExitCode {
    let roots = [("proc", Node::Processes), ("irq", Node::Interrupts)];
    for (name, root) in roots {
        let serving = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // One scheme that ends takes all with it: init starts them again together.
            let _failed = serve(name, System::new(Real, root));
            std::process::exit(1);
        });
        if let Err(error) = serving {
            eprintln!("sysd: no thread for {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    serve("sys", System::new(Real, Node::System))
}
