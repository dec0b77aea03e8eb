//! Reading for the daemon itself, such as a partition table: started, and waited for.

use anode_device::SharedMemory;
use redox::error::{EIO, ENOMEM, Error, Result};

use crate::unit::LOOK_EVERY;

use super::{Client, Engine, NOW};
use crate::disk::{Disk, Op, Submitted};

impl<D: Disk, M: SharedMemory, C: Client> Engine<D, M, C> {
    /// Reads blocks for the daemon itself and waits for them: `wait` is called until they are
    /// there, and gives up with `false`. Tasks of clients go on meanwhile.
    ///
    /// `bytes` is a multiple of the block.
    ///
    /// # Errors
    ///
    /// `EIO` if the disk fails or `wait` gave up, `ENOMEM` if there is no bounce memory left.
    pub fn read_now(
        &mut self,
        block: u64,
        bytes: u32,
        wait: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<u8>> {
        let len = usize::try_from(bytes).map_err(|_big| Error::new(ENOMEM))?;
        let memory = self.pool.take(len).ok_or(Error::new(ENOMEM))?;
        let address = self.address(&memory);
        let read = self.transfer_now(Op::Read { block, bytes, address }, wait);
        let mut copy = vec![0; len];
        let range = memory.start..memory.start.saturating_add(len);
        let copied = self.memory.with(range, &mut |from| {
            copy.copy_from_slice(from);
            Ok(len)
        });
        self.pool.give(memory);
        read.and(copied).map(|_len| copy)
    }

    /// Runs one operation to its end; a device that does not end it in time is reset.
    fn transfer_now(&mut self, op: Op, wait: &mut dyn FnMut() -> bool) -> Result<()> {
        self.now = None;
        while self.disk.submit(NOW, op)? == Submitted::Full {
            self.turn();
            if !wait() {
                return Err(Error::new(EIO));
            }
        }
        loop {
            self.turn();
            if let Some(result) = self.now.take() {
                return result;
            }
            if !wait() {
                return self.give_up();
            }
        }
    }

    /// Gets the operation out of the device, and with it the device out of the memory.
    fn give_up(&mut self) -> Result<()> {
        // After the first reset it may have been started again.
        for _ in 0..2 {
            self.reset();
            self.turn();
            while self.disk.is_resetting() {
                std::thread::sleep(LOOK_EVERY);
                self.turn();
            }
        }
        self.now.take().unwrap_or(Err(Error::new(EIO)))
    }
}
