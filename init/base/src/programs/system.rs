//! `df`, `dmesg`, `free`, `mount`, `uname`: facts of the system.

use std::collections::BTreeMap;
use std::fs;

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;
use crate::system::{self, Memory};

/// The parts of a system's name, in their order, and their letters.
const PARTS: [(&str, char); 5] =
    [("sysname", 's'), ("nodename", 'n'), ("release", 'r'), ("version", 'v'), ("machine", 'm')];

pub(super) fn df(call: &mut Call<'_>) -> Outcome {
    call.options("h")?;
    writeln!(call.out, "{:12} {:>10} {:>10} {:>10} Path", "Filesystem", "Size", "Used", "Free")?;
    let names = schemes()?;
    if names.iter().any(|name| name == "file") {
        writeln!(call.out, "{:12} {:>10} {:>10} {:>10} /", "file:", "-", "-", "-")?;
    }
    call.say("sizes are not shown: std has no way to ask for them, and no scheme tells by a file");
    Ok(0)
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
