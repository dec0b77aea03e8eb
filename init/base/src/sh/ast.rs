//! What the parser makes of a script: lists of pipelines of commands, and the words in them.

use std::sync::Arc;

/// Commands in order, each ended by `;`, `&` or a line end.
pub(crate) type List = Vec<Item>;

/// One and-or chain, and whether the shell waits for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) chain: Arc<Chain>,
    pub(crate) place: Place,
}

/// Where a chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Foreground,
    Background,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    pub(crate) first: Pipeline,
    pub(crate) rest: Vec<(Link, Pipeline)>,
}

/// When the next pipeline of a chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    And,
    Or,
}

/// Commands joined by `|`; `negated` by a leading `!`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) negated: bool,
    pub(crate) commands: Vec<Command>,
}

/// One stage of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Simple(Simple),
    Compound(Compound, Vec<Redirect>),
    Function(String, Arc<Command>),
}

/// `NAME=value … word word … >file …`
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Simple {
    pub(crate) assignments: Vec<(String, Word)>,
    pub(crate) words: Vec<Word>,
    pub(crate) redirects: Vec<Redirect>,
}

/// A command made of commands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Compound {
    Brace(List),
    Subshell(List),
    If { arms: Vec<(List, List)>, otherwise: List },
    Loop { kind: Loop, condition: List, body: List },
    For { name: String, words: Option<Vec<Word>>, body: List },
    Case { word: Word, arms: Vec<(Vec<Word>, List)> },
}

/// Which result of its condition keeps a loop going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loop {
    While,
    Until,
}

/// `2>file`, `<file`, `2>&1`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Redirect {
    pub(crate) descriptor: u8,
    pub(crate) kind: RedirectKind,
    pub(crate) target: Word,
}

/// What a redirection does with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedirectKind {
    Read,
    Write,
    Append,
    /// `<&N`, `>&N`: share descriptor N; `-` closes.
    Share,
}

/// A word before expansion: its pieces stand side by side.
pub(crate) type Word = Vec<Piece>;

/// A part of a word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Bare text: `*`, `?` and `[` in it are patterns.
    Bare(String),
    /// Quoted text, taken as it is; an empty one still makes a word.
    Quoted(String),
    /// Something to be put in its place, split into fields unless quoted.
    Value { of: Value, quoted: bool },
}

/// What stands behind a `$` or a backquote.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `$name`, `${name}`
    Variable(String),
    /// `${#name}`
    Length(String),
    /// `${name:-word}` and its kin.
    Changed { name: String, change: Change, word: Word },
    /// `$(…)`
    Output(Arc<List>),
    /// `$((…))`
    Number(Word),
}

/// How `${name OP word}` uses its word; with `empty`, an empty value counts as unset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// `-`: the word instead.
    Default { empty: bool },
    /// `=`: the word instead, and kept.
    Assign { empty: bool },
    /// `+`: the word if the variable is set, else nothing.
    Alternative { empty: bool },
    /// `?`: an error that says the word.
    Require { empty: bool },
    /// `#`, `##`: without the shortest or longest start that matches the word.
    Prefix { longest: bool },
    /// `%`, `%%`: without the shortest or longest end that matches the word.
    Suffix { longest: bool },
}
