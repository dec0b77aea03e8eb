//! The form of commits that were not pushed yet.

use std::{path::Path, process::Command};

use super::report::Finding;
use crate::{progress::query, workspace};

/// The longest subject.
const SUBJECT: usize = 72;
/// A commit that changes more lines than this says why.
const SMALL: usize = 20;
/// So many commits are checked where nothing is known to be pushed.
const RECENT: &str = "-20";

/// Checks the commits since `origin/main`, or the last few where there is no such thing.
pub(super) fn check() -> Vec<Finding> {
    let git = |arguments: &[&str]| {
        query(Command::new("git").current_dir(workspace::root()).args(arguments))
    };
    let range = match git(&["rev-parse", "--verify", "--quiet", "origin/main"]) {
        Some(_) => "origin/main..HEAD",
        None => RECENT,
    };
    // Fields end with a unit separator and commits begin with a record separator.
    let format = "--format=%x1e%h%x1f%s%x1f%b%x1f";
    let log = git(&["log", "--no-merges", "--shortstat", format, range]).unwrap_or_default();
    let commits = log.split('\u{1e}').skip(1);
    commits.filter_map(|commit| problem(commit, is_room)).collect()
}

/// Whether there is a folder of this name, or it is a word for all of them.
fn is_room(area: &str) -> bool {
    let root = workspace::root();
    let places = ["", "kernel", "schemes", "relibc-lite", "init", "mk", "schemes/disk"];
    matches!(area, "house" | "ci" | "book" | "readme" | "tests")
        || places.iter().any(|place| root.join(place).join(area).is_dir())
}

fn problem(commit: &str, is_room: impl Fn(&str) -> bool) -> Option<Finding> {
    let mut fields = commit.split('\u{1f}');
    let (hash, subject, body, changes) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let area = subject.split_once(": ").map(|(area, _what)| area);
    let lines: usize = changes
        .split(", ")
        .filter(|part| part.contains('+') || part.contains('-'))
        .filter_map(|part| part.split_whitespace().next()?.parse::<usize>().ok())
        .fold(0, usize::saturating_add);
    let text = if subject.chars().count() > SUBJECT {
        format!("the subject has more than {SUBJECT} letters: shorten it")
    } else if !area.is_some_and(|area| area.split([',', '/']).all(|part| is_room(part.trim()))) {
        "begin the subject with `AREA: `, where AREA is a folder's name".to_owned()
    } else if body.trim().is_empty() && lines > SMALL {
        format!("{lines} lines change: say why in the commit's body")
    } else {
        return None;
    };
    Some(Finding::file(Path::new(&format!("commit {hash} ({subject})")), text))
}

#[cfg(test)]
mod tests {
    use super::problem;

    fn judged(subject: &str, body: &str, changes: &str) -> Option<String> {
        let commit = format!("abc\u{1f}{subject}\u{1f}{body}\u{1f}\n {changes}\n");
        problem(&commit, |area| matches!(area, "mk" | "ring")).map(|finding| finding.text)
    }

    const SMALL: &str = "1 file changed, 3 insertions(+), 2 deletions(-)";
    const BIG: &str = "2 files changed, 30 insertions(+), 2 deletions(-)";

    #[test]
    fn good_commits_pass() {
        assert_eq!(judged("mk: count lines", "", SMALL), None);
        assert_eq!(judged("mk, ring: count lines", "Because.", BIG), None);
    }

    #[test]
    fn each_fault_is_named() {
        assert!(judged("count lines", "", SMALL).unwrap().contains("AREA"));
        assert!(judged("what: count lines", "", SMALL).unwrap().contains("AREA"));
        assert!(judged(&format!("mk: {}", "x".repeat(80)), "", SMALL).unwrap().contains("72"));
        assert!(judged("mk: count lines", "", BIG).unwrap().starts_with("32 lines change"));
    }
}
