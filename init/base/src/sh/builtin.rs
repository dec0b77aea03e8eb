//! The commands that the shell runs itself, as they change or ask the shell.

mod folder;
mod job;
mod read;
mod test;
mod variable;

use super::parser::Parser;
use super::program;
use super::shell::{Level, Outcome, Shell, Stop};
use crate::failure::reason;

/// A builtin: its words but the first come as arguments.
pub(crate) type Builtin = fn(&mut Shell, &[String]) -> Outcome;

/// The builtin of that name.
pub(crate) fn find(name: &str) -> Option<Builtin> {
    Some(match name {
        ":" | "true" => |_, _| Ok(0),
        "false" => |_, _| Ok(1),
        "." | "source" => source,
        "[" => test::bracket,
        "break" => |shell, arguments| leave(shell, arguments, Stop::Break),
        "cd" => folder::cd,
        "command" => command,
        "continue" => |shell, arguments| leave(shell, arguments, Stop::Continue),
        "echo" => echo,
        "eval" => eval,
        "exec" => exec,
        "exit" => exit,
        "export" => variable::export,
        "kill" => job::kill,
        "pwd" => folder::pwd,
        "read" => read::read,
        "return" => leave_function,
        "set" => variable::set,
        "shift" => variable::shift,
        "test" => test::test,
        "type" => kind,
        "umask" => folder::umask,
        "unset" => variable::unset,
        "wait" => job::wait,
        _ => return None,
    })
}

fn echo(shell: &mut Shell, arguments: &[String]) -> Outcome {
    match arguments.split_first() {
        Some((flag, rest)) if flag == "-n" => shell.print(&rest.join(" ")),
        _ => shell.print(&format!("{}\n", arguments.join(" "))),
    }
}

/// The status that an argument names, or the last one.
fn status(shell: &Shell, arguments: &[String]) -> Result<u8, Stop> {
    let Some(text) = arguments.first() else { return Ok(shell.status) };
    match text.parse::<i64>() {
        Ok(number) => Ok(u8::try_from(number & 0xff).unwrap_or(u8::MAX)),
        Err(_) => Err(shell.fail(2, &format!("{text}: not a number"))),
    }
}

fn exit(shell: &mut Shell, arguments: &[String]) -> Outcome {
    Err(Stop::Exit(status(shell, arguments)?))
}

fn leave_function(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let status = status(shell, arguments)?;
    if shell.calls == 0 {
        return Err(shell.fail(1, "return: not in a function or sourced file"));
    }
    Err(Stop::Return(status))
}

fn leave(shell: &Shell, arguments: &[String], stop: fn(usize) -> Stop) -> Outcome {
    let levels = match arguments.first().map(|text| text.parse::<usize>()) {
        None => 1,
        Some(Ok(levels)) if levels > 0 => levels,
        Some(_) => return Err(shell.fail(2, "break and continue take a number of at least 1")),
    };
    // Outside of a loop there is nothing to leave.
    if shell.loops == 0 { Ok(0) } else { Err(stop(levels.min(shell.loops))) }
}

fn exec(shell: &mut Shell, arguments: &[String]) -> Outcome {
    if shell.level == Level::Subshell {
        return Err(Stop::Exit(shell.program(arguments)?));
    }
    let stop = shell.become_program(arguments);
    match (shell.level, stop) {
        (Level::Script, Stop::Failed(status)) => Err(Stop::Exit(status)),
        (_, stop) => Err(stop),
    }
}

fn eval(shell: &mut Shell, arguments: &[String]) -> Outcome {
    shell.nested(&arguments.join(" "), "eval")
}

fn source(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let Some((path, rest)) = arguments.split_first() else {
        return Err(shell.fail(2, "usage: . FILE [ARGUMENT…]"));
    };
    let text = std::fs::read_to_string(shell.resolve(path))
        .map_err(|error| shell.fail(1, &format!("{path}: {}", reason(&error))))?;
    let outer = (!rest.is_empty()).then(|| std::mem::replace(&mut shell.arguments, rest.to_vec()));
    let outcome = shell.nested(&text, path);
    if let Some(outer) = outer {
        shell.arguments = outer;
    }
    match outcome {
        Err(Stop::Return(status)) => Ok(status),
        other => other,
    }
}

fn command(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let Some((first, rest)) = arguments.split_first() else { return Ok(0) };
    if first != "-v" {
        return match find(first) {
            Some(builtin) => builtin(shell, rest),
            None => shell.program(arguments),
        };
    }
    let Some(name) = rest.first() else { return Ok(1) };
    if shell.functions.contains_key(name) || find(name).is_some() {
        return shell.print(&format!("{name}\n"));
    }
    match shell.look_up(name) {
        program::Found::Program(path) => shell.print(&format!("{}\n", path.display())),
        program::Found::Missing | program::Found::Unfit(_) => Ok(1),
    }
}

fn kind(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let mut status = 0;
    for name in arguments {
        if shell.functions.contains_key(name) {
            shell.print(&format!("{name} is a function\n"))?;
        } else if find(name).is_some() {
            shell.print(&format!("{name} is a shell builtin\n"))?;
        } else if let program::Found::Program(path) = shell.look_up(name) {
            shell.print(&format!("{name} is {}\n", path.display()))?;
        } else {
            shell.complain(&format!("type: {name}: not found"));
            status = 1;
        }
    }
    Ok(status)
}

impl Shell {
    /// Runs text inside the shell that reads it, for `eval` and `.`.
    fn nested(&mut self, text: &str, name: &str) -> Outcome {
        if self.calls >= super::exec::MAX_CALLS {
            return Err(self.fail(1, &format!("{name}: nested too deeply")));
        }
        self.calls = self.calls.saturating_add(1);
        let outcome = self.text_lines(&mut Parser::new(text), name);
        self.calls = self.calls.saturating_sub(1);
        outcome
    }

    fn text_lines(&mut self, parser: &mut Parser, name: &str) -> Outcome {
        let mut status = 0;
        loop {
            match parser.line() {
                Ok(Some(list)) => status = self.list(&list)?,
                Ok(None) => return Ok(status),
                Err(error) => return Err(self.fail(2, &format!("{name}: {error}"))),
            }
        }
    }
}
