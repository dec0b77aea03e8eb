//! `cargo mk`: builds, boots, tests and checks Anode. `cargo mk help` lists what it can do.
//!
//! ```text
//!  needs ─▶ toolchain ─▶ build ─▶ image ─▶ qemu ─▶ run · test · debug
//!  (install what lacks)    └─ one stage, one line: `kernel ✓ 24.8 s`      lint · size · port
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::large_stack_frames, reason = "the limit is for the kernel's one stack per CPU")]
#![expect(clippy::wildcard_enum_match_arm, reason = "lexopt's way to refuse any other argument")]

mod build;
mod debug;
mod doctor;
mod failure;
mod files;
mod guest;
mod lint;
mod needs;
mod port;
mod progress;
mod qemu;
mod run;
mod size;
mod source;
mod test;
mod toolchain;
mod workspace;

use std::{ffi::OsString, process::ExitCode};

use failure::{Failure, Result};
use lexopt::Arg;

const HELP: &str = "\
cargo mk COMMAND

  run     build the image and boot it: --headless --uefi --mem MIB --smp N --disk FILE
          --cpu MODEL --kvm --no-build -- QEMU ARGUMENTS
  build   build all parts of the system, or one: loaders, kernel, libc, userland
  image   build target/anode.img, or with -o FILE another
  test    test it: --host --guest --all [FILTER]
  lint    check formatting, lints, rooms and budgets
  size    count the kernel's lines and bytes
  port    build a crate for the image: port NAME[@VERSION]
  debug   boot it under gdb
  doctor  say what this machine lacks: --fix installs it
  bench, flash come later
";

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mk: {failure}");
            #[expect(clippy::as_conversions, reason = "a fieldless enum's number")]
            ExitCode::from(failure.code as u8)
        }
    }
}

fn command() -> Result<()> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let own = words.iter().position(|word| word == "--").unwrap_or(words.len());
    // What follows a `--` is for QEMU.
    let rest: Vec<OsString> = words.split_off(own).into_iter().skip(1).collect();
    let mut arguments = lexopt::Parser::from_iter(words);
    let name = match arguments.next()? {
        None | Some(Arg::Long("help") | Arg::Short('h')) => "help".into(),
        Some(Arg::Value(name)) => name.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    match name.as_str() {
        "help" => {
            print!("{HELP}");
            Ok(())
        }
        "build" => build::command(arguments),
        "image" => build::image_command(arguments),
        "run" => run::command(arguments, &rest),
        "lint" => lint::command(arguments),
        "size" => size::command(arguments),
        "test" => test::command(arguments),
        "port" => port::command(arguments),
        "debug" => debug::command(arguments),
        "doctor" => doctor::command(arguments),
        "bench" | "flash" => {
            Err(Failure::usage(format!("`{name}` comes with a later release of Anode")))
        }
        _ => {
            Err(Failure::usage(format!("there is no command `{name}`; `cargo mk help` lists them")))
        }
    }
}
