//! The Rust toolchain that builds for the target: it must carry the sources of std.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Code, Failure, Result},
    files,
    progress::query,
    workspace,
};

/// Older compilers do not know `target_env = "relibc"`, on which relibc-lite builds.
const OLDEST: (u32, u32) = (1, 96);

/// A compiler and its std sources, which are of the same build.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    sysroot: PathBuf,
    /// Major and minor version.
    version: (u32, u32),
}

impl Toolchain {
    /// The first that serves: the `rustc` on PATH, any of rustup's, then the system's own.
    pub(crate) fn find() -> Option<Self> {
        let rustup = env::var_os("RUSTUP_HOME")
            .map(PathBuf::from)
            .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".rustup")));
        let of_rustup =
            rustup.map(|home| files::list(&home.join("toolchains")).unwrap_or_default());
        let first = query(Command::new("rustc").args(["--print", "sysroot"]).current_dir("/"));
        let mut sysroots: Vec<PathBuf> = first.into_iter().map(PathBuf::from).collect();
        sysroots.extend(of_rustup.into_iter().flatten());
        sysroots.push(PathBuf::from("/usr"));
        sysroots.into_iter().find_map(Self::at)
    }

    /// The toolchain that `mk` builds with; [`crate::needs::ensure`] installs one.
    pub(crate) fn get() -> Result<Self> {
        Self::find().ok_or_else(|| {
            Failure::new(Code::Tool, "there is no Rust toolchain with the sources of std")
        })
    }

    fn at(sysroot: PathBuf) -> Option<Self> {
        let sources = sysroot.join("lib/rustlib/src/rust/library/Cargo.lock");
        let tools = ["rustc", "cargo"].map(|tool| sysroot.join("bin").join(tool));
        if !sources.exists() || !tools.iter().all(|tool| tool.exists()) {
            return None;
        }
        let text = query(Command::new(sysroot.join("bin/rustc")).arg("--version"))?;
        let version = parse_version(text.split(' ').nth(1)?)?;
        (version >= OLDEST).then_some(Self { sysroot, version })
    }

    /// Version and place, for `doctor`.
    pub(crate) fn describe(&self) -> String {
        let (major, minor) = self.version;
        format!("{major}.{minor} in {}", self.sysroot.display())
    }

    /// Major and minor version of the compiler.
    pub(crate) const fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Where a program of this toolchain is, if it is there.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.sysroot.join("bin").join(name)
    }

    /// A cargo that builds for the target, into `target/anode/FOLDER`, with these rustc flags.
    ///
    /// What the cargo that started `mk` left in the environment is taken out: it speaks of
    /// another toolchain.
    pub(crate) fn cargo(&self, folder: &str, flags: &[String]) -> Command {
        let mut command = Command::new(self.tool("cargo"));
        for name in
            ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_BUILD_TARGET", "LD_LIBRARY_PATH"]
        {
            command.env_remove(name);
        }
        command
            .current_dir(workspace::root())
            .env("PATH", self.path())
            .env("RUSTC", self.tool("rustc"))
            .env("RUSTDOC", self.tool("rustdoc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", folder_of(folder))
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env("CARGO_TERM_COLOR", "never");
        command
    }

    /// PATH with this toolchain's programs first.
    fn path(&self) -> OsString {
        let rest = env::var_os("PATH").unwrap_or_default();
        let folders = [self.sysroot.join("bin")].into_iter().chain(env::split_paths(&rest));
        env::join_paths(folders).unwrap_or_else(|_colon_in_a_name| OsStr::new("").to_owned())
    }
}

/// Where cargo puts what it builds for the target under this name.
pub(crate) fn folder_of(name: &str) -> PathBuf {
    workspace::target().join("anode").join(name)
}

/// `1.96` from `1.96.0-nightly` and the like.
pub(crate) fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().map_or(Some(0), |minor| minor.parse().ok())?))
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_read_with_and_without_a_suffix() {
        assert_eq!(parse_version("1.96.0"), Some((1, 96)));
        assert_eq!(parse_version("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(parse_version("2"), Some((2, 0)));
        assert_eq!(parse_version("new"), None);
    }
}
