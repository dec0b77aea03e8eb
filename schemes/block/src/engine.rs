//! Tasks of many clients on one disk: bounce memory, order, completion.

mod now;
mod watch;

use core::ops::Range;
use std::collections::VecDeque;

use anode_device::SharedMemory;
use redox::error::{EIO, EOPNOTSUPP, EROFS, Error, Result};

use crate::disk::{Access, Disk, Op, Submitted, WriteCache};
use crate::plan::Task;
use crate::pool::Pool;

/// Who asked for a task and waits for its answer.
pub trait Client {
    /// Copies bytes of the client's input, from its byte `at` on.
    ///
    /// # Errors
    ///
    /// Any errno: the task is then answered with it and writes nothing.
    fn pull(&mut self, at: usize, into: &mut [u8]) -> Result<usize>;

    /// The task is done: a number, or why not.
    fn answer(self, result: Result<usize>);

    /// A read is done: its bytes are this range of the bounce memory, until [`Engine::recycle`].
    fn answer_range(self, range: Range<usize>);
}

/// The tag of [`Engine::read_now`]; no job has such an index.
const NOW: usize = usize::MAX;

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Reading the blocks that a write covers in part.
    Edges,
    /// The task itself.
    Body,
    /// The flush behind a forced write.
    Seal,
}

/// A task that was started.
#[derive(Debug)]
struct Job<C> {
    client: C,
    task: Task,
    memory: Range<usize>,
    phase: Phase,
    /// Operations that the device has not been given yet.
    todo: VecDeque<Op>,
    in_flight: usize,
    failed: Option<Error>,
    /// How often [`Engine::check`] found it waiting since one of its operations ended.
    age: u32,
}

/// One disk with its bounce memory and everything that is asked of it.
#[derive(Debug)]
pub struct Engine<D, M, C> {
    disk: D,
    memory: M,
    pool: Pool,
    /// In the order of arrival.
    waiting: VecDeque<(C, Task)>,
    jobs: Vec<Option<Job<C>>>,
    /// Memory of answers that the kernel has not copied yet.
    lent: Vec<Range<usize>>,
    /// How the operation of [`Engine::read_now`] ended.
    now: Option<Result<()>>,
}

impl<D: Disk, M: SharedMemory, C: Client> Engine<D, M, C> {
    /// A disk and memory for its transfers, at least 1 MiB and two pages.
    ///
    /// # Errors
    ///
    /// `EIO` if the facts of the disk make no sense.
    pub fn new(disk: D, memory: M) -> Result<Self> {
        if !disk.info().is_sound() {
            return Err(Error::new(EIO));
        }
        let pool = Pool::new(memory.size());
        Ok(Self {
            disk,
            memory,
            pool,
            waiting: VecDeque::new(),
            jobs: Vec::new(),
            lent: Vec::new(),
            now: None,
        })
    }

    /// The disk.
    pub const fn disk(&self) -> &D {
        &self.disk
    }

    /// The disk's interrupt came: see [`Disk::quiet`].
    pub fn quiet(&mut self) {
        self.disk.quiet();
    }

    /// The bounce memory.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// Whether nothing is waiting or under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.jobs.iter().all(Option::is_none)
    }

    /// Takes a task; it is answered now or in a later [`Engine::turn`].
    pub fn ask(&mut self, client: C, task: Task) {
        match self.refusal(task) {
            Some(answer) => client.answer(answer),
            None => self.waiting.push_back((client, task)),
        }
    }

    /// Does all that can be done now: to be called after tasks came, and after an interrupt.
    pub fn turn(&mut self) {
        loop {
            let collected = self.collect();
            self.start();
            let submitted = self.submit();
            // What was submitted may have ended by now: a quick device needs no interrupt.
            self.disk.kick();
            if !collected && !submitted {
                break;
            }
        }
    }

    /// The kernel has copied all answers that were given so far: their memory is free again.
    pub fn recycle(&mut self) {
        for range in self.lent.drain(..) {
            self.pool.give(range);
        }
    }

    /// The answer of a task that needs no device.
    fn refusal(&self, task: Task) -> Option<Result<usize>> {
        let info = self.disk.info();
        match task {
            Task::Read { len: 0, .. } | Task::Write { len: 0, .. } => Some(Ok(0)),
            Task::Discard { blocks: 0, .. } | Task::Zero { blocks: 0, .. } => Some(Ok(0)),
            Task::Read { .. } => None,
            Task::Flush if info.cache == WriteCache::Through => Some(Ok(0)),
            Task::Flush => None,
            _ if info.access == Access::ReadOnly => Some(Err(Error::new(EROFS))),
            Task::Discard { .. } if info.max_discard == 0 => Some(Err(Error::new(EOPNOTSUPP))),
            Task::Zero { .. } if info.max_zero == 0 => Some(Err(Error::new(EOPNOTSUPP))),
            Task::Write { .. } | Task::Discard { .. } | Task::Zero { .. } => None,
        }
    }

    /// Takes in what the device has done; whether a task ended or went on.
    fn collect(&mut self) -> bool {
        let mut moved = false;
        while let Some((tag, result)) = self.disk.finish() {
            if tag == NOW {
                self.now = Some(result);
            }
            let Some(Some(job)) = self.jobs.get_mut(tag) else { continue };
            job.age = 0;
            job.in_flight = job.in_flight.saturating_sub(1);
            if let Err(error) = result {
                job.fail(error);
            }
            moved |= self.advance(tag);
        }
        moved
    }

    /// Ends a job, or moves it to its next phase, if nothing of this one is left.
    fn advance(&mut self, tag: usize) -> bool {
        let Some(slot) = self.jobs.get_mut(tag) else { return false };
        let Some(job) = slot.take_if(|job| job.in_flight == 0 && job.todo.is_empty()) else {
            return false;
        };
        let next = self.next_phase(job);
        if let Some(slot) = self.jobs.get_mut(tag) {
            *slot = next;
        }
        true
    }

    /// Moves a job on whose phase is over. `None`: it was answered.
    fn next_phase(&mut self, mut job: Job<C>) -> Option<Job<C>> {
        let seal = job.task.seal(self.disk.info());
        match job.phase {
            Phase::Edges if job.failed.is_none() => return self.pulled(job),
            Phase::Body if job.failed.is_none() && seal.is_some() => {
                job.phase = Phase::Seal;
                job.todo.extend(seal);
                return Some(job);
            }
            Phase::Edges | Phase::Body | Phase::Seal => self.end(job),
        }
        None
    }

    /// Starts every waiting task that may start, oldest first.
    fn start(&mut self) {
        let mut index = 0;
        while let Some((_, task)) = self.waiting.get(index) {
            let task = *task;
            if self.must_wait(task, index) {
                index = index.saturating_add(1);
                continue;
            }
            let bytes = usize::try_from(task.memory(self.disk.info())).unwrap_or(usize::MAX);
            let memory = if bytes == 0 { Some(0..0) } else { self.pool.take(bytes) };
            // Out of memory: younger tasks wait too, or a large one would never get its turn.
            let Some(memory) = memory else { break };
            if let Some((client, task)) = self.waiting.remove(index) {
                self.begin(client, task, memory);
            }
        }
    }

    /// Whether a task changes blocks that an older, unfinished one changes too.
    fn must_wait(&self, task: Task, index: usize) -> bool {
        let info = self.disk.info();
        let mine = task.changes(info);
        let clashes = |other: Task| {
            let other = other.changes(info);
            mine.start < other.end && other.start < mine.end
        };
        self.jobs.iter().flatten().any(|job| clashes(job.task))
            || self.waiting.iter().take(index).any(|(_, older)| clashes(*older))
    }

    fn begin(&mut self, client: C, task: Task, memory: Range<usize>) {
        let address = self.address(&memory);
        let mut job = Job {
            client,
            task,
            memory,
            phase: Phase::Edges,
            todo: task.edges(self.disk.info(), address),
            in_flight: 0,
            failed: None,
            age: 0,
        };
        if job.todo.is_empty() {
            match self.pulled(job) {
                Some(next) => job = next,
                None => return,
            }
        }
        match self.jobs.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(job),
            None => self.jobs.push(Some(job)),
        }
    }

    /// Fills a write's memory from its client and plans the transfer. `None`: it was answered.
    fn pulled(&mut self, mut job: Job<C>) -> Option<Job<C>> {
        if let Task::Write { len, .. } = job.task {
            let range = self.window(&job);
            let client = &mut job.client;
            let expected = usize::try_from(len).ok();
            let pulled = self.memory.with(range, &mut |into| client.pull(0, into));
            if pulled.is_err() || pulled.ok() != expected {
                job.fail(pulled.err().unwrap_or(Error::new(EIO)));
                self.end(job);
                return None;
            }
        }
        job.phase = Phase::Body;
        job.todo = job.task.body(self.disk.info(), self.address(&job.memory));
        Some(job)
    }

    /// Gives the device what it can take; whether it took or refused anything.
    fn submit(&mut self) -> bool {
        let mut moved = false;
        for tag in 0..self.jobs.len() {
            if self.submit_job(tag, &mut moved) == Submitted::Full {
                break;
            }
        }
        moved
    }

    /// Gives the device what it can take of one job, or ends the job if it is refused.
    fn submit_job(&mut self, tag: usize, moved: &mut bool) -> Submitted {
        let Some(Some(job)) = self.jobs.get_mut(tag) else { return Submitted::Started };
        while let Some(op) = job.todo.front().copied() {
            match self.disk.submit(tag, op) {
                Ok(Submitted::Started) => {
                    job.todo.pop_front();
                    job.in_flight = job.in_flight.saturating_add(1);
                    *moved = true;
                }
                Ok(Submitted::Full) => return Submitted::Full,
                Err(error) => {
                    job.fail(error);
                    self.advance(tag);
                    *moved = true;
                    break;
                }
            }
        }
        Submitted::Started
    }

    /// Answers a job and takes its memory back.
    fn end(&mut self, job: Job<C>) {
        let window = self.window(&job);
        let Job { client, task, memory, failed, .. } = job;
        match (failed, task) {
            (None, Task::Read { .. }) => {
                self.lent.push(memory);
                client.answer_range(window);
                return;
            }
            (Some(error), _) => client.answer(Err(error)),
            (None, Task::Write { len, .. }) => {
                client.answer(Ok(usize::try_from(len).unwrap_or(usize::MAX)));
            }
            (None, Task::Flush | Task::Discard { .. } | Task::Zero { .. }) => client.answer(Ok(0)),
        }
        if !memory.is_empty() {
            self.pool.give(memory);
        }
    }

    /// Where in all of the bounce memory a job's client has its bytes.
    fn window(&self, job: &Job<C>) -> Range<usize> {
        let window = job.task.window(self.disk.info());
        let at = |offset: u64| {
            job.memory.start.saturating_add(usize::try_from(offset).unwrap_or(usize::MAX))
        };
        at(window.start)..at(window.end)
    }

    fn address(&self, memory: &Range<usize>) -> u64 {
        self.memory.physical().saturating_add(u64::try_from(memory.start).unwrap_or(u64::MAX))
    }
}

impl<C> Job<C> {
    /// Notes the first error, and that nothing more is to be started.
    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
        self.todo.clear();
    }
}
