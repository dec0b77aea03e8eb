//! A pool and a volume for tests.

use std::fs::File;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use anode_fs::device::{Access, BlockDevice, Facts, Request, Ticket};
use anode_fs::error::Failure;
use mkfs::Disk;

use crate::cache::BYTES;
use crate::device::Device;

/// A file without a name in place of a memory object.
pub(crate) fn pool() -> File {
    let file = temporary();
    file.set_len(BYTES).unwrap();
    file
}

fn temporary() -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("filed-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

/// A disk in a file, which several volumes are mounted from one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Image(Rc<Disk<File>>);

impl Image {
    pub(crate) fn new(bytes: u64) -> Self {
        let file = temporary();
        file.set_len(bytes).unwrap();
        Self(Rc::new(Disk::whole(file, Access::ReadWrite).unwrap()))
    }
}

impl BlockDevice for Image {
    fn facts(&self) -> &Facts {
        self.0.facts()
    }

    fn submit(&self, request: Request) -> Ticket {
        self.0.submit(request)
    }

    fn poll(&self, ticket: Ticket, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>> {
        self.0.poll(ticket, context)
    }

    fn abandon(&self, ticket: Ticket) {
        self.0.abandon(ticket);
    }
}

impl Device for Image {
    fn wait(&self) {}
}
