//! Programs and daemons die, and the rest goes on.

use crate::{
    failure::Result,
    guest::{Case, Group, Length, check, failed, plain},
    qemu::Machine,
};

pub(super) const GROUP: Group = Group {
    name: "life",
    length: Length::Short,
    machine: plain,
    begin: Machine::log_in,
    cases: &[
        Case { name: "^C ends what runs and not the shell under it", run: interrupt },
        Case { name: "kill -9 of a program leaves the rest running", run: kill_program },
        Case { name: "a daemon dies 100 times under its reader", run: kill_daemon },
        Case { name: "4 KiB are pasted without loss", run: paste },
        Case { name: "kill -9 of the disk driver brings a new one", run: kill_driver },
    ],
};

/// Loops of the shell itself, a script, programs that wait, and the shell at its prompt.
fn interrupt(machine: &mut Machine) -> Result<()> {
    let shell = machine.ok("echo $$")?;
    machine.ok("echo 'echo be\"\"gun; while :; do :; done' > /tmp/loop")?;
    for line in [
        "echo be''gun; while true; do :; done",
        "echo be''gun; while :; do :; done | cat",
        "sh /tmp/loop",
        "echo be''gun; while true; do sleep 1000; done",
        "echo be''gun; sleep 1000 & wait",
        "echo be''gun; cat",
        "echo be''gun; while read x; do :; done",
        "echo be''gun",
    ] {
        machine.send(&format!("{line}\n"))?;
        machine.expect("begun")?;
        machine.send("\x03")?;
        machine.expect("^C")?;
        machine.expect("# ")?;
        let text = machine.ok("echo status $? of $$")?;
        let wanted = format!("status 130 of {}", shell.trim());
        check(text.trim() == wanted, || format!("after ^C of `{line}`: {text:?}"))?;
    }
    machine.ok("kill $!; rm /tmp/loop").map(drop)
}

fn kill_program(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("sleep 1000 & echo pid $!")?;
    let Some(pid) = number_after(&text, "pid ") else {
        return failed(format!("the shell named no background program: {text:?}"));
    };
    machine.ok(&format!("kill -9 {pid}"))?;
    let text = machine.ok("wait; ps")?;
    check(!text.contains("sleep") && text.contains("init"), || format!("ps shows:\n{text}"))
}

fn kill_daemon(machine: &mut Machine) -> Result<()> {
    let text = machine.ok("/test/daemonkill null null: 100")?;
    check(text.contains("100 kills"), || format!("/test/daemonkill said {text:?}"))
}

/// All at once, into a program and into the shell: the terminal keeps what nobody has read yet.
fn paste(machine: &mut Machine) -> Result<()> {
    let lines: Vec<String> = (0..64).map(|n| format!("{n:02} {}\n", "-".repeat(60))).collect();
    let text = lines.concat();
    machine.send("cat > /tmp/pasted\n")?;
    machine.expect("pasted")?;
    machine.send(&text)?;
    machine.send("\x04")?;
    machine.expect("# ")?;
    let kept = machine.ok("cat /tmp/pasted && rm /tmp/pasted")?;
    check(kept.trim_end() == text.trim_end(), || format!("of the text came:\n{kept}"))?;
    let count = format!("n=$((n + 1)) # {}\n", "-".repeat(46)).repeat(64);
    machine.send(&format!("n=0\n{count}"))?;
    let text = machine.ok("echo lines $n")?;
    check(text.contains("lines 64"), || format!("the shell counted {text:?}"))
}

fn kill_driver(machine: &mut Machine) -> Result<()> {
    let old = driver(machine)?;
    machine.ok(&format!("kill -9 {old}"))?;
    // Reads wait for the successor or fail; init's back-off is a matter of seconds at most.
    for _second in 0..30 {
        if let Ok(new) = driver(machine)
            && new != old
        {
            let text = machine.ok("hexdump disk:0 | head -n 40")?;
            return check(text.contains("EFI PART"), || format!("the new driver reads:\n{text}"));
        }
        machine.sh("sleep 1")?;
    }
    failed("no new virtio-blk came within 30 s")
}

/// The disk driver's process.
fn driver(machine: &mut Machine) -> Result<u32> {
    let text = machine.ok("svc")?;
    let line = text.lines().find(|line| line.contains("virtio-blk"));
    match line.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok())) {
        Some(pid) => Ok(pid),
        None => failed(format!("svc shows no virtio-blk that runs:\n{text}")),
    }
}

fn number_after(text: &str, words: &str) -> Option<u32> {
    let rest = text.split(words).nth(1)?;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
