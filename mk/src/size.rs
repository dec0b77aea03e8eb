//! `mk size`: how big the kernel is, in lines and in bytes, and whether it can panic.

mod crates;
mod panics;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use crate::{
    build,
    failure::{Failure, Result},
    files,
    lint::Rules,
    needs::{self, Need},
    source::Source,
    toolchain::Toolchain,
    workspace,
};

/// The folders whose code runs in ring 0 after the hand-over.
const FOLDERS: [&str; 4] = ["kernel/abi", "kernel/ring", "kernel/core", "kernel/src"];

/// `mk size`
pub(crate) fn command(mut arguments: lexopt::Parser) -> Result<()> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    for (folder, lines) in folders()? {
        println!("{lines:>7} lines  {folder}");
    }
    let (lines, limit) = (kernel_lines()?, Rules::load()?.kernel_lines());
    println!("{lines:>7} lines  in all, of {limit}\n");
    needs::ensure(&Need::BUILD)?;
    let toolchain = Toolchain::get()?;
    let kernel = build::kernel(&toolchain)?;
    let panics = panics::find(&toolchain)?;
    for size in crates::linked(&kernel)? {
        println!("{:>7} lines {:>8} bytes  {}", size.lines, size.bytes, size.name);
    }
    if lines > limit {
        return Err(Failure::build(format!(
            "the kernel has {lines} code lines, of {limit} in mk/lint/budget.toml: move a feature out"
        )));
    }
    panics::judge(&panics)
}

/// The code lines of the whole kernel.
pub(crate) fn kernel_lines() -> Result<usize> {
    Ok(folders()?
        .iter()
        .map(|(_folder, lines)| lines)
        .fold(0, |sum, lines| sum.saturating_add(*lines)))
}

/// The code lines of each folder, tests apart; sub-folders of `kernel/core` by themselves.
fn folders() -> Result<Vec<(String, usize)>> {
    let mut sizes: Vec<(String, usize)> = Vec::new();
    for folder in FOLDERS {
        for (file, lines) in code_files(&workspace::root().join(folder))? {
            let place = workspace::relative(&file).parent().unwrap_or(Path::new(folder));
            let place = place.display().to_string();
            match sizes.iter_mut().find(|(name, _lines)| *name == place) {
                Some((_name, sum)) => *sum = sum.saturating_add(lines),
                None => sizes.push((place, lines)),
            }
        }
    }
    Ok(sizes)
}

/// The source files below `folder` that are not only for tests, with their code lines.
fn code_files(folder: &Path) -> Result<Vec<(PathBuf, usize)>> {
    let mut sources = Vec::new();
    let mut tests = HashSet::new();
    for path in all_files(folder)? {
        let Some(source) = read(&path)? else { continue };
        let home = module_folder(&path);
        let modules = source.test_modules().map(|module| home.join(module));
        tests.extend(modules.flat_map(|module| [module.with_extension("rs"), module]));
        sources.push((path, source.code_lines()));
    }
    sources.retain(|(path, _lines)| !path.ancestors().any(|part| tests.contains(part)));
    sources.sort();
    Ok(sources)
}

/// All files below `folder`, without the folders that cargo knows not to be part of the crate.
fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    const APART: [&str; 4] = ["tests", "benches", "examples", "target"];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let (below, files): (Vec<_>, Vec<_>) =
            files::list(&folder)?.into_iter().partition(|path| path.is_dir());
        folders.extend(below.into_iter().filter(|path| !APART.contains(&&*files::name(path))));
        found.extend(files);
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Option<Source>> {
    let parse = match path.extension().and_then(|ending| ending.to_str()) {
        Some("rs") => Source::rust,
        Some("s" | "S" | "asm" | "ld") => Source::assembly,
        _ => return Ok(None),
    };
    let bytes = files::read(path)?;
    Ok(Some(parse(&String::from_utf8_lossy(&bytes))))
}

/// Where the modules lie that the file at `path` declares.
fn module_folder(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(path);
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") | None => parent.to_owned(),
        Some(stem) => parent.join(stem),
    }
}

#[cfg(test)]
mod tests {
    use super::{code_files, files};

    #[test]
    fn files_of_tests_do_not_count() {
        let folder = std::env::temp_dir().join(format!("mk-size-{}", std::process::id()));
        let write = |name: &str, text: &str| files::write(&folder.join(name), text.as_bytes());
        write("src/lib.rs", "mod a;\n#[cfg(test)]\nmod testing;\n").unwrap();
        write("src/a.rs", "#[cfg(test)]\nmod tests;\nfn a() {\n}\n").unwrap();
        write("src/a/tests.rs", "fn t() {}\n").unwrap();
        write("src/testing/mod.rs", "fn t() {}\n").unwrap();
        write("src/entry.s", "# start\nstart: nop\n").unwrap();
        write("tests/model.rs", "fn t() {}\n").unwrap();

        let found = code_files(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();

        let found: Vec<_> = found.iter().map(|(path, n)| (files::name(path), *n)).collect();
        let wanted = [("a.rs", 2), ("entry.s", 1), ("lib.rs", 1)];
        assert_eq!(found, wanted.map(|(name, lines)| (name.to_owned(), lines)));
    }
}
