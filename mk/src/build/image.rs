//! The disk image, written by the same library as the installer's.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anode_initfs::{Image, Kind};
use installer::{
    SECTOR,
    image::{ImageSpec, Item, Mark, Root, write as write_image},
};

use crate::{
    build::{System, strip},
    failure::{Failure, Result},
    files,
    progress::stage,
    workspace,
};

/// The size of an image in bytes. Most of it is a hole in the file until something is written.
const SIZE: u64 = 256 << 20;
/// Keeps colliding names from a filesystem only as long as it is not known, so an installer takes
/// another one.
const SECRET: [u8; 16] = *b"anode image 0001";
/// Names the disk; fixed, so that the same parts give the same image.
const GUID: [u8; 16] = *b"anode image 0001";

/// Writes the image if any part of it changed.
pub(crate) fn write(system: &System, image: &Path) -> Result<()> {
    let System { kernel, init, initfs, root, bios, uefi } = system;
    let parts = [kernel, init, initfs, root, bios, uefi];
    stage("image", |stage| {
        // One that was cut short is newer than its parts, and no image.
        let whole = fs::metadata(image).is_ok_and(|data| data.len() == SIZE);
        if whole && files::is_fresh(image, parts.iter().map(|path| path.as_path())) {
            return Ok(());
        }
        let root = files::read(root)?;
        let spec = ImageSpec {
            root: Root { items: &items(&root)?, secret: SECRET, time: newest(&parts) },
            kernel: &files::read(&strip(stage, kernel, "boot")?)?,
            init: &files::read(&strip(stage, init, "boot")?)?,
            initfs: &files::read(initfs)?,
            cmdline: "",
            bios: &files::read(bios)?,
            uefi: &files::read(uefi)?,
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

/// The files of a tree that is packed as an initfs image.
fn items(tree: &[u8]) -> Result<Vec<Item<'_>>> {
    let tree = Image::parse(tree).map_err(|error| Failure::build(error.to_string()))?;
    let entries = tree.entries().filter(|entry| !entry.path.is_empty());
    Ok(entries
        .map(|entry| {
            let mode = u16::try_from(entry.permissions & 0o7777).unwrap_or(0);
            match entry.kind {
                Kind::Directory => Item::Directory(entry.path, mode),
                Kind::File { data, .. } => Item::File(entry.path, mode, data),
                Kind::Symlink(target) => Item::Symlink(entry.path, target),
            }
        })
        .collect())
}

/// When the newest of these was built, in ns since 1970: the same parts give the same image.
fn newest(parts: &[&PathBuf]) -> i64 {
    let newest = parts.iter().filter_map(|path| files::changed(path)).max();
    let since = newest.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Sees that a file is a whole disk image, by its partition table.
///
/// # Errors
///
/// A sentence that says what it is instead, and what to do.
pub(crate) fn check(image: &Path) -> Result<()> {
    let failed = |error: &std::io::Error| Failure::file("read", image, error);
    let mut file = File::open(image).map_err(|error| failed(&error))?;
    let mut start = Vec::new();
    // The second sector is the table's header.
    file.by_ref()
        .take(SECTOR.saturating_mul(2))
        .read_to_end(&mut start)
        .map_err(|error| failed(&error))?;
    let length = file.metadata().map_err(|error| failed(&error))?.len();
    let table = start.get(start.len().div_ceil(2)..).unwrap_or_default();
    let last = table.get(32..40).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let wanted = last.filter(|_| table.starts_with(b"EFI PART"));
    let wanted = wanted.and_then(|last| last.checked_add(1)?.checked_mul(SECTOR));
    let what = match wanted {
        Some(wanted) if wanted <= length => return Ok(()),
        Some(wanted) => format!("is cut short: it has {length} bytes of {wanted}"),
        None => "is no disk image: it has no partition table".to_owned(),
    };
    let image = workspace::relative(image).display();
    Err(Failure::build(format!("{image} {what}; make it anew by `cargo mk image`")))
}

/// Tells where the image is and how big.
pub(crate) fn describe(image: &Path) -> Result<()> {
    let data = fs::metadata(image).map_err(|error| Failure::file("read", image, &error))?;
    println!("{}: {} MiB", workspace::relative(image).display(), data.len() >> 20);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::check;

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("anode-image-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_whole_image_is_told_from_one_that_is_cut_short_and_from_other_files() {
        let mut image = vec![0; 8192];
        image[512..520].copy_from_slice(b"EFI PART");
        image[544..552].copy_from_slice(&15_u64.to_le_bytes());
        let said = |name, bytes: &[u8]| {
            let path = file(name, bytes);
            let said = check(&path).map_err(|failure| failure.text);
            fs::remove_file(path).unwrap();
            said
        };
        assert_eq!(said("whole", &image), Ok(()));
        let short = said("short", &image[..8191]).unwrap_err();
        assert!(
            short.contains("8191 bytes of 8192") && short.contains("cargo mk image"),
            "{short}"
        );
        for len in 0..552 {
            assert!(said("start", &image[..len]).unwrap_err().contains("no partition table"));
        }
        image[544..552].fill(0xFF);
        assert!(said("absurd", &image).is_err());
    }
}
