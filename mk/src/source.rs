//! Rust source as the checks see it: code and comments apart, tests known.

/// One source file, split so that a word can be looked for where it counts.
///
/// Both texts have the lines and columns of the file. In `code`, comments are blank and what
/// strings hold is replaced by quotes; in `comments`, everything else is blank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) code: String,
    pub(crate) comments: String,
}

impl Source {
    /// Reads Rust.
    pub(crate) fn rust(text: &str) -> Self {
        Splitter::new(text).run()
    }

    /// Reads assembly or a linker script, where strings do not matter.
    pub(crate) fn assembly(text: &str) -> Self {
        let mut source = Splitter::new(text).run();
        let code = source.code.lines().map(|line| match line.trim_start().starts_with('#') {
            true => "",
            false => line,
        });
        source.code = code.collect::<Vec<_>>().join("\n");
        source
    }

    /// How many lines hold code; items under `#[cfg(test)]` do not count.
    pub(crate) fn code_lines(&self) -> usize {
        let tests = self.test_lines();
        let lines = self.code.lines().enumerate();
        lines.filter(|(at, line)| !line.trim().is_empty() && !tests.contains(at)).count()
    }

    /// The modules in files of their own that only tests see.
    pub(crate) fn test_modules(&self) -> impl Iterator<Item = &str> {
        let after_attribute = self.code.split("#[cfg(test)]").skip(1);
        after_attribute.filter_map(|rest| {
            let (item, _rest) = rest.split_once([';', '{'])?;
            let closed = rest.get(item.len()..)?.starts_with(';');
            // Other attributes and a visibility may stand before it.
            let mut words = item.rsplit(']').next()?.split_whitespace();
            words.find(|word| *word == "mod")?;
            closed.then_some(words.next()?)
        })
    }

    /// The numbers, from 0, of lines that belong to items under `#[cfg(test)]`.
    fn test_lines(&self) -> std::collections::HashSet<usize> {
        let mut found = std::collections::HashSet::new();
        let mut from = 0_usize;
        while let Some(at) = self.code.get(from..).and_then(|rest| rest.find("#[cfg(test)]")) {
            let start = from.saturating_add(at);
            let end = start.saturating_add(item_len(self.code.get(start..).unwrap_or_default()));
            let line_of = |at| self.code.get(..at).map_or(0, |text| text.matches('\n').count());
            found.extend(line_of(start)..=line_of(end));
            from = end.max(start.saturating_add(1));
        }
        found
    }
}

/// How many bytes the first item of `code` takes: to its semicolon, or to its closing brace.
fn item_len(code: &str) -> usize {
    let mut depth = 0_u32;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth = depth.saturating_add(1),
            '}' if depth <= 1 => return at,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

/// Whether `line` has `word` with nothing that could be part of a name on either side.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let inside = |letter: Option<char>| letter.is_some_and(|l| l.is_alphanumeric() || l == '_');
    line.match_indices(word).any(|(at, _word)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at.saturating_add(word.len())..).and_then(|text| text.chars().next());
        !inside(before) && !inside(after)
    })
}

/// Where a character goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    String,
}

struct Splitter<'a> {
    rest: &'a str,
    source: Source,
}

impl<'a> Splitter<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, source: Source::default() }
    }

    fn run(mut self) -> Source {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()), Part::Comment);
            } else if self.rest.starts_with("/*") {
                self.take(comment_len(self.rest), Part::Comment);
            } else if let Some(len) = raw_string_len(self.rest) {
                self.take(len, Part::String);
            } else if first == '"' {
                self.take(quoted_len(self.rest, '"'), Part::String);
            } else if let Some(len) = char_len(self.rest) {
                self.take(len, Part::String);
            } else {
                self.take(word_len(self.rest), Part::Code);
            }
        }
        self.source
    }

    /// Moves `len` bytes to where they belong and a blank for each to the other text.
    fn take(&mut self, len: usize, part: Part) {
        let (piece, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        for letter in piece.chars() {
            let blank = if letter.is_whitespace() { letter } else { ' ' };
            let quoted = if letter.is_whitespace() { letter } else { '"' };
            let (code, comment) = match part {
                Part::Code => (letter, blank),
                Part::Comment => (blank, letter),
                Part::String => (quoted, blank),
            };
            self.source.code.push(code);
            self.source.comments.push(comment);
        }
    }
}

/// A whole name at once, so that the `r` of `for"` does not begin a raw string; else a letter.
fn word_len(text: &str) -> usize {
    let name = text.find(|l: char| !l.is_alphanumeric() && l != '_').unwrap_or(text.len());
    name.max(text.chars().next().map_or(1, char::len_utf8))
}

fn comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0_usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with("/*") {
            depth = depth.saturating_add(1);
            2
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at = at.saturating_add(step);
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string_len(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let rest = text.get(prefix.len()..)?;
    let hashes = rest.len().checked_sub(rest.trim_start_matches('#').len())?;
    let body = rest.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = body.find(&end).map_or(body.len(), |at| at.saturating_add(end.len()));
    Some(prefix.len().saturating_add(hashes).saturating_add(1).saturating_add(len))
}

/// The length of what `quote` encloses at the start of `text`, backslashes respected.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal at the start of `text`; a lifetime is none.
fn char_len(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return Some(quoted_len(text, '\''));
    }
    let len = body.chars().next()?.len_utf8();
    body.get(len..)?.starts_with('\'').then(|| len.saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::{Source, has_word};

    const TEXT: &str = r##"//! Head.
fn a<'a>(s: &'a str) -> char { // unsafe
    let _x = "unsafe // no { comment"; /* two
    /* nested */ lines */ let y = r#"raw " string"#;
    '"'
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod inner {
    fn t() { let _b = "}"; }
}

fn b() {}
"##;

    #[test]
    fn comments_and_strings_are_no_code() {
        let source = Source::rust(TEXT);

        assert!(!source.code.contains("unsafe"));
        assert!(source.comments.contains("unsafe"));
        assert!(source.comments.contains("nested"));
        assert!(source.code.contains("let y ="));
        assert!(source.code.contains("fn b() {}"));
        assert_eq!(source.code.lines().count(), TEXT.lines().count());
    }

    #[test]
    fn code_is_counted_without_blanks_comments_and_tests() {
        // fn a, _x, y, '"', } and fn b.
        assert_eq!(Source::rust(TEXT).code_lines(), 6);
    }

    #[test]
    fn lines_within_a_string_count_as_code() {
        assert_eq!(Source::rust("asm!(\n    \"nop\",\n    \"a\n    b\"\n);\n").code_lines(), 5);
    }

    #[test]
    fn assembly_comments_do_not_count() {
        assert_eq!(Source::assembly("# one\n// two\n/* three */\nnop // four\n\n").code_lines(), 1);
    }

    #[test]
    fn modules_of_tests_are_known() {
        assert_eq!(Source::rust(TEXT).test_modules().collect::<Vec<_>>(), ["tests"]);
        let text = "#[cfg(test)]\n#[expect(x, reason = \"y\")]\npub(crate) mod testing;\nmod a;\n";
        assert_eq!(Source::rust(text).test_modules().collect::<Vec<_>>(), ["testing"]);
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert!(has_word("unsafe { x }", "unsafe"));
        assert!(has_word("#[unsafe(no_mangle)]", "unsafe"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
    }

    #[test]
    fn unfinished_source_ends() {
        for text in ["\"open", "/* open", "r#\"open", "'\\", "'", "#[cfg(test)]", "r", "é'é"] {
            let source = Source::rust(text);
            assert_eq!(source.code.chars().count(), text.chars().count());
            source.code_lines();
        }
    }
}
