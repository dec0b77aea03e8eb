//! rustfmt, clippy and rustdoc, all of the toolchain that builds the system.

use crate::{
    build::{self, Variant},
    failure::Result,
    needs::{self, Need},
    progress::{Stage, stage},
    toolchain::Toolchain,
    workspace,
};

/// Warnings are errors here.
const DENY: [&str; 3] = ["--", "-D", "warnings"];

/// Runs them all; the first that fails shows what it found.
pub(super) fn run() -> Result<()> {
    needs::ensure(&[Need::Rust, Need::Clippy, Need::Rustfmt])?;
    let toolchain = Toolchain::get()?;
    stage("rustfmt", |stage| {
        stage.run(toolchain.cargo("lint", &[]).args(["fmt", "--all", "--check"]))
    })?;
    stage("clippy host", |stage| {
        stage.run(toolchain.cargo("lint", &[]).args(["clippy", "--all-targets"]).args(DENY))
    })?;
    stage("clippy target", |stage| {
        kernel(stage, &toolchain)?;
        loader(stage, &toolchain)?;
        userland(stage, &toolchain)
    })?;
    stage("rustdoc", |stage| {
        let mut cargo = toolchain.cargo("lint", &[]);
        cargo.args(["doc", "--no-deps", "--document-private-items"]);
        stage.run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
    })
}

fn kernel(stage: &mut Stage, toolchain: &Toolchain) -> Result<()> {
    let mut cargo = toolchain.cargo("lint", &build::flags(&build::KERNEL_FLAGS));
    cargo.args(["clippy", "-p", "kernel", "-p", "loader-bios"]);
    stage.run(build::core_only(&mut cargo, "x86_64-unknown-none").args(DENY))
}

fn loader(stage: &mut Stage, toolchain: &Toolchain) -> Result<()> {
    let mut cargo = toolchain.cargo("lint", &build::flags(&["-Clinker=lld-link"]));
    cargo.args(["clippy", "-p", "loader-uefi"]);
    stage.run(build::core_only(&mut cargo, "x86_64-unknown-uefi").args(DENY))
}

/// The C library, and the parts of the programs that only the target compiles.
fn userland(stage: &mut Stage, toolchain: &Toolchain) -> Result<()> {
    let programs = workspace::packages()?;
    let programs = programs.iter().filter(|package| build::is_userland(package));
    let mut library = toolchain.cargo("lint", &build::flags(&build::LIBC_FLAGS));
    library.args(["clippy", "--release", "--target", "x86_64-unknown-redox"]);
    library.args([
        "-Zbuild-std=core,alloc,compiler_builtins",
        "-p",
        "relibc",
        "-p",
        "relibc-unwind",
    ]);
    stage.run(library.args(DENY))?;
    let mut cargo = build::userland_cargo(toolchain, "lint", Variant::Anode)?;
    cargo.arg("clippy").args(build::TARGET);
    programs.for_each(|package| {
        cargo.args(["-p", &package.name]);
    });
    stage.run(cargo.args(DENY))
}
