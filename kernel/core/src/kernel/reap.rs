//! The dead: spaces and handles are given back in slices, a few at each trap.

use alloc::vec::Vec;

use crate::{Handles, Kernel, Machine, Memory, Space};

/// What ended processes left; there are never more than processes.
#[derive(Debug)]
pub struct Grave<M: Machine> {
    /// Spaces to take apart.
    pub spaces: Vec<Space>,
    /// Handles to close.
    pub handles: Vec<Handles>,
    /// Whether objects may be dead.
    pub objects: bool,
    machine: core::marker::PhantomData<fn() -> M>,
}

impl<M: Machine> Grave<M> {
    /// A grave for the spaces and handles of `capacity` processes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> Result<Self, crate::error::Errno> {
        let mut spaces = Vec::new();
        spaces.try_reserve_exact(capacity).map_err(|_full| crate::error::ENOMEM)?;
        let mut handles = Vec::new();
        handles.try_reserve_exact(capacity).map_err(|_full| crate::error::ENOMEM)?;
        Ok(Self { spaces, handles, objects: false, machine: core::marker::PhantomData })
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.spaces.is_empty() && self.handles.is_empty() && !self.objects
    }
}

impl<M: Machine> Kernel<M> {
    /// Works for the dead: closes handles, frees about `budget` frames.
    pub(crate) fn reap(&mut self, budget: u32) {
        let mut budget = budget;
        while budget > 0
            && let Some(handles) = self.grave.handles.last_mut()
        {
            match handles.pop() {
                Some(handle) => self.drop_handle(handle),
                None => {
                    self.grave.handles.pop();
                }
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
        if budget > 0 {
            let Memory { machine, frames, objects } = &mut self.memory;
            self.grave.objects = !objects.reap(&mut budget, frames, machine);
        }
    }

    /// Leaves a space to be taken apart, once no CPU uses it any more.
    pub(crate) fn bury_space(&mut self, space: Space) {
        self.grave.spaces.push(space);
    }
}
