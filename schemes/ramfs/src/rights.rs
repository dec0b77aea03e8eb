//! Who may do what with a file: permission bits, owners, and the sticky bit. Both daemons that
//! serve `file:` ask here.

use anode_abi::error::{EACCES, EPERM, Error, Result};
use anode_scheme::Context;

/// Read permission, as one octal digit of a mode.
pub const READ: u16 = 4;
/// Write permission.
pub const WRITE: u16 = 2;
/// Permission to execute, or to go through a directory.
pub const SEARCH: u16 = 1;

/// Only the owner of a file may remove it from such a directory.
const STICKY: u16 = 0o1000;

/// Whose a file is, and what it allows to whom.
#[derive(Clone, Copy, Debug)]
pub struct Owned {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, the lower 12 of a mode.
    pub mode: u16,
}

/// On whose behalf a request is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// User; 0 may do everything.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl From<&Context> for Caller {
    fn from(context: &Context) -> Self {
        Self { uid: context.uid, gid: context.gid }
    }
}

impl Caller {
    /// Refuses if one of the `wanted` permissions is lacking.
    ///
    /// # Errors
    ///
    /// `EACCES`.
    pub fn may(self, file: Owned, wanted: u16) -> Result<()> {
        let shift = if self.uid == file.uid {
            6
        } else if self.gid == file.gid {
            3
        } else {
            0
        };
        let granted = (file.mode >> shift) & 7;
        if self.uid == 0 || granted & wanted == wanted { Ok(()) } else { Err(Error::new(EACCES)) }
    }

    /// Refuses unless it is the owner, or root.
    ///
    /// # Errors
    ///
    /// `EPERM`.
    pub fn owns(self, file: Owned) -> Result<()> {
        if self.uid == 0 || self.uid == file.uid { Ok(()) } else { Err(Error::new(EPERM)) }
    }

    /// Refuses unless `child`'s name may be taken out of `directory`.
    ///
    /// # Errors
    ///
    /// `EACCES`, and `EPERM` in a sticky directory.
    pub fn may_remove(self, directory: Owned, child: Owned) -> Result<()> {
        self.may(directory, WRITE | SEARCH)?;
        if directory.mode & STICKY != 0 && self.uid != directory.uid {
            return self.owns(child);
        }
        Ok(())
    }
}
