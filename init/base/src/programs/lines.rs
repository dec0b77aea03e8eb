//! `cut`, `tr`, `uniq`: parts of lines, other characters, lines without their neighbours' copies.

use std::io::{BufRead, BufReader, Read};
use std::ops::RangeInclusive;

use super::Outcome;
use super::call::{BLOCK, Call, Options, fill};
use crate::failure::Failure;

/// Gives each line without its end to `use_line`.
fn each_line(
    input: &mut dyn Read,
    path: &str,
    mut use_line: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::path(path, &error))? == 0 {
            return Ok(());
        }
        use_line(line.strip_suffix(b"\n").unwrap_or(&line))?;
    }
}

/// A line, and how often it came in a row.
type Run = (Vec<u8>, u64);

pub(super) fn uniq(call: &mut Call<'_>) -> Outcome {
    let options = call.options("cdu")?;
    let mut last: Option<Run> = None;
    call.inputs(&options.operands, |call, path, input| {
        each_line(input, path, |line| match &mut last {
            Some((same, count)) if same == line => {
                *count = count.saturating_add(1);
                Ok(())
            }
            other => show(call, &options, other.replace((line.to_vec(), 1))),
        })
    })?;
    show(call, &options, last)?;
    Ok(0)
}

fn show(call: &mut Call<'_>, options: &Options, run: Option<Run>) -> Result<(), Failure> {
    let Some((line, count)) = run else { return Ok(()) };
    if (options.has('d') && count == 1) || (options.has('u') && count > 1) {
        return Ok(());
    }
    if options.has('c') {
        write!(call.out, "{count:>7} ")?;
    }
    call.out.write_all(&line)?;
    Ok(call.out.write_all(b"\n")?)
}

pub(super) fn cut(call: &mut Call<'_>) -> Outcome {
    let options = call.options("b:c:d:f:s")?;
    let lists: Vec<char> = "bcf".chars().filter(|flag| options.has(*flag)).collect();
    let [kind] = *lists.as_slice() else {
        return Err(Failure::Usage("one of -b, -c and -f says what is cut out".to_owned()));
    };
    let list = options.value(kind).unwrap_or_default().to_string_lossy().into_owned();
    let ranges = ranges(&list).ok_or_else(|| {
        Failure::Usage(format!("{list}: not a list of numbers from 1, as 1,3-5,7-"))
    })?;
    let delimiter = options.value('d').map_or("\t".into(), |text| text.to_string_lossy());
    if delimiter.chars().count() != 1 {
        return Err(Failure::Usage(format!("-d {delimiter}: not one character")));
    }
    let wanted = |index: usize| ranges.iter().any(|range| range.contains(&index.saturating_add(1)));
    call.inputs(&options.operands, |call, path, input| {
        each_line(input, path, |line| {
            let text = String::from_utf8_lossy(line);
            let kept: Vec<u8> = match kind {
                'b' => chosen(line.iter().copied(), wanted),
                'c' => chosen(text.chars(), wanted).into_iter().collect::<String>().into_bytes(),
                _ if text.contains(&*delimiter) => {
                    chosen(text.split(&*delimiter), wanted).join(&*delimiter).into_bytes()
                }
                _ if options.has('s') => return Ok(()),
                // A line without fields is shown whole.
                _ => line.to_vec(),
            };
            call.out.write_all(&kept)?;
            Ok(call.out.write_all(b"\n")?)
        })
    })?;
    Ok(0)
}

fn chosen<T>(parts: impl Iterator<Item = T>, wanted: impl Fn(usize) -> bool) -> Vec<T> {
    parts.enumerate().filter(|(index, _)| wanted(*index)).map(|(_, part)| part).collect()
}

/// `1,3-5,7-`, counted from 1.
fn ranges(list: &str) -> Option<Vec<RangeInclusive<usize>>> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    let range = |text: &str| {
        let (first, last) = match text.split_once('-') {
            None => (number(text)?, number(text)?),
            Some(("", last)) => (1, number(last)?),
            Some((first, "")) => (number(first)?, usize::MAX),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        (first <= last).then_some(first..=last)
    };
    list.split(',').map(range).collect()
}

pub(super) fn tr(call: &mut Call<'_>) -> Outcome {
    let options = call.options_and_operands("dsc")?;
    let sets: Vec<Vec<u8>> =
        options.operands.iter().map(|word| set(word.to_string_lossy().as_bytes())).collect();
    let (from, to) = match (sets.as_slice(), options.has('d'), options.has('s')) {
        ([from], true, false) | ([from], false, true) => (from.clone(), Vec::new()),
        ([from, to], false, _) if !to.is_empty() => (from.clone(), to.clone()),
        _ => return Err(Failure::Usage("two sets, or one with -d or -s".to_owned())),
    };
    let is_in = |byte: u8| from.contains(&byte) != options.has('c');
    let squeezed = if to.is_empty() { None } else { Some(&to) };
    let becomes = |byte: u8| {
        if to.is_empty() || !is_in(byte) {
            return byte;
        }
        let at = from.iter().position(|other| *other == byte).unwrap_or(usize::MAX);
        // A short second set goes on with its last character.
        to.get(at).or(to.last()).copied().unwrap_or(byte)
    };
    let mut before = None;
    let mut block = vec![0; BLOCK];
    let mut input = std::io::stdin().lock();
    loop {
        let read = fill(&mut input, &mut block, "-")?;
        if read == 0 {
            return Ok(0);
        }
        let mut out = Vec::with_capacity(read);
        for &byte in block.iter().take(read) {
            if options.has('d') && is_in(byte) {
                continue;
            }
            let new = becomes(byte);
            let counts = squeezed.map_or_else(|| is_in(new), |to| to.contains(&new));
            if options.has('s') && counts && before == Some(new) {
                continue;
            }
            before = Some(new);
            out.push(new);
        }
        call.out.write_all(&out)?;
        call.out.flush()?;
    }
}

/// The bytes of a set: letters, ranges `a-z`, `\n`, `\t`, `\\`.
fn set(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => (b'\n', true),
                Some(b't') => (b'\t', true),
                Some(b'r') => (b'\r', true),
                Some(other) => (other, true),
                None => (b'\\', true),
            },
            other => (other, false),
        });
    }
    let mut set = Vec::new();
    let mut rest = plain.as_slice();
    while let [(first, _), after @ ..] = rest {
        match after {
            [(b'-', false), (last, _), after @ ..] if first <= last => {
                set.extend(*first..=*last);
                rest = after;
            }
            _ => {
                set.push(*first);
                rest = after;
            }
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::{ranges, set};

    #[test]
    fn a_list_is_numbers_and_ranges_from_one() {
        assert_eq!(ranges("1,3-5,7-"), Some(vec![1..=1, 3..=5, 7..=usize::MAX]));
        assert_eq!(ranges("-2"), Some(vec![1..=2]));
        for wrong in ["", "0", "1,", "3-2", "x", "-", "1-2-3", "-0"] {
            assert_eq!(ranges(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_set_has_ranges_and_escapes() {
        assert_eq!(set(b"a-dx"), b"abcdx");
        assert_eq!(set(b"a\\-c-"), b"a-c-");
        assert_eq!(set(b"\\n\\\\\\"), b"\n\\\\");
        assert_eq!(set(b"z-a"), b"z-a");
    }
}
