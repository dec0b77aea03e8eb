//! Futexes: sleeping on a word of memory; where it is shared, all its addresses are one.

use crate::prelude::*;

const WAIT: u64 = 0;
const WAKE: u64 = 1;

impl<M: Machine> Kernel<M> {
    /// The channel of a futex word, its frame, and its value now.
    fn futex_word(&mut self, me: ThreadId, address: u64) -> Result<(Channel, Frame, u32)> {
        if address & 3 != 0 {
            return Err(EINVAL);
        }
        let process = self.owner(me)?;
        let offset = u16::try_from(address & 0xFFF).map_err(|_wide| EINVAL)?;
        let (space, memory) = self.space(me)?;
        let frame = space.frame_at(memory, address, MapFlags::WRITE)?;
        let mut bytes = [0; 4];
        memory.machine.read(frame, usize::from(offset), &mut bytes);
        let region = space.find(address >> 12);
        let shared = region.is_some_and(|region| region.flags.contains(MapFlags::SHARED));
        let channel =
            if shared { Channel::Futex(frame, offset) } else { Channel::Word(process, address) };
        Ok((channel, frame, u32::from_le_bytes(bytes)))
    }

    pub(crate) fn futex(&mut self, me: ThreadId, call: Call) -> Outcome {
        let (channel, _, value) = self.futex_word(me, call.a)?;
        match call.b {
            WAIT if value != low(call.c) => Err(EAGAIN),
            WAIT if self.is_past(call.d) => Err(ETIMEDOUT),
            WAIT => self.sleep(me, channel, Then::give(encode(ETIMEDOUT)), call.d),
            WAKE => {
                let woken = self.wake_some(channel, call.c, Then::give(0));
                self.give(me, woken)
            }
            _ => Err(ENOSYS),
        }
    }

    /// Sets a futex word to 0 and wakes all its sleepers: what joins wait for.
    pub(crate) fn clear_word(&mut self, me: ThreadId, address: u64) {
        if let Ok((channel, frame, _)) = self.futex_word(me, address) {
            self.memory.machine.write(frame, size(address & 0xFFF), &[0; 4]);
            self.wake_some(channel, u64::MAX, Then::give(0));
        }
    }
}
