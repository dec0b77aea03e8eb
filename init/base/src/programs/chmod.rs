//! `chmod`: permissions by an octal number or by clauses such as `u+x,go-w`.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::Mode;

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const EXECUTE: u32 = 0o111;

/// What a change starts from.
#[derive(Clone, Copy, Debug)]
struct Before {
    mode: u32,
    /// What `X` asks: a folder, or something that somebody may execute.
    executable: bool,
    /// Bits that a clause without `ugoa` leaves alone.
    mask: u32,
}

pub(super) fn chmod(call: &mut Call<'_>) -> Outcome {
    let mut words = call.arguments.iter().peekable();
    let recursive = words.next_if(|word| *word == "-R").is_some();
    words.next_if(|word| *word == "--");
    let mode = words.next().map(|word| word.to_string_lossy().into_owned());
    let paths: Vec<OsString> = words.cloned().collect();
    let (Some(mode), false) = (mode, paths.is_empty()) else {
        return Err(Failure::Usage("a mode and what to work on are needed".to_owned()));
    };
    let mask = current_mask();
    // A wrong mode is told before anything is changed.
    change(&mode, Before { mode: 0, executable: false, mask })?;
    for path in &paths {
        set(call, Path::new(path), &mode, mask, recursive)?;
    }
    Ok(0)
}

/// The bits that new files do not get: asking for them means setting them.
fn current_mask() -> u32 {
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    // The number's type differs between systems; what it is made from does not.
    let same = |bits: &u16| Mode::from_bits_truncate((*bits).into()) == mask;
    (0..=0o777).find(same).map_or(0, u32::from)
}

#[expect(clippy::fn_params_excessive_bools, reason = "the option -R, as it was given")]
fn set(
    call: &mut Call<'_>,
    path: &Path,
    mode: &str,
    mask: u32,
    recursive: bool,
) -> Result<(), Failure> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            call.complain_of(path, &error);
            return Ok(());
        }
    };
    let old = found.permissions().mode() & 0o7777;
    let executable = found.is_dir() || old & EXECUTE != 0;
    let new = change(mode, Before { mode: old, executable, mask })?;
    if let Err(error) = fs::set_permissions(path, Permissions::from_mode(new)) {
        call.complain_of(path, &error);
    }
    if !recursive || !found.is_dir() {
        return Ok(());
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            call.complain_of(path, &error);
            return Ok(());
        }
    };
    for entry in entries {
        match entry {
            // Links are passed over: what they name may lie elsewhere.
            Ok(entry) if entry.file_type().is_ok_and(|kind| kind.is_symlink()) => {}
            Ok(entry) => set(call, &entry.path(), mode, mask, recursive)?,
            Err(error) => call.complain_of(path, &error),
        }
    }
    Ok(())
}

/// The permissions after a change.
fn change(text: &str, before: Before) -> Result<u32, Failure> {
    let wrong = || Failure::Usage(format!("{text}: not a mode"));
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(wrong);
    }
    let mut now = before;
    for clause in text.split(',') {
        now.mode = apply(clause.as_bytes(), now).ok_or_else(wrong)?;
    }
    Ok(now.mode)
}

/// One clause: whom it is for, then operators with what they change.
fn apply(clause: &[u8], before: Before) -> Option<u32> {
    let start = clause.iter().position(|byte| matches!(byte, b'+' | b'-' | b'='))?;
    let (whom, mut rest) = clause.split_at(start);
    let mut places = 0;
    for letter in whom {
        places |= match letter {
            b'u' => 0o700 | SET_UID,
            b'g' => 0o070 | SET_GID,
            b'o' => 0o007,
            b'a' => 0o777 | SET_UID | SET_GID,
            _ => return None,
        };
    }
    // For nobody in particular: for all, as far as the mask lets it.
    let places = if whom.is_empty() { (0o777 | SET_UID | SET_GID) & !before.mask } else { places };
    let mut mode = before.mode;
    while let Some((operator, after)) = rest.split_first() {
        let end = after.iter().position(|byte| matches!(byte, b'+' | b'-' | b'='));
        let (what, next) = after.split_at(end.unwrap_or(after.len()));
        rest = next;
        let (bits, sticky) = permissions(what, Before { mode, ..before })?;
        let bits = (bits & places) | sticky;
        mode = match operator {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => (mode & !(places & 0o777)) | bits,
        };
    }
    Some(mode)
}

/// The bits that letters name, for everybody, and the sticky bit, which is nobody's.
fn permissions(what: &[u8], before: Before) -> Option<(u32, u32)> {
    let copied = |shift: u32| (before.mode.wrapping_shr(shift) & 7).wrapping_mul(0o111);
    let mut bits = 0;
    let mut sticky = 0;
    for letter in what {
        match letter {
            b'r' => bits |= 0o444,
            b'w' => bits |= 0o222,
            b'x' => bits |= EXECUTE,
            b'X' if before.executable => bits |= EXECUTE,
            b'X' => {}
            b's' => bits |= SET_UID | SET_GID,
            b't' => sticky = STICKY,
            b'u' if what.len() == 1 => bits |= copied(6),
            b'g' if what.len() == 1 => bits |= copied(3),
            b'o' if what.len() == 1 => bits |= copied(0),
            _ => return None,
        }
    }
    Some((bits, sticky))
}

#[cfg(test)]
mod tests {
    use super::{Before, change};

    fn of(text: &str, mode: u32) -> Option<u32> {
        let before = Before { mode, executable: mode & 0o111 != 0, mask: 0o022 };
        change(text, before).ok()
    }

    #[test]
    fn modes_are_octal_or_clauses() {
        assert_eq!(of("755", 0), Some(0o755));
        assert_eq!(of("4711", 0), Some(0o4711));
        assert_eq!(of("u+x", 0o644), Some(0o744));
        assert_eq!(of("+x", 0o644), Some(0o755));
        assert_eq!(of("+w", 0o444), Some(0o644), "the mask keeps others from writing");
        assert_eq!(of("a+w", 0o444), Some(0o666));
        assert_eq!(of("go-rwx", 0o777), Some(0o700));
        assert_eq!(of("u=rw,go=r", 0o777), Some(0o644));
        assert_eq!(of("o=", 0o777), Some(0o770));
        assert_eq!(of("g=u,o=g", 0o740), Some(0o777));
        assert_eq!(of("a-x+X", 0o755), Some(0o755), "X looks at what it was");
        assert_eq!(of("+X", 0o644), Some(0o644));
        assert_eq!(of("u+s,+t", 0o755), Some(0o5755));
        assert_eq!(of("u-s", 0o4755), Some(0o755));
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "8", "77777", "7 7", "u", "u+q", "z+x", "u+x,", "+ug", ",", "0x7", "u+x=é"]
        {
            assert_eq!(of(text, 0o644), None, "{text:?}");
        }
    }
}
