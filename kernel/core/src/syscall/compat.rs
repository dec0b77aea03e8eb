//! The raw numbers that published crates still use, where they differ from today's
//! (winit 0.30 through redox_syscall 0.4). The rest already has today's numbers.

use anode_abi::number::{NONE, SYS_OPENAT};

use crate::num::wide;
use crate::{Call, Kernel, Machine, Outcome, ThreadId};

/// `open(path, len, flags)` of redox_syscall 0.4 and 0.5.
const SYS_OPEN: usize = 0x1010_0005;

impl<M: Machine> Kernel<M> {
    /// Answers a call of old, if it is one.
    pub(crate) fn compat(&mut self, me: ThreadId, number: usize, call: Call) -> Option<Outcome> {
        let Call { a, b, c, .. } = call;
        match number {
            SYS_OPEN => {
                let number = wide(SYS_OPENAT);
                Some(self.openat(me, Call { number, a: wide(NONE), b: a, c: b, d: c, e: 0 }))
            }
            _ => None,
        }
    }
}
