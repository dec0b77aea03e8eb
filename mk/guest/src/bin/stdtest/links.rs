//! Links from one scheme to another, and a root that is not the file system's. Both are the system's
//! own: where its schemes are not, as with the hosted library, there is nothing to be tested.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Outcome, Test, check, files::Scratch};

pub(super) const TESTS: &[Test] = &[
    ("links_lead_from_scheme_to_scheme", links_lead_from_scheme_to_scheme),
    ("forty_links_are_followed_and_no_more", forty_links_are_followed_and_no_more),
    ("a_root_is_where_paths_begin", a_root_is_where_paths_begin),
];

/// The word by which this program calls itself for [`look_from_the_root`].
pub(super) const IN_ROOT: &str = "in-root";

fn is_anode() -> bool {
    Path::new("/scheme/initfs").is_dir()
}

/// The canonical form of a path of the file system: it names the scheme.
fn canonical(path: &Path) -> PathBuf {
    let below = path.strip_prefix("/").unwrap_or(path);
    Path::new("/scheme/file").join(below)
}

fn links_lead_from_scheme_to_scheme() -> Outcome {
    if !is_anode() {
        return Ok(());
    }
    let scratch = Scratch::new("links")?;
    let at = |name: &str| scratch.join(name);
    fs::write(at("file"), "text")?;
    for (target, name) in [
        ("/scheme/null", "null"),
        ("null:", "short"),
        ("null", "near"),
        ("./near", "nearer"),
        ("/scheme/initfs/etc", "etc"),
        ("no-scheme:x", "colon"),
    ] {
        symlink(target, at(name))?;
    }
    for name in ["null", "short", "near", "nearer"] {
        check(fs::read(at(name))?.is_empty(), name)?;
    }
    let greeting = fs::read("/scheme/initfs/etc/motd")?;
    check(fs::read(at("etc/motd"))? == greeting, "a directory of another scheme")?;
    check(fs::read(at("etc/../etc/motd"))? == greeting, "back and forth between schemes")?;
    check(fs::read_link(at("short"))? == Path::new("null:"), "a link reads as what it leads to")?;
    fs::write(at("no-scheme:x"), "colon")?;
    check(fs::read(at("colon"))? == b"colon", "a colon is not always a scheme's")?;

    symlink(canonical(&at("new")), at("away"))?;
    fs::write(at("away"), "made")?;
    check(fs::read(at("new"))? == b"made", "a file is made where a link leads")?;
    fs::remove_file(at("away"))?;
    check(at("new").exists(), "removing a link removed what it leads to")?;

    let refused = fs::rename(at("file"), "/scheme/initfs/tmp/file");
    check(refused.is_err_and(|error| error.kind() == ErrorKind::CrossesDevices), "a rename away")?;
    check(fs::read(at("file"))? == b"text", "a refused rename lost the file")
}

fn forty_links_are_followed_and_no_more() -> Outcome {
    if !is_anode() {
        return Ok(());
    }
    let scratch = Scratch::new("hops")?;
    let at = |number: usize| scratch.join(&number.to_string());
    fs::write(at(0), "end")?;
    for number in 1..=41_usize {
        symlink(canonical(&at(number.saturating_sub(1))), at(number))?;
    }
    check(fs::read(at(40))? == b"end", "forty links were not followed")?;
    let refused = fs::read(at(41)).map_err(|error| error.raw_os_error());
    check(refused == Err(Some(libc::ELOOP)), "the 41st link was followed")?;
    let own = scratch.join("own");
    symlink(canonical(&own), &own)?;
    let refused = fs::read(&own).map_err(|error| error.raw_os_error());
    check(refused == Err(Some(libc::ELOOP)), "a link to itself")
}

fn a_root_is_where_paths_begin() -> Outcome {
    if !is_anode() {
        return Ok(());
    }
    let scratch = Scratch::new("root")?;
    fs::create_dir(scratch.join("inner"))?;
    fs::write(scratch.join("inner/file"), "inner")?;
    fs::write(scratch.join("file"), "outer")?;
    symlink("/file", scratch.join("inner/link"))?;
    symlink("../../file", scratch.join("inner/up"))?;
    let output = Command::new(env::current_exe()?)
        .args([IN_ROOT.as_ref(), scratch.join("inner").as_os_str()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    check(output.status.success(), &format!("{}: {text}", output.status))
}

/// Makes a directory the root and looks round.
pub(super) fn look_from_the_root(directory: &Path) -> Outcome {
    rustix::process::chroot(directory)?;
    env::set_current_dir("/")?;
    let inner = |path: &str| fs::read(path).is_ok_and(|text| text == b"inner");
    check(inner("/file"), "a path from the root")?;
    check(inner("file"), "a path from the current directory")?;
    check(inner("/link"), "a link from the root led out of it")?;
    check(inner("/../file") && inner("../file"), "the directory above the root is not the root")?;
    check(inner("/up"), "a link led above the root")?;
    check(!Path::new("/etc").exists(), "the old root is still there")?;
    check(fs::read("/scheme/null")?.is_empty(), "the schemes are gone")?;
    check(env::current_dir()? == Path::new("/"), "the current directory has another name")
}
