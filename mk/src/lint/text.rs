//! Checks of single source files.

use std::path::Path;

use super::{report::Finding, rules::Rules};
use crate::source::{Source, has_word};

/// What a `cfg` may ask without being counted.
const PLAIN_CFG: [&str; 5] = ["test", "not(test", "loom", "debug_assertions", "target"];

/// Checks one file of Rust.
pub(super) fn check(path: &Path, text: &str, source: &Source, rules: &Rules) -> Vec<Finding> {
    let mut found = length(path, text, rules);
    if !text.starts_with("//! ") {
        found.push(Finding::line(
            path,
            0,
            "begin with a `//!` line that says what the file is for",
        ));
    }
    found.extend(unsafe_code(path, source, rules));
    found.extend(unowned_notes(path, source));
    found
}

fn length(path: &Path, text: &str, rules: &Rules) -> Vec<Finding> {
    let (lines, limit) = (text.lines().count(), rules.file_lines(path));
    if lines <= limit {
        return Vec::new();
    }
    let text = format!(
        "{lines} lines, where {limit} are allowed: split it, or put an exception with its reason \
         into mk/lint/budget.toml"
    );
    vec![Finding::file(path, text)]
}

fn unsafe_code(path: &Path, source: &Source, rules: &Rules) -> Vec<Finding> {
    if rules.may_be_unsafe(path) {
        return Vec::new();
    }
    let lines = source.code.lines().enumerate().filter(|(_at, line)| has_word(line, "unsafe"));
    let text = "unsafe code outside the places of mk/lint/rooms.toml: find a safe way";
    lines.map(|(at, _line)| Finding::line(path, at, text)).collect()
}

/// A note about work to be done must name its issue.
fn unowned_notes(path: &Path, source: &Source) -> Vec<Finding> {
    let has_note = |line: &str| ["TODO", "FIXME", "XXX"].iter().any(|word| has_word(line, word));
    let has_issue = |line: &str| {
        line.split('#').skip(1).any(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    };
    let lines = source.comments.lines().enumerate();
    let bad = lines.filter(|(_at, line)| has_note(line) && !has_issue(line));
    bad.map(|(at, _line)| Finding::line(path, at, "name the issue, as in `#12`, or do it now"))
        .collect()
}

/// The lines with a `cfg` that makes variants of the code.
pub(super) fn variants(path: &Path, source: &Source) -> Vec<Finding> {
    let is_variant = |line: &str| {
        line.split("cfg(")
            .skip(1)
            .any(|asked| !PLAIN_CFG.iter().any(|plain| asked.starts_with(plain)))
    };
    let lines = source.code.lines().enumerate().filter(|(_at, line)| is_variant(line));
    let text = "a `cfg` that makes a variant: prefer a trait with two implementations";
    lines.map(|(at, _line)| Finding::line(path, at, text)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Finding, Rules, Source, check, variants};

    fn rules() -> Rules {
        let rooms = "unsafe = ['kernel/src', 'schemes/scheme/src/map.rs']";
        Rules::parse(rooms, "[files]\n'long.rs' = { lines = 500, reason = 'a table' }")
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        let found = check(Path::new(path), text, &Source::rust(text), &rules());
        found.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert!(found("mk/src/a.rs", "//! A.\nfn a() {} // unsafe is a word here\n").is_empty());
    }

    #[test]
    fn a_file_without_a_purpose_is_found() {
        assert!(found("a.rs", "fn a() {}\n")[0].starts_with("a.rs:1: begin with"));
    }

    #[test]
    fn unsafe_code_is_found_outside_its_places() {
        let text = "//! A.\n\nfn a() { unsafe { b() } }\n";
        assert!(found("schemes/scheme/src/lib.rs", text)[0].contains(":3: unsafe"));
        assert!(found("schemes/scheme/src/map.rs", text).is_empty());
        assert!(found("kernel/src/arch/trap.rs", text).is_empty());
        assert_eq!(found("kernel/srcs/trap.rs", text).len(), 1);
    }

    #[test]
    fn a_note_needs_an_issue() {
        assert_eq!(found("a.rs", "//! A.\n// TODO: later\n// TODO(#12): later\n").len(), 1);
        assert!(found("a.rs", "//! A.\nconst A: &str = \"TODO\";\n").is_empty());
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_excepted() {
        let text = format!("//! A.\n{}", "\n".repeat(450));
        assert!(found("short.rs", &text)[0].contains("451 lines"));
        assert!(found("long.rs", &text).is_empty());
    }

    #[test]
    fn only_variants_are_counted_of_the_cfgs() {
        let text = "#[cfg(test)]\n#[cfg(feature = \"x\")]\n#[cfg(target_os = \"y\")]\n";
        let found = variants(Path::new("a.rs"), &Source::rust(text));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
