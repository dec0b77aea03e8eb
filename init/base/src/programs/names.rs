//! `basename`, `dirname`, `pwd`, `which`: paths as text.

use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;

pub(super) fn basename(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("")?;
    let mut operands = options.operands.iter().map(|word| word.as_bytes());
    let path = operands.next().unwrap_or_default();
    let suffix = operands.next().unwrap_or_default();
    if operands.next().is_some() {
        return Err(Failure::Usage("only one path can be named".to_owned()));
    }
    let path = without_slashes(path);
    let name = match path.rsplit(|&byte| byte == b'/').next() {
        Some(name) if !name.is_empty() => name,
        _ => path,
    };
    let stem = name.strip_suffix(suffix).filter(|stem| !stem.is_empty()).unwrap_or(name);
    call.out.write_all(stem)?;
    call.out.write_all(b"\n")?;
    Ok(0)
}

pub(super) fn dirname(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("")?;
    for path in &options.operands {
        let path = without_slashes(path.as_bytes());
        let folder = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => match without_slashes(path.get(..at).unwrap_or_default()) {
                b"" => b"/",
                folder => folder,
            },
            None => b".",
        };
        call.out.write_all(folder)?;
        call.out.write_all(b"\n")?;
    }
    Ok(0)
}

/// Without the slashes at its end, but `/` stays.
fn without_slashes(path: &[u8]) -> &[u8] {
    let mut short = path;
    while let [rest @ .., b'/'] = short {
        if rest.is_empty() {
            return short;
        }
        short = rest;
    }
    short
}

pub(super) fn pwd(call: &mut Call<'_>) -> Outcome {
    call.options_only("PL")?;
    let folder = env::current_dir().map_err(|error| Failure::path(".", &error))?;
    call.out.write_all(folder.as_os_str().as_bytes())?;
    call.out.write_all(b"\n")?;
    Ok(0)
}

pub(super) fn which(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("")?;
    let folders = env::var_os("PATH").unwrap_or_else(|| "/bin".into());
    for name in &options.operands {
        let is_program = |path: &std::path::PathBuf| {
            fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        };
        match env::split_paths(&folders).map(|folder| folder.join(name)).find(is_program) {
            Some(path) => writeln!(call.out, "{}", path.display())?,
            None => call.complain(format!("{}: not found", name.display())),
        }
    }
    Ok(0)
}
