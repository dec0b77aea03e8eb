//! The initfs image: what the system starts from.
//!
//! `/bin` the programs of `init/` and `schemes/`, links for the small ones, what was ported; `/test` those of `mk/guest`;
//! `/etc/init` the services of `init/services`; the rest of `/etc` is `init/etc`.

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

/// Makes the image and gives its path.
pub(crate) fn build(programs: &Programs) -> Result<PathBuf> {
    let output = workspace::target().join("anode/initfs.img");
    stage("initfs", |stage| {
        let mut builder = Builder::new();
        for (path, permissions) in DIRECTORIES {
            add(path, builder.directory(path, permissions))?;
        }
        // What was ported takes the place of a program of ours.
        let mut bin: BTreeMap<String, Option<PathBuf>> = small_programs()?;
        for program in programs.system.iter().chain(&files::list(&ports())?) {
            bin.insert(files::name(program), Some(program.clone()));
        }
        for (name, program) in &bin {
            match program {
                Some(program) => add_program(stage, &mut builder, "bin", program)?,
                None => add(name, builder.symlink(&format!("bin/{name}"), "base"))?,
            }
        }
        for program in &programs.tests {
            add_program(stage, &mut builder, "test", program)?;
        }
        let init = workspace::root().join("init");
        add_tree(&mut builder, "etc", &init.join("etc"))?;
        add_tree(&mut builder, "etc/init", &init.join("services"))?;
        let image = builder.build().map_err(|error| Failure::build(format!("initfs: {error}")))?;
        files::update(&output, &image)
    })?;
    Ok(output)
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
