//! Bounce memory of tests.

use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use anode_device::SharedMemory;
use redox::error::{EFAULT, Error, Result};

/// Physical address of the bounce memory.
pub(super) const BASE: u64 = 0x100_0000;
/// Bytes of bounce memory: room for one unaligned mebibyte.
const MEMORY: usize = (1 << 20) + 8192;
/// Bounce memory: a file, as the test's kernel reads registered objects by their handles.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Rc<File>);

impl Memory {
    pub(super) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("anode-block-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.set_len(MEMORY.try_into().unwrap()).unwrap();
        Self(Rc::new(file))
    }

    pub(super) fn get(&self, range: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; range.len()];
        self.0.read_exact_at(&mut bytes, range.start.try_into().unwrap()).unwrap();
        bytes
    }

    pub(super) fn set(&self, at: usize, bytes: &[u8]) {
        self.0.write_all_at(bytes, at.try_into().unwrap()).unwrap();
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl SharedMemory for Memory {
    fn size(&self) -> usize {
        MEMORY
    }

    fn physical(&self) -> u64 {
        BASE
    }

    fn load16(&self, _at: usize) -> u16 {
        0
    }

    fn store16(&mut self, _at: usize, _value: u16) {}

    fn read32(&self, _at: usize) -> u32 {
        0
    }

    fn write16(&mut self, _at: usize, _value: u16) {}

    fn write32(&mut self, _at: usize, _value: u32) {}

    fn write64(&mut self, _at: usize, _value: u64) {}

    fn with(
        &mut self,
        range: Range<usize>,
        work: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        if range.start > range.end || range.end > MEMORY {
            return Err(Error::new(EFAULT));
        }
        let mut bytes = self.get(range.clone());
        let result = work(&mut bytes);
        self.set(range.start, &bytes);
        result
    }
}
