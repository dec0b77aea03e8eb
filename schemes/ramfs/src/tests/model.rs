//! Random operations on a tree and on the simplest thing that could be right: paths with bytes.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test, as it should")]

use std::collections::BTreeMap;

use anode_initfs::Builder;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use redox::flag::{O_CREAT, O_WRONLY};

use super::SUPER;
use crate::{names::Sort, node::ROOT, tree::Tree};

/// What is at a path: a directory, or a file's bytes.
type Model = BTreeMap<String, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Step {
    Write(String, u16, Vec<u8>),
    Truncate(String, u16),
    MakeDirectory(String),
    Remove(String, Sort),
    Rename(String, String),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (path(), 0..9000_u16, bytes).prop_map(|(path, at, bytes)| Step::Write(path, at, bytes)),
        (path(), 0..9000_u16).prop_map(|(path, size)| Step::Truncate(path, size)),
        path().prop_map(Step::MakeDirectory),
        (path(), prop_oneof![Just(Sort::Directory), Just(Sort::Other)])
            .prop_map(|(path, sort)| Step::Remove(path, sort)),
        (path(), path()).prop_map(|(old, new)| Step::Rename(old, new)),
    ]
}

fn parent_is_directory(model: &Model, path: &str) -> bool {
    path.rsplit_once('/').is_none_or(|(parent, _)| model.get(parent) == Some(&None))
}

fn below<'a>(model: &'a Model, path: &str) -> impl Iterator<Item = &'a String> {
    let prefix = format!("{path}/");
    model.keys().filter(move |other| other.starts_with(&prefix))
}

/// Does a step to the model; says whether it went well.
fn model_step(model: &mut Model, step: &Step) -> bool {
    match step {
        Step::Write(path, at, bytes) => {
            if !parent_is_directory(model, path) || model.get(path) == Some(&None) {
                return false;
            }
            let file = model.entry(path.clone()).or_insert_with(|| Some(Vec::new()));
            let file = file.as_mut().unwrap();
            let (from, end) = (usize::from(*at), usize::from(*at) + bytes.len());
            if !bytes.is_empty() {
                file.resize(file.len().max(end), 0);
                file[from..end].copy_from_slice(bytes);
            }
            true
        }
        Step::Truncate(path, size) => match model.get_mut(path) {
            Some(Some(file)) => {
                file.resize(usize::from(*size), 0);
                true
            }
            _ => false,
        },
        Step::MakeDirectory(path) => {
            let free = parent_is_directory(model, path) && !model.contains_key(path);
            if free {
                model.insert(path.clone(), None);
            }
            free
        }
        Step::Remove(path, sort) => {
            let directory = *sort == Sort::Directory;
            let right = model.get(path).is_some_and(|file| file.is_none() == directory);
            let empty = below(model, path).next().is_none();
            right && empty && model.remove(path).is_some()
        }
        Step::Rename(old, new) => model_rename(model, old, new),
    }
}

fn model_rename(model: &mut Model, old: &str, new: &str) -> bool {
    let Some(moved) = model.get(old) else { return false };
    let is_directory = moved.is_none();
    if !parent_is_directory(model, new) || new.starts_with(&format!("{old}/")) {
        return false;
    }
    if old == new {
        return true;
    }
    if let Some(other) = model.get(new)
        && (other.is_none() != is_directory || below(model, new).next().is_some())
    {
        return false;
    }
    let inside: Vec<String> = below(model, old).cloned().collect();
    for path in inside {
        let file = model.remove(&path).unwrap();
        model.insert(path.replacen(old, new, 1), file);
    }
    let file = model.remove(old).unwrap();
    model.insert(new.to_owned(), file);
    true
}

fn tree_step(tree: &mut Tree<Vec<u8>>, step: &Step) -> bool {
    match step {
        Step::Write(path, at, bytes) => {
            tree.opens(path, O_CREAT | O_WRONLY | 0o644, SUPER).is_ok_and(|open| {
                let done = tree.write(open.ino, Some(u64::from(*at)), bytes);
                tree.let_go(open.ino);
                done.is_ok_and(|len| len == bytes.len())
            })
        }
        Step::Truncate(path, size) => tree.opens(path, O_WRONLY, SUPER).is_ok_and(|open| {
            let done = tree.truncate(open.ino, u64::from(*size));
            tree.let_go(open.ino);
            done.is_ok()
        }),
        Step::MakeDirectory(path) => tree.makes_directory(path, SUPER).is_ok(),
        Step::Remove(path, sort) => tree.removes(path, *sort, SUPER).is_ok(),
        Step::Rename(old, new) => tree.moves(old, new, SUPER).is_ok(),
    }
}

/// The tree as a model, by listing it.
fn listed(tree: &mut Tree<Vec<u8>>) -> Model {
    let (mut model, mut rest) = (Model::new(), vec![(ROOT, String::new())]);
    while let Some((ino, path)) = rest.pop() {
        let names: Vec<_> = tree
            .directory(ino)
            .unwrap()
            .after(0)
            .map(|(_, name, ino)| (ino, format!("{path}{name}")))
            .collect();
        for (ino, path) in names {
            assert_eq!(tree.path(ino).unwrap(), format!("/{path}"));
            if tree.directory(ino).is_ok() {
                model.insert(path.clone(), None);
                rest.push((ino, format!("{path}/")));
            } else {
                let mut bytes = vec![0; usize::try_from(tree.stat(ino).unwrap().size).unwrap()];
                assert_eq!(tree.read(ino, 0, &mut bytes).unwrap(), bytes.len());
                model.insert(path, Some(bytes));
            }
        }
    }
    model
}

proptest! {
    #[test]
    fn a_tree_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let mut builder = Builder::new();
        builder.file("a/b", 0o644, vec![9; 5000]).unwrap();
        let mut tree = Tree::new(builder.build().unwrap(), 1000, (0, 0)).unwrap();
        let mut model = listed(&mut tree);
        for step in &steps {
            assert_eq!(tree_step(&mut tree, step), model_step(&mut model, step), "{step:?}");
            assert_eq!(listed(&mut tree), model, "after {step:?}");
        }
        let pages: usize = tree.nodes.keys().map(|ino| tree.stat(*ino).unwrap().pages)
            .map(|pages| usize::try_from(pages).unwrap()).sum();
        let (_, total, free) = tree.figures();
        assert_eq!(usize::try_from(total - free).unwrap(), pages, "pages were lost or counted twice");
        assert_eq!(tree.nodes.len(), model.len() + 1, "nodes were lost");
    }
}
