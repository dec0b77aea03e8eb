//! The kept text: the newest lines, up to a bound.

use std::collections::VecDeque;

/// Lines in the order in which they came; the oldest go when there is no room.
#[derive(Debug)]
pub(crate) struct Store {
    lines: VecDeque<String>,
    bytes: usize,
    room: usize,
    /// Lines that went, so far.
    dropped: u64,
}

impl Store {
    /// Keeps at most `room` bytes.
    pub(crate) const fn new(room: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, room, dropped: 0 }
    }

    /// Keeps a line, which ends in its newline.
    pub(crate) fn push(&mut self, line: String) {
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push_back(line);
        while self.bytes > self.room
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.len());
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// All that is kept, behind `head`.
    pub(crate) fn text(&self, head: &str) -> String {
        let mut text = String::with_capacity(head.len().saturating_add(self.bytes));
        text.push_str(head);
        if !head.is_empty() && !head.ends_with('\n') {
            text.push('\n');
        }
        if self.dropped > 0 {
            text.push_str(&format!("({} older lines are gone)\n", self.dropped));
        }
        self.lines.iter().for_each(|line| text.push_str(line));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Store;

    #[test]
    fn the_oldest_lines_go_first_and_are_counted() {
        let mut store = Store::new(12);
        for line in ["one\n", "two\n", "three\n"] {
            store.push(line.to_owned());
        }
        assert_eq!(store.text(""), "(1 older lines are gone)\ntwo\nthree\n");
        assert_eq!(Store::new(9).text("kernel"), "kernel\n");
    }

    #[test]
    fn a_line_beyond_the_bound_leaves_nothing_behind() {
        let mut store = Store::new(8);
        store.push("x".repeat(100));
        assert_eq!(store.text("").lines().count(), 1);
        store.push("ok\n".to_owned());
        assert!(store.text("").ends_with("ok\n"));
    }
}
