//! A partition of `disk:` as a block device: several requests under way, each by a thread of its
//! own, as a call of the system waits for its answer.
//!
//! The main thread takes a request itself when it has nothing else to do than to wait for one, so
//! a single read costs no switch of threads.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use anode_fs::device::{BlockDevice, Facts, Request, Ticket};
use anode_fs::error::Failure;

/// What a thread does with a request, and waits for.
pub(crate) trait Port: Send + Sync + fmt::Debug + 'static {
    /// Carries it out.
    ///
    /// # Errors
    ///
    /// The device's.
    fn perform(&self, request: Request) -> Result<Vec<u8>, Failure>;
}

/// A device whose requests end while somebody waits.
pub(crate) trait Device: BlockDevice + Clone {
    /// Returns when a request may have ended since the last call.
    fn wait(&self);
}

/// How many threads there are besides the main one.
const THREADS: usize = 7;

/// A request's state.
#[derive(Debug)]
enum State {
    Going,
    Ended(Result<Vec<u8>, Failure>),
    /// Nobody will ask.
    Abandoned,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<(Ticket, Request)>,
    states: BTreeMap<Ticket, State>,
    next: u64,
    /// How many requests ended so far.
    ended: u64,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is a job.
    more: Condvar,
    /// A job is done.
    done: Condvar,
    port: Box<dyn Port>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nobody panics with the lock held; if so, the queue is whole all the same.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a job that was taken from the queue.
    fn work(&self, (ticket, request): (Ticket, Request)) {
        let result = self.port.perform(request);
        let mut queue = self.queue();
        queue.ended = queue.ended.wrapping_add(1);
        match queue.states.get_mut(&ticket) {
            Some(state @ State::Going) => *state = State::Ended(result),
            _ => {
                queue.states.remove(&ticket);
            }
        }
        drop(queue);
        self.done.notify_all();
    }
}

/// The device, for the main thread.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    facts: Facts,
    shared: Arc<Shared>,
    /// What [`Queue::ended`] was when it last waited.
    seen: Cell<u64>,
}

impl Threads {
    /// Starts the threads of a port with these facts.
    ///
    /// # Errors
    ///
    /// There can be no more threads.
    pub(crate) fn new(port: impl Port, facts: Facts) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
            done: Condvar::new(),
            port: Box::new(port),
        });
        for _ in 0..THREADS {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().spawn(move || serve(&shared))?;
        }
        Ok(Self { facts, shared, seen: Cell::new(0) })
    }
}

/// A thread's life.
fn serve(shared: &Shared) {
    loop {
        let mut queue = shared.queue();
        let job = loop {
            match queue.jobs.pop_front() {
                Some(job) => break job,
                None => queue = shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(queue);
        shared.work(job);
    }
}

impl BlockDevice for Threads {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn submit(&self, request: Request) -> Ticket {
        let mut queue = self.shared.queue();
        let ticket = Ticket(queue.next);
        queue.next = queue.next.wrapping_add(1);
        queue.states.insert(ticket, State::Going);
        queue.jobs.push_back((ticket, request));
        // The first is left to the main thread, which will wait next if there is but one.
        if queue.jobs.len() > 1 {
            self.shared.more.notify_one();
        }
        ticket
    }

    fn poll(&self, ticket: Ticket, _: &mut Context<'_>) -> Poll<Result<Vec<u8>, Failure>> {
        let mut queue = self.shared.queue();
        match queue.states.remove(&ticket) {
            Some(State::Ended(result)) => Poll::Ready(result),
            Some(going) => {
                queue.states.insert(ticket, going);
                Poll::Pending
            }
            None => Poll::Ready(Err(Failure::Refused)),
        }
    }

    fn abandon(&self, ticket: Ticket) {
        let mut queue = self.shared.queue();
        match queue.states.get_mut(&ticket) {
            Some(state @ State::Going) => *state = State::Abandoned,
            _ => {
                queue.states.remove(&ticket);
            }
        }
    }
}

impl Device for Threads {
    fn wait(&self) {
        let mut queue = self.shared.queue();
        if queue.ended == self.seen.get() {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                self.shared.work(job);
                queue = self.shared.queue();
            }
            while queue.ended == self.seen.get() {
                let woken = self.shared.done.wait(queue);
                queue = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.seen.set(queue.ended);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use anode_fs::device::{Access, Cache, Writer, read};
    use anode_fs::executor::block_on;

    use super::*;

    /// A port on which three requests must be under way at once, or none ends.
    #[derive(Debug)]
    struct Three(Barrier);

    impl Port for Three {
        fn perform(&self, request: Request) -> Result<Vec<u8>, Failure> {
            self.0.wait();
            match request {
                Request::Write { bytes, .. } | Request::Read { bytes, .. } => Ok(bytes),
                Request::Flush | Request::Discard { .. } | Request::WriteZeroes { .. } => {
                    Err(Failure::Refused)
                }
            }
        }
    }

    fn threads(parties: usize) -> Threads {
        let facts = Facts {
            blocks: 1 << 20,
            logical_block: 512,
            max_transfer: 1,
            queue_depth: 8,
            max_discard: 0,
            max_zero: 0,
            cache: Cache::Through,
            access: Access::ReadWrite,
        };
        Threads::new(Three(Barrier::new(parties)), facts).unwrap()
    }

    #[test]
    fn requests_are_under_way_together() {
        let device = threads(3);
        let written = async {
            let mut writer = Writer::new(&device);
            for block in [1, 5, 9, 20, 30, 40] {
                writer.write(block, &[7; 4096]).await;
            }
            writer.finish().await
        };
        assert_eq!(block_on(written, || device.wait()), Ok(()));
        assert!(device.shared.queue().states.is_empty());
    }

    #[test]
    fn a_single_request_is_done_by_who_waits_and_an_abandoned_one_leaves_nothing() {
        let device = threads(1);
        let bytes = block_on(read(&device, 3, 1), || device.wait()).unwrap();
        assert_eq!(bytes.len(), 4096);
        let ticket = device.submit(Request::Read { block: 0, bytes: vec![0; 4096] });
        device.abandon(ticket);
        device.wait();
        assert!(device.shared.queue().states.is_empty());
    }
}
