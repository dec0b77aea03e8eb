//! The tools that must be on the machine: finding them, and installing what is missing.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Code, Failure, Result},
    progress::query,
    toolchain::Toolchain,
};

/// A thing that a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A Rust toolchain with the sources of std.
    Rust,
    /// Clippy of that same toolchain.
    Clippy,
    /// rustfmt of that same toolchain.
    Rustfmt,
    /// `ld.lld` and `lld-link`.
    Linker,
    /// `objcopy`, `nm` and `ar`.
    Binutils,
    /// The machine to boot.
    Qemu,
    /// Its UEFI firmware.
    Ovmf,
    /// The debugger.
    Gdb,
}

/// Less than this many MiB is a full disk: linkers write files of some MiB.
const FULL: u64 = 16;

/// The firmware files that are tried, best first: code, and the variables that belong to it.
const OVMF: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
];

impl Need {
    /// What building the system takes.
    pub(crate) const BUILD: [Self; 3] = [Self::Rust, Self::Linker, Self::Binutils];
    /// All of them, in the order in which `doctor` tells about them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Rust,
        Self::Clippy,
        Self::Rustfmt,
        Self::Linker,
        Self::Binutils,
        Self::Qemu,
        Self::Ovmf,
        Self::Gdb,
    ];

    /// How `doctor` names it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Rust => "Rust with the std sources",
            Self::Clippy => "clippy of that toolchain",
            Self::Rustfmt => "rustfmt of that toolchain",
            Self::Linker => "lld",
            Self::Binutils => "binutils",
            Self::Qemu => "QEMU",
            Self::Ovmf => "OVMF (UEFI firmware)",
            Self::Gdb => "gdb",
        }
    }

    /// The Debian packages that have it.
    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["rustc-web", "cargo-web", "rust-web-src"],
            Self::Clippy => &["rust-web-clippy"],
            Self::Rustfmt => &["rustfmt-web"],
            Self::Linker => &["lld"],
            Self::Binutils => &["binutils"],
            Self::Qemu => &["qemu-system-x86", "seabios"],
            Self::Ovmf => &["ovmf"],
            Self::Gdb => &["gdb"],
        }
    }

    /// What is there, in a few words; `None` if it is missing.
    pub(crate) fn found(self) -> Option<String> {
        let all = |names: &[&str]| {
            names.iter().all(|name| on_path(name).is_some()).then(|| names.join(", "))
        };
        match self {
            Self::Rust => Toolchain::find().map(|toolchain| toolchain.describe()),
            Self::Clippy => tool_of_rust("clippy-driver"),
            Self::Rustfmt => tool_of_rust("rustfmt"),
            Self::Linker => all(&["ld.lld", "lld-link"]),
            Self::Binutils => all(&["objcopy", "nm", "ar"]),
            Self::Qemu => {
                let text = query(Command::new("qemu-system-x86_64").arg("--version"))?;
                text.lines().next().map(str::to_owned)
            }
            Self::Ovmf => ovmf().map(|(code, _vars)| code.display().to_string()),
            Self::Gdb => on_path("gdb").map(|path| path.display().to_string()),
        }
    }
}

fn tool_of_rust(name: &str) -> Option<String> {
    let tool = Toolchain::find()?.tool(name);
    tool.exists().then(|| tool.display().to_string())
}

/// The UEFI firmware's code, and its empty variable store.
pub(crate) fn ovmf() -> Option<(PathBuf, PathBuf)> {
    OVMF.iter()
        .map(|(code, vars)| (PathBuf::from(code), PathBuf::from(vars)))
        .find(|(code, vars)| code.exists() && vars.exists())
}

/// Where PATH has a program of this name.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Makes sure that all of `needs` are there: installs them where that is possible.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if is_debian() && is_root() {
        install(&missing)?;
    }
    match needs.iter().find(|need| need.found().is_none()) {
        None => Ok(()),
        Some(need) => Err(Failure::new(
            Code::Tool,
            format!("{} is not installed. {}", need.label(), remedy(&missing)),
        )),
    }
}

/// Installs what is missing of `needs` where this machine allows it.
pub(crate) fn install(missing: &[Need]) -> Result<()> {
    if !is_debian() || !is_root() {
        return Err(Failure::new(Code::Tool, remedy(missing)));
    }
    let packages = packages(missing);
    eprintln!("mk: installing {} by apt-get", packages.join(" "));
    apt(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    crate::progress::stage(&format!("apt-get {}", arguments.first().unwrap_or(&"")), |stage| {
        stage.run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    })
}

/// Which of `needs` are not on this machine.
pub(crate) fn missing(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|need| need.found().is_none()).collect()
}

/// The one thing to do about what is missing.
fn remedy(missing: &[Need]) -> String {
    let packages = packages(missing).join(" ");
    let rust = missing.iter().any(|need| matches!(need, Need::Rust | Need::Clippy | Need::Rustfmt));
    match (is_debian(), rust) {
        (true, true) => format!(
            "Run: sudo apt-get install {packages} (or, for Rust: rustup component add rust-src clippy rustfmt)"
        ),
        (true, false) => format!("Run: sudo apt-get install {packages}"),
        (false, true) => format!(
            "Run: rustup component add rust-src clippy rustfmt, and install what your system calls: {packages}"
        ),
        (false, false) => format!("Install what your system calls: {packages}"),
    }
}

fn packages(missing: &[Need]) -> Vec<&'static str> {
    let packages: BTreeSet<_> = missing.iter().flat_map(|need| need.packages()).copied().collect();
    packages.into_iter().collect()
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

fn is_debian() -> bool {
    Path::new("/etc/debian_version").exists() && on_path("apt-get").is_some()
}

/// How many MiB are free where builds go; `None` if that cannot be told.
pub(crate) fn free_disk(path: &Path) -> Option<u64> {
    let text = query(Command::new("df").args(["-k", "--output=avail"]).arg(path))?;
    let kib: u64 = text.lines().last()?.trim().parse().ok()?;
    Some(kib >> 10)
}

/// Where builds go: the folder may be another disk's than the repository.
fn place() -> PathBuf {
    let target = crate::workspace::target();
    if target.exists() { target } else { crate::workspace::root() }
}

/// Whether there is hardly any room left where builds go.
pub(crate) fn is_full() -> bool {
    free_disk(&place()).is_some_and(|free| free < FULL)
}

/// Fails with a sentence if less than `mib` MiB are free where builds go.
pub(crate) fn ensure_disk(mib: u64) -> Result<()> {
    let place = place();
    match free_disk(&place) {
        Some(free) if free < mib => Err(Failure::build(format!(
            "only {free} MiB are free at {}, and this needs {mib} MiB: free some space and try again",
            place.display()
        ))),
        _ => Ok(()),
    }
}
