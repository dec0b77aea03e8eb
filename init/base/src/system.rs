//! What the kernel's schemes tell about the system, read as text; missing facts are no error.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the namespace is seen as a folder.
pub(crate) const SCHEMES: &str = "/scheme";

/// The path of something that a scheme serves.
pub(crate) fn scheme(rest: impl AsRef<Path>) -> PathBuf {
    Path::new(SCHEMES).join(rest)
}

/// The names of all schemes that this process sees, in order.
///
/// # Errors
///
/// There is no namespace to list: the system is another one.
pub(crate) fn scheme_names() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(SCHEMES)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// One line of `proc:PID/stat`; what it does not say is zero or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) state: String,
    pub(crate) pages: u64,
    /// Time that it ran, in nanoseconds.
    pub(crate) ran: u64,
    pub(crate) name: String,
}

impl Process {
    /// Reads `pid=7 ppid=1 … name=/bin/sh`; the name is last and may have blanks in it.
    pub(crate) fn parse(line: &str) -> Self {
        let mut process = Self::default();
        let mut rest = line.trim();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix("name=") {
                name.clone_into(&mut process.name);
                break;
            }
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after.trim_start();
            let Some((key, value)) = word.split_once('=') else { continue };
            let number = || value.parse().unwrap_or(0);
            let long = || value.parse().unwrap_or(0);
            match key {
                "pid" => process.pid = number(),
                "ppid" => process.parent = number(),
                "uid" => process.uid = number(),
                "gid" => process.gid = number(),
                "state" => value.clone_into(&mut process.state),
                "pages" => process.pages = long(),
                "cpu_ns" => process.ran = long(),
                _ => {}
            }
        }
        process
    }
}

/// All processes that this one may see, by number.
///
/// # Errors
///
/// `proc:` cannot be listed.
pub(crate) fn processes(folder: &Path) -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that has ended since it was listed, or that we may not open, is passed over.
        if let Ok(line) = fs::read_to_string(entry.path().join("stat")) {
            processes.push(Process { pid, ..Process::parse(&line) });
        }
    }
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

/// Lines of `name value`; a line that is none is passed over.
pub(crate) fn facts(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(k, v)| (k, v.trim()))
        .collect()
}

/// How much memory there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) free: u64,
}

impl Memory {
    /// Reads `sys:memory`; `None` if it does not say how much there is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let facts = facts(text);
        let number = |name: &str| facts.get(name).and_then(|value| value.parse::<u64>().ok());
        let page = number("page_size").unwrap_or(4096);
        let total = number("total_pages")?.saturating_mul(page);
        let free = number("free_pages")?.saturating_mul(page);
        Some(Self { total, free: free.min(total) })
    }
}

/// Who runs this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Asks `proc:` who we are, or on Linux the owner of `/proc/self`; std cannot tell.
pub(crate) fn identity() -> Option<Identity> {
    let own = scheme(format!("proc/{}/stat", std::process::id()));
    if let Ok(line) = fs::read_to_string(own) {
        let process = Process::parse(&line);
        return Some(Identity { uid: process.uid, gid: process.gid });
    }
    let own = fs::metadata("/proc/self").ok()?;
    Some(Identity { uid: own.uid(), gid: own.gid() })
}

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// The users that a text in the form of `/etc/passwd` names; wrong lines are passed over.
pub(crate) fn users(text: &str) -> Vec<User> {
    text.lines().filter_map(user).collect()
}

fn user(line: &str) -> Option<User> {
    let mut fields = line.trim_end().split(':');
    let mut next = || fields.next().map(str::to_owned);
    let user = User {
        name: next().filter(|name| !name.is_empty() && !name.starts_with('#'))?,
        password: next()?,
        uid: next()?.parse().ok()?,
        gid: next()?.parse().ok()?,
        home: {
            next()?;
            next()?
        },
        shell: next()?,
    };
    fields.next().is_none().then_some(user)
}

/// The users of this system; none if it has no list of them.
pub(crate) fn all_users() -> Vec<User> {
    fs::read_to_string("/etc/passwd").map(|text| users(&text)).unwrap_or_default()
}

/// The name of a user, or the number where it has none.
pub(crate) fn user_name(users: &[User], uid: u32) -> String {
    let known = users.iter().find(|user| user.uid == uid);
    known.map_or_else(|| uid.to_string(), |user| user.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_with_blanks_in_the_name() {
        let line = "pid=7 ppid=1 pgid=7 uid=3 gid=4 state=R threads=3 pages=120 cpu_ns=12345 \
                    prio=4 handles=9 name=/bin/my sh name=x\n";
        let process = Process::parse(line);
        assert_eq!(process.pid, 7);
        assert_eq!(process.parent, 1);
        assert_eq!((process.uid, process.gid), (3, 4));
        assert_eq!(process.state, "R");
        assert_eq!(process.pages, 120);
        assert_eq!(process.ran, 12345);
        assert_eq!(process.name, "/bin/my sh name=x");
    }

    #[test]
    fn missing_and_wrong_fields_of_a_stat_line_are_zero() {
        let process = Process::parse("pid=9 junk uid=-1 pages=99999999999999999999 new=1 name=a");
        assert_eq!(process, Process { pid: 9, name: "a".to_owned(), ..Process::default() });
        assert_eq!(Process::parse(""), Process::default());
    }

    #[test]
    fn processes_are_listed_by_number_and_vanished_ones_passed_over() {
        let folder = std::env::temp_dir().join(format!("base-proc-{}", std::process::id()));
        for (pid, line) in [("12", "pid=12 name=b"), ("3", "pid=3 name=a"), ("self", "")] {
            fs::create_dir_all(folder.join(pid)).unwrap();
            fs::write(folder.join(pid).join("stat"), line).unwrap();
        }
        fs::create_dir_all(folder.join("4")).unwrap();

        let found = processes(&folder).unwrap();

        let names: Vec<_> = found.iter().map(|it| (it.pid, it.name.as_str())).collect();
        assert_eq!(names, [(3, "a"), (12, "b")]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn memory_is_pages_times_their_size() {
        let text = "total_pages 100\nfree_pages 40\npage_size 4096\n";
        assert_eq!(Memory::parse(text), Some(Memory { total: 409_600, free: 163_840 }));
        assert_eq!(Memory::parse("free_pages 1"), None);
        assert_eq!(Memory::parse("total_pages x\nfree_pages 1"), None);
    }

    #[test]
    fn passwd_lines_with_seven_fields_are_users_and_others_are_not() {
        let text = "root::0:0:root:/root:/bin/sh\n# no\nbad:x:1\nme:x:1000:1000::/home/me:/bin/sh\n\
                    wide:x:1:1:a:b:c:d\n::0:0:::\n";
        let users = users(text);
        assert_eq!(users.len(), 2);
        assert_eq!(user_name(&users, 1000), "me");
        assert_eq!(user_name(&users, 5), "5");
        assert_eq!(users[0].home, "/root");
        assert_eq!(users[0].password, "");
    }
}
