//! One state of the model, and what each event makes of it.

use crate::event::{Broken, Bug, Event};

#[path = "check.rs"]
mod check;

pub(crate) use check::COVERAGE;

/// Slots of the ring, and clients; each client makes [`REQUESTS`] requests.
const SLOTS: usize = 2;
const REQUESTS: u8 = 2;
/// How often the daemon may die.
const DEATHS: u8 = 2;
/// A packet that killed this many daemons is answered with EIO.
const MAX_TRIES: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Running,
    /// Waits for a free slot; the lower number came first.
    InLine(u8),
    /// Waits for the answer to the request in this slot, of this generation.
    Reply(usize, u8),
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Use {
    Free,
    Waiting,
    Posted,
    Zombie,
}

/// How far a posted packet came on the daemon's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Queued,
    Taken,
    Answered,
}

/// The pages of a request's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Buffer {
    Released,
    /// Held in place, out of the daemon's reach.
    Pinned,
    /// Held in place; the daemon may reach them by its answer or by `ring_copy`.
    Lent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slot {
    state: Use,
    generation: u8,
    client: usize,
    buffer: Buffer,
    cancel: bool,
    tries: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Daemon {
    Live,
    Orphan,
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    bug: Bug,
    clients: [Client; SLOTS],
    left: [u8; SLOTS],
    slots: [Slot; SLOTS],
    daemon: Daemon,
    deaths: u8,
    /// Per slot, the generation that the live daemon holds and how far it is.
    held: [Option<(u8, Seen)>; SLOTS],
}

type Step = Result<bool, Broken>;

impl State {
    pub(crate) fn new(bug: Bug) -> Self {
        let free = Slot {
            state: Use::Free,
            generation: 0,
            client: 0,
            buffer: Buffer::Released,
            cancel: false,
            tries: 0,
        };
        Self {
            bug,
            clients: [Client::Running; SLOTS],
            left: [REQUESTS; SLOTS],
            slots: [free; SLOTS],
            daemon: Daemon::Live,
            deaths: 0,
            held: [None; SLOTS],
        }
    }

    /// Does what the event means; false if it cannot happen here.
    pub(crate) fn step(&mut self, event: Event) -> Step {
        match event {
            Event::Submit(client) => self.submit(client),
            Event::Post(slot) => Ok(self.post(slot)),
            Event::Take(slot) => Ok(self.advance(slot, Seen::Queued, Seen::Taken)),
            Event::Answer(slot) => Ok(self.advance(slot, Seen::Taken, Seen::Answered)),
            Event::Reap => self.reap(),
            Event::Signal(client) => self.signal(client),
            Event::Grace(client) => self.grace(client),
            Event::Deadline(client) => self.deadline(client),
            Event::Kill(client) => self.kill(client),
            Event::Die => self.die(),
            Event::Adopt => Ok(self.adopt()),
            Event::GiveUp => self.give_up(),
        }
    }

    fn submit(&mut self, client: usize) -> Step {
        if self.clients[client] != Client::Running || self.left[client] == 0 {
            return Ok(false);
        }
        self.left[client] -= 1;
        if self.daemon == Daemon::Gone {
            return Ok(true);
        }
        match self.slots.iter().position(|slot| slot.state == Use::Free) {
            Some(slot) => self.occupy(slot, client),
            None => {
                let others = self.clients.iter().filter(|other| matches!(other, Client::InLine(_)));
                let place = u8::try_from(others.count()).map_err(|_| Broken("a long line"))?;
                self.clients[client] = Client::InLine(place);
                Ok(true)
            }
        }
    }

    fn occupy(&mut self, slot: usize, client: usize) -> Step {
        let generation = self.slots[slot].generation;
        if self.slots[slot].buffer != Buffer::Released {
            return Err(Broken("I4: a free slot has pins"));
        }
        self.slots[slot] = Slot {
            state: Use::Waiting,
            generation,
            client,
            buffer: Buffer::Pinned,
            cancel: false,
            tries: 0,
        };
        self.clients[client] = Client::Reply(slot, generation);
        Ok(true)
    }

    fn post(&mut self, slot: usize) -> bool {
        let entry = &mut self.slots[slot];
        if self.daemon != Daemon::Live || entry.state != Use::Waiting {
            return false;
        }
        entry.state = Use::Posted;
        entry.buffer = Buffer::Lent;
        entry.tries += 1;
        self.held[slot] = Some((entry.generation, Seen::Queued));
        true
    }

    fn advance(&mut self, slot: usize, from: Seen, to: Seen) -> bool {
        match &mut self.held[slot] {
            Some((_, seen)) if *seen == from => {
                *seen = to;
                true
            }
            _ => false,
        }
    }

    fn reap(&mut self) -> Step {
        let mut reaped = false;
        for slot in 0..SLOTS {
            let Some((generation, Seen::Answered)) = self.held[slot] else { continue };
            self.held[slot] = None;
            reaped = true;
            let entry = self.slots[slot];
            if entry.generation != generation || matches!(entry.state, Use::Free | Use::Waiting) {
                continue;
            }
            if entry.state == Use::Posted || self.bug == Bug::IgnoreZombie {
                self.resume(slot)?;
            }
            self.free(slot)?;
        }
        Ok(reaped)
    }

    /// Lets the client of a slot's request run on, with its one result.
    fn resume(&mut self, slot: usize) -> Result<(), Broken> {
        let Slot { client, generation, .. } = self.slots[slot];
        if self.clients[client] != Client::Reply(slot, generation) {
            return Err(Broken("I1: a client is resumed that does not wait for this"));
        }
        self.clients[client] = Client::Running;
        Ok(())
    }

    /// Ends a tag's life, and lets the first client in line have the slot.
    fn free(&mut self, slot: usize) -> Result<(), Broken> {
        let entry = &mut self.slots[slot];
        if std::mem::replace(&mut entry.buffer, Buffer::Released) == Buffer::Released {
            return Err(Broken("I4: pages are unpinned twice"));
        }
        entry.cancel = false;
        entry.state = Use::Free;
        entry.generation += 1;
        let first = self.clients.iter().position(|client| *client == Client::InLine(0));
        if let Some(first) = first {
            self.leave_line(first);
            self.occupy(slot, first)?;
        }
        Ok(())
    }

    fn leave_line(&mut self, client: usize) {
        self.clients[client] = Client::Running;
        for other in &mut self.clients {
            if let Client::InLine(place) = other {
                *place = place.saturating_sub(1);
            }
        }
    }

    /// Takes a finished answer first: it wins over all that would give the request up.
    fn waits_still(&mut self, client: usize) -> Result<Option<Option<usize>>, Broken> {
        self.reap()?;
        Ok(match self.clients[client] {
            Client::Reply(slot, _) => Some(Some(slot)),
            Client::InLine(_) => Some(None),
            Client::Running | Client::Dead => None,
        })
    }

    fn is_blocked(&self, client: usize) -> bool {
        matches!(self.clients[client], Client::Reply(..) | Client::InLine(_))
    }

    fn signal(&mut self, client: usize) -> Step {
        if !self.is_blocked(client) {
            return Ok(false);
        }
        match self.waits_still(client)? {
            None => {}
            Some(None) => self.leave_line(client),
            Some(Some(slot)) if self.slots[slot].state == Use::Waiting => {
                self.resume(slot)?;
                self.free(slot)?;
            }
            Some(Some(slot)) => self.slots[slot].cancel = true,
        }
        Ok(true)
    }

    fn grace(&mut self, client: usize) -> Step {
        match self.clients[client] {
            Client::Reply(slot, _) if self.slots[slot].cancel => self.deadline(client),
            Client::Reply(..) | Client::InLine(_) | Client::Running | Client::Dead => Ok(false),
        }
    }

    fn deadline(&mut self, client: usize) -> Step {
        if !self.is_blocked(client) {
            return Ok(false);
        }
        match self.waits_still(client)? {
            None => {}
            Some(None) => self.leave_line(client),
            Some(Some(slot)) => {
                self.resume(slot)?;
                let kept = if self.bug == Bug::KeepLease { Buffer::Lent } else { Buffer::Pinned };
                if self.slots[slot].state == Use::Waiting || self.bug == Bug::FreeOnDeadline {
                    self.free(slot)?;
                } else {
                    self.slots[slot].state = Use::Zombie;
                    self.slots[slot].buffer = kept;
                }
            }
        }
        Ok(true)
    }

    fn kill(&mut self, client: usize) -> Step {
        if self.clients[client] == Client::Dead {
            return Ok(false);
        }
        match self.waits_still(client)? {
            None => {}
            Some(None) => self.leave_line(client),
            Some(Some(slot)) => {
                self.resume(slot)?;
                if self.slots[slot].state == Use::Waiting {
                    self.free(slot)?;
                } else {
                    // The space goes, the pinned frames stay, so the lease may too.
                    self.slots[slot].state = Use::Zombie;
                    self.slots[slot].cancel = true;
                }
            }
        }
        self.clients[client] = Client::Dead;
        self.left[client] = 0;
        Ok(true)
    }

    fn die(&mut self) -> Step {
        if self.daemon != Daemon::Live || self.deaths == DEATHS {
            return Ok(false);
        }
        self.reap()?;
        self.deaths += 1;
        self.daemon = Daemon::Orphan;
        self.held = [None; SLOTS];
        for slot in 0..SLOTS {
            let entry = &mut self.slots[slot];
            if entry.buffer == Buffer::Lent {
                entry.buffer = Buffer::Pinned;
            }
            match entry.state {
                Use::Free | Use::Waiting => {}
                Use::Zombie => self.free(slot)?,
                // The second client's requests are of a kind that may not be sent again.
                Use::Posted if entry.tries < MAX_TRIES && !entry.cancel && entry.client == 0 => {
                    entry.state = Use::Waiting;
                }
                Use::Posted => {
                    self.resume(slot)?;
                    self.free(slot)?;
                }
            }
        }
        Ok(true)
    }

    fn adopt(&mut self) -> bool {
        let orphan = self.daemon == Daemon::Orphan;
        if orphan {
            self.daemon = Daemon::Live;
        }
        orphan
    }

    fn give_up(&mut self) -> Step {
        if self.daemon != Daemon::Orphan {
            return Ok(false);
        }
        self.daemon = Daemon::Gone;
        for client in 0..SLOTS {
            if matches!(self.clients[client], Client::InLine(_)) {
                self.leave_line(client);
            }
        }
        for slot in 0..SLOTS {
            if self.slots[slot].state == Use::Waiting {
                self.resume(slot)?;
                self.free(slot)?;
            }
        }
        Ok(true)
    }
}
