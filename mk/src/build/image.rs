//! The disk image, written by the same library as the installer's.

use std::{
    fs::{self, File},
    path::Path,
};

use installer::image::{ImageSpec, Mark, write as write_image};

use crate::{
    build::{System, strip},
    failure::{Failure, Result},
    files,
    progress::stage,
    workspace,
};

/// The size of an image in bytes. Most of it is a hole in the file until something is written.
const SIZE: u64 = 256 << 20;
/// Names the disk; fixed, so that the same parts give the same image.
const GUID: [u8; 16] = *b"anode image 0001";

/// Writes the image if any part of it changed.
pub(crate) fn write(system: &System, image: &Path) -> Result<()> {
    let parts = [&system.kernel, &system.init, &system.initfs, &system.bios, &system.uefi];
    stage("image", |stage| {
        if files::is_fresh(image, parts.iter().map(|path| path.as_path())) {
            return Ok(());
        }
        let spec = ImageSpec {
            kernel: &files::read(&strip(stage, &system.kernel, "boot")?)?,
            init: &files::read(&strip(stage, &system.init, "boot")?)?,
            initfs: &files::read(&system.initfs)?,
            cmdline: "",
            bios: &files::read(&system.bios)?,
            uefi: &files::read(&system.uefi)?,
            size_bytes: SIZE,
            disk_guid: GUID,
            mark: Mark::default(),
        };
        // Under another name until it is whole.
        let half = image.with_extension("img.new");
        if let Some(folder) = image.parent() {
            files::make_dir(folder)?;
        }
        let failed = |what: &str, error: &std::io::Error| Failure::file(what, image, error);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&half)
            .map_err(|error| failed("write", &error))?;
        if let Err(error) = write_image(&spec, &mut file) {
            files::remove(&half)?;
            return Err(Failure::build(format!("the image cannot be made: {error}")));
        }
        fs::rename(&half, image).map_err(|error| failed("replace", &error))
    })
}

/// Tells where the image is and how big.
pub(crate) fn describe(image: &Path) -> Result<()> {
    let data = fs::metadata(image).map_err(|error| Failure::file("read", image, &error))?;
    println!("{}: {} MiB", workspace::relative(image).display(), data.len() >> 20);
    Ok(())
}
