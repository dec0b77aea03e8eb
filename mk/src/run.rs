//! `mk run`: boots the image in a window, or on this terminal.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    path::PathBuf,
    process::{Command, ExitStatus},
    str::FromStr,
};

use lexopt::Arg;

use crate::{
    build,
    failure::{Code, Failure, Result},
    needs::{self, Need},
    progress::cannot_start,
    qemu::{Bus, Config, Disk, Firmware, PROGRAM},
};

/// Whether a window can be opened.
pub(crate) fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Whether QEMU may use the host's virtualisation.
pub(crate) fn has_kvm() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}

/// The CPU model under KVM, unless `--cpu` after it names another.
const KVM_CPU: &str = "qemu64";

/// What the command line asks for.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Options {
    pub(crate) config: Config,
    pub(crate) build: bool,
    headless: bool,
    kvm: bool,
}

/// `mk run [FLAGS] [-- QEMU ARGUMENTS]`
pub(crate) fn command(arguments: lexopt::Parser, rest: &[OsString]) -> Result<()> {
    let options = options(arguments)?;
    prepare(&options)?;
    let mut command = Command::new(PROGRAM);
    command.args(options.config.arguments()?).args(["-serial", "mon:stdio"]);
    if options.headless || !has_display() {
        command.args(["-display", "none"]);
    }
    if options.kvm {
        command.args(["-accel", "kvm"]);
    } else if has_kvm() {
        eprintln!("mk: QEMU emulates the processor; --kvm uses this machine's own, untested");
    }
    if options.config.cpu == "host" {
        eprintln!("mk: --cpu host shows the guest features that no test has executed");
    }
    eprintln!("mk: starting QEMU; Ctrl-A X ends it");
    let status = command.args(rest).status().map_err(|error| cannot_start(&command, &error))?;
    ended(status)
}

/// Builds the image if asked to, and sees that QEMU is there.
pub(crate) fn prepare(options: &Options) -> Result<()> {
    let mut needs = vec![Need::Qemu];
    if options.config.firmware == Firmware::Uefi {
        needs.push(Need::Ovmf);
    }
    if options.build {
        needs.extend(Need::BUILD);
    }
    needs::ensure(&needs)?;
    if options.build {
        build::image()?;
    }
    let disks = options.config.disks.iter().map(|disk| &disk.file);
    match disks.chain([&options.config.image]).find(|disk| !disk.is_file()) {
        None => build::check_image(&options.config.image),
        Some(disk) if *disk == options.config.image => Err(Failure::usage(
            "there is no image yet; leave out --no-build, or run `cargo mk image`",
        )),
        Some(disk) => Err(Failure::usage(format!("there is no disk file {}", disk.display()))),
    }
}

/// Reads the flags that describe the machine.
pub(crate) fn options(mut arguments: lexopt::Parser) -> Result<Options> {
    let config = Config::new(&build::image_path());
    let mut options = Options { config, build: true, headless: false, kvm: false };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("headless") => options.headless = true,
            Arg::Long("no-build") => options.build = false,
            Arg::Long("kvm") => {
                options.kvm = true;
                // Its features are those that the tests execute under emulation, and no more.
                KVM_CPU.clone_into(&mut options.config.cpu);
            }
            Arg::Long("uefi") => options.config.firmware = Firmware::Uefi,
            Arg::Long("bios") => options.config.firmware = Firmware::Bios,
            Arg::Long("smp") => options.config.cpus = number("--smp", &arguments.value()?, 1)?,
            Arg::Long("mem") => options.config.memory = memory(&arguments.value()?)?,
            Arg::Long("disk") => {
                let file = PathBuf::from(arguments.value()?);
                options.config.disks.push(Disk { file, bus: Bus::Virtio });
            }
            Arg::Long("cpu") => {
                options.config.cpu = arguments.value()?.to_string_lossy().into_owned();
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(options)
}

/// Memory in MiB, from `512`, `512M` or `2G`.
fn memory(value: &OsString) -> Result<u32> {
    let text = value.to_string_lossy();
    let (digits, factor) = match text.strip_suffix(['G', 'g']) {
        Some(digits) => (digits, 1024),
        None => (text.strip_suffix(['M', 'm']).unwrap_or(&text), 1),
    };
    let mib = digits.parse().ok().and_then(|count: u32| count.checked_mul(factor));
    mib.filter(|&mib| mib >= 64).ok_or_else(|| {
        Failure::usage(format!("--mem wants MiB, as in `--mem 512` or `--mem 2G`, not `{text}`"))
    })
}

fn number<T: FromStr + PartialOrd>(flag: &str, value: &OsString, least: T) -> Result<T> {
    let text = value.to_string_lossy();
    text.parse().ok().filter(|value| *value >= least).ok_or_else(|| {
        Failure::usage(format!("{flag} wants a number that is not zero, not `{text}`"))
    })
}

fn ended(status: ExitStatus) -> Result<()> {
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(Code::Crash, format!("QEMU ended with {status}")))
    }
}

#[cfg(test)]
mod tests {
    use super::memory;

    #[test]
    fn memory_is_read_in_mib_or_gib() {
        assert_eq!(memory(&"256".into()).unwrap(), 256);
        assert_eq!(memory(&"256M".into()).unwrap(), 256);
        assert_eq!(memory(&"4G".into()).unwrap(), 4096);
        assert!(memory(&"much".into()).is_err());
        assert!(memory(&"4294967295G".into()).is_err());
        assert!(memory(&"1".into()).is_err());
    }
}
