//! The two trees of files: initfs, which the system starts from, and the root filesystem.
//!
//! Both have in `/bin` our own programs, links for the small ones, in `/etc/init` the services of `init/services`; the
//! rest of `/etc` is `init/etc`. The root filesystem has besides what was ported, and in `/test` the programs of
//! `mk/guest`. The shell and the base programs are in initfs too, although they are not needed to reach `file:`: a
//! machine whose disk has no driver or a damaged volume still comes to a shell, on which it can be mended.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anode_initfs::{Builder, Image, Kind};

use crate::{
    build::userland::Programs,
    failure::{Failure, Result},
    files,
    progress::{Stage, stage},
    workspace,
};

/// Directories that are there from the start, with their permissions.
const DIRECTORIES: [(&str, u32); 5] = [
    ("tmp", 0o1777),
    ("home", 0o755),
    ("home/root", 0o700),
    ("var/log", 0o755),
    ("var/crash", 0o755),
];

/// Where ported programs lie.
pub(crate) fn ports() -> PathBuf {
    workspace::target().join("ports/bin")
}

/// Makes both trees and gives their paths: initfs, and the root filesystem's.
pub(crate) fn build(programs: &Programs) -> Result<(PathBuf, PathBuf)> {
    let output = |name: &str| workspace::target().join("anode").join(name);
    let (initfs, root) = (output("initfs.img"), output("root.img"));
    stage("initfs", |stage| {
        let mut own: BTreeMap<String, Option<PathBuf>> = small_programs()?;
        own.extend(programs.system.iter().map(|file| (files::name(file), Some(file.clone()))));
        files::update(&initfs, &tree(stage, &own, &[])?)?;
        // What was ported takes the place of a program of ours.
        let ported = files::list(&ports())?;
        own.extend(ported.into_iter().map(|file| (files::name(&file), Some(file))));
        files::update(&root, &tree(stage, &own, &programs.tests)?)
    })?;
    Ok((initfs, root))
}

/// A tree with these programs in `/bin` (a small one is a link) and these tests.
fn tree(
    stage: &mut Stage,
    bin: &BTreeMap<String, Option<PathBuf>>,
    tests: &[PathBuf],
) -> Result<Vec<u8>> {
    let mut builder = Builder::new();
    for (path, permissions) in DIRECTORIES {
        add(path, builder.directory(path, permissions))?;
    }
    for (name, program) in bin {
        match program {
            Some(program) => add_program(stage, &mut builder, "bin", program)?,
            None => add(name, builder.symlink(&format!("bin/{name}"), "base"))?,
        }
    }
    for program in tests {
        add_program(stage, &mut builder, "test", program)?;
    }
    let init = workspace::root().join("init");
    add_tree(&mut builder, "etc", &init.join("etc"))?;
    add_tree(&mut builder, "etc/init", &init.join("services"))?;
    builder.build().map_err(|error| Failure::build(format!("initfs: {error}")))
}

/// A copy of an image with more files, or others in their place, under another name.
pub(crate) fn with(image: &Path, name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
    let bytes = files::read(image)?;
    let old = Image::parse(&bytes).map_err(|error| Failure::build(error.to_string()))?;
    let mut builder = Builder::new();
    let stays = |path: &str| !path.is_empty() && files.iter().all(|(new, _)| *new != path);
    for entry in old.entries().filter(|entry| stays(entry.path)) {
        let permissions = entry.permissions;
        let added = match entry.kind {
            Kind::Directory => builder.directory(entry.path, permissions),
            Kind::File { data, .. } => builder.file(entry.path, permissions, data),
            Kind::Symlink(target) => builder.symlink(entry.path, target),
        };
        add(entry.path, added)?;
    }
    for (path, text) in files {
        add(path, builder.file(path, 0o644, text.as_bytes()))?;
    }
    let image = builder.build().map_err(|error| Failure::build(format!("initfs: {error}")))?;
    let output = workspace::target().join(format!("anode/initfs-{name}.img"));
    files::update(&output, &image)?;
    Ok(output)
}

/// The names by which `base` is called.
fn small_programs() -> Result<BTreeMap<String, Option<PathBuf>>> {
    let list = files::read_text(&workspace::root().join("init/base/programs.txt"))?;
    let names =
        list.lines().map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
    Ok(names.map(|name| (name.to_owned(), None)).collect())
}

/// Adds a program without its debug sections; its symbols stay, for backtraces.
fn add_program(stage: &mut Stage, builder: &mut Builder, folder: &str, file: &Path) -> Result<()> {
    let data = files::read(&strip(stage, file, folder)?)?;
    let path = format!("{folder}/{}", files::name(file));
    add(&path, builder.file(&path, 0o755, data))
}

/// A copy of a program without its debug sections, under `folder` and the program's name.
pub(crate) fn strip(stage: &mut Stage, file: &Path, folder: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("anode/stripped").join(folder);
    let stripped = folder.join(files::name(file));
    if !files::is_fresh(&stripped, [file]) {
        files::make_dir(&folder)?;
        stage.run(Command::new("objcopy").arg("--strip-debug").arg(file).arg(&stripped))?;
    }
    Ok(stripped)
}

/// Adds all files below `folder` of the host under `path`.
fn add_tree(builder: &mut Builder, path: &str, folder: &Path) -> Result<()> {
    for file in files::list(folder)? {
        let path = format!("{path}/{}", files::name(&file));
        if file.is_dir() {
            add_tree(builder, &path, &file)?;
        } else {
            add(&path, builder.file(&path, 0o644, files::read(&file)?))?;
        }
    }
    Ok(())
}

fn add<T>(path: &str, added: std::result::Result<T, anode_initfs::Error>) -> Result<()> {
    match added {
        Ok(_builder) => Ok(()),
        Err(error) => Err(Failure::build(format!("initfs: {path}: {error}"))),
    }
}
