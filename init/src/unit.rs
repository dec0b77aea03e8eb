//! Service files: what one TOML file says about one service, checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anode_abi::info::part;
use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;

/// Schemes of the kernel.
pub(crate) const KERNEL: [&str; 5] = ["debug", "event", "memory", "pipe", "rand"];
/// Schemes that every program may see; std itself needs some of them.
const HARMLESS: [&str; 6] = ["event", "memory", "pipe", "rand", "sys", "time"];

/// One service, as its file describes it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unit {
    /// Its name, in reports and for `svc`.
    pub(crate) name: String,
    /// Path of the program in initfs.
    pub(crate) program: String,
    /// Arguments behind the program's name.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Words `NAME=value` of its environment, behind init's own.
    #[serde(default)]
    pub(crate) env: Vec<String>,
    /// Names of the schemes that it serves.
    #[serde(default)]
    pub(crate) schemes: Vec<String>,
    /// Names in its namespace besides the harmless ones: `*`, `name` or `new=old`.
    #[serde(default)]
    pub(crate) sees: Vec<String>,
    /// Schemes whose services are started before it.
    #[serde(default)]
    pub(crate) uses: Vec<String>,
    /// Parts of the machine that it owns.
    #[serde(default)]
    pub(crate) machine: Vec<Part>,
    /// It drives all PCI functions with these `vendor:device` numbers, or of these classes.
    #[serde(default)]
    pub(crate) pci: Option<Matches>,
    /// 0 (lowest) to 7 (drivers).
    #[serde(default = "default_priority")]
    pub(crate) priority: u8,
    /// What to do when it ends.
    #[serde(default)]
    pub(crate) restart: Restart,
    /// Where fds 0 to 2 lead.
    #[serde(default)]
    pub(crate) stdio: Stdio,
    /// How the kernel treats its schemes when it dies.
    #[serde(default)]
    pub(crate) policy: Policy,
    /// User that it runs as.
    #[serde(default)]
    pub(crate) uid: u32,
    /// Where its file says what.
    #[serde(skip)]
    source: Source,
}

/// A service file, and the lines of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    file: String,
    lines: BTreeMap<String, usize>,
}

impl Source {
    /// Finds the keys of a text that is TOML.
    fn of(file: &str, text: &str) -> Self {
        let keys: BTreeMap<String, Spanned<IgnoredAny>> = toml::from_str(text).unwrap_or_default();
        let lines = keys.into_iter().map(|(key, value)| (key, line(text, value.span().start)));
        Self { file: file.to_owned(), lines: lines.collect() }
    }
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count().saturating_add(1)
}

const fn default_priority() -> u8 {
    4
}

/// What to do when a service ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    /// Start it again, however it ended.
    #[default]
    Always,
    /// Start it again unless it ended with status 0.
    OnFailure,
    /// Leave it.
    Never,
}

/// Where a service's fds 0 to 2 lead.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stdio {
    /// Output goes to a lossy pipe that `log:` reads; input is empty.
    #[default]
    Log,
    /// The terminal `tty:`.
    Tty,
    /// The kernel's console.
    Debug,
}

/// How the kernel treats a scheme whose daemon died.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// Unanswered requests of safe classes go to the successor.
    pub(crate) reissue: bool,
    /// A stream: late answers are kept, nothing is reissued.
    pub(crate) stream: bool,
    /// How long clients wait for a successor, in seconds.
    pub(crate) orphan: u32,
}

impl Default for Policy {
    /// Clients wait for a successor as long as a quick restart may take.
    fn default() -> Self {
        Self { reissue: false, stream: false, orphan: 10 }
    }
}

impl Policy {
    /// [`Policy::orphan`] as a duration.
    pub(crate) fn orphan(self) -> Duration {
        Duration::from_secs(self.orphan.into())
    }
}

/// A part of the machine that a service gets a handle on.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) enum Part {
    /// `all`: the machine handle itself, under the name `machine`.
    Machine,
    /// `initfs`: the object that holds the initfs image, under that name.
    Image,
    /// `io 3f8 8 as com1`: a part of the machine by its kind and numbers.
    Words {
        /// An [`anode_abi::info::part`], and its numbers.
        words: [u64; 3],
        /// The service's word for it.
        name: String,
    },
}

impl TryFrom<String> for Part {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "all" => return Ok(Self::Machine),
            "initfs" => return Ok(Self::Image),
            _ => {}
        }
        let part = text.rsplit_once(" as ").and_then(|(what, name)| {
            let words: Vec<&str> = what.split_whitespace().collect();
            let (kind, numbers) = match words.as_slice() {
                ["io", port, count] => (part::PORTS, [hex(port)?, hex(count)?]),
                ["irq", line] => (part::EDGE, [hex(line)?, 0]),
                ["irq", line, "level"] => (part::LEVEL, [hex(line)?, 0]),
                ["phys", address, len, cache] => {
                    let kind = match *cache {
                        "wb" => part::MEMORY,
                        "wc" => part::COMBINING,
                        "uc" => part::UNCACHED,
                        _ => return None,
                    };
                    (kind, [hex(address)?, hex(len)?])
                }
                _ => return None,
            };
            let words = [u64::try_from(kind).ok()?, numbers[0], numbers[1]];
            word(name).then(|| Self::Words { words, name: name.to_owned() })
        });
        part.ok_or_else(|| {
            format!(
                "`{text}` is no part of the machine; write \"all\", \"initfs\", \
                 \"io PORT COUNT as NAME\", \"irq LINE [level] as NAME\" or \
                 \"phys ADDRESS LEN wb|wc|uc as NAME\" with hexadecimal numbers"
            )
        })
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))
}

/// The PCI functions that a driver is for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Matches(Vec<Match>);

/// A kind of PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    /// Vendor and device.
    Numbers(u32, u32),
    /// Class, subclass and interface: all devices of one standard.
    Class(u32),
}

impl TryFrom<String> for Matches {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |text: &str, digits: usize| {
            u32::from_str_radix(text, 16).ok().filter(|_| text.len() == digits)
        };
        text.split(',')
            .map(|pair| match pair.trim().split_once(':')? {
                ("class", class) => number(class, 6).map(Match::Class),
                (vendor, device) => Some(Match::Numbers(number(vendor, 4)?, number(device, 4)?)),
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no list of PCI functions; write \"1af4:1001,1af4:1042\" or \
                     \"class:010802\""
                )
            })
    }
}

impl Matches {
    /// Whether the `info` text of a PCI function is that of one of these.
    pub(crate) fn covers(&self, info: &str) -> bool {
        let field = |name: &str| {
            let mut words = info.split_whitespace().filter_map(|word| word.split_once('='));
            let value = words.find(|(key, _)| *key == name)?.1;
            u32::from_str_radix(value.trim_start_matches("0x"), 16).ok()
        };
        let (vendor, device, class) = (field("vendor"), field("device"), field("class"));
        self.0.iter().any(|kind| match *kind {
            Match::Numbers(v, d) => vendor == Some(v) && device == Some(d),
            Match::Class(c) => class == Some(c),
        })
    }
}

impl Unit {
    /// Reads the text of a service file; `path` names it in the refusal.
    ///
    /// # Errors
    ///
    /// A sentence `path:line: what is wrong`, and what to do.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let mut unit: Self = toml::from_str(text).map_err(|error| {
            let line = line(text, error.span().map_or(0, |span| span.start));
            let message = error.message().trim().replace('\n', "; ");
            format!("{path}:{line}: {message}; correct this line, the service is not started")
        })?;
        unit.source = Source::of(path, text);
        unit.check().map_err(|(key, sentence)| {
            format!("{}: {sentence}; the service is not started", unit.place(key))
        })?;
        Ok(unit)
    }

    /// Where its file says something: `path:line`, or the path alone if it does not.
    pub(crate) fn place(&self, key: &str) -> String {
        let Source { file, lines } = &self.source;
        lines.get(key).map_or_else(|| file.clone(), |line| format!("{file}:{line}"))
    }

    /// What TOML's types cannot say: the key that is wrong, and a sentence.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if !word(&self.name) {
            let sentence = format!("`{}` cannot be a service's name; {WORD}", self.name);
            return Err(("name", sentence));
        }
        if !self.program.starts_with('/') {
            let sentence = format!("`{}` must be an absolute path, as /bin/…", self.program);
            return Err(("program", sentence));
        }
        if self.priority > 7 {
            let sentence = format!("priority {} is above 7, the highest", self.priority);
            return Err(("priority", sentence));
        }
        if let Some(bad) = self.env.iter().find(|env| !env.contains('=')) {
            return Err(("env", format!("`{bad}` must be written as NAME=value")));
        }
        let programs = std::slice::from_ref(&self.program);
        for (key, texts) in [("args", &*self.args), ("env", &*self.env), ("program", programs)] {
            if let Some(bad) = texts.iter().find(|text| text.contains('\0')) {
                return Err((key, format!("{bad:?} holds a NUL character; take it out")));
            }
        }
        self.check_schemes()
    }

    fn check_schemes(&self) -> Result<(), (&'static str, String)> {
        let seen = self.sees.iter().filter(|name| *name != "*");
        let seen: Vec<&str> = seen.flat_map(|name| name.splitn(2, '=')).collect();
        let own: Vec<&str> = self.schemes.iter().map(String::as_str).collect();
        let used: Vec<&str> = self.uses.iter().map(String::as_str).collect();
        for (key, names) in [("schemes", &own), ("uses", &used), ("sees", &seen)] {
            if let Some(bad) = names.iter().find(|name| !word(name)) {
                return Err((key, format!("`{bad}` cannot be a scheme's name; {WORD}")));
            }
        }
        let taken = KERNEL.into_iter().find(|name| own.contains(name));
        if let Some(bad) = taken.or_else(|| repeated(&self.schemes)) {
            let sentence = format!("the scheme {bad} exists already; give this one another name");
            return Err(("schemes", sentence));
        }
        Ok(())
    }

    /// Its namespace as `(new, old)` names, or nothing if it shares init's.
    pub(crate) fn view(&self, all: &[String]) -> Option<Vec<(String, String)>> {
        let everything = self.sees.iter().any(|name| name == "*");
        let named: Vec<(String, String)> = self
            .sees
            .iter()
            .filter(|name| *name != "*")
            .map(|name| {
                let (new, old) = name.split_once('=').unwrap_or((name, name));
                (new.to_owned(), old.to_owned())
            })
            .collect();
        if everything && named.iter().all(|(new, old)| new == old) {
            return None;
        }
        let mut taken: BTreeSet<String> = named.iter().map(|(new, _)| new.clone()).collect();
        let mut view = named;
        for name in all.iter().filter(|name| everything || HARMLESS.contains(&name.as_str())) {
            if taken.insert(name.clone()) {
                view.push((name.clone(), name.clone()));
            }
        }
        Some(view)
    }
}

/// What a name may be, for who wrote another one.
const WORD: &str = "use up to 31 letters, digits, `-`, `_` and `.`";

/// Whether `text` can name a service, a scheme or a part: no character with a meaning elsewhere.
fn word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=31).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.')
}

fn repeated(names: &[String]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    names.iter().find(|name| !seen.insert(*name)).map(String::as_str)
}

#[cfg(test)]
mod tests;
