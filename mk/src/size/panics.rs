//! Which functions of the kernel's safe core could panic.
//!
//! The core is compiled as it is for the kernel, but without link-time optimisation, so that each
//! function keeps its own section, and the relocations of that section say whom it calls. Generic
//! functions are in the object of the kernel's binary. Names of the functions that may stay are
//! in `mk/lint/panics.txt`, each with the reason why it cannot happen.

use std::{
    collections::BTreeSet,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    build,
    failure::{Failure, Result},
    files,
    progress::{query, stage},
    toolchain::{Toolchain, folder_of},
    workspace,
};

const LIST: &str = "mk/lint/panics.txt";
/// The crates that must not panic, as symbols name them.
const CRATES: [&str; 2] = ["anode_kernel", "anode_ring"];
/// What panics, as symbols name it: `core::panicking` and its kin.
const PANICS: [&str; 4] = ["4core9panicking", "unwrap_failed", "expect_failed", "slice_index_fail"];

/// The functions of the core that refer to something that panics, by their readable names.
pub(super) fn find(toolchain: &Toolchain) -> Result<BTreeSet<String>> {
    let objects = stage("panics", |stage| {
        let mut cargo = toolchain.cargo("panics", &build::flags(&build::KERNEL_FLAGS));
        cargo.args(["rustc", "-p", "kernel", "--profile", "kernel"]);
        build::core_only(&mut cargo, "x86_64-unknown-none").args(["--", "--emit=obj"]);
        stage.run(cargo.env("CARGO_PROFILE_KERNEL_LTO", "off"))?;
        objects()
    })?;
    let mut mangled = BTreeSet::new();
    for object in objects {
        let relocations = query(Command::new("readelf").arg("-rW").arg(&object));
        let relocations = relocations.ok_or_else(|| {
            Failure::build(format!(
                "readelf cannot read {}",
                workspace::relative(&object).display()
            ))
        })?;
        mangled.extend(callers(&relocations));
    }
    demangle(&mangled)
}

/// Fails if a function could panic and is not on the reviewed list.
pub(super) fn judge(found: &BTreeSet<String>) -> Result<()> {
    let list = files::read_text(&workspace::root().join(LIST))?;
    let reviewed = reviewed(&list)?;
    let new: Vec<&str> =
        found.iter().map(String::as_str).filter(|name| !reviewed.contains(name)).collect();
    let stale: Vec<&&str> = reviewed.iter().filter(|name| !found.contains(**name)).collect();
    if !stale.is_empty() {
        println!("\nno longer needed in {LIST}: {stale:?}");
    }
    if new.is_empty() {
        return Ok(());
    }
    let names = new.join("\n  ");
    Err(Failure::build(format!(
        "these functions of the core could panic; rewrite them, or list them in {LIST} with the \
         reason why it cannot happen:\n  {names}"
    )))
}

/// The names in the list: one a line, before a `#` and the reason.
fn reviewed(list: &str) -> Result<Vec<&str>> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once(" # ") {
            Some((name, reason)) if !reason.trim().is_empty() => Ok(name.trim()),
            _ => Err(Failure::build(format!("{LIST}: `{line}` lacks ` # ` and a reason"))),
        })
        .collect()
}

/// The objects to look at: the two libraries, and the kernel's own object with its generics.
fn objects() -> Result<Vec<PathBuf>> {
    let folder = folder_of("panics/x86_64-unknown-none/kernel/deps");
    let mut newest: Vec<PathBuf> = Vec::new();
    for (start, end) in
        [("libanode_kernel-", ".rlib"), ("libanode_ring-", ".rlib"), ("kernel-", ".o")]
    {
        let is_one = |path: &PathBuf| {
            let name = files::name(path);
            name.starts_with(start) && name.ends_with(end)
        };
        let found = files::list(&folder)?.into_iter().filter(is_one);
        newest.extend(found.max_by_key(|path| files::changed(path)));
    }
    Ok(newest)
}

/// The functions of the core, mangled, whose relocations name something that panics.
fn callers(readelf: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut function = "";
    for line in readelf.lines() {
        if let Some(section) = line.strip_prefix("Relocation section '.rela.text.") {
            function = section.split('\'').next().unwrap_or_default();
            function = function.strip_prefix("unlikely.").unwrap_or(function);
        } else if line.starts_with("Relocation section") {
            function = "";
        } else if PANICS.iter().any(|panic| line.contains(panic))
            && CRATES.iter().any(|name| function.contains(name))
        {
            found.insert(function.to_owned());
        }
    }
    found
}

/// Readable names, without the hash at their end.
fn demangle(mangled: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let broken = |error: std::io::Error| Failure::build(format!("c++filt: {error}"));
    let mut command = Command::new("c++filt");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| crate::progress::cannot_start(&command, &error))?;
    let names: Vec<&str> = mangled.iter().map(String::as_str).collect();
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{}", names.join("\n")).map_err(broken)?;
    }
    let output = child.wait_with_output().map_err(broken)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(|line| !line.is_empty()).map(without_hash).collect())
}

fn without_hash(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 => name.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{callers, reviewed, without_hash};

    const READELF: &str = "\
Relocation section '.rela.text._ZN12anode_kernel5sched4pick17h0E' at offset 0x1 contains 2 entries:
    Offset             Info             Type               Symbol's Value  Symbol's Name + Addend
0000000000000010  0000000200000004 R_X86_64_PLT32   0000000000000000 _ZN4core9panicking5panic17h1E - 4
Relocation section '.rela.text._ZN12anode_kernel5sched4next17h0E' at offset 0x1 contains 1 entry:
0000000000000010  0000000200000004 R_X86_64_PLT32   0000000000000000 _ZN12anode_kernel1aE - 4
Relocation section '.rela.text._ZN6kernel4main17h0E' at offset 0x1 contains 1 entry:
0000000000000010  0000000200000004 R_X86_64_PLT32   0000000000000000 _ZN4core9panicking5panic17h1E - 4
Relocation section '.rela.eh_frame' at offset 0x1 contains 1 entry:
0000000000000010  0000000200000004 R_X86_64_PLT32   0000000000000000 _ZN4core9panicking5panic17h1E - 4
";

    #[test]
    fn only_functions_of_the_core_that_panic_are_found() {
        let found = callers(READELF);

        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["_ZN12anode_kernel5sched4pick17h0E"]);
    }

    #[test]
    fn a_reviewed_function_needs_a_reason() {
        assert_eq!(reviewed("# head\n\na::b # checked above\n").unwrap(), ["a::b"]);
        assert!(reviewed("a::b\n").is_err());
    }

    #[test]
    fn the_hash_is_cut_off() {
        assert_eq!(without_hash("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(without_hash("a::hold"), "a::hold");
    }
}
