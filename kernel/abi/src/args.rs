//! The args object: what a program is started with.
//!
//! libc packs it into a memory object for `exec` and `spawn`; the kernel maps it, private and
//! writable, into the new space and starts the program with rdi = its address and rsi = its
//! length in bytes; crt0 builds the stack. The kernel never looks inside.
//!
//! ```text
//! Header (128 bytes) | argv strings, each with NUL | env strings, each with NUL | cwd path, NUL
//! ```

/// First word of an args object: "ANODEARG".
pub const MAGIC: u64 = u64::from_le_bytes(*b"ANODEARG");
/// Largest args object, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The run-time ABI that programs are built for; grows, never changes.
pub const ABI_VERSION: u64 = 1;

/// Start of an args object; offsets count from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`ABI_VERSION`] of the packer.
    pub version: u64,
    /// Whole length in bytes.
    pub bytes: u64,
    /// Number of arguments.
    pub argc: u64,
    /// Offset of the first argument.
    pub argv: u64,
    /// Number of environment strings.
    pub envc: u64,
    /// Offset of the first environment string.
    pub env: u64,
    /// Offset of the working directory's canonical path.
    pub cwd: u64,
    /// Handle on the working directory in the new program, or [`crate::number::NONE`].
    pub cwd_handle: u64,
    /// File mode creation mask.
    pub umask: u64,
    /// Ignored signals, as in [`crate::signal::IGNORED`].
    pub ignored: u64,
    /// Blocked signals of the first thread.
    pub blocked: u64,
    /// Zero.
    pub reserved: [u64; 4],
}

const _: () = assert!(size_of::<Header>() == 128);
