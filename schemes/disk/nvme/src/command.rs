//! Commands: 64 bytes, of which the queue fills in the id.

/// Words of a command.
const WORDS: usize = 16;

// Admin opcodes.
const CREATE_SUBMISSION: u32 = 0x01;
const CREATE_COMPLETION: u32 = 0x05;
const IDENTIFY: u32 = 0x06;
const ABORT: u32 = 0x08;
const SET_FEATURES: u32 = 0x09;

// Opcodes of the NVM command set.
const FLUSH: u32 = 0x00;
const WRITE: u32 = 0x01;
const READ: u32 = 0x02;
const WRITE_ZEROES: u32 = 0x08;
const DATASET_MANAGEMENT: u32 = 0x09;

/// The feature "number of queues".
const NUMBER_OF_QUEUES: u32 = 7;
/// Physically contiguous, of a queue.
const CONTIGUOUS: u32 = 1;
const INTERRUPTS: u32 = 1 << 1;
/// Force unit access.
const FORCE: u32 = 1 << 30;
/// Of a dataset that is not needed any more.
const DEALLOCATE: u32 = 1 << 2;

/// What to identify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A namespace, by its id.
    Namespace(u32),
    /// The controller.
    Controller,
    /// The ids of the active namespaces.
    Namespaces,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command([u32; WORDS]);

impl Command {
    const fn new(opcode: u32, namespace: u32) -> Self {
        let mut words = [0; WORDS];
        words[0] = opcode;
        words[1] = namespace;
        Self(words)
    }

    /// Where its data lies: page by page, or the second word is that of a list of pages.
    const fn with_data(self, [first, second]: [u64; 2]) -> Self {
        let mut words = self.0;
        [words[6], words[7]] = halves(first);
        [words[8], words[9]] = halves(second);
        Self(words)
    }

    const fn with(self, arguments: [u32; 3]) -> Self {
        let mut words = self.0;
        [words[10], words[11], words[12]] = arguments;
        Self(words)
    }

    /// On blocks `block..block + blocks`; `blocks` is not 0.
    const fn on_blocks(self, block: u64, blocks: u32, flags: u32) -> Self {
        let [low, high] = halves(block);
        self.with([low, high, blocks.saturating_sub(1) & 0xFFFF | flags])
    }

    pub(crate) const fn create_completion(
        (id, entries): (u16, u16),
        address: u64,
        interrupts: Interrupts,
    ) -> Self {
        let flags = match interrupts {
            Interrupts::Vector0 => CONTIGUOUS | INTERRUPTS,
            Interrupts::None => CONTIGUOUS,
        };
        Self::new(CREATE_COMPLETION, 0).with_data([address, 0]).with([sizes(id, entries), flags, 0])
    }

    pub(crate) const fn create_submission((id, entries): (u16, u16), address: u64) -> Self {
        // The completion queue has the same id.
        let flags = (id as u32) << 16 | CONTIGUOUS;
        Self::new(CREATE_SUBMISSION, 0).with_data([address, 0]).with([sizes(id, entries), flags, 0])
    }

    /// One queue of each kind besides the admin queue.
    pub(crate) const fn one_queue() -> Self {
        Self::new(SET_FEATURES, 0).with([NUMBER_OF_QUEUES, 0, 0])
    }

    pub(crate) const fn identify(subject: Subject, address: u64) -> Self {
        let (namespace, what) = match subject {
            Subject::Namespace(id) => (id, 0),
            Subject::Controller => (0, 1),
            Subject::Namespaces => (0, 2),
        };
        Self::new(IDENTIFY, namespace).with_data([address, 0]).with([what, 0, 0])
    }

    /// Of a command of a queue, by its id.
    pub(crate) const fn abort(queue: u16, id: u16) -> Self {
        Self::new(ABORT, 0).with([(id as u32) << 16 | queue as u32, 0, 0])
    }

    pub(crate) const fn flush(namespace: u32) -> Self {
        Self::new(FLUSH, namespace)
    }

    pub(crate) const fn read(namespace: u32, block: u64, blocks: u32, data: [u64; 2]) -> Self {
        Self::new(READ, namespace).with_data(data).on_blocks(block, blocks, 0)
    }

    pub(crate) const fn write(namespace: u32, block: u64, blocks: u32, data: [u64; 2]) -> Self {
        Self::new(WRITE, namespace).with_data(data).on_blocks(block, blocks, 0)
    }

    /// A write that is on the medium when it ends.
    pub(crate) const fn force(self) -> Self {
        let mut words = self.0;
        words[12] |= FORCE;
        Self(words)
    }

    pub(crate) const fn zero(namespace: u32, block: u64, blocks: u32) -> Self {
        Self::new(WRITE_ZEROES, namespace).on_blocks(block, blocks, 0)
    }

    /// Of the one range that lies at `range`.
    pub(crate) const fn discard(namespace: u32, range: u64) -> Self {
        Self::new(DATASET_MANAGEMENT, namespace).with_data([range, 0]).with([0, DEALLOCATE, 0])
    }

    /// The words of the command with an id.
    pub(crate) const fn with_id(self, id: u16) -> [u32; WORDS] {
        let mut words = self.0;
        words[0] |= (id as u32) << 16;
        words
    }
}

/// Whether the completions of a queue are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupts {
    /// By vector 0.
    Vector0,
    /// They are polled.
    None,
}

const fn sizes(id: u16, entries: u16) -> u32 {
    (entries.saturating_sub(1) as u32) << 16 | id as u32
}

const fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}
