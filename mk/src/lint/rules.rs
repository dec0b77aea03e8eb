//! The two files that the checks read: `mk/lint/rooms.toml` and `mk/lint/budget.toml`.

use std::path::Path;

use toml::{Table, Value};

use crate::{
    failure::{Failure, Result},
    files, workspace,
};

/// No file is longer unless the budget says why.
pub(crate) const FILE_LINES: usize = 400;

/// Who may depend on whom, where unsafe may be, and what is granted beyond the rules.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rooms: Table,
    budget: Table,
}

impl Rules {
    /// Reads both files.
    pub(crate) fn load() -> Result<Self> {
        Ok(Self { rooms: table("mk/lint/rooms.toml")?, budget: table("mk/lint/budget.toml")? })
    }

    #[cfg(test)]
    pub(super) fn parse(rooms: &str, budget: &str) -> Self {
        Self { rooms: rooms.parse().unwrap(), budget: budget.parse().unwrap() }
    }

    /// The packages of ours that `package` may depend on; `None` if no one thought of it yet.
    pub(super) fn edges(&self, package: &str) -> Option<Vec<&str>> {
        let edges = self.rooms.get("edges")?.get(package)?.as_array()?;
        Some(edges.iter().filter_map(Value::as_str).collect())
    }

    /// Whether the file at `path` may hold unsafe code.
    pub(super) fn may_be_unsafe(&self, path: &Path) -> bool {
        self.strings("unsafe").any(|place| path.starts_with(place))
    }

    /// Whether some file below `folder` may.
    pub(super) fn holds_unsafe(&self, folder: &Path) -> bool {
        let below = |place| Path::new(place).starts_with(folder);
        self.may_be_unsafe(folder) || self.strings("unsafe").any(below)
    }

    fn strings(&self, key: &str) -> impl Iterator<Item = &str> {
        self.rooms
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// The names of licences that a dependency may have.
    pub(super) fn licences(&self) -> Vec<&str> {
        self.strings("licences").collect()
    }

    /// How many code lines the kernel may have.
    pub(crate) fn kernel_lines(&self) -> usize {
        self.number(&["kernel", "lines"]).unwrap_or(0)
    }

    /// How many lines this file may have.
    pub(super) fn file_lines(&self, path: &Path) -> usize {
        self.number(&["files", &path.to_string_lossy(), "lines"]).unwrap_or(FILE_LINES)
    }

    fn number(&self, keys: &[&str]) -> Option<usize> {
        let (first, rest) = keys.split_first()?;
        let found = rest.iter().try_fold(self.budget.get(*first)?, |value, key| value.get(*key));
        found?.as_integer().and_then(|number| usize::try_from(number).ok())
    }

    /// The files that have a budget of their own, and whether each says why.
    pub(super) fn exceptions(&self) -> impl Iterator<Item = (&Path, bool)> {
        let files = self.budget.get("files").and_then(Value::as_table).into_iter().flatten();
        files.map(|(path, value)| {
            let reason = value.get("reason").and_then(Value::as_str);
            (Path::new(path), reason.is_some_and(|reason| !reason.is_empty()))
        })
    }
}

fn table(path: &str) -> Result<Table> {
    let text = files::read_text(&workspace::root().join(path))?;
    text.parse().map_err(|error| Failure::build(format!("{path}: {error}")))
}
