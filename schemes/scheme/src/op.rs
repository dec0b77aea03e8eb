//! Opcodes of packets as plain numbers, as they come from outside and may be none of these.

use redox::schemev2::Opcode;

/// Opens a path beneath a directory.
pub const OPEN_AT: u8 = Opcode::OpenAt as u8;
/// Asks for another description by name.
pub const DUP: u8 = Opcode::Dup as u8;
/// The last handle of a description is gone.
pub const CLOSE: u8 = Opcode::Close as u8;
/// A client does not wait any more.
pub const CANCEL: u8 = Opcode::Cancel as u8;
/// Reads bytes.
pub const READ: u8 = Opcode::Read as u8;
/// Writes bytes.
pub const WRITE: u8 = Opcode::Write as u8;
/// Changes the mode.
pub const CHMOD: u8 = Opcode::Fchmod as u8;
/// Changes the owner.
pub const CHOWN: u8 = Opcode::Fchown as u8;
/// Asks for readiness, now and later.
pub const EVENT: u8 = Opcode::Fevent as u8;
/// Passes a handle to the daemon.
pub const PASS: u8 = Opcode::Sendfd as u8;
/// Asks for the path.
pub const PATH: u8 = Opcode::Fpath as u8;
/// Gives a file another name.
pub const RENAME: u8 = Opcode::Frename as u8;
/// Gives a file one more name.
pub const LINK: u8 = Opcode::Flink as u8;
/// Asks what a file is.
pub const STAT: u8 = Opcode::Fstat as u8;
/// Asks about the whole filesystem.
pub const STAT_VFS: u8 = Opcode::Fstatvfs as u8;
/// Makes all that was written last.
pub const SYNC: u8 = Opcode::Fsync as u8;
/// Sets the length.
pub const TRUNCATE: u8 = Opcode::Ftruncate as u8;
/// Sets the times.
pub const SET_TIMES: u8 = Opcode::Futimens as u8;
/// Lists a directory.
pub const LIST: u8 = Opcode::Getdents as u8;
/// What no other opcode says.
pub const CALL: u8 = Opcode::Call as u8;
/// Removes a name.
pub const UNLINK_AT: u8 = Opcode::UnlinkAt as u8;
