//! From tokens to commands, by recursive descent.

use std::sync::Arc;

mod compound;

use super::ast::{
    Chain, Command, Compound, Item, Link, List, Loop, Piece, Pipeline, Place, Redirect, Simple,
    Word,
};
use super::lexer::{Lexer, MAX_DEPTH, SyntaxError, Token};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Words that end a list when they stand where a command would begin.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

/// Reads commands from a text.
#[derive(Debug)]
pub(crate) struct Parser {
    lexer: Lexer,
    ahead: Option<Token>,
    /// Where the token that was read last begins.
    start: usize,
}

impl Parser {
    /// A parser at the start of `text`.
    pub(crate) fn new(text: &str) -> Self {
        Self::within(Lexer::new(text, 0))
    }

    /// A parser that goes on where `lexer` is.
    pub(crate) fn within(lexer: Lexer) -> Self {
        let start = lexer.position();
        Self { lexer, ahead: None, start }
    }

    pub(crate) fn lexer(&self) -> &Lexer {
        &self.lexer
    }

    /// The commands up to the next line end outside of any command; `None` at the end.
    pub(crate) fn line(&mut self) -> Result<Option<List>> {
        self.newlines()?;
        if *self.peek()? == Token::End {
            return Ok(None);
        }
        let mut list = List::new();
        loop {
            list.push(self.item()?);
            if matches!(self.peek()?, Token::Newline | Token::End) {
                return Ok(Some(list));
            }
            if self.closes()? {
                return Err(self.unexpected());
            }
        }
    }

    /// All commands to the end of the text.
    pub(crate) fn whole(&mut self) -> Result<List> {
        let list = self.list()?;
        if *self.peek()? == Token::End { Ok(list) } else { Err(self.unexpected()) }
    }

    /// The commands of `$(…)` after its parenthesis, and the closing one.
    pub(crate) fn substitution(&mut self) -> Result<List> {
        let list = self.list()?;
        self.expect_operator(")")?;
        Ok(list)
    }

    fn peek(&mut self) -> Result<&Token> {
        let token = match self.ahead.take() {
            Some(token) => token,
            None => {
                self.lexer.blanks();
                self.start = self.lexer.position();
                self.lexer.token()?
            }
        };
        Ok(self.ahead.insert(token))
    }

    fn take(&mut self) -> Result<Token> {
        self.peek()?;
        Ok(self.ahead.take().unwrap_or(Token::End))
    }

    fn is_operator(&mut self, wanted: &str) -> Result<bool> {
        Ok(matches!(self.peek()?, Token::Operator(found) if *found == wanted))
    }

    fn take_operator(&mut self, wanted: &str) -> Result<bool> {
        let found = self.is_operator(wanted)?;
        if found {
            self.ahead = None;
        }
        Ok(found)
    }

    fn expect_operator(&mut self, wanted: &str) -> Result<()> {
        if self.take_operator(wanted)? { Ok(()) } else { Err(self.missing(wanted)) }
    }

    /// The next token, if it is one plain word that could be a reserved one.
    fn bare(&mut self) -> Result<Option<&str>> {
        Ok(match self.peek()? {
            Token::Word(word) => bare_text(word),
            Token::Operator(_) | Token::Redirect(..) | Token::Newline | Token::End => None,
        })
    }

    fn take_reserved(&mut self, wanted: &str) -> Result<bool> {
        let found = self.bare()? == Some(wanted);
        if found {
            self.ahead = None;
        }
        Ok(found)
    }

    fn expect_reserved(&mut self, wanted: &str) -> Result<()> {
        if self.take_reserved(wanted)? { Ok(()) } else { Err(self.missing(wanted)) }
    }

    fn closes(&mut self) -> Result<bool> {
        if self.is_operator(")")? || self.is_operator(";;")? {
            return Ok(true);
        }
        Ok(self.bare()?.is_some_and(|word| CLOSING.contains(&word)))
    }

    fn newlines(&mut self) -> Result<()> {
        while *self.peek()? == Token::Newline {
            self.ahead = None;
        }
        Ok(())
    }

    fn missing(&self, wanted: &str) -> SyntaxError {
        match self.ahead {
            Some(Token::End) | None => {
                self.lexer.ended(format!("the input ends where `{wanted}` is missing"))
            }
            Some(_) => self.lexer.error_at(self.start, format!("`{wanted}` is missing here")),
        }
    }

    fn unexpected(&self) -> SyntaxError {
        let found = match &self.ahead {
            Some(Token::End) | None => return self.lexer.ended("the input ends too early"),
            Some(Token::Newline) => "the line end".to_owned(),
            Some(Token::Operator(operator)) => format!("`{operator}`"),
            Some(Token::Redirect(..)) => "a redirection".to_owned(),
            Some(Token::Word(word)) => match bare_text(word) {
                Some(text) => format!("`{text}`"),
                None => "a word".to_owned(),
            },
        };
        self.lexer.error_at(self.start, format!("{found} is not expected here"))
    }

    /// Items up to a closing word or operator, or the end.
    fn list(&mut self) -> Result<List> {
        let mut list = List::new();
        loop {
            self.newlines()?;
            if *self.peek()? == Token::End || self.closes()? {
                return Ok(list);
            }
            list.push(self.item()?);
        }
    }

    /// A list that must not be empty.
    fn commands(&mut self) -> Result<List> {
        let list = self.list()?;
        if list.is_empty() { Err(self.unexpected()) } else { Ok(list) }
    }

    fn item(&mut self) -> Result<Item> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let link = if self.take_operator("&&")? {
                Link::And
            } else if self.take_operator("||")? {
                Link::Or
            } else {
                break;
            };
            self.newlines()?;
            rest.push((link, self.pipeline()?));
        }
        let background = self.take_operator("&")?;
        if !background && !self.take_operator(";")? {
            let ended = matches!(self.peek()?, Token::Newline | Token::End) || self.closes()?;
            if !ended {
                return Err(self.unexpected());
            }
        }
        let place = if background { Place::Background } else { Place::Foreground };
        Ok(Item { chain: Arc::new(Chain { first, rest }), place })
    }

    fn pipeline(&mut self) -> Result<Pipeline> {
        let mut negated = false;
        while self.take_reserved("!")? {
            negated = !negated;
        }
        let mut commands = vec![self.command()?];
        while self.take_operator("|")? {
            self.newlines()?;
            commands.push(self.command()?);
        }
        Ok(Pipeline { negated, commands })
    }

    fn command(&mut self) -> Result<Command> {
        self.lexer.depth = self.lexer.depth.saturating_add(1);
        if self.lexer.depth > MAX_DEPTH {
            return Err(self.lexer.error_at(self.start, "nested too deeply"));
        }
        let command = self.any_command()?;
        self.lexer.depth = self.lexer.depth.saturating_sub(1);
        Ok(command)
    }

    fn any_command(&mut self) -> Result<Command> {
        if self.closes()? {
            return Err(self.unexpected());
        }
        let compound = if self.take_operator("(")? {
            let list = self.commands()?;
            self.expect_operator(")")?;
            Compound::Subshell(list)
        } else {
            match self.bare()? {
                Some("{") => self.brace()?,
                Some("if") => self.conditional()?,
                Some("while") => self.repeat(Loop::While)?,
                Some("until") => self.repeat(Loop::Until)?,
                Some("for") => self.each()?,
                Some("case") => self.case()?,
                _ => return self.simple(),
            }
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        Ok(Command::Compound(compound, redirects))
    }

    fn word(&mut self, what: &str) -> Result<Word> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            other @ (Token::Operator(_) | Token::Redirect(..) | Token::Newline | Token::End) => {
                self.ahead = Some(other);
                Err(self.missing(what))
            }
        }
    }

    fn redirect(&mut self) -> Result<Option<Redirect>> {
        let Token::Redirect(descriptor, kind) = *self.peek()? else { return Ok(None) };
        let start = self.start;
        self.ahead = None;
        if descriptor > 2 {
            let message = format!("descriptor {descriptor}: only 0, 1 and 2 can be redirected");
            return Err(self.lexer.error_at(start, message));
        }
        let target = self.word("a file's name for the redirection")?;
        Ok(Some(Redirect { descriptor, kind, target }))
    }

    fn simple(&mut self) -> Result<Command> {
        let mut simple = Simple::default();
        loop {
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                continue;
            }
            if !matches!(self.peek()?, Token::Word(_)) {
                break;
            }
            let word = self.word("a word")?;
            let assignment = if simple.words.is_empty() { assignment(&word) } else { None };
            match assignment {
                Some(assignment) => simple.assignments.push(assignment),
                None => simple.words.push(word),
            }
            if let Some(name) = self.function_name(&simple)? {
                return self.function(name);
            }
        }
        if simple == Simple::default() {
            Err(self.unexpected())
        } else {
            Ok(Command::Simple(simple))
        }
    }

    /// The name of the function that `simple` and a following `(` begin.
    fn function_name(&mut self, simple: &Simple) -> Result<Option<String>> {
        let alone = simple.assignments.is_empty() && simple.redirects.is_empty();
        let [word] = simple.words.as_slice() else { return Ok(None) };
        let name = bare_text(word).filter(|name| alone && is_name(name)).map(str::to_owned);
        Ok(if self.is_operator("(")? { name } else { None })
    }

    fn function(&mut self, name: String) -> Result<Command> {
        self.expect_operator("(")?;
        self.expect_operator(")")?;
        self.newlines()?;
        Ok(Command::Function(name, Arc::new(self.command()?)))
    }
}

/// Whether `text` can name a variable or a function.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn bare_text(word: &Word) -> Option<&str> {
    match word.as_slice() {
        [Piece::Bare(text)] => Some(text),
        _ => None,
    }
}

/// Takes `NAME=value` apart.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let (Piece::Bare(first), rest) = word.split_first()? else { return None };
    let (name, start) = first.split_once('=').filter(|(name, _)| is_name(name))?;
    let mut value = Word::new();
    if !start.is_empty() {
        value.push(Piece::Bare(start.to_owned()));
    }
    value.extend_from_slice(rest);
    Some((name.to_owned(), value))
}
