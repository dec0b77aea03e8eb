//! `test` and `[`: conditions over texts, numbers and files.

use std::fs::{self, Metadata};
use std::io::IsTerminal;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::sh::shell::{Outcome, Shell};
use crate::sh::streams::Stream;
use crate::system;

/// How deep `!` and parentheses may nest.
const MAX_DEPTH: usize = 64;

pub(crate) fn bracket(shell: &mut Shell, arguments: &[String]) -> Outcome {
    match arguments.split_last() {
        Some((last, rest)) if last == "]" => test(shell, rest),
        _ => Err(shell.fail(2, "[: `]` is missing")),
    }
}

pub(crate) fn test(shell: &mut Shell, arguments: &[String]) -> Outcome {
    if arguments.is_empty() {
        return Ok(1);
    }
    let mut reader = Reader { shell, rest: arguments, depth: 0 };
    let outcome = reader.either().and_then(|value| match reader.rest.first() {
        None => Ok(value),
        Some(extra) => Err(format!("`{extra}` is not expected")),
    });
    match outcome {
        Ok(value) => Ok(u8::from(!value)),
        Err(message) => Err(shell.fail(2, &format!("test: {message}"))),
    }
}

struct Reader<'a> {
    shell: &'a Shell,
    rest: &'a [String],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn take_if(&mut self, wanted: &str) -> bool {
        let found = self.rest.first().is_some_and(|first| first == wanted);
        if found {
            self.take();
        }
        found
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut value = self.both()?;
        while self.take_if("-o") {
            value |= self.both()?;
        }
        Ok(value)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut value = self.one()?;
        while self.take_if("-a") {
            value &= self.one()?;
        }
        Ok(value)
    }

    fn one(&mut self) -> Result<bool, String> {
        // What stands before a binary operator is its operand, whatever it looks like.
        if let [left, operator, right, ..] = self.rest
            && let Some(value) = binary(left, operator, right)
        {
            self.rest = self.rest.get(3..).unwrap_or_default();
            return value;
        }
        let first = self.take().ok_or("a condition is missing")?;
        if self.rest.is_empty() {
            return Ok(!first.is_empty());
        }
        if first == "!" || first == "(" {
            self.depth = self.depth.saturating_add(1);
            if self.depth > MAX_DEPTH {
                return Err("nested too deeply".to_owned());
            }
            if first == "!" {
                return Ok(!self.one()?);
            }
            let value = self.either()?;
            return if self.take_if(")") { Ok(value) } else { Err("`)` is missing".to_owned()) };
        }
        match first.strip_prefix('-') {
            Some(operator) if operator.len() == 1 && !matches!(operator, "a" | "o") => {
                let operand = self.take().unwrap_or_default();
                self.unary(operator, operand)
            }
            _ => Ok(!first.is_empty()),
        }
    }

    fn unary(&self, operator: &str, operand: &str) -> Result<bool, String> {
        let path = self.shell.resolve(operand);
        let found = || fs::metadata(&path).ok();
        let is = |check: fn(&Metadata) -> bool| found().is_some_and(|metadata| check(&metadata));
        Ok(match operator {
            "n" => !operand.is_empty(),
            "z" => operand.is_empty(),
            "e" => is(|_| true),
            "f" => is(Metadata::is_file),
            "d" => is(Metadata::is_dir),
            "s" => is(|metadata| metadata.len() > 0),
            "p" => is(|metadata| metadata.file_type().is_fifo()),
            "S" => is(|metadata| metadata.file_type().is_socket()),
            "b" => is(|metadata| metadata.file_type().is_block_device()),
            "c" => is(|metadata| metadata.file_type().is_char_device()),
            "r" => is(|metadata| allowed(metadata, 0o4)),
            "w" => is(|metadata| allowed(metadata, 0o2)),
            "x" => is(|metadata| allowed(metadata, 0o1)),
            "h" | "L" => fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()),
            "t" => self.is_terminal(operand)?,
            _ => return Err(format!("-{operator}: no such condition")),
        })
    }

    fn is_terminal(&self, descriptor: &str) -> Result<bool, String> {
        let streams = &self.shell.streams;
        let stream = match descriptor {
            "0" => &streams.input,
            "1" => &streams.output,
            "2" => &streams.error,
            _ => return Err(format!("{descriptor}: no such descriptor")),
        };
        Ok(match stream {
            Stream::Input => std::io::stdin().is_terminal(),
            Stream::Output => std::io::stdout().is_terminal(),
            Stream::Error => std::io::stderr().is_terminal(),
            Stream::File(file) => file.is_terminal(),
        })
    }
}

/// Whether this process may read (4), write (2) or run (1) the file, by its mode.
fn allowed(metadata: &Metadata, right: u32) -> bool {
    let mode = metadata.mode();
    match system::identity() {
        Some(who) if who.uid == 0 => right != 0o1 || metadata.is_dir() || mode & 0o111 != 0,
        Some(who) if who.uid == metadata.uid() => mode & (right << 6) != 0,
        Some(who) if who.gid == metadata.gid() => mode & (right << 3) != 0,
        _ => mode & right != 0,
    }
}

fn binary(left: &str, operator: &str, right: &str) -> Option<Result<bool, String>> {
    let by_number = |compare: fn(&i64, &i64) -> bool| match (number(left), number(right)) {
        (Ok(left), Ok(right)) => Ok(compare(&left, &right)),
        (Err(message), _) | (_, Err(message)) => Err(message),
    };
    let times = || (changed(left), changed(right));
    Some(match operator {
        "=" | "==" => Ok(left == right),
        "!=" => Ok(left != right),
        "-eq" => by_number(i64::eq),
        "-ne" => by_number(i64::ne),
        "-lt" => by_number(i64::lt),
        "-le" => by_number(i64::le),
        "-gt" => by_number(i64::gt),
        "-ge" => by_number(i64::ge),
        "-nt" => Ok(times().0 > times().1),
        "-ot" => Ok(times().0 < times().1),
        _ => return None,
    })
}

fn number(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("{text}: not a number"))
}

fn changed(path: &str) -> Option<std::time::SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
