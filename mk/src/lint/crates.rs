//! Checks of the packages: who depends on whom, their lints, and the licences of what they use.

use std::path::Path;

use serde_json::Value;

use super::{report::Finding, rules::Rules};
use crate::{failure::Result, files, workspace};

/// Checks what `cargo metadata` says of our own packages.
pub(super) fn check(metadata: &Value, rules: &Rules) -> Result<Vec<Finding>> {
    let ours: Vec<&Value> =
        workspace::list(metadata, "packages").filter(|package| is_ours(package)).collect();
    let names: Vec<&str> = ours.iter().filter_map(|package| text(package, "name")).collect();
    let mut found = Vec::new();
    for package in &ours {
        let manifest = Path::new(text(package, "manifest_path").unwrap_or_default());
        let shown = workspace::relative(manifest);
        found.extend(edges(package, &names, rules).map(|text| Finding::file(shown, text)));
        found.extend(lints(shown, &files::read_text(manifest)?));
        found.extend(roots(package, rules)?);
    }
    Ok(found)
}

/// A package is ours if it does not come from a registry.
fn is_ours(package: &Value) -> bool {
    package.get("source").is_none_or(Value::is_null)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// The dependencies on our own packages that `rooms.toml` does not grant.
fn edges<'a>(
    package: &'a Value,
    ours: &'a [&'a str],
    rules: &'a Rules,
) -> Box<dyn Iterator<Item = String> + 'a> {
    let name = text(package, "name").unwrap_or_default();
    let Some(granted) = rules.edges(name) else {
        let text = format!("{name} is not in mk/lint/rooms.toml: say there what it may depend on");
        return Box::new(std::iter::once(text));
    };
    let used = workspace::list(package, "dependencies").filter_map(|used| text(used, "name"));
    let bad = used.filter(move |used| ours.contains(used) && !granted.contains(used));
    Box::new(bad.map(move |used| {
        format!("{name} may not depend on {used} (mk/lint/rooms.toml): dependencies point one way")
    }))
}

/// A manifest must take the lints of the workspace.
fn lints(path: &Path, manifest: &str) -> Option<Finding> {
    let table: Option<toml::Table> = manifest.parse().ok();
    let lints = table.as_ref().and_then(|table| table.get("lints")?.get("workspace")?.as_bool());
    let text = "add `[lints]` with `workspace = true`";
    (lints != Some(true)).then(|| Finding::file(path, text))
}

/// Each crate root outside the unsafe places forbids unsafe code.
fn roots(package: &Value, rules: &Rules) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for target in workspace::list(package, "targets") {
        let path = Path::new(text(target, "src_path").unwrap_or_default());
        let shown = workspace::relative(path);
        let kinds: Vec<&Value> = workspace::list(target, "kind").collect();
        let linked = kinds.iter().any(|kind| *kind == "lib" || *kind == "bin");
        if !linked || shown.parent().is_some_and(|folder| rules.holds_unsafe(folder)) {
            continue;
        }
        if !files::read_text(path)?.contains("#![forbid(unsafe_code)]") {
            let text = "add `#![forbid(unsafe_code)]`: unsafe code has no place in this crate";
            found.push(Finding::file(shown, text));
        }
    }
    Ok(found)
}

/// Checks the licences of everything that `metadata` names.
pub(super) fn licences(metadata: &Value, rules: &Rules) -> Vec<Finding> {
    let granted = rules.licences();
    let packages = workspace::list(metadata, "packages").filter(|package| !is_ours(package));
    let bad = packages.filter(|package| {
        text(package, "license").is_none_or(|licence| !is_granted(licence, &granted))
    });
    bad.map(|package| {
        let name = text(package, "name").unwrap_or_default();
        let licence = text(package, "license").unwrap_or("unknown");
        let text = format!("{name} has the licence {licence}: use another crate");
        Finding::file(Path::new("Cargo.lock"), text)
    })
    .collect()
}

/// Whether an SPDX expression can be met with granted licences only.
fn is_granted(expression: &str, granted: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, granted) && rest.is_empty()
}

/// Alternatives, of which one must be granted. Reads all of them in any case.
fn any(rest: &mut &[&str], granted: &[&str]) -> bool {
    let mut good = all(rest, granted);
    while take(rest, "OR") {
        good |= all(rest, granted);
    }
    good
}

/// Parts that must all be granted.
fn all(rest: &mut &[&str], granted: &[&str]) -> bool {
    let mut good = one(rest, granted);
    while take(rest, "AND") {
        good &= one(rest, granted);
    }
    good
}

/// A licence, perhaps with an exception to it, or an expression in parentheses.
fn one(rest: &mut &[&str], granted: &[&str]) -> bool {
    if take(rest, "(") {
        return any(rest, granted) & take(rest, ")");
    }
    let Some((licence, after)) = rest.split_first() else { return false };
    *rest = after;
    if take(rest, "WITH") {
        *rest = rest.get(1..).unwrap_or_default();
    }
    granted.contains(licence)
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if *first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::{Rules, edges, is_granted, licences, lints};

    fn rules() -> Rules {
        let rooms = "licences = ['MIT', 'Apache-2.0', 'Zlib']\n[edges]\ncore = ['abi', 'ring']";
        Rules::parse(rooms, "")
    }

    #[test]
    fn an_edge_that_is_not_granted_is_found() {
        let uses = |name: &str, used: &[&str]| {
            let used: Vec<_> = used.iter().map(|name| json!({ "name": name })).collect();
            let package = json!({ "name": name, "dependencies": used });
            edges(&package, &["abi", "ring", "init"], &rules()).collect::<Vec<_>>()
        };

        assert!(uses("core", &["abi", "serde"]).is_empty());
        assert!(uses("core", &["init"])[0].contains("core may not depend on init"));
        assert!(uses("new", &[])[0].contains("not in mk/lint/rooms.toml"));
    }

    #[test]
    fn a_manifest_without_the_workspace_lints_is_found() {
        assert!(lints(Path::new("a"), "[lints]\nworkspace = true\n").is_none());
        assert!(lints(Path::new("a"), "[lints]\nworkspace = false\n").is_some());
        assert!(lints(Path::new("a"), "[package]\nname = 'a'\n").is_some());
    }

    #[test]
    fn one_good_alternative_of_a_licence_is_enough() {
        let granted = ["MIT", "Apache-2.0", "Zlib"];
        assert!(is_granted("MIT", &granted));
        assert!(is_granted("MIT/Apache-2.0", &granted));
        assert!(is_granted("GPL-3.0 OR MIT", &granted));
        assert!(is_granted("Apache-2.0 WITH LLVM-exception", &granted));
        assert!(is_granted("(MIT OR GPL-3.0) AND Zlib", &granted));
        assert!(!is_granted("(MIT OR Zlib) AND GPL-3.0", &granted));
        assert!(!is_granted("(MIT", &granted));
        assert!(!is_granted("", &granted));
        assert!(!is_granted("MIT AND GPL-3.0", &granted));
        assert!(!is_granted("GPL-3.0", &granted));
    }

    #[test]
    fn a_foreign_crate_without_a_licence_is_found() {
        let metadata = json!({ "packages": [
            { "name": "good", "source": "registry", "license": "MIT" },
            { "name": "none", "source": "registry", "license": null },
            { "name": "ours", "source": null, "license": null },
        ] });

        let found = licences(&metadata, &rules());

        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("none has the licence unknown"));
    }
}
