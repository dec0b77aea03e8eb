//! What stands behind a `$` or between backquotes.

use std::sync::Arc;

use super::{Inside, Lexer, Result, SyntaxError, push_quoted};
use crate::sh::ast::{Change, Piece, Value, Word};
use crate::sh::parser::Parser;

impl Lexer {
    pub(super) fn dollar(&mut self, inside: Inside, word: &mut Word) -> Result<()> {
        let of = match self.peek(0) {
            Some('(') => {
                self.skip(1);
                self.deeper()?;
                let value = self.parenthesis()?;
                self.depth = self.depth.saturating_sub(1);
                value
            }
            Some('{') => {
                self.skip(1);
                self.deeper()?;
                let value = self.braces(inside)?;
                self.depth = self.depth.saturating_sub(1);
                value
            }
            _ => match self.name() {
                Some(name) => Value::Variable(name),
                None => {
                    push_quoted(word, '$');
                    return Ok(());
                }
            },
        };
        word.push(Piece::Value { of, quoted: inside.quoted() });
        Ok(())
    }

    /// A variable's name, a single digit, or one of the special parameters.
    fn name(&mut self) -> Option<String> {
        let first = self.peek(0)?;
        if first.is_ascii_digit() || matches!(first, '?' | '$' | '#' | '@' | '*' | '!' | '-') {
            self.skip(1);
            return Some(first.to_string());
        }
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        (!name.is_empty()).then_some(name)
    }

    fn parenthesis(&mut self) -> Result<Value> {
        if self.peek(0) == Some('(') && self.is_arithmetic() {
            self.skip(1);
            return Ok(Value::Number(self.pieces(Inside::Arithmetic)?));
        }
        let mut parser = Parser::within(self.clone());
        let list = parser.substitution()?;
        self.at = parser.lexer().at;
        Ok(Value::Output(Arc::new(list)))
    }

    /// Whether the `(` here is closed by `))`; `$( (…) )` is not. Decided by counting, once, as
    /// trying both ways would take exponential time on nested ones.
    fn is_arithmetic(&self) -> bool {
        let mut open = 0_usize;
        let mut rest = self.text.get(self.at..).unwrap_or_default().iter();
        for &c in rest.by_ref() {
            match c {
                '(' => open = open.saturating_add(1),
                ')' if open <= 1 => return rest.next() == Some(&')'),
                ')' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        true
    }

    pub(super) fn backquotes(&mut self) -> Result<Value> {
        let start = self.at;
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(self.ended("a backquote is not closed")),
                Some('`') => break,
                Some('\\') if matches!(self.peek(0), Some('$' | '`' | '\\')) => {
                    text.extend(self.take());
                }
                Some(c) => text.push(c),
            }
        }
        let mut parser = Parser::within(Self::new(&text, self.depth.saturating_add(1)));
        // Places inside the backquotes mean nothing outside: point to their start.
        let list = parser.whole().map_err(|error| {
            self.error_at(start, format!("between backquotes: {}", error.message))
        })?;
        Ok(Value::Output(Arc::new(list)))
    }

    fn braces(&mut self, inside: Inside) -> Result<Value> {
        if self.peek(0) == Some('#') && self.peek(1) != Some('}') {
            self.skip(1);
            let name = self.braced_name()?;
            return if self.take_if('}') {
                Ok(Value::Length(name))
            } else {
                Err(self.bad_braces())
            };
        }
        let name = self.braced_name()?;
        if self.take_if('}') {
            return Ok(Value::Variable(name));
        }
        let empty = self.take_if(':');
        let change = match self.take() {
            Some('-') => Change::Default { empty },
            Some('=') => Change::Assign { empty },
            Some('+') => Change::Alternative { empty },
            Some('?') => Change::Require { empty },
            Some('#') if !empty => Change::Prefix { longest: self.take_if('#') },
            Some('%') if !empty => Change::Suffix { longest: self.take_if('%') },
            _ => return Err(self.bad_braces()),
        };
        let trims = matches!(change, Change::Prefix { .. } | Change::Suffix { .. });
        let inside = if inside.quoted() && !trims { Inside::QuotedBraces } else { Inside::Braces };
        Ok(Value::Changed { name, change, word: self.pieces(inside)? })
    }

    fn braced_name(&mut self) -> Result<String> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if !digits.is_empty() {
            return Ok(digits);
        }
        self.name().ok_or_else(|| self.bad_braces())
    }

    fn bad_braces(&self) -> SyntaxError {
        if self.peek(0).is_none() {
            return self.ended("`${` is not closed by `}`");
        }
        self.error_at(self.at, "`${` must be followed by a name and `}`, or one of - = + ? # %")
    }
}
