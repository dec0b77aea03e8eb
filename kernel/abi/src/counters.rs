//! What the kernel counts since boot, for `sys:counters`.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Counters; each only grows.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Counters {$(
            $(#[$doc])*
            pub $name: u64,
        )*}

        impl Counters {
            /// Their names, in the order of [`Self::words`].
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// All of them.
            pub fn words(&self) -> impl Iterator<Item = u64> {
                [$(self.$name,)*].into_iter()
            }
        }
    };
}

counters! {
    /// Entries into the kernel.
    traps
    /// System calls.
    calls
    /// Page faults served.
    faults
    /// Interrupts.
    interrupts
    /// Switches to another thread.
    switches
    /// Requests handed to daemons.
    packets
    /// Answers taken from daemons.
    answers
    /// One-way notes handed to daemons.
    notes
    /// Bytes copied between daemons and clients.
    copied
    /// Reads answered from attached content, without a daemon.
    warm_reads
    /// Answers that named no open request.
    stray_answers
}

/// Counts one more.
pub fn count(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}
