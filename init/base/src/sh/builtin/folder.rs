//! `cd`, `pwd`, `umask`.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::process;

use crate::failure::reason;
use crate::sh::shell::{Level, Outcome, Shell};

pub(crate) fn cd(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let (target, show) = match arguments {
        [] => (shell.value("HOME"), false),
        [dash] if dash == "-" => (shell.value("OLDPWD"), true),
        [target] => (Some(target.clone()), false),
        _ => return Err(shell.fail(2, "usage: cd [FOLDER|-]")),
    };
    let Some(target) = target else {
        return Err(shell.fail(1, "cd: no folder to go to: the variable for it is not set"));
    };
    let folder = enter(shell, &target)
        .map_err(|error| shell.fail(1, &format!("cd: {target}: {}", reason(&error))))?;
    let text = folder.to_string_lossy().into_owned();
    let old = shell.folder.to_string_lossy().into_owned();
    shell.set("OLDPWD", old);
    shell.set("PWD", text.clone());
    shell.folder = folder;
    if show { shell.print(&format!("{text}\n")) } else { Ok(0) }
}

/// Goes to a folder: the process with it, or in a subshell only the shell's own notion of it.
fn enter(shell: &mut Shell, target: &str) -> io::Result<PathBuf> {
    if shell.level != Level::Subshell {
        env::set_current_dir(target)?;
        return env::current_dir();
    }
    let folder = fs::canonicalize(shell.resolve(target))?;
    if !fs::metadata(&folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    shell.apart = true;
    Ok(folder)
}

pub(crate) fn pwd(shell: &mut Shell, _arguments: &[String]) -> Outcome {
    shell.print(&format!("{}\n", shell.folder.display()))
}

/// The mask belongs to the process, so a subshell changes it for its parent too.
pub(crate) fn umask(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let Some(text) = arguments.first() else {
        // It can only be read by setting it.
        let mask = process::umask(Mode::empty());
        process::umask(mask);
        return shell.print(&format!("{:04o}\n", mask.bits()));
    };
    match u16::from_str_radix(text, 8).ok().filter(|&mask| mask <= 0o777) {
        Some(mask) => {
            process::umask(Mode::from_bits_truncate(mask.into()));
            Ok(0)
        }
        None => Err(shell.fail(2, &format!("umask: {text}: not an octal number up to 777"))),
    }
}
