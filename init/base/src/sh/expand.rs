//! Words become fields: variables, command output, arithmetic, splitting, patterns, quotes.

use std::io::Read;
use std::sync::Arc;
use std::thread;

use super::arith;
use super::ast::{Change, List, Piece, Value, Word};
use super::pattern::{self, Unit};
use super::shell::{Shell, Stop};
use super::streams::Stream;

type Result<T> = std::result::Result<T, Stop>;

/// Fields in the making.
#[derive(Debug, Default)]
struct Fields {
    done: Vec<Vec<Unit>>,
    /// The field at the end; `None` until something, even empty quotes, begins one.
    open: Option<Vec<Unit>>,
}

impl Fields {
    fn add(&mut self, units: impl Iterator<Item = Unit>) {
        self.open.get_or_insert_default().extend(units);
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
    }

    /// Adds unquoted text, which the characters of IFS split.
    fn split(&mut self, text: &str, separators: &str) {
        // A separator that is no blank ends a field even where there is nothing before it.
        let mut just_split = false;
        for c in text.chars() {
            if !separators.contains(c) {
                self.add(std::iter::once(Unit { c, quoted: false }));
                just_split = false;
            } else if c.is_ascii_whitespace() {
                just_split |= self.open.is_some();
                self.close();
            } else {
                self.open = self.open.take().or((!just_split).then(Vec::new));
                self.close();
                just_split = false;
            }
        }
    }
}

impl Shell {
    /// The fields that the words of a command become.
    pub(crate) fn fields(&mut self, words: &[Word]) -> Result<Vec<String>> {
        let mut result = Vec::new();
        for word in words {
            let mut fields = Fields::default();
            self.pieces(word, &mut fields)?;
            fields.close();
            for field in fields.done {
                let paths = pattern::paths(&field, |path| self.resolve(path));
                let itself = paths.is_empty().then(|| pattern::plain(&field));
                result.extend(itself.into_iter().chain(paths));
            }
        }
        Ok(result)
    }

    /// A word as one text: no splitting, no file names.
    pub(crate) fn text(&mut self, word: &Word) -> Result<String> {
        Ok(pattern::plain(&self.units(word)?))
    }

    /// A word as one pattern.
    pub(crate) fn units(&mut self, word: &Word) -> Result<Vec<Unit>> {
        let mut units = Vec::new();
        for (index, piece) in word.iter().enumerate() {
            match piece {
                Piece::Bare(text) if index == 0 => units.extend(self.tilde(text)),
                Piece::Bare(text) => units.extend(pattern::bare(text)),
                Piece::Quoted(text) => units.extend(pattern::quoted(text)),
                Piece::Value { of, quoted } => {
                    let value = self.single(of)?;
                    units.extend(value.chars().map(|c| Unit { c, quoted: *quoted }));
                }
            }
        }
        Ok(units)
    }

    fn pieces(&mut self, word: &Word, fields: &mut Fields) -> Result<()> {
        for (index, piece) in word.iter().enumerate() {
            match piece {
                Piece::Bare(text) if index == 0 => fields.add(self.tilde(text).into_iter()),
                Piece::Bare(text) => fields.add(pattern::bare(text)),
                Piece::Quoted(text) => self.quoted(text, word, fields),
                Piece::Value { of: Value::Variable(name), quoted: true } if name == "@" => {
                    self.exact_arguments(fields);
                }
                Piece::Value { of: Value::Variable(name), quoted: false } if name == "@" => {
                    self.split_arguments(fields);
                }
                // The word of `${x:-word}` keeps its own quotes.
                Piece::Value { of: Value::Changed { name, change, word }, quoted: false } => {
                    match self.changed(name, *change, word)? {
                        Choice::Text(text) => fields.split(&text, &self.separators()),
                        Choice::Word => self.pieces(word, fields)?,
                    }
                }
                Piece::Value { of, quoted: true } => {
                    fields.add(pattern::quoted(&self.single(of)?));
                }
                Piece::Value { of, quoted: false } => {
                    let value = self.single(of)?;
                    fields.split(&value, &self.separators());
                }
            }
        }
        Ok(())
    }

    /// Quoted text makes a field even when empty, but `"$@"` without arguments makes none.
    fn quoted(&self, text: &str, word: &Word, fields: &mut Fields) {
        let only_arguments = matches!(word.as_slice(), [Piece::Quoted(_), Piece::Value {
            of: Value::Variable(name), quoted: true }] if name == "@");
        if !(text.is_empty() && only_arguments && self.arguments.is_empty()) {
            fields.add(pattern::quoted(text));
        }
    }

    /// `"$@"`: each argument is a field as it is.
    fn exact_arguments(&self, fields: &mut Fields) {
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                fields.close();
            }
            fields.add(pattern::quoted(argument));
        }
    }

    fn split_arguments(&self, fields: &mut Fields) {
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                fields.close();
            }
            fields.split(argument, &self.separators());
        }
    }

    fn separators(&self) -> String {
        self.value("IFS").unwrap_or_else(|| " \t\n".to_owned())
    }

    fn tilde(&self, text: &str) -> Vec<Unit> {
        match (text.strip_prefix('~'), self.value("HOME")) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                pattern::quoted(&home).chain(pattern::bare(rest)).collect()
            }
            _ => pattern::bare(text).collect(),
        }
    }

    /// A value as one text.
    fn single(&mut self, value: &Value) -> Result<String> {
        match value {
            Value::Variable(name) => Ok(self.value(name).unwrap_or_default()),
            Value::Length(name) => {
                Ok(self.value(name).unwrap_or_default().chars().count().to_string())
            }
            Value::Changed { name, change, word } => match self.changed(name, *change, word)? {
                Choice::Text(text) => Ok(text),
                Choice::Word => self.text(word),
            },
            Value::Output(list) => self.output(list),
            Value::Number(word) => {
                let text = self.text(word)?;
                let number = arith::evaluate(&text, &|name| self.value(name));
                number.map(|n| n.to_string()).map_err(|message| self.fatal(1, &message))
            }
        }
    }

    fn changed(&mut self, name: &str, change: Change, word: &Word) -> Result<Choice> {
        let value = self.value(name);
        let is_set = |empty: bool| value.as_ref().is_some_and(|value| !(empty && value.is_empty()));
        let keep = |value: Option<String>| Ok(Choice::Text(value.unwrap_or_default()));
        match change {
            Change::Default { empty } if !is_set(empty) => Ok(Choice::Word),
            Change::Alternative { empty } if is_set(empty) => Ok(Choice::Word),
            Change::Alternative { .. } => Ok(Choice::Text(String::new())),
            Change::Assign { empty } if !is_set(empty) => {
                if !super::parser::is_name(name) {
                    return Err(self.fatal(1, &format!("{name}: cannot be assigned")));
                }
                let text = self.text(word)?;
                self.set(name, text.clone());
                Ok(Choice::Text(text))
            }
            Change::Require { empty } if !is_set(empty) => {
                let text = self.text(word)?;
                let text = if text.is_empty() { "is not set" } else { &text };
                Err(self.fatal(1, &format!("{name}: {text}")))
            }
            Change::Default { .. } | Change::Assign { .. } | Change::Require { .. } => keep(value),
            Change::Prefix { .. } | Change::Suffix { .. } => {
                let pattern = self.units(word)?;
                Ok(Choice::Text(trim(value.unwrap_or_default(), change, &pattern)))
            }
        }
    }

    /// What the commands write, without the line ends at its end.
    fn output(&mut self, list: &Arc<List>) -> Result<String> {
        let (mut reader, writer) = std::io::pipe()
            .map_err(|e| self.fail(1, &format!("pipe: {}", crate::failure::reason(&e))))?;
        let mut shell = self.subshell();
        shell.streams.output = Stream::file(std::os::fd::OwnedFd::from(writer));
        let collector = thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = reader.read_to_end(&mut bytes);
            (bytes, read)
        });
        let outcome = shell.whole(|shell| shell.list(list));
        // Its end of the pipe goes with it, so that the collector sees the end.
        drop(shell);
        let (bytes, read) = collector.join().unwrap_or_else(|_| (Vec::new(), Ok(0)));
        self.status = outcome?;
        self.substituted = Some(self.status);
        if let Err(error) = read {
            return Err(self.fail(1, &format!("$(…): {}", crate::failure::reason(&error))));
        }
        let mut text = String::from_utf8_lossy(&bytes).replace('\0', "");
        text.truncate(text.trim_end_matches('\n').len());
        Ok(text)
    }
}

/// What takes the place of `${name OP word}`.
enum Choice {
    Text(String),
    /// The word, expanded where it stands.
    Word,
}

fn trim(value: String, change: Change, pattern: &[Unit]) -> String {
    let ends = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let (from_start, longest) = match change {
        Change::Prefix { longest } => (true, longest),
        Change::Suffix { longest } => (false, longest),
        Change::Default { .. }
        | Change::Assign { .. }
        | Change::Alternative { .. }
        | Change::Require { .. } => return value,
    };
    let mut cuts = ends.filter_map(|at| value.split_at_checked(at)).filter_map(|(start, end)| {
        let (gone, kept) = if from_start { (start, end) } else { (end, start) };
        pattern::matches(pattern, gone).then_some(kept)
    });
    // Cuts come with a growing start: the shortest prefix first, the shortest suffix last.
    let kept = if from_start == longest { cuts.next_back() } else { cuts.next() };
    kept.map_or_else(|| value.clone(), str::to_owned)
}
