//! Patterns: `*`, `?` and `[…]`, for file names, `case` and `${x%…}`.

use std::fs;
use std::path::Path;

/// A character and whether it was quoted; a quoted one stands only for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) c: char,
    pub(crate) quoted: bool,
}

/// The units of bare text.
pub(crate) fn bare(text: &str) -> impl Iterator<Item = Unit> + '_ {
    text.chars().map(|c| Unit { c, quoted: false })
}

/// The units of quoted text.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = Unit> + '_ {
    text.chars().map(|c| Unit { c, quoted: true })
}

/// The text without its quotes.
pub(crate) fn plain(units: &[Unit]) -> String {
    units.iter().map(|unit| unit.c).collect()
}

fn is_special(unit: &Unit) -> bool {
    !unit.quoted && matches!(unit.c, '*' | '?' | '[')
}

/// Whether the whole of `text` matches; takes time of at most pattern times text.
pub(crate) fn matches(pattern: &[Unit], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0_usize, 0_usize);
    // After a mismatch, the last `*` takes one character more; earlier ones need not change.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let here = pattern.get(p);
        if here.is_some_and(|unit| !unit.quoted && unit.c == '*') {
            p = p.saturating_add(1);
            star = Some((p, t));
            continue;
        }
        match (here, text.get(t)) {
            (None, None) => return true,
            (Some(_), Some(&c)) => {
                if let Some(next) = one(pattern, p, c) {
                    p = next;
                    t = t.saturating_add(1);
                    continue;
                }
            }
            (None, Some(_)) => {}
            (Some(_), None) => return false,
        }
        let Some((after, taken)) = star else { return false };
        let taken = taken.saturating_add(1);
        star = Some((after, taken));
        (p, t) = (after, taken);
        if taken > text.len() {
            return false;
        }
    }
}

/// Matches one character against the element at `at`; where the next element begins.
fn one(pattern: &[Unit], at: usize, c: char) -> Option<usize> {
    let unit = pattern.get(at)?;
    let next = at.saturating_add(1);
    if unit.quoted {
        return (unit.c == c).then_some(next);
    }
    match unit.c {
        '?' => Some(next),
        '[' => match class(pattern, next) {
            Some(class) => {
                let inside = class.ranges.iter().any(|&(low, high)| (low..=high).contains(&c));
                (inside != class.negated).then_some(class.end)
            }
            None => (c == '[').then_some(next),
        },
        other => (other == c).then_some(next),
    }
}

/// A `[…]` of a pattern.
struct Class {
    ranges: Vec<(char, char)>,
    negated: bool,
    /// Where the next element begins.
    end: usize,
}

/// The class whose inside begins at `at`, if it is closed.
fn class(pattern: &[Unit], at: usize) -> Option<Class> {
    let negated = pattern.get(at).is_some_and(|unit| !unit.quoted && matches!(unit.c, '!' | '^'));
    let first = at.saturating_add(usize::from(negated));
    let mut at = first;
    let mut ranges = Vec::new();
    loop {
        let unit = pattern.get(at)?;
        let next = at.saturating_add(1);
        if unit.c == ']' && !unit.quoted && at != first {
            return Some(Class { ranges, negated, end: next });
        }
        let dash = pattern.get(next).is_some_and(|unit| unit.c == '-' && !unit.quoted);
        let high = pattern.get(next.saturating_add(1)).filter(|unit| unit.c != ']' || unit.quoted);
        match high.filter(|_| dash) {
            Some(high) => {
                ranges.push((unit.c, high.c));
                at = next.saturating_add(2);
            }
            None => {
                ranges.push((unit.c, unit.c));
                at = next;
            }
        }
    }
}

/// The paths that match, in order; none if the field is no pattern or nothing matches it.
///
/// Names that are not UTF-8 are passed over: the shell's words are text. `resolve` says where
/// a path of the script is to be found.
pub(crate) fn paths(field: &[Unit], resolve: impl Fn(&str) -> std::path::PathBuf) -> Vec<String> {
    if !field.iter().any(is_special) {
        return Vec::new();
    }
    let mut found = vec![String::new()];
    let mut parts = field.split(|unit| unit.c == '/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        found = found.iter().flat_map(|start| step(start, part, &resolve)).collect();
        if !last {
            found.iter_mut().for_each(|path| path.push('/'));
        }
    }
    found.sort();
    found
}

/// The paths that `part` makes of `start`.
fn step(start: &str, part: &[Unit], resolve: &impl Fn(&str) -> std::path::PathBuf) -> Vec<String> {
    if !part.iter().any(is_special) {
        let path = format!("{start}{}", plain(part));
        let exists = part.is_empty() || fs::symlink_metadata(resolve(&path)).is_ok();
        return if exists { vec![path] } else { Vec::new() };
    }
    let folder = if start.is_empty() { resolve(".") } else { resolve(start) };
    names(&folder)
        .into_iter()
        .filter(|name| !name.starts_with('.') || part.first().is_some_and(|unit| unit.c == '.'))
        .filter(|name| matches(part, name))
        .map(|name| format!("{start}{name}"))
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(pattern: &str, text: &str) -> bool {
        matches(&bare(pattern).collect::<Vec<_>>(), text)
    }

    #[test]
    fn stars_and_question_marks_match_as_in_any_shell() {
        assert!(hit("*", ""));
        assert!(hit("a*c", "abbc"));
        assert!(hit("*.rs", "lib.rs"));
        assert!(hit("*a*b*", "xxaxxbxx"));
        assert!(!hit("*.rs", "lib.c"));
        assert!(hit("a?c", "abc"));
        assert!(!hit("a?c", "ac"));
        assert!(!hit("", "a"));
    }

    #[test]
    fn classes_take_ranges_and_negation_and_an_open_one_is_a_bracket() {
        assert!(hit("[a-c]x", "bx"));
        assert!(!hit("[a-c]x", "dx"));
        assert!(hit("[!a-c]x", "dx"));
        assert!(hit("[]]", "]"));
        assert!(hit("[a-]", "-"));
        assert!(hit("[abc", "[abc"));
    }

    #[test]
    fn quoted_characters_stand_for_themselves() {
        let pattern: Vec<Unit> = quoted("*").chain(bare("*")).collect();
        assert!(matches(&pattern, "*x"));
        assert!(!matches(&pattern, "x"));
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        assert!(!hit(&"a*".repeat(30), &"a".repeat(29)));
        assert!(!hit(&format!("{}b", "a*".repeat(200)), &"a".repeat(2000)));
    }
}
