//! What must hold of every state, and which states the search must have seen.

use super::{Buffer, Client, Daemon, MAX_TRIES, SLOTS, Seen, State, Use};
use crate::event::Broken;

impl State {
    /// The invariants that are about a state; those about a change are where it is made.
    pub(crate) fn check(&self) -> Result<(), Broken> {
        for (index, slot) in self.slots.iter().enumerate() {
            let expects = matches!(slot.state, Use::Waiting | Use::Posted);
            let waits = self.clients[slot.client] == Client::Reply(index, slot.generation);
            if expects != waits {
                return Err(Broken("I2: a client and its slot disagree"));
            }
            let taken = matches!(self.held[index], Some((_, Seen::Taken)));
            let current = self.held[index].is_some_and(|(held, _)| held == slot.generation);
            if taken && !(current && matches!(slot.state, Use::Posted | Use::Zombie)) {
                return Err(Broken("I3: a tag that the daemon holds is not in use"));
            }
            if (slot.buffer == Buffer::Released) != (slot.state == Use::Free) {
                return Err(Broken("I4: a slot has pins although it is free, or none in use"));
            }
            if slot.buffer == Buffer::Lent && self.clients[slot.client] == Client::Running {
                return Err(Broken("I4: a client runs while its pages are lent"));
            }
        }
        let free = self.slots.iter().any(|slot| slot.state == Use::Free);
        if free && self.clients.iter().any(|client| matches!(client, Client::InLine(_))) {
            return Err(Broken("I5: a client stands in line for a slot that is free"));
        }
        Ok(())
    }

    /// Every client has all its results and every slot is free again.
    pub(crate) fn is_over(&self) -> bool {
        let asked = self.left.iter().all(|left| *left == 0);
        asked && self.nobody_waits() && self.slots.iter().all(|slot| slot.state == Use::Free)
    }

    pub(crate) fn nobody_waits(&self) -> bool {
        (0..SLOTS).all(|client| !self.is_blocked(client))
    }
}

/// Something that the search must have come across.
pub(crate) struct Coverage {
    pub(crate) what: &'static str,
    pub(crate) met: fn(&State) -> bool,
}

pub(crate) const COVERAGE: [Coverage; 6] = [
    Coverage {
        what: "both slots given up, and a client in line behind them",
        met: |state| {
            state.slots.iter().all(|slot| slot.state == Use::Zombie)
                && state.clients.iter().any(|client| matches!(client, Client::InLine(_)))
        },
    },
    Coverage {
        what: "an answer on its way to a request that was given up",
        met: |state| {
            (0..SLOTS).any(|slot| {
                state.slots[slot].state == Use::Zombie
                    && matches!(state.held[slot], Some((_, Seen::Answered)))
            })
        },
    },
    Coverage {
        what: "a request posted again to a successor",
        met: |state| state.slots.iter().any(|s| s.state == Use::Posted && s.tries == MAX_TRIES),
    },
    Coverage {
        what: "a request that waits for a successor",
        met: |state| {
            state.daemon == Daemon::Orphan && state.slots.iter().any(|s| s.state == Use::Waiting)
        },
    },
    Coverage {
        what: "a cancelled request that the daemon has not taken yet",
        met: |state| {
            (0..SLOTS).any(|slot| {
                state.slots[slot].cancel && matches!(state.held[slot], Some((_, Seen::Queued)))
            })
        },
    },
    Coverage {
        what: "a slot in its fourth use",
        met: |state| state.slots.iter().any(|slot| slot.generation == 3 && slot.state != Use::Free),
    },
];
