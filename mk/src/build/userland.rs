//! All std programs of the system, in one cargo call: one set of flags, so std builds once.

use std::path::{Path, PathBuf};

use crate::{
    build::{
        elf,
        libc::{Variant, sysroot},
    },
    failure::{Failure, Result},
    files,
    progress::stage,
    toolchain::{Toolchain, folder_of},
    workspace::Package,
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

/// Where cargo puts the programs.
pub(crate) fn release_folder(folder: &str) -> PathBuf {
    folder_of(folder).join("x86_64-unknown-redox/release")
}

/// What every program is compiled with, to be linked with this variant of the C library.
pub(crate) fn flags(variant: Variant) -> Vec<String> {
    let library = sysroot(variant).join("lib");
    vec![
        "-Clinker=ld.lld".into(),
        "-Clinker-flavor=ld.lld".into(),
        format!("-Lnative={}", library.display()),
        "-Cforce-frame-pointers=yes".into(),
        "-Crelocation-model=static".into(),
    ]
}

/// Builds every program of the system.
pub(crate) fn build(toolchain: &Toolchain, packages: &[Package]) -> Result<Programs> {
    let chosen: Vec<&Package> = packages
        .iter()
        .filter(|package| room(package).is_some() && !package.programs.is_empty())
        .collect();
    let folder = release_folder("userland");
    stage("userland", |stage| {
        discard_stale_links(&folder, &sysroot(Variant::Anode).join("lib"))?;
        let mut cargo = toolchain.cargo("userland", &flags(Variant::Anode));
        cargo.args(["build", "--release", "--target", "x86_64-unknown-redox"]);
        cargo.args(["-Zbuild-std=std,panic_unwind", "--bins"]);
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
pub(crate) fn build_hosted(toolchain: &Toolchain) -> Result<PathBuf> {
    let folder = release_folder("hosted");
    stage("hosted", |stage| {
        discard_stale_links(&folder, &sysroot(Variant::Hosted).join("lib"))?;
        let mut cargo = toolchain.cargo("hosted", &flags(Variant::Hosted));
        cargo.args(["build", "--release", "--target", "x86_64-unknown-redox"]);
        cargo.args(["-Zbuild-std=std,panic_unwind", "--bins", "-p", "guest"]);
        stage.run(&mut cargo)
    })?;
    Ok(folder)
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
    } else if package.folder.starts_with("init") || package.folder.starts_with("schemes") {
        Some(Room::System)
    } else {
        None
    }
}

/// Removes programs that are older than a library in `libraries`, so that cargo links them again.
///
/// Cargo does not know of these libraries: they are found by the linker alone.
pub(crate) fn discard_stale_links(folder: &Path, libraries: &Path) -> Result<()> {
    let linked = ["libc.a", "libgcc_eh.a"].map(|name| files::changed(&libraries.join(name)));
    let newest = linked.into_iter().flatten().max();
    for file in files::list(&folder.join("deps"))? {
        if file.extension().is_none() && files::changed(&file) < newest {
            files::remove(&file)?;
        }
    }
    Ok(())
}
