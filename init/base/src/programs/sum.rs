//! `sha256sum`: writes checksums, or checks them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::Outcome;
use super::call::{BLOCK, Call, fill};
use crate::failure::{Failure, reason};

/// Hexadecimal digits of a checksum.
const DIGITS: usize = 64;

pub(super) fn sha256sum(call: &mut Call<'_>) -> Outcome {
    let options = call.options("bctw")?;
    if options.has('c') {
        return check(call, &options.operands);
    }
    let sign = if options.has('b') { '*' } else { ' ' };
    call.inputs(&options.operands, |call, path, input| {
        let sum = sum(input).map_err(|error| Failure::path(path, &error))?;
        // A name that would break the line is written with escapes, which a first `\` tells.
        let (mark, name) = if path.contains(['\\', '\n', '\r']) {
            ("\\", path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r"))
        } else {
            ("", path.to_owned())
        };
        writeln!(call.out, "{mark}{sum} {sign}{name}")?;
        Ok(())
    })?;
    Ok(0)
}

/// The checksum of all that is left in `input`.
fn sum(input: &mut dyn Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match input.read(&mut block) {
            Ok(0) => break,
            Ok(read) => hasher.update(block.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What checking has found.
#[derive(Default)]
struct Found {
    good: u64,
    wrong: u64,
    unreadable: u64,
    malformed: u64,
}

fn check(call: &mut Call<'_>, lists: &[OsString]) -> Outcome {
    call.inputs(lists, |call, path, input| {
        let mut text = Vec::new();
        let mut block = vec![0; BLOCK];
        loop {
            let read = fill(input, &mut block, path)?;
            if read == 0 {
                break;
            }
            text.extend_from_slice(block.get(..read).unwrap_or_default());
        }
        let mut found = Found::default();
        for line in String::from_utf8_lossy(&text).lines() {
            check_line(call, line, &mut found)?;
        }
        report(call, path, &found);
        Ok(())
    })?;
    Ok(0)
}

fn check_line(call: &mut Call<'_>, line: &str, found: &mut Found) -> Result<(), Failure> {
    let Some((wanted, name)) = parse(line) else {
        found.malformed = found.malformed.saturating_add(1);
        return Ok(());
    };
    let sum = if name == "-" {
        sum(&mut io::stdin().lock())
    } else {
        File::open(&name).and_then(|mut file| sum(&mut file))
    };
    let (verdict, count) = match sum {
        Ok(sum) if sum.eq_ignore_ascii_case(wanted) => ("OK", &mut found.good),
        Ok(_) => ("FAILED", &mut found.wrong),
        Err(error) => {
            call.complain(format!("{name}: {}", reason(&error)));
            ("FAILED open or read", &mut found.unreadable)
        }
    };
    *count = count.saturating_add(1);
    writeln!(call.out, "{name}: {verdict}")?;
    Ok(())
}

/// A checksum and the name behind it.
fn parse(line: &str) -> Option<(&str, String)> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (sum, rest) = line.split_at_checked(DIGITS)?;
    let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    let whole = sum.bytes().all(|byte| byte.is_ascii_hexdigit()) && !name.is_empty();
    let name = if escaped { unescape(name)? } else { name.to_owned() };
    whole.then_some((sum, name))
}

fn unescape(name: &str) -> Option<String> {
    let mut plain = String::new();
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

fn report(call: &mut Call<'_>, path: &str, found: &Found) {
    let checked = [found.good, found.wrong, found.unreadable];
    if checked.iter().all(|count| *count == 0) {
        call.complain(format!("{path}: no properly formatted checksum lines found"));
        return;
    }
    let (line, lines) = ("line is improperly formatted", "lines are improperly formatted");
    if found.malformed > 0 {
        call.say(&warning(found.malformed, line, lines));
    }
    let (file, files) = ("listed file could not be read", "listed files could not be read");
    if found.unreadable > 0 {
        call.complain(warning(found.unreadable, file, files));
    }
    let (sum, sums) = ("computed checksum did NOT match", "computed checksums did NOT match");
    if found.wrong > 0 {
        call.complain(warning(found.wrong, sum, sums));
    }
}

fn warning(count: u64, one: &str, several: &str) -> String {
    format!("WARNING: {count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::{parse, sum};

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(sum(&mut b"".as_slice()).unwrap(), EMPTY);
        assert_eq!(
            sum(&mut b"abc".as_slice()).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            sum(&mut vec![b'a'; 1_000_000].as_slice()).unwrap(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }

    #[test]
    fn lines_that_are_cut_or_changed_are_no_lines() {
        let line = format!("\\{EMPTY}  a\\nb\\\\c");
        assert_eq!(parse(&line), Some((EMPTY, "a\nb\\c".to_owned())));
        assert_eq!(parse(&format!("{EMPTY} *x")), Some((EMPTY, "x".to_owned())));
        for len in 0..DIGITS_AND_SIGNS {
            assert_eq!(parse(line.get(..len).unwrap()), None, "{len}");
        }
        for wrong in [format!("{EMPTY}x"), format!("{EMPTY} x"), format!("\\{EMPTY}  a\\q")] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
        assert_eq!(parse(&"é".repeat(40)), None);
    }

    const DIGITS_AND_SIGNS: usize = 1 + super::DIGITS + 2 + 1;
}
