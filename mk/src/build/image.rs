//! The disk image, written by the same library as the installer's.

use std::path::Path;

use crate::{
    build::System,
    failure::{Failure, Result},
    files,
    progress::stage,
    workspace,
};

/// Writes the image if any part of it changed.
pub(crate) fn write(system: &System, image: &Path) -> Result<()> {
    let parts = [&system.kernel, &system.init, &system.initfs, &system.bios, &system.uefi];
    stage("image", |_stage| {
        if files::is_fresh(image, parts.iter().map(|path| path.as_path())) {
            return Ok(());
        }
        Err(Failure::build("the installer library cannot write images yet"))
    })
}

/// Tells where the image is and how big.
pub(crate) fn describe(image: &Path) -> Result<()> {
    let data = std::fs::metadata(image).map_err(|error| Failure::file("read", image, &error))?;
    println!("{}: {} MiB", workspace::relative(image).display(), data.len() >> 20);
    Ok(())
}
