//! `/etc/passwd`: `name:password:uid:gid:gecos:home:shell`, a line each.

/// Whom to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// By number.
    Uid(i32),
    /// By name.
    Name(&'a [u8]),
}

/// One user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Login name.
    pub name: &'a [u8],
    /// User id.
    pub uid: i32,
    /// Group id.
    pub gid: i32,
    /// Full name and the like.
    pub gecos: &'a [u8],
    /// Home directory.
    pub home: &'a [u8],
    /// Shell.
    pub shell: &'a [u8],
}

/// The first line of `file` that is valid and wanted.
#[must_use]
pub fn find<'a>(file: &'a [u8], wanted: Wanted<'_>) -> Option<Entry<'a>> {
    let mut entries = file.split(|byte| *byte == b'\n').filter_map(parse);
    entries.find(|entry| match wanted {
        Wanted::Uid(uid) => entry.uid == uid,
        Wanted::Name(name) => entry.name == name,
    })
}

fn parse(line: &[u8]) -> Option<Entry<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let uid = number(fields.next()?)?;
    let gid = number(fields.next()?)?;
    let (gecos, home, shell) = (fields.next()?, fields.next()?, fields.next()?);
    let is_text = [name, gecos, home, shell].iter().all(|field| !field.contains(&0));
    (fields.next().is_none() && is_text).then_some(Entry { name, uid, gid, gecos, home, shell })
}

fn number(text: &[u8]) -> Option<i32> {
    core::str::from_utf8(text).ok()?.parse().ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::{Wanted, find};

    const FILE: &[u8] = b"# comment\nroot:x:0:0:root:/root:/bin/sh\nbad:x:y:0:::\n\
        user:x:1000:1000:A User:/home/user:/bin/sh\n";

    #[test]
    fn users_are_found_by_number_and_name() {
        let user = find(FILE, Wanted::Uid(1000)).unwrap();
        assert_eq!((user.name, user.home), (&b"user"[..], &b"/home/user"[..]));
        assert_eq!(find(FILE, Wanted::Name(b"root")).unwrap().uid, 0);
    }

    #[test]
    fn bad_lines_and_strangers_are_not() {
        assert_eq!(find(FILE, Wanted::Name(b"bad")), None);
        assert_eq!(find(FILE, Wanted::Uid(5)), None);
        assert_eq!(find(b"a:x:1:1:g:h", Wanted::Uid(1)), None);
        assert_eq!(find(b"a:x:1:1:g:h:s:more", Wanted::Uid(1)), None);
        assert_eq!(find(b"a:x:-1:1:g:h:s", Wanted::Uid(-1)), None);
        assert_eq!(find(b"a:x:1:1:g\0:h:s", Wanted::Uid(1)), None);
    }
}
