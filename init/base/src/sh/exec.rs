//! Running what the parser made: lists, chains, pipelines, loops, functions.

use std::mem;
use std::sync::Arc;
use std::thread;

use super::ast::{
    Chain, Command, Compound, Link, List, Loop, Pipeline, Place, Redirect, Simple, Word,
};
use super::builtin;
use super::pattern;
use super::program::Group;
use super::shell::{Job, Level, Outcome, Shell, Stop, nothing};
use super::streams::Stream;
use crate::failure::reason;

/// How deep functions may call each other: bounds the stack.
pub(crate) const MAX_CALLS: usize = 64;
/// The status of what the user interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

impl Shell {
    /// Runs commands as all that this subshell does; only the user's interruption goes further.
    pub(crate) fn whole(&mut self, run: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        let outcome = run(self);
        let interrupted = outcome == Err(Stop::Interrupted);
        let status = self.end(outcome);
        if interrupted { Err(Stop::Interrupted) } else { Ok(status) }
    }

    /// The status that a shell ends with; its jobs that are threads of it are waited for.
    pub(crate) fn end(&mut self, outcome: Outcome) -> u8 {
        let status = match outcome {
            Ok(status) | Err(Stop::Exit(status) | Stop::Return(status) | Stop::Failed(status)) => {
                status
            }
            Err(Stop::Break(_) | Stop::Continue(_)) => 0,
            Err(Stop::Interrupted) => INTERRUPTED,
        };
        for job in mem::take(&mut self.jobs) {
            if let Job::Commands(handle) = job {
                // Its status went nowhere: nobody asked `wait` for it.
                drop(handle.join());
            }
        }
        status
    }

    /// Runs commands in order.
    pub(crate) fn list(&mut self, list: &List) -> Outcome {
        let mut status = 0;
        for item in list {
            self.go_on()?;
            status = match item.place {
                Place::Foreground => self.chain(&item.chain)?,
                Place::Background => self.background(&item.chain).or_else(failed)?,
            };
            self.status = status;
        }
        Ok(status)
    }

    fn chain(&mut self, chain: &Chain) -> Outcome {
        let mut left = chain.rest.len();
        let mut status = self.link(&chain.first, left)?;
        for (link, pipeline) in &chain.rest {
            left = left.saturating_sub(1);
            if (status == 0) == (*link == Link::And) {
                self.status = status;
                status = self.link(pipeline, left)?;
            }
        }
        Ok(status)
    }

    /// Runs one pipeline of a chain, after which `left` come.
    fn link(&mut self, pipeline: &Pipeline, left: usize) -> Outcome {
        if left > 0 || pipeline.negated {
            let status = self.condition(|shell| shell.pipeline(&pipeline.commands))?;
            return Ok(if pipeline.negated { u8::from(status == 0) } else { status });
        }
        let status = self.pipeline(&pipeline.commands)?;
        if status != 0 && self.options.exit && self.conditions == 0 {
            return Err(Stop::Exit(status));
        }
        Ok(status)
    }

    /// Runs something whose failure is an answer, not an error, for `set -e`.
    fn condition(&mut self, run: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        self.conditions = self.conditions.saturating_add(1);
        let outcome = run(self);
        self.conditions = self.conditions.saturating_sub(1);
        outcome
    }

    fn pipeline(&mut self, commands: &[Command]) -> Outcome {
        if let [command] = commands {
            return self.command(command);
        }
        let mut stages = Vec::new();
        let mut input = self.streams.input.clone();
        for (index, command) in commands.iter().enumerate() {
            let mut stage = self.subshell();
            stage.streams.input = input.clone();
            if index.saturating_add(1) < commands.len() {
                let (reader, writer) =
                    std::io::pipe().map_err(|e| self.fail(1, &format!("pipe: {}", reason(&e))))?;
                stage.streams.output = Stream::file(std::os::fd::OwnedFd::from(writer));
                input = Stream::file(std::os::fd::OwnedFd::from(reader));
            }
            stages.push((stage, command));
        }
        drop(input);
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let mut running = Vec::new();
            for (mut stage, command) in stages {
                let run = move || stage.whole(|stage| stage.command(command));
                running.push(thread::Builder::new().spawn_scoped(scope, run));
            }
            let joined = running.into_iter().map(|started| match started {
                Ok(handle) => handle.join().unwrap_or(Ok(1)),
                Err(error) => {
                    Err(self.fail(126, &format!("cannot start a thread: {}", reason(&error))))
                }
            });
            joined.collect()
        });
        if outcomes.contains(&Err(Stop::Interrupted)) {
            return Err(Stop::Interrupted);
        }
        outcomes.into_iter().next_back().unwrap_or(Ok(0)).or_else(failed)
    }

    fn background(&mut self, chain: &Arc<Chain>) -> Outcome {
        let mut stage = self.subshell();
        stage.apart = true;
        stage.interrupt = Arc::default();
        // What is typed at the terminal is for what runs in the foreground.
        let group = if self.level == Level::Interactive { Group::Own } else { Group::Same };
        if group == Group::Same {
            stage.streams.input =
                nothing().map_err(|e| self.fail(1, &format!("/dev/null: {}", reason(&e))))?;
        }
        if let Some(simple) = lone(chain) {
            let words = stage.fields(&simple.words)?;
            stage.redirect(&simple.redirects)?;
            if words.first().is_some_and(|name| !stage.is_own(name)) {
                stage.assign(&simple.assignments)?;
                let child = stage.start(&words, group)?;
                self.last_job = Some(child.id());
                self.jobs.push(Job::Program(child));
                return Ok(0);
            }
            let simple = simple.clone();
            return self.thread(move || {
                let outcome = stage.invoke(&words, &simple.assignments);
                stage.end(outcome)
            });
        }
        let chain = Arc::clone(chain);
        self.thread(move || {
            let outcome = stage.chain(&chain);
            stage.end(outcome)
        })
    }

    fn thread(&mut self, run: impl FnOnce() -> u8 + Send + 'static) -> Outcome {
        let started = thread::Builder::new().spawn(run);
        let handle = started
            .map_err(|e| self.fail(126, &format!("cannot start a thread: {}", reason(&e))))?;
        self.last_job = None;
        self.jobs.push(Job::Commands(handle));
        Ok(0)
    }

    /// Runs one command; one that cannot be run has said so and gives its status.
    pub(crate) fn command(&mut self, command: &Command) -> Outcome {
        let outcome = match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.redirected(redirects, |shell| shell.compound(compound))
            }
            Command::Function(name, body) => {
                self.functions.insert(name.clone(), Arc::clone(body));
                Ok(0)
            }
        };
        let status = outcome.or_else(failed)?;
        self.status = status;
        Ok(status)
    }

    fn redirected(&mut self, to: &[Redirect], run: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        let saved = self.streams.clone();
        let outcome = self.redirect(to).and_then(|()| run(self));
        self.streams = saved;
        outcome
    }

    fn simple(&mut self, simple: &Simple) -> Outcome {
        self.substituted = None;
        let words = self.fields(&simple.words)?;
        if self.options.trace && !words.is_empty() {
            drop(self.streams.error.write(format!("+ {}\n", words.join(" ")).as_bytes()));
        }
        if let [only] = words.as_slice()
            && only == "exec"
        {
            // Without a program, its redirections are for the shell itself.
            return self.redirect(&simple.redirects).map(|()| 0);
        }
        self.redirected(&simple.redirects, |shell| shell.invoke(&words, &simple.assignments))
    }

    fn invoke(&mut self, words: &[String], assignments: &[(String, Word)]) -> Outcome {
        let Some((name, arguments)) = words.split_first() else {
            for (name, word) in assignments {
                let value = self.text(word)?;
                self.set(name, value);
            }
            return Ok(self.substituted.take().unwrap_or(0));
        };
        let saved: Vec<_> = assignments
            .iter()
            .map(|(name, _)| (name.clone(), self.variables.get(name).cloned()))
            .collect();
        self.assign(assignments)?;
        let outcome = if let Some(body) = self.functions.get(name).cloned() {
            self.call(&body, arguments)
        } else if let Some(builtin) = builtin::find(name) {
            builtin(self, arguments)
        } else {
            self.program(words)
        };
        for (name, variable) in saved {
            match variable {
                Some(variable) => drop(self.variables.insert(name, variable)),
                None => drop(self.variables.remove(&name)),
            }
        }
        outcome
    }

    /// Sets variables for one program.
    fn assign(&mut self, assignments: &[(String, Word)]) -> Result<(), Stop> {
        for (name, word) in assignments {
            let value = self.text(word)?;
            self.export(name, value);
        }
        Ok(())
    }

    fn is_own(&self, name: &str) -> bool {
        self.functions.contains_key(name) || builtin::find(name).is_some()
    }

    fn call(&mut self, body: &Command, arguments: &[String]) -> Outcome {
        if self.calls >= MAX_CALLS {
            return Err(self.fail(1, "functions call each other too deeply"));
        }
        let outer = mem::replace(&mut self.arguments, arguments.to_vec());
        let loops = mem::replace(&mut self.loops, 0);
        self.calls = self.calls.saturating_add(1);
        let outcome = self.command(body);
        self.calls = self.calls.saturating_sub(1);
        self.loops = loops;
        self.arguments = outer;
        match outcome {
            Err(Stop::Return(status)) => Ok(status),
            other => other,
        }
    }

    fn compound(&mut self, compound: &Compound) -> Outcome {
        match compound {
            Compound::Brace(list) => self.list(list),
            Compound::Subshell(list) => self.subshell().whole(|shell| shell.list(list)),
            Compound::If { arms, otherwise } => self.conditional(arms, otherwise),
            Compound::Loop { kind, condition, body } => self.repeat(*kind, condition, body),
            Compound::For { name, words, body } => {
                let words = match words {
                    Some(words) => self.fields(words)?,
                    None => self.arguments.clone(),
                };
                self.each(name, words, body)
            }
            Compound::Case { word, arms } => self.case(word, arms),
        }
    }

    fn conditional(&mut self, arms: &[(List, List)], otherwise: &List) -> Outcome {
        for (condition, body) in arms {
            if self.condition(|shell| shell.list(condition))? == 0 {
                return self.list(body);
            }
        }
        self.list(otherwise)
    }

    fn repeat(&mut self, kind: Loop, condition: &List, body: &List) -> Outcome {
        let mut last = 0;
        loop {
            let status = self.condition(|shell| shell.list(condition))?;
            if (status == 0) != (kind == Loop::While) {
                return Ok(last);
            }
            match self.round(body)? {
                Some(status) => last = status,
                None => return Ok(0),
            }
        }
    }

    fn each(&mut self, name: &str, words: Vec<String>, body: &List) -> Outcome {
        let mut last = 0;
        for word in words {
            self.set(name, word);
            match self.round(body)? {
                Some(status) => last = status,
                None => return Ok(0),
            }
        }
        Ok(last)
    }

    /// Runs a loop's body once; `None` if the loop is left.
    fn round(&mut self, body: &List) -> Result<Option<u8>, Stop> {
        self.loops = self.loops.saturating_add(1);
        let outcome = self.list(body);
        self.loops = self.loops.saturating_sub(1);
        match outcome {
            Ok(status) => Ok(Some(status)),
            Err(Stop::Break(0 | 1)) => Ok(None),
            Err(Stop::Break(levels)) => Err(Stop::Break(levels.saturating_sub(1))),
            Err(Stop::Continue(0 | 1)) => Ok(Some(0)),
            Err(Stop::Continue(levels)) => Err(Stop::Continue(levels.saturating_sub(1))),
            Err(stop @ (Stop::Return(_) | Stop::Exit(_) | Stop::Failed(_) | Stop::Interrupted)) => {
                Err(stop)
            }
        }
    }

    fn case(&mut self, word: &Word, arms: &[(Vec<Word>, List)]) -> Outcome {
        let text = self.text(word)?;
        let patterns =
            arms.iter().flat_map(|(patterns, body)| patterns.iter().map(move |p| (p, body)));
        for (pattern, body) in patterns {
            if pattern::matches(&self.units(pattern)?, &text) {
                return self.list(body);
            }
        }
        Ok(0)
    }
}

/// A command that failed to run is one that ran with that status.
fn failed(stop: Stop) -> Outcome {
    match stop {
        Stop::Failed(status) => Ok(status),
        Stop::Break(_)
        | Stop::Continue(_)
        | Stop::Return(_)
        | Stop::Exit(_)
        | Stop::Interrupted => Err(stop),
    }
}

/// The one simple command that the chain is, if it is.
fn lone(chain: &Chain) -> Option<&Simple> {
    match chain.first.commands.as_slice() {
        [Command::Simple(simple)] if chain.rest.is_empty() && !chain.first.negated => Some(simple),
        _ => None,
    }
}
