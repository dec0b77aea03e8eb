//! The guest's serial line: everything it said, and waiting for what it will say.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// How a wait for words ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// They came.
    Found,
    /// They did not come within the limit.
    TimedOut,
    /// The line was cut: the machine is gone.
    Ended,
}

/// The line, and what came over it.
#[derive(Debug)]
pub(super) struct Serial {
    stream: UnixStream,
    log: File,
    text: Text,
    /// How much of the text earlier waits have consumed.
    seen: usize,
}

impl Serial {
    /// Takes over a connected line; all that comes is also written to `log`.
    pub(super) fn new(stream: UnixStream, log: File) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { stream, log, text: Text::default(), seen: 0 })
    }

    /// Types `text`.
    pub(super) fn send(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    /// Waits until any of `words` comes after what was found before; gives the text up to and
    /// including them, and which it was.
    pub(super) fn expect(&mut self, words: &[&str], limit: Duration) -> (Wait, String, usize) {
        let started = Instant::now();
        let mut open = true;
        loop {
            if let Some((end, which)) = self.text.find(self.seen, words) {
                let text = self.text.between(self.seen, end);
                self.seen = end;
                return (Wait::Found, text, which);
            }
            let wait = match (open, started.elapsed() > limit) {
                (false, _) => Wait::Ended,
                (true, true) => Wait::TimedOut,
                (true, false) => {
                    open = self.read();
                    continue;
                }
            };
            return (wait, self.text.between(self.seen, usize::MAX), 0);
        }
    }

    /// Reads what is there; `false` at the end of the line.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 512];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(len) => {
                let bytes = buffer.get(..len).unwrap_or_default();
                // A log that cannot be written does not fail a test.
                drop(self.log.write_all(bytes));
                self.text.push(bytes);
                true
            }
            Err(error) => matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ),
        }
    }

    /// The last `count` lines that came.
    pub(super) fn tail(&self, count: usize) -> String {
        let text = self.text.between(0, usize::MAX);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(count);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

/// Text without carriage returns and without the escape sequences that terminals understand.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Escape,
    /// Within `ESC [ …`, which ends with a letter.
    Control,
    /// Within `ESC ] …`, which ends with BEL or `ESC \`.
    Title,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (_, 0x1b) => State::Escape,
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']') => State::Title,
                (State::Control, 0x40..=0x7e) | (State::Title, 0x07) | (State::Escape, _) => {
                    State::Plain
                }
                (State::Plain, b'\r' | 0) => State::Plain,
                (State::Plain, _) => {
                    self.bytes.push(byte);
                    State::Plain
                }
                (state, _) => state,
            };
        }
    }

    /// Where the first of `words` at or after `from` ends, and which it is.
    fn find(&self, from: usize, words: &[&str]) -> Option<(usize, usize)> {
        let rest = self.bytes.get(from..)?;
        let ends = words.iter().enumerate().filter_map(|(which, word)| {
            let at = rest.windows(word.len()).position(|part| part == word.as_bytes())?;
            Some((from.checked_add(at)?.checked_add(word.len())?, which))
        });
        ends.min()
    }

    fn between(&self, from: usize, to: usize) -> String {
        let to = to.min(self.bytes.len());
        String::from_utf8_lossy(self.bytes.get(from..to).unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    fn text(parts: &[&str]) -> String {
        let mut text = Text::default();
        parts.iter().for_each(|part| text.push(part.as_bytes()));
        text.between(0, usize::MAX)
    }

    #[test]
    fn escape_sequences_and_carriage_returns_vanish() {
        assert_eq!(text(&["a\x1b[2J\x1b[01;31mb\r\n", "\x1b]0;title\x07c"]), "ab\nc");
    }

    #[test]
    fn a_sequence_may_arrive_in_pieces() {
        assert_eq!(text(&["a\x1b", "[3", "1", "mb"]), "ab");
    }

    #[test]
    fn the_word_that_comes_first_is_found() {
        let mut text = Text::default();
        text.push(b"one two three");

        assert_eq!(text.find(0, &["three", "two"]), Some((7, 1)));
        assert_eq!(text.find(7, &["two"]), None);
    }
}
