//! `file:` where no disk has a filesystem: the initfs image below, changes in memory above.
//!
//! ```text
//!  serve (the scheme) ─▶ open ─▶ walk, names ─▶ tree ─▶ node, content
//! ```
//!
//! A file that was not changed is read by clients straight from the image, without this
//! daemon; the first write copies it into memory. All that was written is lost at power-off.

#![forbid(unsafe_code)]

mod content;
mod names;
mod node;
mod open;
pub mod rights;
mod serve;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::process::ExitCode;

use anode_scheme::sys;

/// Pages that changes may take: 64 MiB.
const PAGES: u64 = 16 * 1024;

/// Serves `file:` until the kernel ends it.
#[must_use]
pub fn serve() -> ExitCode {
    match files() {
        Ok(files) => anode_scheme::serve("file", files),
        Err(sentence) => {
            eprintln!("ramfs: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn files() -> Result<serve::Ramfs<&'static [u8]>, String> {
    let image = anode_scheme::machine("initfs")?;
    let bytes = sys::map_image(&image).map_err(|error| format!("the image: {error}"))?;
    let mut tree = tree::Tree::new(bytes, PAGES, serve::now())
        .map_err(|error| format!("the image is damaged: {error}"))?;
    let names = std::env::var("ANODE_SCHEME_NAMES").unwrap_or_default();
    tree.schemes = names.split_ascii_whitespace().map(str::to_owned).collect();
    Ok(serve::Ramfs::new(tree, image))
}
