//! `export`, `unset`, `set`, `shift`.

use crate::sh::parser::is_name;
use crate::sh::shell::{Outcome, Shell, Variable};

pub(crate) fn export(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let names: Vec<&String> = arguments.iter().filter(|argument| *argument != "-p").collect();
    if names.is_empty() {
        let lines =
            shell.environment().map(|(name, value)| format!("export {name}={}\n", quote(value)));
        let text: String = lines.collect();
        return shell.print(&text);
    }
    for argument in names {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if !is_name(name) {
            return Err(shell.fail(2, &format!("export: {name}: not a variable's name")));
        }
        match value.or_else(|| shell.value(name)) {
            Some(value) => shell.export(name, value),
            None => shell.export(name, String::new()),
        }
    }
    Ok(0)
}

pub(crate) fn unset(shell: &mut Shell, arguments: &[String]) -> Outcome {
    for name in arguments.iter().filter(|argument| !argument.starts_with('-')) {
        if shell.variables.remove(name).is_none() {
            shell.functions.remove(name);
        }
    }
    Ok(0)
}

/// `set -ex`, `set +e`, `set [--] ARGUMENT…`; alone it lists the variables.
pub(crate) fn set(shell: &mut Shell, arguments: &[String]) -> Outcome {
    if arguments.is_empty() {
        let line =
            |(name, variable): (&String, &Variable)| format!("{name}={}\n", quote(&variable.value));
        let text: String = shell.variables.iter().map(line).collect();
        return shell.print(&text);
    }
    let mut rest = arguments.iter();
    while let Some(argument) = rest.as_slice().first() {
        if argument == "--" {
            rest.next();
            shell.arguments = rest.cloned().collect();
            return Ok(0);
        }
        let on = match argument.chars().next() {
            Some('-') => true,
            Some('+') => false,
            _ => {
                shell.arguments = rest.cloned().collect();
                return Ok(0);
            }
        };
        for flag in argument.chars().skip(1) {
            match flag {
                'e' => shell.options.exit = on,
                'x' => shell.options.trace = on,
                _ => return Err(shell.fail(2, &format!("set: -{flag}: only -e and -x are known"))),
            }
        }
        rest.next();
    }
    Ok(0)
}

pub(crate) fn shift(shell: &mut Shell, arguments: &[String]) -> Outcome {
    let count = arguments.first().map_or(Ok(1), |text| text.parse::<usize>());
    match count {
        Ok(count) if count <= shell.arguments.len() => {
            shell.arguments.drain(..count);
            Ok(0)
        }
        Ok(_) => Err(shell.fail(1, "shift: there are not so many arguments")),
        Err(_) => Err(shell.fail(2, "shift: not a number")),
    }
}

/// A value as the shell would read it back.
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
