//! Prose must name files that exist.

use std::path::{Path, PathBuf};

use super::report::Finding;
use crate::workspace;

/// Checks the paths in backquotes and the links of one Markdown file.
pub(super) fn check(path: &Path, text: &str) -> Vec<Finding> {
    let root = workspace::root();
    let folder = path.parent().unwrap_or(path);
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let named = named(line).map(|name| (name, PathBuf::from(name)));
        let linked = linked(line).map(|link| (link, folder.join(link)));
        let missing = named.chain(linked).filter(|(_text, file)| !root.join(file).exists());
        found.extend(missing.map(|(text, _file)| {
            Finding::line(path, at, format!("`{text}` does not exist: name what is there"))
        }));
    }
    found
}

/// What stands in backquotes and begins with a folder of the top level.
fn named(line: &str) -> impl Iterator<Item = &str> {
    const ROOMS: [&str; 8] = [
        "kernel/",
        "schemes/",
        "relibc-lite/",
        "init/",
        "filesystem/",
        "installer/",
        "mk/",
        ".ci/",
    ];
    let quoted = line.split('`').skip(1).step_by(2);
    let plain = |name: &&str| {
        !name.contains(['*', '{', '<', ' ', '…', '$'])
            && !name.split(['/', '.']).any(is_placeholder)
    };
    quoted.filter(|name| ROOMS.iter().any(|room| name.starts_with(room))).filter(plain)
}

/// `NAME` stands for many names.
fn is_placeholder(part: &str) -> bool {
    part.len() > 1 && part != "README" && part.chars().all(|letter| letter.is_ascii_uppercase())
}

/// The targets of links that do not leave the repository.
fn linked(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let (target, _rest) = rest.split_once(')')?;
        let file = target.split('#').next().unwrap_or_default();
        (!file.is_empty() && !file.contains("://") && !file.contains('@')).then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::check;

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let text = "See `mk/src/main.rs`,\n`mk/src/none.rs` and `mk/ports/NAME.toml` or `a/b`.\n";
        let found = check(Path::new("README.md"), text);

        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
        assert!(found[0].text.contains("mk/src/none.rs"));
    }

    #[test]
    fn links_count_from_their_own_folder() {
        let text = "[a](../Cargo.toml#x) [b](none.md) [c](https://x.org/y) [d](#here)";
        let found = check(Path::new("mk/a.md"), text);

        assert_eq!(found.len(), 1);
        assert!(found[0].text.contains("none.md"));
    }
}
