//! The kernel and the two loaders: all that runs without an operating system.

use std::{path::PathBuf, process::Command};

use crate::{
    build::elf,
    failure::Result,
    progress::stage,
    toolchain::{Toolchain, folder_of},
};

/// What the kernel is compiled with: a static PIE in pages of 4 KiB, with frame pointers.
pub(crate) const KERNEL_FLAGS: [&str; 6] = [
    "-Clinker=ld.lld",
    "-Clinker-flavor=ld.lld",
    "-Crelocation-model=pic",
    "-Clink-arg=-pie",
    "-Clink-arg=-zmax-page-size=4096",
    "-Cforce-frame-pointers=yes",
];

const BIOS_FLAGS: [&str; 4] = [
    "-Clinker=ld.lld",
    "-Clinker-flavor=ld.lld",
    "-Crelocation-model=static",
    "-Ccode-model=small",
];

/// Adds what a program needs that has no operating system beneath it: `core` from source.
pub(crate) fn core_only<'a>(cargo: &'a mut Command, target: &str) -> &'a mut Command {
    cargo.args([
        "--target",
        target,
        "-Zbuild-std=core,alloc,compiler_builtins",
        "-Zbuild-std-features=compiler-builtins-mem",
    ])
}

/// Owned flags, as [`Toolchain::cargo`] takes them.
pub(crate) fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|&flag| flag.to_owned()).collect()
}

/// Where the kernel's ELF file is after [`build`]. It keeps its symbol table, for backtraces.
pub(crate) fn kernel_path() -> PathBuf {
    folder_of("kernel/x86_64-unknown-none/kernel/kernel")
}

/// Builds the kernel.
pub(crate) fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    stage("kernel", |stage| {
        let mut cargo = toolchain.cargo("kernel", &flags(&KERNEL_FLAGS));
        cargo.args(["build", "-p", "kernel", "--profile", "kernel"]);
        stage.run(core_only(&mut cargo, "x86_64-unknown-none"))?;
        elf::check(&kernel_path(), elf::Form::Relocatable)?;
        Ok(kernel_path())
    })
}

/// Builds the loaders: the BIOS one (an ELF file) and the UEFI one.
pub(crate) fn loaders(toolchain: &Toolchain) -> Result<(PathBuf, PathBuf)> {
    let bios = folder_of("loader/x86_64-unknown-none/loader/loader-bios");
    let uefi = folder_of("loader/x86_64-unknown-uefi/loader/loader-uefi.efi");
    stage("loaders", |stage| {
        let mut cargo = toolchain.cargo("loader", &flags(&BIOS_FLAGS));
        cargo.args(["build", "-p", "loader-bios", "--profile", "loader"]);
        stage.run(core_only(&mut cargo, "x86_64-unknown-none"))?;
        elf::check(&bios, elf::Form::Fixed)?;
        let mut cargo = toolchain.cargo("loader", &flags(&["-Clinker=lld-link"]));
        cargo.args(["build", "-p", "loader-uefi", "--profile", "loader"]);
        stage.run(core_only(&mut cargo, "x86_64-unknown-uefi"))
    })?;
    Ok((bios, uefi))
}
