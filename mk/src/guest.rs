//! The tests that need the machine: a table of groups, one file a subject.
//!
//! A group is one kind of machine, booted once for all of its cases; a case talks to the guest
//! over its serial line and fails with a sentence. A new case is a function and a line in its
//! file's table; a new subject is a file and a line in [`GROUPS`].

mod boot;
mod disk;
mod files;
mod life;
mod look;
mod services;
mod standard;

use std::path::Path;

use crate::{
    failure::{Code, Failure, Result},
    qemu::{Config, Machine},
};

/// Cases that share a machine.
pub(crate) struct Group {
    /// Begins the names of its cases, and names its log.
    pub(crate) name: &'static str,
    /// Whether it is part of every run.
    pub(crate) length: Length,
    /// The machine, given the image.
    pub(crate) machine: fn(&Path) -> Result<Config>,
    /// What is done after each boot, before the first case.
    pub(crate) begin: fn(&mut Machine) -> Result<()>,
    pub(crate) cases: &'static [Case],
}

/// One test.
pub(crate) struct Case {
    /// A sentence that says what must be true.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Machine) -> Result<()>,
}

/// Whether a group runs always or only with `--all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Always.
    Short,
    /// With `--all`.
    Long,
}

/// All groups, in the order in which they run.
pub(crate) const GROUPS: &[Group] = &[
    boot::SMALL,
    boot::LARGE,
    boot::UEFI,
    boot::UEFI_NVME,
    boot::UEFI_AHCI,
    look::GROUP,
    standard::GROUP,
    standard::LONG,
    disk::VIRTIO,
    disk::NVME,
    disk::AHCI,
    disk::MIXED,
    disk::PC,
    disk::LATE,
    files::GROUP,
    life::GROUP,
    services::GROUP,
    services::DISKLESS,
];

/// A machine of the default kind.
fn plain(image: &Path) -> Result<Config> {
    Ok(Config::new(image))
}

/// A failed check.
fn failed<T>(why: impl Into<String>) -> Result<T> {
    Err(Failure::new(Code::Test, why))
}

/// Fails with a sentence if `good` is not true.
#[expect(clippy::fn_params_excessive_bools, reason = "an assertion is about one")]
fn check(good: bool, why: impl FnOnce() -> String) -> Result<()> {
    if good { Ok(()) } else { failed(why()) }
}
