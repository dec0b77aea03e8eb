//! A program's call: its words taken apart, its output, its complaints.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::failure::{Failure, reason};

/// How much is read and written at once.
pub(super) const BLOCK: usize = 64 << 10;

/// One run of a program.
pub(super) struct Call<'a> {
    name: &'static str,
    pub(super) arguments: Vec<OsString>,
    pub(super) out: &'a mut dyn Write,
    /// Something went wrong that did not end the program: its status will be 1.
    pub(super) failed: bool,
}

/// The words of a command line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Options {
    flags: Vec<(char, OsString)>,
    pub(super) operands: Vec<OsString>,
}

impl Options {
    /// Takes the letters of one word; a value is the rest of the word, or else the next one.
    fn take_flags<'w>(
        &mut self,
        letters: &str,
        known: &str,
        words: &mut impl Iterator<Item = &'w OsString>,
    ) -> Result<(), Failure> {
        let mut letters = letters.chars();
        while let Some(flag) = letters.next() {
            let after = match known.split_once(flag) {
                Some((_, after)) if flag != ':' => after,
                _ => return Err(Failure::Usage(format!("-{flag}: no such option"))),
            };
            if !after.starts_with(':') {
                self.flags.push((flag, OsString::new()));
                continue;
            }
            let missing = || Failure::Usage(format!("-{flag}: a value is missing"));
            let attached = letters.as_str();
            let value = if attached.is_empty() {
                words.next().cloned().ok_or_else(missing)?
            } else {
                attached.into()
            };
            self.flags.push((flag, value));
            break;
        }
        Ok(())
    }

    pub(super) fn has(&self, flag: char) -> bool {
        self.flags.iter().any(|(found, _)| *found == flag)
    }

    /// The value of an option that takes one; the last counts.
    pub(super) fn value(&self, flag: char) -> Option<&OsStr> {
        let mut values = self.flags.iter().rev().filter(|(found, _)| *found == flag);
        values.next().map(|(_, value)| value.as_os_str())
    }

    /// The number that is the value of an option, if that is given.
    pub(super) fn number(&self, flag: char) -> Result<Option<u64>, Failure> {
        let Some(value) = self.value(flag) else { return Ok(None) };
        let text = value.to_string_lossy();
        let parsed = match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        };
        parsed.map(Some).map_err(|_| Failure::Usage(format!("-{flag} {text}: not a number")))
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(
        name: &'static str,
        arguments: Vec<OsString>,
        out: &'a mut dyn Write,
    ) -> Self {
        Self { name, arguments, out, failed: false }
    }

    /// Takes the words apart: the letters of `known` are options, those before a `:` take a
    /// value.
    pub(super) fn options(&self, known: &str) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            if text == "--" {
                options.operands.extend(words.by_ref().cloned());
                break;
            }
            let Some(flags) = text.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
                options.operands.push(word.clone());
                continue;
            };
            options.take_flags(flags, known, &mut words)?;
        }
        Ok(options)
    }

    /// As [`Self::options`], for programs without operands.
    pub(super) fn options_only(&self, known: &str) -> Result<Options, Failure> {
        let options = self.options(known)?;
        match options.operands.first() {
            None => Ok(options),
            Some(extra) => Err(Failure::Usage(format!("{}: not expected", extra.display()))),
        }
    }

    /// As [`Self::options`], for programs that need at least one operand.
    pub(super) fn options_and_operands(&self, known: &str) -> Result<Options, Failure> {
        let options = self.options(known)?;
        if options.operands.is_empty() {
            return Err(Failure::Usage("nothing is named to work on".to_owned()));
        }
        Ok(options)
    }

    /// Says something on the error stream, after all output so far.
    pub(super) fn say(&mut self, message: &str) {
        // Neither failure has anywhere else to go.
        drop(self.out.flush());
        drop(writeln!(io::stderr(), "{}: {message}", self.name));
    }

    /// Says what went wrong; the program goes on, but its status will be 1.
    pub(super) fn complain(&mut self, message: impl Display) {
        self.failed = true;
        self.say(&message.to_string());
    }

    /// As [`Self::complain`], for an error of the system with a path.
    pub(super) fn complain_of(&mut self, path: impl AsRef<Path>, error: &io::Error) {
        self.complain(format!("{}: {}", path.as_ref().display(), reason(error)));
    }

    /// Gives each input to `use_input`: the named files, or standard input for none and `-`.
    /// What cannot be opened or read is complained of.
    pub(super) fn inputs(
        &mut self,
        paths: &[OsString],
        mut use_input: impl FnMut(&mut Self, &str, &mut dyn Read) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let standard = [OsString::from("-")];
        for path in if paths.is_empty() { &standard } else { paths } {
            let outcome = if path == "-" {
                use_input(self, "-", &mut io::stdin().lock())
            } else {
                File::open(path)
                    .map_err(|error| Failure::path(path, &error))
                    .and_then(|mut file| use_input(self, &path.to_string_lossy(), &mut file))
            };
            match outcome {
                Err(Failure::Message(message)) => self.complain(message),
                other => other?,
            }
        }
        Ok(())
    }
}

/// Reads a block; interruptions are not seen. The error names `path`.
pub(super) fn fill(input: &mut dyn Read, block: &mut [u8], path: &str) -> Result<usize, Failure> {
    loop {
        match input.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(|error| Failure::path(path, &error)),
        }
    }
}
