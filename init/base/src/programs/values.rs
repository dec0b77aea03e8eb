//! `clear`, `echo`, `env`, `seq`, `sleep`: programs over their words alone.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::Outcome;
use super::call::Call;
use crate::failure::{Failure, reason};

pub(super) fn clear(call: &mut Call<'_>) -> Outcome {
    call.options_only("")?;
    call.out.write_all(b"\x1b[H\x1b[2J\x1b[3J")?;
    Ok(0)
}

pub(super) fn echo(call: &mut Call<'_>) -> Outcome {
    let (end, words): (&[u8], _) = match call.arguments.split_first() {
        Some((flag, rest)) if flag == "-n" => (b"", rest),
        _ => (b"\n", call.arguments.as_slice()),
    };
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    call.out.write_all(&words.join(&b' '))?;
    call.out.write_all(end)?;
    Ok(0)
}

pub(super) fn env(call: &mut Call<'_>) -> Outcome {
    let mut words = call.arguments.iter().peekable();
    let mut changes: Vec<(OsString, OsString)> = Vec::new();
    let empty = words.next_if(|word| *word == "-i" || *word == "-").is_some();
    if let Some(word) = words.next_if(|word| word.as_bytes().starts_with(b"-")) {
        return Err(Failure::Usage(format!("{}: no such option", word.display())));
    }
    while let Some(word) = words.next_if(|word| word.as_bytes().contains(&b'=')) {
        let mut parts = word.as_bytes().splitn(2, |&byte| byte == b'=');
        let mut part = || OsString::from_vec(parts.next().unwrap_or_default().to_vec());
        changes.push((part(), part()));
    }
    let Some(program) = words.next() else {
        let own = std::env::vars_os()
            .filter(|(name, _)| !empty && !changes.iter().any(|(changed, _)| changed == name));
        for (name, value) in own.chain(changes.iter().cloned()) {
            call.out.write_all(&[name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat())?;
        }
        return Ok(0);
    };
    let mut command = Command::new(program);
    if empty {
        command.env_clear();
    }
    let error = command.envs(changes).args(words).exec();
    let status = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    let message = format!("{}: {}", program.display(), reason(&error));
    call.complain(message);
    Ok(status)
}

pub(super) fn seq(call: &mut Call<'_>) -> Outcome {
    let mut numbers = Vec::new();
    for word in &call.arguments {
        let text = word.to_string_lossy();
        let number = text.parse::<i64>();
        numbers.push(number.map_err(|_| Failure::Usage(format!("{text}: not a whole number")))?);
    }
    let (first, step, last) = match *numbers.as_slice() {
        [last] => (1, 1, last),
        [first, last] => (first, 1, last),
        [first, step, last] if step != 0 => (first, step, last),
        [_, _, _] => return Err(Failure::Usage("a step of 0 leads nowhere".to_owned())),
        _ => return Err(Failure::Usage("one to three numbers are needed".to_owned())),
    };
    let mut number = first;
    while (step > 0 && number <= last) || (step < 0 && number >= last) {
        writeln!(call.out, "{number}")?;
        let Some(next) = number.checked_add(step) else { break };
        number = next;
    }
    Ok(0)
}

pub(super) fn sleep(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("")?;
    let mut time = Duration::ZERO;
    for word in &options.operands {
        let text = word.to_string_lossy();
        let part = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let part = part.ok_or_else(|| Failure::Usage(format!("{text}: not a time in seconds")))?;
        time = time.saturating_add(part);
    }
    thread::sleep(time);
    Ok(0)
}
