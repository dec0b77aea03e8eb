//! `mk test`: the logic on the host, then the system in QEMU.

mod guest;
mod host;
mod hosted;

use lexopt::Arg;

use crate::failure::{Code, Failure, Result};

/// What to test.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Selection {
    host: bool,
    guest: bool,
    /// The long suites too.
    pub(crate) all: bool,
    /// Only tests whose name holds this.
    pub(crate) filter: Option<String>,
}

impl Selection {
    /// Whether a test of this name is meant.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter))
    }
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Counts another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

/// `mk test [--host] [--guest] [--all] [FILTER]`
pub(crate) fn command(mut arguments: lexopt::Parser) -> Result<()> {
    let mut selection = Selection::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("host") => selection.host = true,
            Arg::Long("guest") => selection.guest = true,
            Arg::Long("all") => selection.all = true,
            Arg::Value(filter) if selection.filter.is_none() => {
                selection.filter = Some(filter.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let both = selection.host == selection.guest;
    let mut tally = Tally::default();
    if selection.host || both {
        tally.add(host::run(&selection)?);
        tally.add(hosted::run(&selection)?);
    }
    if selection.guest || both {
        tally.add(guest::run(&selection)?);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    match (tally.failed, tally.passed) {
        (0, 0) => Err(Failure::usage("no test has such a name")),
        (0, _) => Ok(()),
        (failed, _) => Err(Failure::new(Code::Test, format!("{failed} of the tests failed"))),
    }
}
