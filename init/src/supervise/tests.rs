//! Services on a machine that is not there: a fake clock, fake processes.

use std::time::Duration;

use super::{Failure, Pid, Supervisor, World};
use crate::unit::Unit;

/// Remembers what was asked of it; pids count up from 10.
#[derive(Default)]
struct Fake {
    next: Pid,
    spawned: Vec<String>,
    killed: Vec<(Pid, u8)>,
    said: Vec<String>,
    missing: Vec<String>,
    slow: bool,
    broken: Option<Failure>,
}

impl World for Fake {
    fn prepare(&mut self, _unit: &Unit) -> bool {
        !self.slow
    }

    fn spawn(&mut self, unit: &Unit) -> Result<Pid, Failure> {
        if let Some(failure) = &self.broken {
            return Err(failure.clone());
        }
        self.next = self.next.saturating_add(1);
        self.spawned.push(unit.name.clone());
        Ok(self.next.saturating_add(9))
    }

    fn absent(&mut self, unit: &Unit) {
        self.missing.push(unit.name.clone());
    }

    fn kill(&mut self, pid: Pid, signal: u8) {
        self.killed.push((pid, signal));
    }

    fn say(&mut self, sentence: &str) {
        self.said.push(sentence.to_owned());
    }
}

impl Fake {
    fn last(&self) -> &str {
        self.said.last().map_or("", String::as_str)
    }
}

fn supervisor(restart: &str) -> Supervisor {
    let text = format!("name = 'a'\nprogram = '/bin/a'\nrestart = '{restart}'");
    Supervisor::new(vec![Unit::parse("test", &text).unwrap()])
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_death_is_told_and_the_successor_waits_twice_as_long_each_time() {
    let (mut world, mut all) = (Fake::default(), supervisor("always"));
    let mut now = ms(0);
    all.start_all(&mut world, now);
    for (round, wait) in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600].iter().enumerate() {
        let pid = Pid::try_from(round).unwrap() + 10;
        all.ended(&mut world, now, pid, 11);
        assert!(world.last().contains("SIGSEGV"), "{}", world.last());
        assert_eq!(all.next_due(), Some(now + ms(*wait)));
        all.tick(&mut world, now + ms(wait - 1));
        assert_eq!(world.spawned.len(), round + 1);
        now += ms(*wait);
        all.tick(&mut world, now);
        assert_eq!(world.spawned.len(), round + 2);
    }

    all.ended(&mut world, now, 19, 1 << 8);

    assert!(world.last().contains("given up after 10 failures"), "{}", world.last());
    assert_eq!(all.next_due(), None);
    assert!(all.table(now).contains("failed"));
}

#[test]
fn a_minute_of_life_pays_for_earlier_failures() {
    let (mut world, mut all) = (Fake::default(), supervisor("always"));
    all.start_all(&mut world, ms(0));
    all.ended(&mut world, ms(1), 10, 9);
    all.tick(&mut world, ms(101));
    all.ended(&mut world, ms(60_101), 11, 9);
    assert_eq!(all.next_due(), Some(ms(60_201)));
}

#[test]
fn a_logout_is_no_failure_however_often_it_happens() {
    let (mut world, mut all) = (Fake::default(), supervisor("always"));
    all.start_all(&mut world, ms(0));
    for round in 0..50 {
        all.ended(&mut world, ms(u64::from(round) * 100), round + 10, 0);
        all.tick(&mut world, ms(u64::from(round) * 100 + 100));
    }
    assert_eq!(world.spawned.len(), 51);
}

#[test]
fn the_file_decides_whether_an_end_is_the_end() {
    for (restart, status, again) in [
        ("never", 9, false),
        ("never", 0, false),
        ("on-failure", 0, false),
        ("on-failure", 256, true),
    ] {
        let (mut world, mut all) = (Fake::default(), supervisor(restart));
        all.start_all(&mut world, ms(0));
        all.ended(&mut world, ms(5), 10, status);
        assert_eq!(all.next_due().is_some(), again, "{restart} {status}");
    }
}

#[test]
fn an_orphans_end_changes_nothing() {
    let (mut world, mut all) = (Fake::default(), supervisor("always"));
    all.start_all(&mut world, ms(0));
    all.ended(&mut world, ms(5), 99, 9);
    assert!(world.said.is_empty());
    assert!(all.table(ms(5)).contains("running"));
}

#[test]
fn stop_asks_then_kills_and_start_brings_it_back() {
    let (mut world, mut all) = (Fake::default(), supervisor("always"));
    all.start_all(&mut world, ms(0));

    all.command(&mut world, ms(10), "stop a").unwrap();
    assert_eq!(world.killed, [(10, 15)]);
    all.tick(&mut world, ms(2009));
    assert_eq!(world.killed.len(), 1);
    all.tick(&mut world, ms(2010));
    assert_eq!(world.killed, [(10, 15), (10, 9)]);
    all.ended(&mut world, ms(2011), 10, 9);

    assert_eq!(all.next_due(), None);
    assert_eq!(all.command(&mut world, ms(2012), "stop a"), Err("a does not run".into()));
    all.command(&mut world, ms(2013), "start a").unwrap();
    assert_eq!(world.spawned.len(), 2);
    let answer = all.command(&mut world, ms(2014), "start a");
    assert_eq!(answer, Err("a runs already, as pid 11".into()));
}

#[test]
fn restart_starts_at_once_and_shows_a_new_pid() {
    let (mut world, mut all) = (Fake::default(), supervisor("never"));
    all.start_all(&mut world, ms(0));
    all.command(&mut world, ms(10), "restart a").unwrap();
    all.ended(&mut world, ms(11), 10, 15);
    let table = all.table(ms(11));
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["a", "running", "11", "1", "0s"]);
}

#[test]
fn a_command_that_makes_no_sense_gets_a_sentence() {
    let (mut world, mut all) = (Fake::default(), supervisor("always"));
    for line in ["", "stop", "stop a b", "stop b", "explode a", "\u{0}\u{ff}", &"x".repeat(9000)] {
        assert!(all.command(&mut world, ms(0), line).unwrap_err().len() > 10);
    }
}

#[test]
fn a_missing_device_is_waited_for_and_then_not_missed() {
    let (mut world, mut all) = (Fake { slow: true, ..Fake::default() }, supervisor("always"));
    all.start_all(&mut world, ms(0));
    assert!(all.table(ms(0)).contains("starting"));
    assert!(world.spawned.is_empty());

    let absent = Failure::Absent("no PCI function matches".into());
    all.prepared(&mut world, ms(5), "a", Err(absent));

    assert_eq!(world.missing, ["a"]);
    assert_eq!(world.last(), "a is not needed: no PCI function matches");
    assert_eq!(all.next_due(), None);
    all.prepared(&mut world, ms(6), "a", Ok(()));
    assert!(world.spawned.is_empty(), "a late answer started what had been settled");
}

#[test]
fn what_cannot_be_started_is_tried_again_and_then_given_up() {
    let failure = Failure::Failed("/bin/a is not in initfs".into());
    let mut world = Fake { broken: Some(failure), ..Fake::default() };
    let mut all = supervisor("always");
    all.start_all(&mut world, ms(0));
    while let Some(due) = all.next_due() {
        all.tick(&mut world, due);
    }
    assert_eq!(world.said.len(), 10);
    assert!(world.last().starts_with("a could not be started: /bin/a is not in initfs; given up"));
}
