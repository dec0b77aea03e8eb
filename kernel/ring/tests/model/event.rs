//! What can happen in the model, and what can be wrong with it.

/// A fault put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bug {
    None,
    /// The deadline frees the slot although the daemon may still hold its tag.
    FreeOnDeadline,
    /// The deadline resumes the client but leaves its pages to the daemon.
    KeepLease,
    /// A late answer to a given-up request is treated like any other.
    IgnoreZombie,
}

/// An invariant that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub &'static str);

/// What can happen; the number is a client or a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A client asks, and gets a slot or stands in line for one.
    Submit(usize),
    /// The kernel puts a waiting request into the queue.
    Post(usize),
    /// The daemon takes it out.
    Take(usize),
    /// The daemon puts its answer into the other queue.
    Answer(usize),
    /// The kernel reads the answers.
    Reap,
    /// A client catches a signal.
    Signal(usize),
    /// The time that the daemon has for a cancelled request is over.
    Grace(usize),
    /// A client's own time for the request is over.
    Deadline(usize),
    /// A client is killed.
    Kill(usize),
    /// The daemon dies.
    Die,
    /// A successor takes over.
    Adopt,
    /// No successor came in time.
    GiveUp,
}

impl Event {
    pub(crate) const ALL: [Self; 20] = [
        Self::Submit(0),
        Self::Submit(1),
        Self::Post(0),
        Self::Post(1),
        Self::Take(0),
        Self::Take(1),
        Self::Answer(0),
        Self::Answer(1),
        Self::Reap,
        Self::Signal(0),
        Self::Signal(1),
        Self::Grace(0),
        Self::Grace(1),
        Self::Deadline(0),
        Self::Deadline(1),
        Self::Kill(0),
        Self::Kill(1),
        Self::Die,
        Self::Adopt,
        Self::GiveUp,
    ];

    /// Events of clients that ask and daemons that answer, and nothing worse.
    pub(crate) fn is_progress(self) -> bool {
        matches!(
            self,
            Self::Submit(_)
                | Self::Post(_)
                | Self::Take(_)
                | Self::Answer(_)
                | Self::Reap
                | Self::Adopt
        )
    }

    /// Events that free a client from a daemon that does nothing.
    pub(crate) fn needs_no_daemon(self) -> bool {
        matches!(self, Self::Deadline(_))
    }
}
