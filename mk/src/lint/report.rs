//! What the checks found, each with its place and what to do.

use std::path::{Path, PathBuf};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// From the top of the repository.
    pub(crate) file: PathBuf,
    /// From 1; 0 for the whole file.
    pub(crate) line: usize,
    /// What is wrong, and what to do about it.
    pub(crate) text: String,
}

impl Finding {
    /// Something about a file as a whole.
    pub(crate) fn file(file: &Path, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, text: text.into() }
    }

    /// Something about the line after `before` others.
    pub(crate) fn line(file: &Path, before: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: before.saturating_add(1), text: text.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.file.display();
        match self.line {
            0 => write!(f, "{file}: {}", self.text),
            line => write!(f, "{file}:{line}: {}", self.text),
        }
    }
}
