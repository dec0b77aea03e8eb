//! `mk lint`: our own checks, then formatting, clippy and rustdoc. The rules are `mk/lint/*.toml`.

mod commits;
mod crates;
mod paths;
mod report;
mod rules;
mod text;
mod tools;

use std::path::{Path, PathBuf};

use report::Finding;
pub(crate) use rules::Rules;

use crate::{
    failure::{Failure, Result},
    files,
    progress::stage,
    size,
    source::Source,
    workspace::{self, Dependencies},
};

/// Of a thousand lines of code, so many may have a `cfg` that makes variants.
const VARIANTS: usize = 3;

/// `mk lint`
pub(crate) fn command(mut arguments: lexopt::Parser) -> Result<()> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let found = stage("rules", |_stage| own())?;
    for finding in &found {
        println!("{finding}");
    }
    let tools = tools::run();
    match (found.len(), tools) {
        (0, tools) => tools,
        (count, Ok(())) => Err(Failure::build(format!("{count} findings, listed above"))),
        (count, Err(failure)) => {
            Err(Failure::build(format!("{count} findings, listed above, and {failure}")))
        }
    }
}

/// All checks that need no tool.
fn own() -> Result<Vec<Finding>> {
    let rules = Rules::load()?;
    let mut found = sources(&rules)?;
    for path in tree("md")? {
        let text = files::read_text(&workspace::root().join(&path))?;
        found.extend(paths::check(&path, &text));
    }
    let metadata = workspace::metadata(Dependencies::All)?;
    found.extend(crates::check(&metadata, &rules)?);
    found.extend(crates::licences(&metadata, &rules));
    found.extend(budget(&rules)?);
    found.extend(commits::check());
    Ok(found)
}

fn sources(rules: &Rules) -> Result<Vec<Finding>> {
    let (mut found, mut variants) = (Vec::new(), Vec::new());
    let mut lines = 0_usize;
    for path in tree("rs")? {
        let text = files::read_text(&workspace::root().join(&path))?;
        let source = Source::rust(&text);
        lines = lines.saturating_add(source.code_lines());
        found.extend(text::check(&path, &text, &source, rules));
        variants.extend(text::variants(&path, &source));
    }
    if variants.len() > lines.saturating_mul(VARIANTS).div_ceil(1000) {
        found.append(&mut variants);
    }
    Ok(found)
}

/// The kernel's lines, and exceptions that lead nowhere.
fn budget(rules: &Rules) -> Result<Vec<Finding>> {
    let path = Path::new("mk/lint/budget.toml");
    let mut found = Vec::new();
    let (lines, limit) = (size::kernel_lines()?, rules.kernel_lines());
    if lines > limit {
        let text = format!("the kernel has {lines} code lines, and may have {limit}");
        found.push(Finding::file(path, text));
    }
    for (file, reasoned) in rules.exceptions() {
        if !workspace::root().join(file).exists() {
            found.push(Finding::file(path, format!("{} does not exist", file.display())));
        } else if !reasoned {
            found.push(Finding::file(path, format!("say the reason for {}", file.display())));
        }
    }
    Ok(found)
}

/// All files with this ending, from the top of the repository, without what is built.
fn tree(ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![workspace::root()];
    while let Some(folder) = folders.pop() {
        for path in files::list(&folder)? {
            let hidden = files::name(&path).starts_with('.');
            if path.is_dir() && !hidden && path != workspace::target() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(workspace::relative(&path).to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}
