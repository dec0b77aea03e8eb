//! `$((…))`: whole numbers with the operators of C, but those that assign.

use std::iter::Peekable;
use std::str::Chars;

/// Operators by binding, loosest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];
/// How deep parentheses and signs may nest.
const MAX_DEPTH: usize = 32;

/// Computes an expression; `variable` gives the text of a name.
///
/// Numbers are 64 bits wide and wrap. The error is a sentence.
pub(crate) fn evaluate(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<i64, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, variable, depth: 0 };
    if tokens.is_empty() {
        return Ok(0);
    }
    let value = reader.level(0)?;
    match reader.tokens.first() {
        None => Ok(value),
        Some(extra) => Err(format!("`{extra}` is not expected in `{}`", text.trim())),
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut token = c.to_string();
        if c.is_ascii_alphanumeric() || c == '_' {
            take_name(&mut token, &mut rest);
        } else {
            let double = rest.peek().map(|next| format!("{c}{next}"));
            if let Some(double) = double.filter(|d| LEVELS.iter().any(|l| l.contains(&d.as_str())))
            {
                rest.next();
                token = double;
            } else if !"|^&<>+-*/%!~()?:".contains(c) {
                return Err(format!("`{c}` is no operator of arithmetic"));
            }
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn take_name(token: &mut String, rest: &mut Peekable<Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        token.push(c);
    }
}

struct Reader<'a> {
    tokens: &'a [String],
    variable: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, wanted: &[&str]) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        if !wanted.contains(&first.as_str()) {
            return None;
        }
        self.tokens = rest;
        Some(first.clone())
    }

    fn level(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let next = level.saturating_add(1);
        let mut left = self.level(next)?;
        while let Some(operator) = self.take(operators) {
            let right = self.level(next)?;
            left = apply(&operator, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err("arithmetic is nested too deeply".to_owned());
        }
        let value = match self.take(&["-", "+", "!", "~", "("]).as_deref() {
            Some("-") => self.unary()?.wrapping_neg(),
            Some("+") => self.unary()?,
            Some("!") => i64::from(self.unary()? == 0),
            Some("~") => !self.unary()?,
            Some(_) => {
                let value = self.level(0)?;
                self.take(&[")"]).ok_or("`)` is missing in arithmetic")?;
                value
            }
            None => self.operand()?,
        };
        self.depth = self.depth.saturating_sub(1);
        Ok(value)
    }

    fn operand(&mut self) -> Result<i64, String> {
        let (first, rest) = self.tokens.split_first().ok_or("a number is missing in arithmetic")?;
        self.tokens = rest;
        if first.starts_with(|c: char| c.is_ascii_digit()) {
            return number(first);
        }
        if !super::parser::is_name(first) {
            return Err(format!("a number is missing before `{first}`"));
        }
        match (self.variable)(first) {
            Some(text) if !text.trim().is_empty() => number(text.trim()),
            _ => Ok(0),
        }
    }
}

fn number(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1_i64, digits),
        None => (1, text),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    value.map(|value| value.wrapping_mul(sign)).map_err(|_| format!("`{text}` is no number"))
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, String> {
    let shift = u32::try_from(right.rem_euclid(64)).unwrap_or(0);
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.wrapping_shl(shift),
        ">>" => left.wrapping_shr(shift),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        _ if right == 0 => return Err("division by zero".to_owned()),
        // Only the smallest number by -1 is left to overflow.
        "/" => left.checked_div(right).unwrap_or(left),
        _ => left.checked_rem(right).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<i64, String> {
        evaluate(text, &|name| (name == "x").then(|| "7".to_owned()))
    }

    #[test]
    fn operators_bind_as_in_c() {
        assert_eq!(value("1 + 2 * 3"), Ok(7));
        assert_eq!(value("(1 + 2) * 3"), Ok(9));
        assert_eq!(value("10 - 2 - 3"), Ok(5));
        assert_eq!(value("1 << 4 | 1"), Ok(17));
        assert_eq!(value("x > 6 && x != 8"), Ok(1));
        assert_eq!(value("-x + ~0 + !0"), Ok(-7));
        assert_eq!(value("0x10 + 010"), Ok(24));
        assert_eq!(value("unset + 1"), Ok(1));
        assert_eq!(value(""), Ok(0));
    }

    #[test]
    fn bad_expressions_are_sentences_and_not_panics() {
        assert_eq!(value("1 / 0"), Err("division by zero".to_owned()));
        assert_eq!(value("1 % 0"), Err("division by zero".to_owned()));
        assert_eq!(value("(-9223372036854775807 - 1) / -1"), Ok(i64::MIN));
        assert!(value("1 +").is_err());
        assert!(value("1 2").is_err());
        assert!(value("(1").is_err());
        assert!(value("9a").is_err());
        assert!(value("1 = 2").is_err());
        assert!(value(&"(".repeat(10_000)).is_err());
        assert!(value(&"-".repeat(10_000)).is_err());
    }
}
