//! All std programs of the system, in one cargo call: one set of flags, so std builds once.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    build::{
        elf,
        libc::{Variant, sysroot},
    },
    failure::{Failure, Result},
    files,
    progress::stage,
    toolchain::{Toolchain, folder_of},
    workspace::{self, Package},
};

/// The programs that were built, as files.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The first process.
    pub(crate) init: PathBuf,
    /// What goes to `/bin`.
    pub(crate) system: Vec<PathBuf>,
    /// What goes to `/test`.
    pub(crate) tests: Vec<PathBuf>,
}

/// The folder of all programs, those of ports too, so that std is built but once.
pub(crate) const FOLDER: &str = "userland";

/// Where cargo puts the programs.
fn release_folder() -> PathBuf {
    folder_of(FOLDER).join("x86_64-unknown-redox/release")
}

/// What every program is compiled with, whichever C library it is linked with.
fn flags() -> Vec<String> {
    vec![
        format!("-Clinker={}", linker().display()),
        "-Clinker-flavor=ld.lld".into(),
        "-Cforce-frame-pointers=yes".into(),
        "-Crelocation-model=static".into(),
    ]
}

fn linker() -> PathBuf {
    workspace::target().join("anode/ld")
}

/// Finds the C library by the environment: its place is no flag, as with another flag std would
/// be built again. rustc says `-flavor gnu` first to a linker that it does not know by name.
const LINKER: &[u8] = b"\
#!/bin/sh
[ \"$1\" = -flavor ] && shift 2
exec ld.lld \"-L$ANODE_SYSROOT/lib\" \"$@\"
";

/// A cargo that builds programs into this folder and links them with this variant of the C library.
pub(crate) fn cargo(toolchain: &Toolchain, folder: &str, variant: Variant) -> Result<Command> {
    let linker = linker();
    files::update(&linker, LINKER)?;
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755))
        .map_err(|error| Failure::file("make a program of", &linker, &error))?;
    let mut cargo = toolchain.cargo(folder, &flags());
    cargo.env("ANODE_SYSROOT", sysroot(variant));
    Ok(cargo)
}

/// What cargo is told to build programs for the system.
pub(crate) const TARGET: [&str; 4] =
    ["--release", "--target", "x86_64-unknown-redox", "-Zbuild-std=std,panic_unwind"];

/// Builds every program of the system.
pub(crate) fn build(toolchain: &Toolchain, packages: &[Package]) -> Result<Programs> {
    let chosen: Vec<&Package> = packages
        .iter()
        .filter(|package| room(package).is_some() && !package.programs.is_empty())
        .collect();
    let folder = release_folder();
    stage("userland", |stage| {
        discard_stale_links(&folder)?;
        let mut cargo = cargo(toolchain, FOLDER, Variant::Anode)?;
        cargo.arg("build").args(TARGET).arg("--bins");
        for package in &chosen {
            cargo.args(["-p", &package.name]);
        }
        stage.run(&mut cargo)
    })?;
    let mut programs = Programs { init: folder.join("init"), system: vec![], tests: vec![] };
    for (package, name) in chosen.iter().flat_map(|p| p.programs.iter().map(move |n| (p, n))) {
        let file = folder.join(name);
        elf::check(&file, elf::Form::Fixed)?;
        match room(package) {
            Some(Room::Test) => programs.tests.push(file),
            _ if file == programs.init => {}
            _ => programs.system.push(file),
        }
    }
    if programs.init.exists() {
        Ok(programs)
    } else {
        Err(Failure::build("the package init has no program `init`"))
    }
}

/// Builds the test programs on the hosted C library, so that they run here; gives their folder.
///
/// They share all but their last step with those for the system, so this step's products are
/// taken away before and after.
pub(crate) fn build_hosted(toolchain: &Toolchain, packages: &[Package]) -> Result<PathBuf> {
    let tests = packages.iter().filter(|package| room(package) == Some(Room::Test));
    let names: Vec<&String> = tests.flat_map(|package| &package.programs).collect();
    let (folder, output) = (release_folder(), workspace::target().join("anode/hosted"));
    let is_test = |name: &str| names.iter().any(|test| name.split('-').next() == Some(test));
    stage("hosted", |stage| {
        discard_links(&folder, |file| is_test(&files::name(file)))?;
        let mut cargo = cargo(toolchain, FOLDER, Variant::Hosted)?;
        cargo.arg("build").args(TARGET).args(["--bins", "-p", "guest"]);
        stage.run(&mut cargo)?;
        files::make_dir(&output)?;
        for name in &names {
            let (built, copy) = (folder.join(name), output.join(name));
            fs::copy(&built, &copy).map_err(|error| Failure::file("copy", &built, &error))?;
        }
        discard_links(&folder, |file| is_test(&files::name(file)))
    })?;
    Ok(output)
}

/// Whether a package's programs run on the system itself.
pub(crate) fn is_userland(package: &Package) -> bool {
    room(package).is_some() && !package.programs.is_empty()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    System,
    Test,
}

/// Whether a package's programs belong into the image, and where.
fn room(package: &Package) -> Option<Room> {
    if package.folder.starts_with("mk/guest") {
        Some(Room::Test)
    } else {
        let system = ["init", "schemes", "filesystem"];
        system.iter().any(|folder| package.folder.starts_with(folder)).then_some(Room::System)
    }
}

/// Removes programs that are older than the C library, so that cargo links them again.
///
/// Cargo does not know of the library: it is found by the linker alone.
fn discard_stale_links(folder: &Path) -> Result<()> {
    let library = sysroot(Variant::Anode).join("lib");
    let linked = ["libc.a", "libgcc_eh.a"].map(|name| files::changed(&library.join(name)));
    let newest = linked.into_iter().flatten().max();
    discard_links(folder, |file| files::changed(file) < newest)
}

/// Removes the linked programs in cargo's folder for which `unwanted` holds.
fn discard_links(folder: &Path, unwanted: impl Fn(&Path) -> bool) -> Result<()> {
    let files = files::list(&folder.join("deps"))?;
    let mut links = files.iter().filter(|file| file.extension().is_none() && unwanted(file));
    links.try_for_each(|file| files::remove(file))
}
