//! `wait` and `kill`.

use std::ffi::OsString;
use std::mem;
use std::thread;
use std::time::Duration;

use crate::failure::{Failure, reason};
use crate::programs;
use crate::sh::shell::{Job, Outcome, Shell};

/// How often a job is asked whether it has ended: a wait of std goes on after a signal.
const STEP: Duration = Duration::from_millis(20);

/// `wait` for all jobs, or `wait PID…` for some; the status is the last one's.
pub(crate) fn wait(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let mut status = 0;
    if arguments.is_empty() {
        let mut jobs = mem::take(&mut shell.jobs);
        let outcome = jobs.iter_mut().try_for_each(|job| finish(shell, job).map(drop));
        if outcome.is_err() {
            shell.jobs = jobs;
        }
        return outcome.map(|()| 0);
    }
    for argument in arguments {
        let is_it = |job: &Job| match job {
            Job::Program(child) => child.id().to_string() == *argument,
            Job::Commands(_) => false,
        };
        status = match shell.jobs.iter().position(is_it) {
            Some(index) => {
                let mut job = shell.jobs.remove(index);
                let outcome = finish(shell, &mut job);
                if outcome.is_err() {
                    shell.jobs.push(job);
                }
                outcome?
            }
            None => {
                shell.complain(&format!("wait: {argument}: no such job"));
                127
            }
        };
    }
    Ok(status)
}

/// Waits for a job; the user's interruption ends the waiting, not the job.
fn finish(shell: &Shell, job: &mut Job) -> Outcome {
    loop {
        match job {
            Job::Commands(handle) if handle.is_finished() => return Ok(0),
            Job::Commands(_) => {}
            Job::Program(child) => match child.try_wait() {
                Ok(Some(status)) => {
                    return Ok(shell.status_of(&format!("job {}", child.id()), status));
                }
                Ok(None) => {}
                Err(error) => return Err(shell.fail(1, &format!("wait: {}", reason(&error)))),
            },
        }
        shell.go_on()?;
        thread::sleep(STEP);
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
