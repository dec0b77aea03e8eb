//! The line that is being typed: insertion, erasing, arrow keys, history.
//!
//! What is shown grows and shrinks at its end without more output than that; a change further
//! left draws the line again. A line that is wider than the screen is edited right and shown
//! less well.

use std::collections::VecDeque;

/// Longest line, without its newline.
pub(crate) const LONGEST: usize = 4095;
/// Lines that are remembered.
const REMEMBERED: usize = 64;
pub(crate) const BELL: u8 = 7;
const BACK: u8 = 8;
const ESCAPE: u8 = 27;

/// What was read of an escape sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    None,
    Escape,
    /// Behind `ESC [` or `ESC O`, with the number so far.
    Control(u8),
}

/// A line and the cursor in it.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: Vec<u8>,
    /// Byte index, never inside a character.
    cursor: usize,
    sequence: Sequence,
    history: VecDeque<Vec<u8>>,
    /// Which remembered line is shown, counted from the newest.
    shown: Option<usize>,
    /// What was typed before a remembered line was shown.
    typed: Vec<u8>,
}

impl Editor {
    /// Takes the line out; the editor is empty then.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        (self.cursor, self.shown, self.sequence) = (0, None, Sequence::None);
        std::mem::take(&mut self.text)
    }

    /// Remembers a line that was entered.
    pub(crate) fn remember(&mut self, line: &[u8]) {
        if line.is_empty() || self.history.front().is_some_and(|newest| newest == line) {
            return;
        }
        self.history.truncate(REMEMBERED - 1);
        self.history.push_front(line.to_vec());
    }

    /// Takes a byte if it belongs to an escape sequence, and does what the sequence means.
    pub(crate) fn sequence(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match (self.sequence, byte) {
            (_, ESCAPE) => self.sequence = Sequence::Escape,
            (Sequence::None, _) => return false,
            (Sequence::Escape, b'[' | b'O') => self.sequence = Sequence::Control(0),
            (Sequence::Control(number), b'0'..=b'9') => {
                let digit = byte.saturating_sub(b'0');
                self.sequence = Sequence::Control(number.saturating_mul(10).saturating_add(digit));
            }
            (Sequence::Control(_), b';') => self.sequence = Sequence::Control(0),
            (Sequence::Escape, _) => self.sequence = Sequence::None,
            (Sequence::Control(number), _) => {
                self.sequence = Sequence::None;
                self.key(number, byte, out);
            }
        }
        true
    }

    fn key(&mut self, number: u8, last: u8, out: &mut Vec<u8>) {
        match (last, number) {
            (b'A', _) => self.recall(self.shown.map_or(0, |at| at.saturating_add(1)), out),
            (b'B', _) => match self.shown {
                Some(0) => self.recall_typed(out),
                Some(at) => self.recall(at.saturating_sub(1), out),
                None => out.push(BELL),
            },
            (b'C', _) => self.go(self.right(), out),
            (b'D', _) => self.go(self.left(), out),
            (b'H', _) | (b'~', 1 | 7) => self.go(0, out),
            (b'F', _) | (b'~', 4 | 8) => self.go(self.text.len(), out),
            (b'~', 3) if self.cursor < self.text.len() => self.cut(self.cursor, self.right(), out),
            _ => {}
        }
    }

    /// Puts a byte at the cursor; a full line refuses with a bell.
    pub(crate) fn insert(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.text.len() >= LONGEST {
            out.push(BELL);
        } else if self.cursor == self.text.len() {
            self.text.push(byte);
            self.cursor = self.text.len();
            paint(&[byte], out);
        } else {
            self.change(out, |text, cursor| {
                text.insert(*cursor, byte);
                *cursor = cursor.saturating_add(1);
            });
        }
    }

    /// Erases the character left of the cursor.
    pub(crate) fn erase(&mut self, out: &mut Vec<u8>) {
        self.cut(self.left(), self.cursor, out);
    }

    /// Erases back to the start of the word left of the cursor.
    pub(crate) fn erase_word(&mut self, out: &mut Vec<u8>) {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let blank =
            before.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at.saturating_add(1));
        let word = before.get(..blank).unwrap_or_default();
        let start =
            word.iter().rposition(|byte| *byte == b' ').map_or(0, |at| at.saturating_add(1));
        self.cut(start, self.cursor, out);
    }

    /// Erases the whole line.
    pub(crate) fn kill(&mut self, out: &mut Vec<u8>) {
        self.go(self.text.len(), out);
        self.cut(0, self.text.len(), out);
    }

    /// Shows the line on a new line of the screen.
    pub(crate) fn reprint(&self, out: &mut Vec<u8>) {
        out.extend(b"^R\r\n");
        paint(&self.text, out);
        back(self.width_from(self.cursor), out);
    }

    /// Moves what is shown of the cursor to the end, as the line is finished.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.go(self.text.len(), out);
    }

    fn left(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        before.iter().rposition(|byte| !continues(*byte)).unwrap_or(0)
    }

    fn right(&self) -> usize {
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let step = rest.iter().skip(1).position(|byte| !continues(*byte));
        step.map_or(self.text.len(), |step| self.cursor.saturating_add(step).saturating_add(1))
    }

    fn go(&mut self, to: usize, out: &mut Vec<u8>) {
        if to < self.cursor {
            back(width(self.text.get(to..self.cursor).unwrap_or_default()), out);
        } else {
            paint(self.text.get(self.cursor..to).unwrap_or_default(), out);
        }
        self.cursor = to;
    }

    fn cut(&mut self, from: usize, to: usize, out: &mut Vec<u8>) {
        if from == to {
            return;
        }
        if to == self.text.len() && self.cursor == to {
            let columns = self.width_from(from);
            self.text.truncate(from);
            self.cursor = from;
            (0..columns).for_each(|_| out.extend([BACK, b' ', BACK]));
            return;
        }
        self.change(out, |text, cursor| {
            text.drain(from..to);
            *cursor = from;
        });
    }

    /// Shows the remembered line of that age.
    fn recall(&mut self, age: usize, out: &mut Vec<u8>) {
        let Some(line) = self.history.get(age).cloned() else {
            out.push(BELL);
            return;
        };
        if self.shown.is_none() {
            self.typed.clone_from(&self.text);
        }
        self.shown = Some(age);
        self.replace(line, out);
    }

    fn recall_typed(&mut self, out: &mut Vec<u8>) {
        self.shown = None;
        let line = std::mem::take(&mut self.typed);
        self.replace(line, out);
    }

    fn replace(&mut self, line: Vec<u8>, out: &mut Vec<u8>) {
        self.change(out, |text, cursor| {
            *cursor = line.len();
            *text = line;
        });
    }

    /// Changes the line and draws it again from its start.
    fn change(&mut self, out: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>, &mut usize)) {
        let before = width(&self.text);
        back(width(self.text.get(..self.cursor).unwrap_or_default()), out);
        change(&mut self.text, &mut self.cursor);
        paint(&self.text, out);
        let spare = before.saturating_sub(width(&self.text));
        out.extend(std::iter::repeat_n(b' ', spare));
        back(spare.saturating_add(self.width_from(self.cursor)), out);
    }

    fn width_from(&self, at: usize) -> usize {
        width(self.text.get(at..).unwrap_or_default())
    }
}

/// A later byte of a UTF-8 character.
const fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Columns that bytes take when they are painted.
fn width(bytes: &[u8]) -> usize {
    let columns = |byte: u8| match byte {
        b'\t' => 1,
        0..32 | 127 => 2,
        _ => usize::from(!continues(byte)),
    };
    bytes.iter().fold(0, |sum, byte| columns(*byte).saturating_add(sum))
}

/// Shows bytes: control characters as `^X`, a tab as a space, so that widths are known.
pub(crate) fn paint(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'\t' => out.push(b' '),
            0..32 | 127 => out.extend([b'^', byte ^ 0x40]),
            _ => out.push(byte),
        }
    }
}

fn back(columns: usize, out: &mut Vec<u8>) {
    out.extend(std::iter::repeat_n(BACK, columns));
}

#[cfg(test)]
mod tests;
