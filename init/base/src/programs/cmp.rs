//! `cmp`: whether two files are the same. Status 0 if so, 1 if not, 2 if that cannot be told.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};

use super::Outcome;
use super::call::{BLOCK, Call};
use crate::failure::{Failure, reason};

pub(super) fn cmp(call: &mut Call<'_>) -> Outcome {
    let options = call.options("s")?;
    let [left, right] = options.operands.as_slice() else {
        return Err(Failure::Usage("two files are needed".to_owned()));
    };
    match compare(left, right) {
        Ok(None) => Ok(0),
        Ok(Some(sentence)) => {
            if !options.has('s') {
                writeln!(call.out, "{} {} {sentence}", left.display(), right.display())?;
            }
            Ok(1)
        }
        Err(sentence) => {
            call.complain(sentence);
            Ok(2)
        }
    }
}

fn bytes(path: &OsStr) -> Result<impl Iterator<Item = io::Result<u8>>, String> {
    let input: Box<dyn Read> = if path == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| sentence(path, &error))?)
    };
    Ok(BufReader::with_capacity(BLOCK, input).bytes())
}

fn sentence(path: &OsStr, error: &io::Error) -> String {
    format!("{}: {}", path.display(), reason(error))
}

/// How the files differ, if they do.
fn compare(left: &OsStr, right: &OsStr) -> Result<Option<String>, String> {
    let (mut ours, mut theirs) = (bytes(left)?, bytes(right)?);
    let (mut at, mut line) = (1_u64, 1_u64);
    loop {
        let our = ours.next().transpose().map_err(|error| sentence(left, &error))?;
        let their = theirs.next().transpose().map_err(|error| sentence(right, &error))?;
        match (our, their) {
            (None, None) => return Ok(None),
            (Some(our), Some(their)) if our == their => {
                at = at.saturating_add(1);
                line = line.saturating_add(u64::from(our == b'\n'));
            }
            (Some(_), Some(_)) => return Ok(Some(format!("differ: byte {at}, line {line}"))),
            (our, _) => {
                let short = if our.is_none() { left } else { right };
                let after = at.saturating_sub(1);
                return Ok(Some(format!("differ: {} ends after {after} bytes", short.display())));
            }
        }
    }
}
