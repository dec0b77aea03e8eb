//! `/bin/login`: asks who you are, and runs your shell; again and again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use signal_hook::consts::SIGINT;

use crate::failure::reason;
use crate::sh::streams::Stream;
use crate::system::{self, User};

/// Asks on standard output and input until the input ends.
#[must_use]
pub fn main() -> ExitCode {
    // `^C` asks for a name again, and must not end who asks. What is started does not inherit it.
    if let Err(error) = signal_hook::flag::register(SIGINT, Arc::default()) {
        eprintln!("login: an interrupt will end this program: {}", reason(&error));
    }
    match ask(&mut Terminal, &|| system::all_users(), &session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("login: {}", reason(&error));
            ExitCode::FAILURE
        }
    }
}

/// What login needs of its terminal.
trait Talk {
    /// Shows text at once.
    fn show(&mut self, text: &str) -> io::Result<()>;
    /// The next line without its end, or `None` at the end of the input.
    fn line(&mut self) -> io::Result<Option<String>>;
}

struct Terminal;

impl Talk for Terminal {
    fn show(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        // Not by std's buffer: what follows is for the shell.
        let line = Stream::Input.line()?;
        let text = |bytes: Vec<u8>| {
            String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()
        };
        Ok(line.map(text))
    }
}

fn ask(
    terminal: &mut dyn Talk,
    users: &dyn Fn() -> Vec<User>,
    session: &dyn Fn(&User) -> Result<(), String>,
) -> io::Result<()> {
    loop {
        terminal.show("login: ")?;
        let Some(name) = terminal.line()? else { return Ok(()) };
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let user = users().into_iter().find(|user| user.name == name);
        if user.as_ref().is_some_and(|user| user.password == "x") {
            terminal.show("login: this user's password is kept apart, which is not supported\n")?;
            continue;
        }
        // An unknown user is asked too, so that names cannot be told from passwords.
        if user.as_ref().is_none_or(|user| !user.password.is_empty()) {
            terminal.show("password: ")?;
            let Some(password) = terminal.line()? else { return Ok(()) };
            if user.as_ref().is_none_or(|user| user.password != password) {
                terminal.show("login: wrong name or password\n")?;
                continue;
            }
        }
        if let Some(Err(message)) = user.map(|user| session(&user)) {
            terminal.show(&format!("login: {message}\n"))?;
        }
    }
}

/// Runs the user's shell to its end.
fn session(user: &User) -> Result<(), String> {
    if let Ok(greeting) = fs::read_to_string("/etc/motd") {
        Terminal.show(&greeting).map_err(|error| reason(&error))?;
    }
    let shell = if user.shell.is_empty() { "/bin/sh" } else { &user.shell };
    let mut command = Command::new(shell);
    command
        .env_clear()
        .env("HOME", &user.home)
        .env("USER", &user.name)
        .env("SHELL", shell)
        .env("PATH", "/bin")
        .env("TERM", "xterm")
        .current_dir(if Path::new(&user.home).is_dir() { &user.home } else { "/" });
    let own = system::identity();
    if own.is_none_or(|own| (own.uid, own.gid) != (user.uid, user.gid)) {
        command.uid(user.uid).gid(user.gid);
    }
    command.status().map(drop).map_err(|error| format!("{shell}: {}", reason(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    struct Script {
        said: String,
        lines: VecDeque<&'static str>,
    }

    impl Talk for Script {
        fn show(&mut self, text: &str) -> io::Result<()> {
            self.said.push_str(text);
            Ok(())
        }

        fn line(&mut self) -> io::Result<Option<String>> {
            Ok(self.lines.pop_front().map(str::to_owned))
        }
    }

    /// What the terminal said, and who got a session.
    fn talk(lines: &[&'static str]) -> (String, Vec<String>) {
        let users = || {
            system::users(
                "root::0:0:root:/root:/bin/sh\nme:secret:1000:1000::/home/me:/bin/sh\n\
                 shadow:x:1:1::/:/bin/sh\n",
            )
        };
        let sessions = RefCell::new(Vec::new());
        let mut script = Script { said: String::new(), lines: lines.iter().copied().collect() };
        ask(&mut script, &users, &|user| {
            sessions.borrow_mut().push(user.name.clone());
            if user.name == "me" { Err("/bin/sh: gone".to_owned()) } else { Ok(()) }
        })
        .unwrap();
        (script.said, sessions.into_inner())
    }

    #[test]
    fn root_without_a_password_gets_a_session_and_then_the_prompt_again() {
        let (said, sessions) = talk(&["root"]);
        assert_eq!(said, "login: login: ");
        assert_eq!(sessions, ["root"]);
    }

    #[test]
    fn a_password_is_asked_for_and_must_be_right() {
        let (said, sessions) = talk(&["me", "wrong", "me", "secret"]);
        assert_eq!(
            said,
            "login: password: login: wrong name or password\nlogin: password: \
             login: /bin/sh: gone\nlogin: "
        );
        assert_eq!(sessions, ["me"]);
    }

    #[test]
    fn unknown_users_and_unsupported_passwords_get_no_session() {
        let (said, sessions) = talk(&["nobody", "x", "shadow", "", "nobody"]);
        assert!(said.contains("wrong name or password"));
        assert!(said.contains("not supported"));
        assert!(said.ends_with("password: "));
        assert!(sessions.is_empty());
    }
}
