//! From the bytes of a writer to lines that are fit to be kept and shown.

use std::time::Duration;

/// Longest line, in bytes as they came; what is longer goes on in the next.
const LONGEST: usize = 1024;
/// Longest name of a writer that is shown.
const LONGEST_NAME: usize = 31;

/// Collects one writer's bytes until a line is whole.
#[derive(Debug)]
pub(crate) struct Lines {
    name: String,
    partial: Vec<u8>,
}

impl Lines {
    /// Lines of the writer of that name.
    pub(crate) fn new(name: &str) -> Self {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        Self { name: harmless(shown.as_bytes()), partial: Vec::new() }
    }

    /// Takes bytes; `emit` gets each line that they finish, stamped with the time.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Duration, emit: &mut impl FnMut(String)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, whole) = part.strip_suffix(b"\n").map_or((part, false), |part| (part, true));
            self.collect(part, now, emit);
            if whole {
                self.emit(now, emit);
            }
        }
    }

    /// Takes bytes of one line; what is too long for one is cut.
    fn collect(&mut self, mut part: &[u8], now: Duration, emit: &mut impl FnMut(String)) {
        while !part.is_empty() {
            if self.partial.len() >= LONGEST {
                self.emit(now, emit);
            }
            let room = LONGEST.saturating_sub(self.partial.len());
            let (taken, rest) = part.split_at(room.min(part.len()));
            self.partial.extend(taken);
            part = rest;
        }
    }

    /// The writer is gone: what it left is a line too.
    pub(crate) fn finish(&mut self, now: Duration, emit: &mut impl FnMut(String)) {
        if !self.partial.is_empty() {
            self.emit(now, emit);
        }
    }

    fn emit(&mut self, now: Duration, emit: &mut impl FnMut(String)) {
        let text = harmless(self.partial.trim_ascii_end());
        self.partial.clear();
        let (seconds, millis) = (now.as_secs(), now.subsec_millis());
        emit(format!("[{seconds:5}.{millis:03}] {}: {text}\n", self.name));
    }
}

/// Text without anything that a terminal would obey.
fn harmless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, Lines};

    fn fed(parts: &[&[u8]]) -> Vec<String> {
        let mut kept = Vec::new();
        let mut lines = Lines::new("disk");
        for part in parts {
            lines.feed(part, Duration::from_millis(12_345), &mut |line| kept.push(line));
        }
        lines.finish(Duration::from_millis(12_345), &mut |line| kept.push(line));
        kept
    }

    #[test]
    fn a_line_is_whole_however_it_came() {
        let lines = fed(&[b"one\r\ntw", b"o\n", b"left"]);
        assert_eq!(
            lines,
            ["[   12.345] disk: one\n", "[   12.345] disk: two\n", "[   12.345] disk: left\n"]
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        assert_eq!(
            fed(&[b"a\x1b[2Jb\0\xff\n"]),
            ["[   12.345] disk: a\\u{1b}[2Jb\\u{0}\u{fffd}\n"]
        );
        assert_eq!(Lines::new("a\x1bb").name, "a\\u{1b}b");
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_nothing_is_lost() {
        let lines = fed(&[&[b'x'; 10 * LONGEST]]);
        assert_eq!(lines.len(), 10);
        assert!(lines.iter().all(|line| line.len() < LONGEST + 100));
        assert_eq!(Lines::new(&"n".repeat(500)).name.len(), 31);
    }
}
