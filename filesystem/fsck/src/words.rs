//! Findings as sentences.

use anode_fs::fsck::Finding;
use mkfs::flaw;

/// What a finding means.
#[must_use]
pub fn sentence(finding: Finding) -> String {
    match finding {
        Finding::Passed(txg) => format!("the superblock of transaction {txg} leads to nothing"),
        Finding::Unreadable(at, what) => {
            format!("what is at block or file {at} cannot be read: {}", flaw(what))
        }
        Finding::Unread(block) => format!("the device fails to read block {block}"),
        Finding::Dead(block) => format!("a snapshot is wrong about who needs block {block}"),
        Finding::Copy(block) => format!("one of two copies is damaged, at block {block}"),
        Finding::Shared(block) => format!("block {block} belongs to two"),
        Finding::Unmarked(block) => format!("block {block} is in use, and marked as free"),
        Finding::Leaked(block) => format!("block {block} is not in use, and marked as if it were"),
        Finding::Links(ino) => format!("file {ino} has another number of names than it says"),
        Finding::Names(ino) => format!("directory {ino} has another number of names than it says"),
        Finding::Blocks(ino) => format!("file {ino} has another number of blocks than it says"),
        Finding::Content(ino) => format!("file {ino} has content where none may be"),
        Finding::Dangling(ino) => {
            format!("directory {ino} has a name for a file that is not there, or is something else")
        }
        Finding::Misplaced(ino) => {
            format!("directory {ino} has a name where it cannot be found")
        }
        Finding::Parent(ino) => format!("directory {ino} lies elsewhere than it says"),
        Finding::Lost(ino) => format!("file {ino} has no name"),
        Finding::Orphan(ino) => {
            format!("file {ino} is listed as one without a name, and has one or is not there")
        }
        Finding::Number(ino) => format!("file {ino} has a number that was not given out yet"),
        Finding::Files => "the volume has another number of files than it says".to_owned(),
    }
}
