//! A small regular expression: characters, `.`, `[…]`, `*`, `^` at the start, `$` at the end,
//! and `\` before any of them. Takes time of at most pattern times line, whatever the pattern.

/// What one character of a line may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Any,
    Char(char),
    Class { ranges: Vec<(char, char)>, negated: bool },
}

impl Atom {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Char(wanted) => *wanted == c,
            Self::Class { ranges, negated } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    AnyNumber,
}

/// A pattern to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Regex {
    atoms: Vec<(Atom, Times)>,
    at_start: bool,
    at_end: bool,
}

impl Regex {
    /// A pattern that stands for itself.
    pub(super) fn literal(text: &str) -> Self {
        let atoms = text.chars().map(|c| (Atom::Char(c), Times::Once)).collect();
        Self { atoms, at_start: false, at_end: false }
    }

    /// Reads a pattern; the error is a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (text, at_start) = match text.strip_prefix('^') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let mut regex = Self { atoms: Vec::new(), at_start, at_end: false };
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let atom = match c {
                '.' => Atom::Any,
                '[' => class(&mut chars)?,
                '\\' => Atom::Char(chars.next().ok_or("nothing stands behind the last `\\`")?),
                '$' if chars.peek().is_none() => {
                    regex.at_end = true;
                    break;
                }
                '*' => match regex.atoms.last_mut() {
                    Some((_, times)) => {
                        *times = Times::AnyNumber;
                        continue;
                    }
                    None => Atom::Char('*'),
                },
                other => Atom::Char(other),
            };
            regex.atoms.push((atom, Times::Once));
        }
        Ok(regex)
    }

    /// Whether the pattern is somewhere in the line.
    pub(super) fn is_in(&self, line: &str) -> bool {
        let end = self.atoms.len();
        // `here[i]`: the atoms before `i` have matched what is before this character.
        let mut here = vec![false; end.saturating_add(1)];
        self.enter(&mut here, 0);
        for c in line.chars() {
            if here.last() == Some(&true) && !self.at_end {
                return true;
            }
            here = self.step(&here, c);
        }
        here.last() == Some(&true)
    }

    /// The states after one more character.
    fn step(&self, here: &[bool], c: char) -> Vec<bool> {
        let mut next = vec![false; here.len()];
        for (index, ((atom, times), is_here)) in self.atoms.iter().zip(here).enumerate() {
            if *is_here && atom.fits(c) {
                self.enter(&mut next, index.saturating_add(usize::from(*times == Times::Once)));
            }
        }
        if !self.at_start {
            self.enter(&mut next, 0);
        }
        next
    }

    /// Marks a state, and those that it reaches without a character.
    fn enter(&self, states: &mut [bool], from: usize) {
        for index in from..states.len() {
            if let Some(state) = states.get_mut(index) {
                *state = true;
            }
            if self.atoms.get(index).is_none_or(|(_, times)| *times == Times::Once) {
                return;
            }
        }
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Atom, String> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = chars.next().ok_or("`[` is not closed by `]`")?;
        if low == ']' && !ranges.is_empty() {
            return Ok(Atom::Class { ranges, negated });
        }
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        let high = if is_range { chars.nth(1).unwrap_or(low) } else { low };
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(pattern: &str, line: &str) -> bool {
        Regex::parse(pattern).unwrap().is_in(line)
    }

    #[test]
    fn patterns_are_found_anywhere_unless_anchored() {
        assert!(hit("b", "abc"));
        assert!(hit("", "abc"));
        assert!(hit("", ""));
        assert!(hit("^ab", "abc"));
        assert!(!hit("^b", "abc"));
        assert!(hit("bc$", "abc"));
        assert!(!hit("ab$", "abc"));
        assert!(hit("^$", ""));
        assert!(!hit("^$", "a"));
        assert!(hit("a.c", "xabcx"));
        assert!(hit("ab*c", "ac"));
        assert!(hit("ab*c", "abbbc"));
        assert!(hit("^a.*z$", "abcz"));
        assert!(hit("[0-9][^0-9]", "7x"));
        assert!(!hit("[0-9][^0-9]", "77"));
        assert!(hit(r"\*\.", "*."));
        assert!(hit("*", "a*"));
        assert!(hit("a$b", "a$b"));
    }

    #[test]
    fn wrong_patterns_are_sentences() {
        assert!(Regex::parse("[a").is_err());
        assert!(Regex::parse("a\\").is_err());
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        assert!(!hit(&format!("^{}b", "a*".repeat(50)), &"a".repeat(2000)));
    }
}
