//! Small texts in buffers that callers give: cut to fit, always NUL-terminated.

/// Copies `text` and a NUL, cutting it to fit; `false` when it was cut.
#[must_use]
pub fn put(buffer: &mut [u8], text: &[u8]) -> bool {
    let Some(room) = buffer.len().checked_sub(1) else { return false };
    let length = text.len().min(room);
    for (to, from) in buffer.iter_mut().zip(text.iter().take(length).chain(&[0])) {
        *to = *from;
    }
    length == text.len()
}

/// A writer into a fixed buffer, for `write!`; what does not fit is dropped.
#[derive(Debug)]
pub struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> Line<N> {
    /// What was written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl<const N: usize> core::fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let length = text.len().min(room.len());
        for (to, from) in room.iter_mut().zip(text.as_bytes()) {
            *to = *from;
        }
        self.length = self.length.saturating_add(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, put};
    use core::fmt::Write as _;

    #[test]
    fn a_text_is_cut_but_always_ends() {
        let mut buffer = [0xff; 4];
        assert!(put(&mut buffer, b"abc"));
        assert_eq!(&buffer, b"abc\0");
        assert!(!put(&mut buffer, b"wxyz"));
        assert_eq!(&buffer, b"wxy\0");
        assert!(!put(&mut [], b""));
    }

    #[test]
    fn a_line_takes_what_fits() {
        let mut line = Line::<8>::default();
        write!(line, "{}-abcdefgh", 12).unwrap();
        assert_eq!(line.as_bytes(), b"12-abcde");
    }
}
