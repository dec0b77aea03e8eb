//! Building the system: one stage after the other, each with its line of progress.
//!
//! ```text
//!  loaders   kernel   libc ─▶ userland ─▶ initfs
//!     └────────┴──────────────────────────┴──▶ image (through the `installer` library)
//! ```

mod elf;
mod image;
mod initfs;
mod kernel;
mod libc;
mod userland;

use std::path::{Path, PathBuf};

pub(crate) use elf::check_program;
pub(crate) use initfs::{ports, strip};
pub(crate) use kernel::{KERNEL_FLAGS, build as kernel, core_only, flags, kernel_path};
use lexopt::Arg;
pub(crate) use libc::{FLAGS as LIBC_FLAGS, Variant, build as libc};
pub(crate) use userland::{FOLDER, TARGET, build_hosted, cargo as userland_cargo, is_userland};

use crate::{
    doctor::DISK,
    failure::{Failure, Result},
    needs::{self, Need},
    toolchain::Toolchain,
    workspace,
};

/// A first build needs this much free space, in MiB; a later one needs less.
const LATER: u64 = 300;

/// The parts that a disk image is made of, as files.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) kernel: PathBuf,
    pub(crate) init: PathBuf,
    pub(crate) initfs: PathBuf,
    /// The root filesystem's files, packed as an initfs image.
    pub(crate) root: PathBuf,
    pub(crate) bios: PathBuf,
    pub(crate) uefi: PathBuf,
}

/// `mk build [loaders|kernel|libc|userland]`
pub(crate) fn command(mut arguments: lexopt::Parser) -> Result<()> {
    let part = match arguments.next()? {
        None => return system().map(|_system| ()),
        Some(Arg::Value(part)) => part.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    let toolchain = prepare()?;
    match part.as_str() {
        "loaders" => kernel::loaders(&toolchain).map(|_files| ()),
        "kernel" => kernel::build(&toolchain).map(|_file| ()),
        "libc" => libc::build(&toolchain, Variant::Anode),
        "userland" => {
            libc::build(&toolchain, Variant::Anode)?;
            userland::build(&toolchain, &workspace::packages()?).map(|_programs| ())
        }
        _ => Err(Failure::usage(format!(
            "`{part}` is no part; there are loaders, kernel, libc and userland"
        ))),
    }
}

/// `mk image [-o FILE]`
pub(crate) fn image_command(mut arguments: lexopt::Parser) -> Result<()> {
    let mut output = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('o') | Arg::Long("output") => {
                output = Some(
                    std::path::absolute(arguments.value()?)
                        .map_err(|error| Failure::usage(format!("-o: {error}")))?,
                );
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let image = output.unwrap_or_else(image_path);
    image::write(&system()?, &image)?;
    image::describe(&image)
}

/// Where the image lies that `run` and `test` boot.
pub(crate) fn image_path() -> PathBuf {
    workspace::target().join("anode.img")
}

/// Sees that a file is a whole disk image: see [`image::check`].
pub(crate) fn check_image(image: &Path) -> Result<()> {
    image::check(image)
}

/// Builds everything up to `target/anode.img`.
pub(crate) fn image() -> Result<PathBuf> {
    let path = image_path();
    image::write(&system()?, &path)?;
    Ok(path)
}

/// The same image with more files in its initfs, under another name beside it.
pub(crate) fn image_with(name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
    let system = system()?;
    let initfs = initfs::with(&system.initfs, name, files)?;
    let path = workspace::target().join("run").join(format!("{name}.img"));
    image::write(&System { initfs, ..system }, &path)?;
    Ok(path)
}

/// Sees that there are tools and space to build with.
fn prepare() -> Result<Toolchain> {
    needs::ensure(&Need::BUILD)?;
    let first = !workspace::target().join("sysroot").exists();
    needs::ensure_disk(if first { DISK } else { LATER })?;
    Toolchain::get()
}

fn system() -> Result<System> {
    let toolchain = prepare()?;
    let packages = workspace::packages()?;
    let (bios, uefi) = kernel::loaders(&toolchain)?;
    let kernel = kernel::build(&toolchain)?;
    libc::build(&toolchain, Variant::Anode)?;
    let programs = userland::build(&toolchain, &packages)?;
    let (initfs, root) = initfs::build(&programs)?;
    Ok(System { kernel, init: programs.init, initfs, root, bios, uefi })
}
