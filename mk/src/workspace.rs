//! Where things lie in the repository.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    failure::{Failure, Result},
    progress::cannot_start,
};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where everything that is built goes.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// `path` as seen from the top of the repository.
pub(crate) fn relative(path: &Path) -> &Path {
    path.strip_prefix(root()).unwrap_or(path)
}

/// The cargo that runs on the host, for tests and for questions.
pub(crate) fn host_cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A package of the workspace, as far as `mk` wants to know it.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, from the top of the repository.
    pub(crate) folder: PathBuf,
    /// The names of its programs.
    pub(crate) programs: Vec<String>,
}

/// What `cargo metadata` says; with `dependencies`, about all crates and not only ours.
pub(crate) fn metadata(dependencies: Dependencies) -> Result<Value> {
    let mut command = host_cargo();
    command.args(["metadata", "--format-version", "1"]);
    if dependencies == Dependencies::Ours {
        command.arg("--no-deps");
    }
    let output = command.output().map_err(|error| cannot_start(&command, &error))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::build(format!("cargo metadata failed:\n{why}")));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::build(format!("cargo metadata gave no JSON: {error}")))
}

/// Which crates [`metadata`] is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependencies {
    /// The members of the workspace.
    Ours,
    /// Every crate that is built.
    All,
}

/// The packages of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let data = metadata(Dependencies::Ours)?;
    Ok(list(&data, "packages").filter_map(package).collect())
}

fn package(value: &Value) -> Option<Package> {
    let manifest = Path::new(value.get("manifest_path")?.as_str()?);
    let programs = list(value, "targets")
        .filter(|target| list(target, "kind").any(|kind| kind == "bin"))
        .filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
        .collect();
    Some(Package {
        name: value.get("name")?.as_str()?.to_owned(),
        folder: relative(manifest.parent()?).to_owned(),
        programs,
    })
}

/// The elements of the array that `value` has under `key`; none if there is no such array.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
