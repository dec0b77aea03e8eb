//! `df`, `dmesg`, `free`, `mount`, `uname`: facts of the system.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use rustix::fs::{StatVfs, statvfs};

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;
use crate::system::{self, Memory};

/// The parts of a system's name, in their order, and their letters.
const PARTS: [(&str, char); 5] =
    [("sysname", 's'), ("nodename", 'n'), ("release", 'r'), ("version", 'v'), ("machine", 'm')];

pub(super) fn df(call: &mut Call<'_>) -> Outcome {
    let options = call.options("ahk")?;
    let size = if options.has('h') { human } else { kibibytes };
    let unit = if options.has('h') { "Size" } else { "1K-blocks" };
    columns(call, ["Filesystem", unit, "Used", "Available", "Use%", "Mounted on"])?;
    for path in &options.operands {
        match statvfs(path) {
            Ok(space) => row(call, &path.to_string_lossy(), path, Some(space), size)?,
            Err(error) => call.complain_of(path, &error.into()),
        }
    }
    if !options.operands.is_empty() {
        return Ok(0);
    }
    for name in schemes()? {
        let place = if name == "file" { PathBuf::from("/") } else { system::scheme(&name) };
        // Most schemes are not there to keep bytes: they are shown if all are wanted.
        let space = statvfs(&place).ok().filter(|space| space.f_blocks > 0);
        if space.is_some() || options.has('a') {
            row(call, &format!("{name}:"), place.as_os_str(), space, size)?;
        }
    }
    Ok(0)
}

fn columns(call: &mut Call<'_>, words: [&str; 6]) -> Result<(), Failure> {
    let [name, size, used, free, share, place] = words;
    writeln!(call.out, "{name:14} {size:>10} {used:>10} {free:>10} {share:>4} {place}")?;
    Ok(())
}

fn row(
    call: &mut Call<'_>,
    name: &str,
    place: &OsStr,
    space: Option<StatVfs>,
    show: fn(u64) -> String,
) -> Result<(), Failure> {
    let place = place.to_string_lossy();
    let Some(space) = space else { return columns(call, [name, "-", "-", "-", "-", &place]) };
    let bytes = |blocks: u64| show(blocks.saturating_mul(space.f_frsize));
    let used = space.f_blocks.saturating_sub(space.f_bfree);
    let known = used.saturating_add(space.f_bavail);
    // Rounded up, so that only what is empty shows 0%.
    let rounded = used.saturating_mul(100).saturating_add(known.saturating_sub(1));
    let share = rounded.checked_div(known).map_or("-".to_owned(), |share| format!("{share}%"));
    let (size, free) = (bytes(space.f_blocks), bytes(space.f_bavail));
    columns(call, [name, &size, &bytes(used), &free, &share, &place])
}

pub(super) fn kibibytes(bytes: u64) -> String {
    bytes.div_ceil(1024).to_string()
}

/// A size as people say it: three digits at most, rounded up.
pub(super) fn human(bytes: u64) -> String {
    let mut unit = 1_u64;
    for letter in ["B", "K", "M", "G", "T", "P"] {
        let whole = bytes.div_ceil(unit);
        let tenths = bytes.saturating_mul(10).div_ceil(unit);
        if unit > 1 && tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        if whole < 1024 {
            return format!("{whole}{letter}");
        }
        unit = unit.saturating_mul(1024);
    }
    format!("{}P", bytes.div_ceil(1 << 50))
}

pub(super) fn mount(call: &mut Call<'_>) -> Outcome {
    call.options_only("")?;
    for name in schemes()? {
        let place = if name == "file" { " and /" } else { "" };
        writeln!(call.out, "{name}: on {}{place}", system::scheme(&name).display())?;
    }
    Ok(0)
}

fn schemes() -> Result<Vec<String>, Failure> {
    system::scheme_names().map_err(|error| Failure::path(system::SCHEMES, &error))
}

pub(super) fn dmesg(call: &mut Call<'_>) -> Outcome {
    call.options_only("")?;
    let own = system::scheme("sys/log");
    // `log:` keeps all lines; the kernel only its own last ones.
    let log = fs::read(system::scheme("log")).or_else(|_| fs::read(&own));
    call.out.write_all(&log.map_err(|error| Failure::path(&own, &error))?)?;
    Ok(0)
}

pub(super) fn free(call: &mut Call<'_>) -> Outcome {
    call.options_only("k")?;
    let path = system::scheme("sys/memory");
    let text = fs::read_to_string(&path).map_err(|error| Failure::path(&path, &error))?;
    let memory = Memory::parse(&text).ok_or_else(|| {
        Failure::Message(format!("{}: does not say how much memory there is", path.display()))
    })?;
    let used = memory.total.saturating_sub(memory.free);
    writeln!(call.out, "{:7} {:>10} {:>10} {:>10}", "KiB", "total", "used", "free")?;
    writeln!(
        call.out,
        "{:7} {:>10} {:>10} {:>10}",
        "Memory:",
        memory.total >> 10,
        used >> 10,
        memory.free >> 10
    )?;
    Ok(0)
}

pub(super) fn uname(call: &mut Call<'_>) -> Outcome {
    let options = call.options_only("asnrvm")?;
    let text = fs::read_to_string(system::scheme("sys/uname")).unwrap_or_default();
    let known = parts(&text);
    let asked = |letter: char| options.has('a') || options.has(letter);
    let default = !PARTS.iter().any(|(_, letter)| asked(*letter));
    let wanted = PARTS.iter().filter(|(_, letter)| asked(*letter) || (default && *letter == 's'));
    let shown: Vec<&str> = wanted
        .filter_map(|(part, _)| match known.get(part) {
            // `-a` shows what there is, a part that is asked for must be shown.
            None if options.has('a') => None,
            value => Some(value.copied().unwrap_or("unknown")),
        })
        .collect();
    writeln!(call.out, "{}", shown.join(" "))?;
    Ok(0)
}

/// Reads `sys:uname`: one line of name, release and machine, or lines of `part value`.
fn parts(text: &str) -> BTreeMap<&'static str, &str> {
    let mut parts = BTreeMap::from([
        ("sysname", "Anode"),
        ("nodename", "anode"),
        ("machine", std::env::consts::ARCH),
    ]);
    let facts = system::facts(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [name, release, machine] if text.trim().lines().count() == 1 => {
            parts.extend([("sysname", *name), ("release", *release), ("machine", *machine)]);
        }
        _ => {
            let known = PARTS.iter().filter_map(|(part, _)| Some((*part, *facts.get(part)?)));
            parts.extend(known);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_what_people_say() {
        let said = [0, 1, 1023, 1024, 1025, 10_240, 10_241, 1_048_575, 1 << 26, (1 << 26) + 1];
        let said: Vec<String> = said.into_iter().map(human).collect();
        assert_eq!(said, ["0B", "1B", "1023B", "1.0K", "1.1K", "10K", "11K", "1.0M", "64M", "65M"]);
        assert_eq!(kibibytes(1025), "2");
        assert_eq!(human(u64::MAX), "16384P");
    }

    #[test]
    fn a_system_s_name_is_read_with_and_without_the_names_of_its_parts() {
        let named = parts("sysname Anode\nrelease 0.1\nmachine x86_64\n");
        assert_eq!(
            (named["sysname"], named["release"], named["machine"]),
            ("Anode", "0.1", "x86_64")
        );
        let line = parts("Anode 0.1.0 x86_64\n");
        assert_eq!((line["sysname"], line["release"]), ("Anode", "0.1.0"));
        assert_eq!(parts("")["sysname"], "Anode");
    }
}
