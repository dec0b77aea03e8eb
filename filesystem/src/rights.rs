//! What a file of the volume allows to whom; the rules are those of `schemes/ramfs`.

use anode_fs::Inode;

use ramfs::rights::Owned;
pub(crate) use ramfs::rights::{Caller, READ, SEARCH, WRITE};

/// Whose a file is, and what it allows.
pub(crate) const fn owned(file: &Inode) -> Owned {
    Owned { uid: file.uid, gid: file.gid, mode: file.mode }
}
