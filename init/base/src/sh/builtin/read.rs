//! `read`: a line of input into variables.

use crate::failure::reason;
use crate::sh::parser::is_name;
use crate::sh::shell::{Outcome, Shell};

/// A character of the line, and whether a backslash protects it from splitting.
type Unit = (char, bool);

pub(crate) fn read(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let (raw, names) = match arguments.split_first() {
        Some((flag, rest)) if flag == "-r" => (Raw::Yes, rest),
        _ => (Raw::No, arguments),
    };
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        return Err(shell.fail(2, &format!("read: {bad}: not a variable's name")));
    }
    let (line, complete) = line(shell, raw)?;
    let separators = shell.value("IFS").unwrap_or_else(|| " \t\n".to_owned());
    let reply = ["REPLY".to_owned()];
    let names = if names.is_empty() { &reply } else { names };
    let mut rest = trim(&line, &separators);
    for (index, name) in names.iter().enumerate() {
        let last = index.saturating_add(1) == names.len();
        let (field, after) = if last { (rest, [].as_slice()) } else { cut(rest, &separators) };
        shell.set(name, field.iter().map(|unit| unit.0).collect());
        rest = after;
    }
    Ok(u8::from(complete == Complete::No))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    Yes,
    No,
}

/// Whether the line had its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Complete {
    Yes,
    No,
}

fn line(shell: &Shell, raw: Raw) -> Result<(Vec<Unit>, Complete), crate::sh::shell::Stop> {
    let mut units = Vec::new();
    loop {
        // An interrupt that came before ends no read that begins after it.
        shell.go_on()?;
        let read = shell.streams.input.line();
        let bytes = read.map_err(|e| shell.fail(1, &format!("read: {}", reason(&e))))?;
        let Some(bytes) = bytes else { return Ok((units, Complete::No)) };
        let text = String::from_utf8_lossy(&bytes);
        let (text, complete) = match text.strip_suffix('\n') {
            Some(text) => (text, Complete::Yes),
            None => (text.as_ref(), Complete::No),
        };
        let mut joined = false;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '\\' || raw == Raw::Yes {
                units.push((c, false));
            } else if let Some(next) = chars.next() {
                units.push((next, true));
            } else {
                joined = complete == Complete::Yes;
            }
        }
        if !joined {
            return Ok((units, complete));
        }
    }
}

fn is_blank(unit: &Unit, separators: &str) -> bool {
    !unit.1 && unit.0.is_ascii_whitespace() && separators.contains(unit.0)
}

/// Without the blank separators at both ends.
fn trim<'a>(units: &'a [Unit], separators: &str) -> &'a [Unit] {
    let mut units = units;
    while let Some((first, rest)) = units.split_first()
        && is_blank(first, separators)
    {
        units = rest;
    }
    while let Some((last, rest)) = units.split_last()
        && is_blank(last, separators)
    {
        units = rest;
    }
    units
}

/// The first field, and what is after its separator.
fn cut<'a>(units: &'a [Unit], separators: &str) -> (&'a [Unit], &'a [Unit]) {
    let separates = |unit: &Unit| !unit.1 && separators.contains(unit.0);
    let Some(end) = units.iter().position(separates) else { return (units, &[]) };
    let (field, rest) = units.split_at(end);
    let mut rest = trim(rest, separators);
    // A separator that is no blank counts once, blanks beside it not at all.
    if let Some((first, after)) = rest.split_first()
        && separates(first)
    {
        rest = trim(after, separators);
    }
    (field, rest)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::read;
    use crate::sh::shell::{Level, Shell, Stop};
    use crate::sh::streams::Stream;

    #[test]
    fn an_interrupt_that_came_before_the_read_is_not_waited_for() {
        let mut shell = Shell::new(Level::Script);
        let (silent, _writer) = std::io::pipe().unwrap();
        let silent = std::fs::File::from(std::os::fd::OwnedFd::from(silent));
        shell.streams.input = Stream::File(silent.into());
        shell.interrupt.store(true, Relaxed);
        assert_eq!(read(&mut shell, &["x".to_owned()]), Err(Stop::Interrupted));
    }
}
