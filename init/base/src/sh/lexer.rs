//! From characters to tokens: operators, line ends, and words with their quotes taken apart.

use std::fmt;
use std::sync::Arc;

mod dollar;

use super::ast::{Piece, RedirectKind, Word};

/// How deep `$(…)`, `${…}` and compound commands may nest; bounds the parser's stack.
pub(crate) const MAX_DEPTH: usize = 48;

/// One token of a script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(Word),
    Operator(&'static str),
    Redirect(u8, RedirectKind),
    Newline,
    End,
}

/// Why a script cannot be understood, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// More input could still make it right.
    pub(crate) incomplete: bool,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syntax error at line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// Where the pieces that are read stand, which decides what ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Bare,
    DoubleQuotes,
    Braces,
    QuotedBraces,
    Arithmetic,
}

impl Inside {
    fn quoted(self) -> bool {
        matches!(self, Self::DoubleQuotes | Self::QuotedBraces | Self::Arithmetic)
    }
}

/// Reads tokens from a text.
#[derive(Clone, Debug)]
pub(crate) struct Lexer {
    text: Arc<[char]>,
    at: usize,
    pub(crate) depth: usize,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl Lexer {
    pub(crate) fn new(text: &str, depth: usize) -> Self {
        Self { text: text.chars().collect(), at: 0, depth }
    }

    /// The place that the next token is read from, for [`Self::error_at`].
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// An error that points to `at`, a place from [`Self::position`].
    pub(crate) fn error_at(&self, at: usize, message: impl Into<String>) -> SyntaxError {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.iter().filter(|&&c| c == '\n').count().saturating_add(1);
        let column = before.iter().rev().take_while(|&&c| c != '\n').count().saturating_add(1);
        SyntaxError { message: message.into(), line, column, incomplete: false }
    }

    /// An error at the end of the input, which more input could mend.
    pub(crate) fn ended(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { incomplete: true, ..self.error_at(self.text.len(), message) }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at.saturating_add(ahead)).copied()
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.text.len());
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.skip(1);
        Some(c)
    }

    fn take_if(&mut self, c: char) -> bool {
        let found = self.peek(0) == Some(c);
        self.skip(usize::from(found));
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek(0).filter(|&c| wanted(c)) {
            taken.push(c);
            self.skip(1);
        }
        taken
    }

    /// Reads the next token.
    pub(crate) fn token(&mut self) -> Result<Token> {
        self.blanks();
        let Some(c) = self.peek(0) else { return Ok(Token::End) };
        if c == '\n' {
            self.skip(1);
            return Ok(Token::Newline);
        }
        if let Some(redirect) = self.redirect()? {
            return Ok(redirect);
        }
        for operator in ["&&", "||", ";;", "&", "|", ";", "(", ")"] {
            if operator.chars().enumerate().all(|(i, c)| self.peek(i) == Some(c)) {
                self.skip(operator.len());
                return Ok(Token::Operator(operator));
            }
        }
        Ok(Token::Word(self.pieces(Inside::Bare)?))
    }

    /// Skips blanks, comments and joined lines before a token.
    pub(crate) fn blanks(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(' ' | '\t' | '\r'), _) => self.skip(1),
                (Some('\\'), Some('\n')) => self.skip(2),
                (Some('#'), _) => drop(self.take_while(|c| c != '\n')),
                _ => return,
            }
        }
    }

    fn redirect(&mut self) -> Result<Option<Token>> {
        let number = self.peek(0).and_then(|c| c.to_digit(10)).and_then(|d| u8::try_from(d).ok());
        let digits = usize::from(number.is_some());
        let Some(arrow @ ('<' | '>')) = self.peek(digits) else { return Ok(None) };
        self.skip(digits.saturating_add(1));
        let (default, kind) = match (arrow, self.peek(0)) {
            ('<', Some('<')) => {
                return Err(self.error_at(self.at, "here-documents (`<<`) are not supported"));
            }
            ('<', Some('&')) => (0, RedirectKind::Share),
            ('>', Some('&')) => (1, RedirectKind::Share),
            ('>', Some('>')) => (1, RedirectKind::Append),
            ('<', _) => (0, RedirectKind::Read),
            (_, after) => {
                self.skip(usize::from(after == Some('|')));
                return Ok(Some(Token::Redirect(number.unwrap_or(1), RedirectKind::Write)));
            }
        };
        self.skip(usize::from(kind != RedirectKind::Read));
        Ok(Some(Token::Redirect(number.unwrap_or(default), kind)))
    }

    /// Reads the pieces of a word up to what ends it, and that too where it is a closing sign.
    fn pieces(&mut self, inside: Inside) -> Result<Word> {
        let mut word = Word::new();
        let mut parentheses = 0_usize;
        loop {
            let Some(c) = self.peek(0) else { return self.at_end(word, inside) };
            match (inside, c) {
                (
                    Inside::Bare,
                    ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')',
                ) => {
                    return Ok(word);
                }
                (Inside::DoubleQuotes, '"') | (Inside::Braces | Inside::QuotedBraces, '}') => {
                    self.skip(1);
                    return Ok(word);
                }
                (Inside::Arithmetic, ')') if parentheses == 0 => {
                    return self.close_arithmetic(word);
                }
                (Inside::Arithmetic, '(' | ')') => {
                    parentheses = match c {
                        '(' => parentheses.saturating_add(1),
                        _ => parentheses.saturating_sub(1),
                    };
                    self.skip(1);
                    push_quoted(&mut word, c);
                }
                _ => self.piece(c, inside, &mut word)?,
            }
        }
    }

    fn at_end(&self, word: Word, inside: Inside) -> Result<Word> {
        match inside {
            Inside::Bare => Ok(word),
            Inside::DoubleQuotes => Err(self.ended("a double quote is not closed")),
            Inside::Braces | Inside::QuotedBraces => Err(self.ended("`${` is not closed by `}`")),
            Inside::Arithmetic => Err(self.ended("`$((` is not closed by `))`")),
        }
    }

    fn close_arithmetic(&mut self, word: Word) -> Result<Word> {
        if self.peek(1) == Some(')') {
            self.skip(2);
            return Ok(word);
        }
        Err(self.error_at(self.at, "`$((` is not closed by `))`"))
    }

    /// Reads one piece that begins with `c`.
    fn piece(&mut self, c: char, inside: Inside, word: &mut Word) -> Result<()> {
        match c {
            '\\' => self.escape(inside, word),
            '\'' if matches!(inside, Inside::Bare | Inside::Braces) => {
                self.skip(1);
                let text = self.take_while(|c| c != '\'');
                if !self.take_if('\'') {
                    return Err(self.ended("a single quote is not closed"));
                }
                word.push(Piece::Quoted(text));
            }
            '"' if inside != Inside::Arithmetic => {
                self.skip(1);
                word.push(Piece::Quoted(String::new()));
                self.deeper()?;
                word.extend(self.pieces(Inside::DoubleQuotes)?);
                self.depth = self.depth.saturating_sub(1);
            }
            '$' => {
                self.skip(1);
                self.dollar(inside, word)?;
            }
            '`' => {
                self.skip(1);
                let of = self.backquotes()?;
                word.push(Piece::Value { of, quoted: inside.quoted() });
            }
            _ => {
                self.skip(1);
                if inside.quoted() { push_quoted(word, c) } else { push_bare(word, c) }
            }
        }
        Ok(())
    }

    fn escape(&mut self, inside: Inside, word: &mut Word) {
        self.skip(1);
        match self.peek(0) {
            Some('\n') => self.skip(1),
            Some(c) if !inside.quoted() || matches!(c, '$' | '`' | '"' | '\\') => {
                self.skip(1);
                push_quoted(word, c);
            }
            _ => push_quoted(word, '\\'),
        }
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            Err(self.error_at(self.at, "nested too deeply"))
        } else {
            Ok(())
        }
    }
}

/// Adds a character that only stands for itself.
fn push_quoted(word: &mut Word, c: char) {
    match word.last_mut() {
        Some(Piece::Quoted(text)) => text.push(c),
        _ => word.push(Piece::Quoted(c.to_string())),
    }
}

fn push_bare(word: &mut Word, c: char) {
    match word.last_mut() {
        Some(Piece::Bare(text)) => text.push(c),
        _ => word.push(Piece::Bare(c.to_string())),
    }
}
