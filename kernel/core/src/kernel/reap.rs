//! The dead: spaces, handles and objects are given back in slices, a few at each trap.

use crate::prelude::*;

/// What ended processes left, until it is given back.
#[derive(Debug)]
pub struct Grave {
    /// Spaces to take apart.
    pub spaces: Vec<Space>,
    /// Handles to close.
    pub handles: Vec<Handles>,
}

impl Grave {
    /// A grave for the spaces and handles of `capacity` processes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self> {
        let twice = capacity.saturating_mul(2);
        Ok(Self { spaces: reserved(twice)?, handles: reserved(twice)? })
    }

    /// Room for all who live and for as many dead, so that a death is never refused.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: too many dead wait; nothing new may be made that can die.
    pub fn check_room(&self) -> Result<()> {
        let waiting = self.spaces.len().max(self.handles.len());
        if waiting < self.spaces.capacity() / 2 { Ok(()) } else { Err(EAGAIN) }
    }
}

impl<M: Machine> Kernel<M> {
    /// Whether nothing is owed to the dead.
    pub(crate) fn is_settled(&self) -> bool {
        self.grave.spaces.is_empty() && self.grave.handles.is_empty() && self.memory.dead.is_empty()
    }

    /// Works for the dead: closes handles, frees about `budget` frames.
    pub(crate) fn reap(&mut self, mut budget: u32) {
        while budget > 0
            && let Some(handles) = self.grave.handles.last_mut()
        {
            match handles.pop() {
                Some(handle) => self.drop_description(handle.description),
                None => drop(self.grave.handles.pop()),
            }
            budget = budget.saturating_sub(8);
        }
        while budget > 0
            && let Some(space) = self.grave.spaces.last_mut()
        {
            if space.reap(&mut self.memory, &mut budget) {
                self.grave.spaces.pop();
            }
        }
        self.memory.reap(&mut budget);
    }
}
