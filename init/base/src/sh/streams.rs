//! Where commands read and write: the shell's own three streams, or files and pipes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

/// Held while a program is started. A copy of a descriptor may, on some systems, be inherited
/// by every program that is started while it exists; a pipe's end that leaks into its own
/// reader never ends. So copies live only under this lock, for the one program they are for.
pub(crate) static STARTING: Mutex<()> = Mutex::new(());

/// One of a command's streams.
#[derive(Clone, Debug)]
pub(crate) enum Stream {
    Input,
    Output,
    Error,
    File(Arc<File>),
}

impl Stream {
    pub(crate) fn file(file: impl Into<File>) -> Self {
        Self::File(Arc::new(file.into()))
    }

    /// The stream for a program that is about to start; `STARTING` must be held.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub(crate) fn stdio(&self) -> io::Result<Stdio> {
        Ok(match self {
            Self::Input => Stdio::inherit(),
            Self::Output => io::stdout().into(),
            Self::Error => io::stderr().into(),
            Self::File(file) => file.try_clone()?.into(),
        })
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// As the file's; `BrokenPipe` when nobody reads any more.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Input => Err(io::ErrorKind::Unsupported.into()),
            Self::Output => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Self::Error => io::stderr().write_all(bytes),
            Self::File(file) => file.as_ref().write_all(bytes),
        }
    }

    /// Reads up to and with the next line end, never further, as what follows may be for
    /// another program. `None` at the end.
    ///
    /// # Errors
    ///
    /// As the file's.
    pub(crate) fn line(&self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Input => line(&mut own_input()?.as_ref()),
            Self::File(file) => line(&mut file.as_ref()),
            Self::Output | Self::Error => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Standard input without std's buffer.
fn own_input() -> io::Result<Arc<File>> {
    static INPUT: Mutex<Option<Arc<File>>> = Mutex::new(None);
    let mut input = INPUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(file) = input.as_ref() {
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    *input = Some(Arc::clone(&file));
    Ok(file)
}

fn line(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(line)),
            Ok(_) => line.extend_from_slice(&byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if line.ends_with(b"\n") {
            return Ok(Some(line));
        }
    }
}

/// The three streams of a command.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) input: Stream,
    pub(crate) output: Stream,
    pub(crate) error: Stream,
}

impl Streams {
    /// The shell's own.
    pub(crate) fn inherited() -> Self {
        Self { input: Stream::Input, output: Stream::Output, error: Stream::Error }
    }
}
