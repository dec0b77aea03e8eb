//! `wait` and `kill`.

use std::ffi::OsString;
use std::mem;

use crate::failure::{Failure, reason};
use crate::programs;
use crate::sh::shell::{Job, Outcome, Shell};

/// `wait` for all jobs, or `wait PID…` for some; the status is the last one's.
pub(crate) fn wait(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let mut status = 0;
    if arguments.is_empty() {
        for job in mem::take(&mut shell.jobs) {
            finish(shell, job);
        }
        return Ok(0);
    }
    for argument in arguments {
        let is_it = |job: &Job| match job {
            Job::Program(child) => child.id().to_string() == *argument,
            Job::Commands(_) => false,
        };
        status = match shell.jobs.iter().position(is_it) {
            Some(index) => {
                let job = shell.jobs.remove(index);
                finish(shell, job)
            }
            None => {
                shell.complain(&format!("wait: {argument}: no such job"));
                127
            }
        };
    }
    Ok(status)
}

fn finish(shell: &Shell, job: Job) -> u8 {
    match job {
        Job::Commands(handle) => handle.join().unwrap_or(1),
        Job::Program(mut child) => match child.wait() {
            Ok(status) => shell.status_of(&format!("job {}", child.id()), status),
            Err(error) => {
                shell.complain(&format!("wait: {}", reason(&error)));
                1
            }
        },
    }
}

pub(crate) fn kill(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let words: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let mut output = Vec::new();
    let outcome = programs::kill::act(&words, &mut output);
    shell.print(&String::from_utf8_lossy(&output))?;
    match outcome {
        Ok(()) => Ok(0),
        Err(Failure::Usage(message)) => {
            Err(shell.fail(2, &format!("kill: {message}\nusage: {}", programs::kill::USAGE)))
        }
        Err(error) => Err(shell.fail(1, &format!("kill: {error}"))),
    }
}

impl Shell {
    /// Forgets the jobs that have ended, so that no ended process stays behind.
    pub(crate) fn reap(&mut self) {
        self.jobs.retain_mut(|job| match job {
            Job::Program(child) => !matches!(child.try_wait(), Ok(Some(_))),
            Job::Commands(handle) => !handle.is_finished(),
        });
    }
}
