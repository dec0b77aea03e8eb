//! The crates that are linked into the kernel, with their lines and their bytes of code.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::{
    failure::{Code, Failure, Result},
    progress::query,
    size::code_files,
    workspace::{self, Dependencies, list},
};

/// How much one crate adds to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) name: String,
    pub(super) lines: usize,
    /// Of machine code after link-time optimisation: what is inlined counts where it ended up.
    pub(super) bytes: u64,
}

/// All crates in the kernel, the biggest first; std's own have no lines here.
pub(super) fn linked(kernel: &Path) -> Result<Vec<Size>> {
    let symbols = query(Command::new("nm").args(["-S", "--defined-only"]).arg(kernel));
    let symbols = symbols.ok_or_else(|| {
        Failure::new(Code::Tool, "nm cannot read the kernel; run: cargo mk doctor --fix")
    })?;
    let mut bytes = code_bytes(&symbols);
    let metadata = workspace::metadata(Dependencies::All)?;
    let mut sizes = Vec::new();
    for (name, manifest) in closure(&metadata, "kernel") {
        let folder = Path::new(&manifest).parent().map(|folder| folder.join("src"));
        let files = folder.map_or(Ok(Vec::new()), |folder| code_files(&folder))?;
        let lines = files.iter().fold(0_usize, |sum, (_path, lines)| sum.saturating_add(*lines));
        let bytes = bytes.remove(&name.replace('-', "_")).unwrap_or(0);
        sizes.push(Size { name, lines, bytes });
    }
    sizes.extend(bytes.into_iter().map(|(name, bytes)| Size { name, lines: 0, bytes }));
    sizes.sort_by_key(|size| std::cmp::Reverse((size.bytes, size.lines)));
    Ok(sizes)
}

/// Bytes of code by crate, from the lines of `nm -S`.
fn code_bytes(symbols: &str) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    for line in symbols.lines() {
        let mut words = line.split_whitespace().skip(1);
        let (Some(size), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let (Ok(size), "t" | "T" | "w" | "W") = (u64::from_str_radix(size, 16), kind) {
            let sum = bytes.entry(crate_of(name)).or_insert(0_u64);
            *sum = sum.saturating_add(size);
        }
    }
    bytes
}

/// The crate that a mangled name begins with; names without one are assembly.
fn crate_of(symbol: &str) -> String {
    let name = match (symbol.strip_prefix("_ZN"), symbol.strip_prefix("_R")) {
        (Some(legacy), _) => legacy_crate(legacy),
        (None, Some(v0)) => v0_crate(v0),
        (None, None) => None,
    };
    name.unwrap_or("(assembly)").to_owned()
}

/// `12anode_kernel5sched…`, or `30_$LT$anode_kernel..Id$u20$as…` for an implementation.
fn legacy_crate(symbol: &str) -> Option<&str> {
    let (part, _rest) = counted(symbol)?;
    let part = part.trim_start_matches('_');
    let mut inner = part;
    for wrapping in ["$LT$", "$RF$", "mut$u20$", "$u5b$", "$BP$", "const$u20$"] {
        inner = inner.strip_prefix(wrapping).unwrap_or(inner);
    }
    let end = inner.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    inner.get(..end.unwrap_or(inner.len())).filter(|name| !name.is_empty())
}

/// The first crate root: `C`, a disambiguator such as `s3xK_`, and the counted name.
fn v0_crate(symbol: &str) -> Option<&str> {
    let (_before, root) = symbol.split_once("Cs")?;
    let (_disambiguator, name) = root.split_once('_')?;
    counted(name).map(|(name, _rest)| name)
}

/// A name after its length in digits.
fn counted(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let len = text.get(..digits)?.parse().ok()?;
    text.get(digits..)?.split_at_checked(len)
}

/// The names and manifests of `root` and of all that it is linked with.
fn closure(metadata: &Value, root: &str) -> Vec<(String, String)> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let packages: BTreeMap<String, &Value> = list(metadata, "packages")
        .filter_map(|package| Some((text(package, "id")?, package)))
        .collect();
    let nodes: BTreeMap<String, &Value> = metadata
        .get("resolve")
        .into_iter()
        .flat_map(|resolve| list(resolve, "nodes"))
        .filter_map(|node| Some((text(node, "id")?, node)))
        .collect();
    let is_root = |package: &&Value| text(package, "name").as_deref() == Some(root);
    let mut open: Vec<String> =
        packages.values().filter(|p| is_root(p)).filter_map(|p| text(p, "id")).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if let Some(node) = nodes.get(&id)
            && seen.insert(id)
        {
            open.extend(list(node, "deps").filter(|d| is_linked(d)).filter_map(|d| text(d, "pkg")));
        }
    }
    let named = seen.iter().filter_map(|id| packages.get(id));
    named.filter_map(|p| Some((text(p, "name")?, text(p, "manifest_path")?))).collect()
}

/// Whether a dependency is needed by the program itself and not for its build or tests.
fn is_linked(dependency: &Value) -> bool {
    list(dependency, "dep_kinds").any(|kind| kind.get("kind").is_none_or(Value::is_null))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{closure, code_bytes, crate_of};

    #[test]
    fn a_symbol_names_its_crate() {
        assert_eq!(crate_of("_ZN12anode_kernel5sched4pick17h0123456789abcdefE"), "anode_kernel");
        assert_eq!(
            crate_of("_ZN51_$LT$anode_ring..Queue$u20$as$u20$core..fmt..Debug$GT$3fmtE"),
            "anode_ring"
        );
        assert_eq!(crate_of("_RNvNtCs3xKf9_12anode_kernel5sched4pick"), "anode_kernel");
        assert_eq!(crate_of("syscall_entry"), "(assembly)");
        assert_eq!(crate_of("_ZN"), "(assembly)");
        assert_eq!(crate_of("_ZN99a"), "(assembly)");
    }

    #[test]
    fn only_code_is_added_up() {
        let symbols = "\
0000000000001000 0000000000000010 t _ZN4core3fmt5writeE
0000000000001010 0000000000000020 T _ZN4core3ptr4dropE
0000000000003000 0000000000000100 d _ZN4core3fmt4DATAE
0000000000004000 A end
";
        assert_eq!(
            code_bytes(symbols).into_iter().collect::<Vec<_>>(),
            [("core".to_owned(), 0x30)]
        );
    }

    #[test]
    fn what_only_tests_need_is_not_linked() {
        let normal = json!([{ "kind": null }]);
        let metadata = json!({
            "packages": [
                { "id": "k", "name": "kernel", "manifest_path": "/k/Cargo.toml" },
                { "id": "c", "name": "core", "manifest_path": "/c/Cargo.toml" },
                { "id": "p", "name": "proptest", "manifest_path": "/p/Cargo.toml" },
            ],
            "resolve": { "nodes": [
                { "id": "k", "deps": [{ "pkg": "c", "dep_kinds": normal }] },
                { "id": "c", "deps": [{ "pkg": "p", "dep_kinds": [{ "kind": "dev" }] }] },
                { "id": "p", "deps": [] },
            ] },
        });
        let names: Vec<_> =
            closure(&metadata, "kernel").into_iter().map(|(name, _)| name).collect();

        assert_eq!(names, ["core", "kernel"]);
    }
}
