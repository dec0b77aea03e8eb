//! `mk/ports.lock`: the versions that were chosen, so that they are built again.

use std::collections::BTreeMap;

use toml::Table;

use super::Chosen;
use crate::{
    failure::{Failure, Result},
    files, workspace,
};

const HEAD: &str =
    "# The crates that `cargo mk port` built: version, and checksum of the source.\n";

/// The file's content.
#[derive(Clone, Debug, Default)]
pub(super) struct Lock {
    ports: BTreeMap<String, Chosen>,
}

impl Lock {
    /// Reads the file; one that is not there is empty.
    pub(super) fn load() -> Result<Self> {
        let path = workspace::root().join("mk/ports.lock");
        if !path.exists() {
            return Ok(Self::default());
        }
        Self::parse(&files::read_text(&path)?)
            .map_err(|why| Failure::build(format!("mk/ports.lock: {why}")))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let entry = |(name, value): (String, toml::Value)| {
            let field = |key: &str| value.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            match (field("version"), field("checksum")) {
                (Some(version), Some(checksum)) => Ok((name, Chosen { version, checksum })),
                _ => Err(format!("{name} lacks its version or checksum")),
            }
        };
        let ports = table.into_iter().map(entry).collect::<std::result::Result<_, _>>()?;
        Ok(Self { ports })
    }

    /// The version that was built before.
    pub(super) fn version(&self, name: &str) -> Option<String> {
        self.ports.get(name).map(|chosen| chosen.version.clone())
    }

    /// Notes what was built.
    pub(super) fn set(&mut self, name: &str, chosen: &Chosen) {
        self.ports.insert(name.to_owned(), chosen.clone());
    }

    /// Writes the file.
    pub(super) fn save(&self) -> Result<()> {
        files::update(&workspace::root().join("mk/ports.lock"), self.text().as_bytes())
    }

    fn text(&self) -> String {
        let line = |(name, Chosen { version, checksum }): (&String, &Chosen)| {
            format!("{name} = {{ version = \"{version}\", checksum = \"{checksum}\" }}\n")
        };
        HEAD.to_owned() + &self.ports.iter().map(line).collect::<String>()
    }
}

/// What a `Cargo.lock` says about the package `name`.
pub(super) fn checksum(lockfile: &str, name: &str) -> Option<Chosen> {
    let table: Table = lockfile.parse().ok()?;
    let mut packages = table.get("package")?.as_array()?.iter();
    let package =
        packages.find(|package| package.get("name").and_then(|n| n.as_str()) == Some(name))?;
    let field = |key: &str| package.get(key)?.as_str().map(str::to_owned);
    Some(Chosen { version: field("version")?, checksum: field("checksum")? })
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Lock, checksum};

    #[test]
    fn what_is_written_is_read_again() {
        let mut lock = Lock::default();
        let chosen = Chosen { version: "1.2.3".to_owned(), checksum: "abc".to_owned() };
        lock.set("hexyl", &chosen);

        let again = Lock::parse(&lock.text()).unwrap();

        assert_eq!(again.version("hexyl"), Some("1.2.3".to_owned()));
        assert_eq!(again.text(), lock.text());
        assert_eq!(again.version("other"), None);
    }

    #[test]
    fn a_damaged_lock_is_refused() {
        assert!(Lock::parse("hexyl = 3").is_err());
        assert!(Lock::parse("hexyl = { version = \"1\" }").is_err());
        assert!(Lock::parse("=").is_err());
    }

    #[test]
    fn the_checksum_comes_from_cargos_lock() {
        let text = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ff\"\n";
        let chosen = checksum(text, "a").unwrap();

        assert_eq!((&*chosen.version, &*chosen.checksum), ("1.0.0", "ff"));
        assert_eq!(checksum(text, "b"), None);
    }
}
