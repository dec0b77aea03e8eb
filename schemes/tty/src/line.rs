//! The line discipline: what becomes of typed bytes, and of written ones.

use std::collections::VecDeque;

use crate::{
    edit::{BELL, Editor, paint},
    termios::{
        ECHO, ECHONL, ICANON, ICRNL, IGNCR, INLCR, ISIG, NOFLSH, ONLCR, OPOST, Termios, character,
    },
};

/// Input that waits to be read, at most; more is dropped with a bell.
const MOST_INPUT: usize = 64 * 1024;
/// What a line costs of [`MOST_INPUT`] besides its bytes.
const LINE_COST: usize = 32;

/// A signal that a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    Quit,
}

impl Signal {
    /// Its number.
    pub(crate) const fn number(self) -> usize {
        match self {
            Self::Interrupt => 2,
            Self::Quit => 3,
        }
    }
}

/// A terminal's input on its way from keys to programs.
#[derive(Debug, Default)]
pub(crate) struct Line {
    settings: Termios,
    editor: Editor,
    /// The next byte is taken as it is.
    literal: bool,
    /// What may be read: lines, or in raw mode whatever came. An empty one is an end of file.
    ready: VecDeque<Vec<u8>>,
    cost: usize,
}

impl Line {
    /// The settings in force.
    pub(crate) const fn settings(&self) -> Termios {
        self.settings
    }

    /// Changes the settings; what was typed so far may be read at once in raw mode.
    pub(crate) fn set(&mut self, settings: Termios) {
        if self.is_canonical() && !settings.has(ICANON) {
            let text = self.editor.take();
            if !text.is_empty() {
                self.push(text);
            }
            self.ready.retain(|chunk| !chunk.is_empty());
        }
        self.literal = false;
        self.settings = settings;
    }

    /// Forgets all input that was not read.
    pub(crate) fn flush(&mut self) {
        self.editor.take();
        self.ready.clear();
        self.cost = 0;
    }

    /// Makes an empty line readable: a prompt that was interrupted is shown again.
    pub(crate) fn push_empty_line(&mut self) {
        self.push(b"\n".to_vec());
    }

    /// Whether input comes by lines.
    pub(crate) const fn is_canonical(&self) -> bool {
        self.settings.has(ICANON)
    }

    /// Takes a byte from the keyboard; `out` gets what the screen shall show.
    pub(crate) fn input(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<Signal> {
        let byte = match byte {
            b'\r' if self.settings.input & IGNCR != 0 => return None,
            b'\r' if self.settings.input & ICRNL != 0 => b'\n',
            b'\n' if self.settings.input & INLCR != 0 => b'\r',
            _ => byte,
        };
        if self.literal {
            self.literal = false;
            self.editing(out, |editor, out| editor.insert(byte, out));
            return None;
        }
        if self.settings.has(ISIG) {
            if self.settings.is(character::INTERRUPT, byte) {
                return Some(self.interrupt(byte, Signal::Interrupt, out));
            }
            if self.settings.is(character::QUIT, byte) {
                return Some(self.interrupt(byte, Signal::Quit, out));
            }
            if self.settings.is(character::SUSPEND, byte) {
                // Processes cannot be stopped yet; the default action would end them.
                out.push(BELL);
                return None;
            }
        }
        if self.is_canonical() {
            self.edit(byte, out);
        } else {
            self.raw(byte, out);
        }
        None
    }

    fn interrupt(&mut self, byte: u8, signal: Signal, out: &mut Vec<u8>) -> Signal {
        if !self.settings.has(NOFLSH) {
            self.flush();
        }
        if self.settings.has(ECHO) {
            paint(&[byte], out);
            self.output(b"\n", out);
        }
        signal
    }

    fn raw(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.cost >= MOST_INPUT {
            out.push(BELL);
            return;
        }
        if self.settings.has(ECHO) {
            self.output(&[byte], out);
        }
        match self.ready.back_mut() {
            Some(chunk) => {
                chunk.push(byte);
                self.cost = self.cost.saturating_add(1);
            }
            None => self.push(vec![byte]),
        }
    }

    fn edit(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is = |index| self.settings.is(index, byte);
        let backspace = byte == 8 && self.settings.value(character::ERASE) == 0x7F;
        let mut shown = Vec::new();
        if byte == b'\n' || is(character::EOL) {
            self.enter(Some(byte), out);
        } else if is(character::EOF) {
            self.enter(None, out);
        } else if is(character::LITERAL) {
            self.literal = true;
        } else if is(character::ERASE) || backspace {
            self.editor.erase(&mut shown);
        } else if is(character::WORD_ERASE) {
            self.editor.erase_word(&mut shown);
        } else if is(character::KILL) {
            self.editor.kill(&mut shown);
        } else if is(character::REPRINT) {
            self.editor.reprint(&mut shown);
        } else if !self.editor.sequence(byte, &mut shown) {
            self.editor.insert(byte, &mut shown);
        }
        self.echo(&shown, out);
    }

    fn editing(&mut self, out: &mut Vec<u8>, edit: impl FnOnce(&mut Editor, &mut Vec<u8>)) {
        let mut shown = Vec::new();
        edit(&mut self.editor, &mut shown);
        self.echo(&shown, out);
    }

    /// Ends the line; without an `end` byte what was typed is readable, or the end of file.
    fn enter(&mut self, end: Option<u8>, out: &mut Vec<u8>) {
        self.editing(out, Editor::finish);
        let mut line = self.editor.take();
        if self.cost.saturating_add(line.len()).saturating_add(LINE_COST) > MOST_INPUT {
            out.push(BELL);
            return;
        }
        if let Some(end) = end {
            if self.settings.has(ECHO) {
                self.editor.remember(&line);
            }
            if self.settings.has(ECHO) || (end == b'\n' && self.settings.has(ECHONL)) {
                self.output(&[end], out);
            }
            line.push(end);
        }
        self.push(line);
    }

    fn push(&mut self, chunk: Vec<u8>) {
        self.cost = self.cost.saturating_add(chunk.len()).saturating_add(LINE_COST);
        self.ready.push_back(chunk);
    }

    fn echo(&self, shown: &[u8], out: &mut Vec<u8>) {
        if self.settings.has(ECHO) {
            out.extend(shown);
        } else {
            // A bell tells of a refusal, not of what was typed.
            out.extend(shown.iter().filter(|byte| **byte == BELL));
        }
    }

    /// Reads into `buf`: at most a line in canonical mode. `None`: there is nothing yet.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Option<usize> {
        if !self.is_ready(buf.len()) {
            return None;
        }
        if self.is_canonical() {
            return Some(self.read_chunk(buf));
        }
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..)
            && !rest.is_empty()
            && !self.ready.is_empty()
        {
            done = done.saturating_add(self.read_chunk(rest));
        }
        Some(done)
    }

    /// Copies from the first chunk, and drops it when all of it was read.
    fn read_chunk(&mut self, buf: &mut [u8]) -> usize {
        let Some(chunk) = self.ready.front_mut() else { return 0 };
        let len = chunk.len().min(buf.len());
        for (to, byte) in buf.iter_mut().zip(chunk.drain(..len)) {
            *to = byte;
        }
        self.cost = self.cost.saturating_sub(len);
        if chunk.is_empty() {
            self.ready.pop_front();
            self.cost = self.cost.saturating_sub(LINE_COST);
        }
        len
    }

    /// Whether a read of `len` bytes would be answered now.
    pub(crate) fn is_ready(&self, len: usize) -> bool {
        if self.is_canonical() {
            return !self.ready.is_empty();
        }
        let least = usize::from(self.settings.value(character::MIN)).min(len);
        let patient = least == 0 && self.settings.value(character::TIME) > 0;
        self.readable() >= least.max(usize::from(patient))
    }

    /// After how many tenths of a second an unanswered read gets an empty answer.
    pub(crate) fn patience(&self) -> Option<u8> {
        let time = self.settings.value(character::TIME);
        let bounded = !self.is_canonical() && self.settings.value(character::MIN) == 0;
        bounded.then_some(time)
    }

    /// Bytes that reads would give.
    pub(crate) fn readable(&self) -> usize {
        self.ready.iter().map(Vec::len).fold(0, usize::saturating_add)
    }

    /// Turns what a program writes into what the line carries.
    pub(crate) fn output(&self, data: &[u8], out: &mut Vec<u8>) {
        if self.settings.output & (OPOST | ONLCR) != OPOST | ONLCR {
            out.extend(data);
            return;
        }
        for &byte in data {
            if byte == b'\n' {
                out.push(b'\r');
            }
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests;
