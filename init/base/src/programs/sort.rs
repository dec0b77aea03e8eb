//! `sort`: lines in order, by bytes or by the number that they begin with.

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;

pub(super) fn sort(call: &mut Call<'_>) -> Outcome {
    let options = call.options("nru")?;
    let mut text = Vec::new();
    call.inputs(&options.operands, |_call, path, input| {
        input.read_to_end(&mut text).map_err(|error| Failure::path(path, &error))?;
        // A file without a line end must not run into the next one.
        if text.last().is_some_and(|&byte| byte != b'\n') {
            text.push(b'\n');
        }
        Ok(())
    })?;
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    if options.has('n') {
        lines.sort_by(|left, right| number(left).cmp(&number(right)).then_with(|| left.cmp(right)));
    } else {
        lines.sort_unstable();
    }
    if options.has('r') {
        lines.reverse();
    }
    if options.has('u') {
        lines.dedup();
    }
    for line in lines {
        call.out.write_all(line)?;
    }
    Ok(0)
}

/// The whole number at the start of a line, or 0.
fn number(line: &[u8]) -> i128 {
    let line = line.trim_ascii_start();
    let (negative, digits) = match line.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, line),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_i128, |value, byte| {
        value.saturating_mul(10).saturating_add(i128::from(byte.saturating_sub(b'0')))
    });
    if negative { value.saturating_neg() } else { value }
}
