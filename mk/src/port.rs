//! `mk port NAME`: builds a program from the crate registry for the image.
//!
//! A scratch package that depends on the crate lets cargo choose the newest version that the
//! toolchain can compile; `cargo install` then builds it with the flags, the profile and the
//! target folder of our own programs, so that std is not built again.

mod lock;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use lexopt::Arg;

use crate::{
    build::{self, Variant},
    failure::{Failure, Result},
    files,
    needs::{self, Need},
    progress::{Stage, stage},
    toolchain::Toolchain,
    workspace,
};

/// What is to be built.
#[derive(Clone, Debug, Default)]
struct Wish {
    name: String,
    version: Option<String>,
    features: Option<String>,
}

/// `mk port NAME[@VERSION] [--features LIST]`
pub(crate) fn command(mut arguments: lexopt::Parser) -> Result<()> {
    let mut wish = Wish::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("features") => {
                wish.features = Some(arguments.value()?.to_string_lossy().into_owned());
            }
            Arg::Value(name) if wish.name.is_empty() => {
                let name = name.to_string_lossy();
                let (name, version) =
                    name.split_once('@').map_or((&*name, None), |(n, v)| (n, Some(v)));
                name.clone_into(&mut wish.name);
                wish.version = version.map(str::to_owned);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if wish.name.is_empty() || !wish.name.chars().all(plain) {
        return Err(Failure::usage("`mk port` wants the name of a crate, as in `mk port hexyl`"));
    }
    needs::ensure(&Need::BUILD)?;
    needs::ensure_disk(1024)?;
    port(&wish)
}

fn port(wish: &Wish) -> Result<()> {
    let toolchain = Toolchain::get()?;
    build::libc(&toolchain, Variant::Anode)?;
    let mut lock = lock::Lock::load()?;
    let wanted = wish.version.clone().or_else(|| lock.version(&wish.name));
    let chosen =
        stage("version", |stage| choose(stage, &toolchain, &wish.name, wanted.as_deref()))?;
    let programs = stage(&wish.name, |stage| install(stage, &toolchain, wish, &chosen.version))?;
    lock.set(&wish.name, &chosen);
    lock.save()?;
    let names: Vec<String> = programs.iter().map(|path| files::name(path)).collect();
    println!("{} {}: {} in /bin of the next image", wish.name, chosen.version, names.join(", "));
    Ok(())
}

/// A version of a crate, with the checksum that the registry has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    version: String,
    checksum: String,
}

/// Lets cargo resolve the crate: the version asked for, or the newest for this compiler.
fn choose(
    stage: &mut Stage,
    toolchain: &Toolchain,
    name: &str,
    wanted: Option<&str>,
) -> Result<Chosen> {
    let folder = workspace::target().join("ports/scratch");
    let (major, minor) = toolchain.version();
    let version = wanted.map_or_else(|| "*".to_owned(), |wanted| format!("={wanted}"));
    let manifest = format!(
        "[workspace]\n[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         rust-version = \"{major}.{minor}\"\n[dependencies]\n{name} = \"{version}\"\n"
    );
    files::write(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    files::write(&folder.join("src/lib.rs"), b"")?;
    let lockfile = folder.join("Cargo.lock");
    files::remove(&lockfile)?;
    let mut cargo = toolchain.cargo("ports", &[]);
    cargo.current_dir(&folder).arg("generate-lockfile");
    // Versions that want a newer compiler are then passed over.
    cargo.env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback");
    let (status, text) = stage.output(&mut cargo)?;
    if !status.success() {
        return Err(Failure::build(format!(
            "cargo finds no version of `{name}` to build; is that its name, and is there such a \
             version?\n{}",
            first_error(&text)
        )));
    }
    lock::checksum(&files::read_text(&lockfile)?, name).ok_or_else(|| {
        Failure::build(format!("`{name}` is not in the lock file that cargo wrote for it"))
    })
}

/// Builds the crate's programs and puts them where the image is filled from.
fn install(
    stage: &mut Stage,
    toolchain: &Toolchain,
    wish: &Wish,
    version: &str,
) -> Result<Vec<PathBuf>> {
    // A root of its own tells which programs come from this crate.
    let root = workspace::target().join("ports/crates").join(&wish.name);
    if root.exists() {
        std::fs::remove_dir_all(&root).map_err(|error| Failure::file("remove", &root, &error))?;
    }
    let mut cargo = build::userland_cargo(toolchain, build::FOLDER, Variant::Anode)?;
    cargo.args(["install", &wish.name, "--version", &format!("={version}"), "--locked"]);
    // `install` builds for release by itself and refuses to be told.
    cargo.args(build::TARGET.iter().filter(|&&argument| argument != "--release"));
    cargo.args(["--no-track", "--root"]).arg(&root);
    if let Some(features) = &wish.features {
        cargo.args(["--features", features]);
    }
    same_profile(&mut cargo);
    // Away from the repository, whose configuration is not the crate's.
    cargo.current_dir(workspace::target().join("ports"));
    let (status, text) = stage.output(&mut cargo)?;
    if !status.success() {
        return Err(explain(&wish.name, &text));
    }
    let built = files::list(&root.join("bin"))?;
    if built.is_empty() {
        return Err(Failure::build(format!("the crate `{}` has no program", wish.name)));
    }
    for program in &built {
        build::check_program(program)?;
        let copy = build::ports().join(files::name(program));
        files::write(&copy, &files::read(program)?)?;
    }
    Ok(built)
}

/// Whatever the crate's own profile says: with another one, std would be built again.
fn same_profile(cargo: &mut Command) {
    let settings = [
        ("OPT_LEVEL", "2"),
        ("DEBUG", "line-tables-only"),
        ("PANIC", "unwind"),
        ("CODEGEN_UNITS", "4"),
        ("LTO", "false"),
        ("STRIP", "none"),
        ("DEBUG_ASSERTIONS", "false"),
        ("OVERFLOW_CHECKS", "false"),
    ];
    for (name, value) in settings {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
}

/// Why a build failed: functions that the C library lacks, or the first error.
fn explain(name: &str, text: &str) -> Failure {
    let missing = missing_symbols(text);
    let log = Path::new("target/log").join(format!("{name}.log"));
    if missing.is_empty() {
        let error = first_error(text);
        return Failure::build(format!(
            "`{name}` does not build for Anode (all of it is in {}):\n{error}",
            log.display()
        ));
    }
    let (count, list) = (missing.len(), missing.join(", "));
    let functions = if count == 1 { "C function" } else { "C functions" };
    Failure::build(format!("`{name}` needs {count} {functions} that relibc-lite lacks: {list}"))
}

/// The names in the linker's `undefined symbol: NAME`, each once.
fn missing_symbols(text: &str) -> Vec<&str> {
    let names = text.split("undefined symbol: ").skip(1);
    let mut names: Vec<&str> = names.filter_map(|rest| rest.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The first error of cargo's output, up to the empty line behind it.
fn first_error(text: &str) -> String {
    let from = text.lines().skip_while(|line| !line.starts_with("error"));
    from.take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{explain, first_error, missing_symbols};

    const LINK: &str = "\
error: linking with `ld.lld` failed: exit status: 1
  = note: ld.lld: error: undefined symbol: glob
          >>> referenced by x.rs
          ld.lld: error: undefined symbol: mlock
          ld.lld: error: undefined symbol: glob
";

    #[test]
    fn missing_functions_are_named_once() {
        assert_eq!(missing_symbols(LINK), ["glob", "mlock"]);
        let text = explain("foo", LINK).text;
        assert_eq!(text, "`foo` needs 2 C functions that relibc-lite lacks: glob, mlock");
    }

    #[test]
    fn any_other_failure_shows_its_first_error() {
        let text = "warning: w\n\nerror[E0432]: unresolved\n --> a.rs:1\n\nerror: second\n";
        assert_eq!(first_error(text), "error[E0432]: unresolved\n --> a.rs:1");
        assert!(explain("foo", text).text.contains("target/log/foo.log"));
    }
}
