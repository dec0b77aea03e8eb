//! The commands that are made of commands; each function begins at its first word.

use super::{Parser, Result, is_name};
use crate::sh::ast::{Compound, List, Loop, Word};
use crate::sh::lexer::Token;

impl Parser {
    pub(super) fn brace(&mut self) -> Result<Compound> {
        self.ahead = None;
        let list = self.commands()?;
        self.expect_reserved("}")?;
        Ok(Compound::Brace(list))
    }

    pub(super) fn conditional(&mut self) -> Result<Compound> {
        self.ahead = None;
        let mut arms = Vec::new();
        loop {
            let condition = self.commands()?;
            self.expect_reserved("then")?;
            arms.push((condition, self.commands()?));
            if !self.take_reserved("elif")? {
                break;
            }
        }
        let otherwise = if self.take_reserved("else")? { self.commands()? } else { List::new() };
        self.expect_reserved("fi")?;
        Ok(Compound::If { arms, otherwise })
    }

    pub(super) fn repeat(&mut self, kind: Loop) -> Result<Compound> {
        self.ahead = None;
        let condition = self.commands()?;
        Ok(Compound::Loop { kind, condition, body: self.body()? })
    }

    fn body(&mut self) -> Result<List> {
        self.expect_reserved("do")?;
        let body = self.commands()?;
        self.expect_reserved("done")?;
        Ok(body)
    }

    pub(super) fn each(&mut self) -> Result<Compound> {
        self.ahead = None;
        let name = match self.bare()?.filter(|name| is_name(name)).map(str::to_owned) {
            Some(name) => name,
            None => return Err(self.missing("a variable's name")),
        };
        self.ahead = None;
        self.newlines()?;
        let mut words = None;
        if self.take_reserved("in")? {
            words = Some(self.words()?);
        }
        self.take_operator(";")?;
        self.newlines()?;
        Ok(Compound::For { name, words, body: self.body()? })
    }

    fn words(&mut self) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        while matches!(self.peek()?, Token::Word(_)) {
            words.push(self.word("a word")?);
        }
        Ok(words)
    }

    pub(super) fn case(&mut self) -> Result<Compound> {
        self.ahead = None;
        let word = self.word("a word after `case`")?;
        self.newlines()?;
        self.expect_reserved("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.take_reserved("esac")? {
                return Ok(Compound::Case { word, arms });
            }
            self.take_operator("(")?;
            let mut patterns = vec![self.word("a pattern or `esac`")?];
            while self.take_operator("|")? {
                patterns.push(self.word("a pattern")?);
            }
            self.expect_operator(")")?;
            arms.push((patterns, self.list()?));
            if !self.take_operator(";;")? {
                self.expect_reserved("esac")?;
                return Ok(Compound::Case { word, arms });
            }
        }
    }
}
