//! `null:` asked through its whole loop.

use anode_scheme::testing::Fake;
use redox::error::{ENOENT, Error};

use super::Null;

#[test]
fn reads_are_empty_and_writes_are_taken() {
    let mut null = Fake::new(Null);
    let id = null.open("", 0).unwrap();
    assert_eq!(null.read(id, 4096, 0), Ok(vec![]));
    assert_eq!(null.write(id, &[1; 10_000], 0), Ok(10_000));
    assert_eq!(null.read(id, 1, 0), Ok(vec![]));
}

#[test]
fn nothing_lies_beneath_it() {
    let mut null = Fake::new(Null);
    assert_eq!(null.open("x", 0), Err(Error::new(ENOENT)));
}

#[test]
fn the_book_quotes_the_whole_program() {
    let program = include_str!("main.rs");
    let book = include_str!("../../../mk/book/daemon.md");
    let quoted = book.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.is_empty()).map(String::from).collect()
    };
    let served = program.split("\n#[cfg(test)]").next().unwrap_or_default();
    assert_eq!(lines(&quoted.collect::<String>()), lines(served));
    assert!(program.lines().count() < 40, "the template stays small");
}
