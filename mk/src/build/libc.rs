//! The C library's sysroot: `libc.a` and `libgcc_eh.a` as the linker of a std program wants them.
//!
//! A Rust static library brings a panic handler and allocator of its own, which clash with those
//! of the program. So each archive becomes one relocatable object in which only the C names of
//! `relibc-lite/abi.txt` stay global.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::Result,
    files,
    progress::{Stage, stage},
    toolchain::{Toolchain, folder_of},
    workspace,
};

/// What the library sits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Anode's system calls.
    Anode,
    /// Linux's, so that the same objects run on the host.
    Hosted,
}

/// Panics abort, but every frame has unwind tables, as it may lie between a program's panic and
/// its catch.
pub(crate) const FLAGS: [&str; 4] = [
    "-Cpanic=abort",
    "-Cforce-unwind-tables=yes",
    "-Cforce-frame-pointers=yes",
    "-Crelocation-model=static",
];

/// Archives that C programs name and that hold nothing: all is in `libc.a`.
const EMPTY: [&str; 6] = ["m", "pthread", "rt", "dl", "util", "gcc"];
const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";

/// What the unwinder shows of itself.
const UNWINDER: &str = "_Unwind_*\n__anode_unwind_init\n";

/// Where the sysroot of this variant lies.
pub(crate) fn sysroot(variant: Variant) -> PathBuf {
    workspace::target().join(match variant {
        Variant::Anode => "sysroot",
        Variant::Hosted => "sysroot-hosted",
    })
}

/// Builds the library and fills its sysroot.
pub(crate) fn build(toolchain: &Toolchain, variant: Variant) -> Result<()> {
    let name = if variant == Variant::Anode { "libc" } else { "hosted libc" };
    stage(name, |stage| {
        let flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        let mut cargo = toolchain.cargo("libc", &flags);
        cargo.args(["build", "--release", "-p", "relibc", "-p", "relibc-unwind"]);
        if variant == Variant::Hosted {
            cargo.args(["--features", "relibc/hosted"]);
        }
        cargo.args(["--target", "x86_64-unknown-redox"]);
        cargo.arg("-Zbuild-std=core,alloc,compiler_builtins");
        stage.run(&mut cargo)?;
        let lib = sysroot(variant).join("lib");
        for name in EMPTY {
            files::update(&lib.join(format!("lib{name}.a")), EMPTY_ARCHIVE)?;
        }
        let unwinder = lib.join("unwinder.txt");
        files::update(&unwinder, UNWINDER.as_bytes())?;
        let abi = workspace::root().join("relibc-lite/abi.txt");
        let built = folder_of("libc/x86_64-unknown-redox/release");
        seal(stage, &built.join("libc_rust.a"), &abi, &lib.join("libc.a"))?;
        seal(stage, &built.join("libgcc_eh_rust.a"), &unwinder, &lib.join("libgcc_eh.a"))
    })
}

/// Turns a Rust static library into an archive that shows only the names in `names`.
///
/// The output is left alone, time and all, if nothing changed: programs link again when it is
/// newer than they are.
fn seal(stage: &mut Stage, archive: &Path, names: &Path, output: &Path) -> Result<()> {
    let marker = output.with_extension("from");
    if files::is_fresh(&marker, [archive, names]) && output.exists() {
        return Ok(());
    }
    let whole = output.with_extension("whole.o");
    let object = output.with_extension("o");
    let made = output.with_extension("a.made");
    stage.run(
        Command::new("ld.lld").args(["-r", "-o"]).arg(&whole).arg("--whole-archive").arg(archive),
    )?;
    let mut keep = std::ffi::OsString::from("--keep-global-symbols=");
    keep.push(names);
    stage.run(Command::new("objcopy").arg("-w").arg(keep).arg(&whole).arg(&object))?;
    files::remove(&made)?;
    stage.run(Command::new("ar").arg("rcsD").arg(&made).arg(&object))?;
    files::update(output, &files::read(&made)?)?;
    for file in [&whole, &object, &made] {
        files::remove(file)?;
    }
    files::write(&marker, b"")
}
