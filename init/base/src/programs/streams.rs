//! `cat` and `tee`: bytes from here to there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use super::Outcome;
use super::call::{BLOCK, Call, fill};

pub(super) fn cat(call: &mut Call<'_>) -> Outcome {
    let options = call.options("u")?;
    let mut block = vec![0; BLOCK];
    call.inputs(&options.operands, |call, path, input| {
        loop {
            let read = fill(input, &mut block, path)?;
            if read == 0 {
                return Ok(());
            }
            call.out.write_all(block.get(..read).unwrap_or_default())?;
            // What was read may be all there is for now, as from a terminal.
            call.out.flush()?;
        }
    })?;
    Ok(0)
}

pub(super) fn tee(call: &mut Call<'_>) -> Outcome {
    let options = call.options("a")?;
    let append = options.has('a');
    let mut files = Vec::new();
    for path in &options.operands {
        let mut how = OpenOptions::new();
        how.create(true).write(true).append(append).truncate(!append);
        match how.open(path) {
            Ok(file) => files.push((path, file)),
            Err(error) => call.complain_of(path, &error),
        }
    }
    let mut block = vec![0; BLOCK];
    let mut input = io::stdin().lock();
    loop {
        let read = fill(&mut input, &mut block, "-")?;
        if read == 0 {
            return Ok(0);
        }
        let bytes = block.get(..read).unwrap_or_default();
        call.out.write_all(bytes)?;
        call.out.flush()?;
        // A file that fails is given up, the others go on.
        files.retain_mut(|(path, file): &mut (_, File)| match file.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                call.complain_of(path, &error);
                false
            }
        });
    }
}
