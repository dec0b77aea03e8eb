//! The three schemes over a made-up kernel, asked through their whole loop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anode_abi::counters::Counters;
use anode_abi::info::fact;
use anode_scheme::sys::ProcessInfo;
use anode_scheme::testing::{Answer, Fake};
use anode_scheme::{Context, Scheme as _, op};
use redox::error::{EINVAL, EIO, ENOENT, ENOTDIR, EPERM, ESRCH, Error, Result};

use crate::clock::Clocks;
use crate::kernel::Kernel;
use crate::tree::{Node, System};

/// Init, a user's shell (7) with a child of root's (8), and somebody else's program (9).
#[derive(Clone, Debug, Default)]
struct Fixed {
    acts: Rc<RefCell<Vec<String>>>,
    passed: Rc<Cell<u64>>,
}

impl Kernel for Fixed {
    fn info_words(&self, kind: usize) -> Result<Vec<u64>> {
        match kind {
            fact::COUNTERS => Ok((0..Counters::NAMES.len() as u64).collect()),
            fact::MEMORY => Ok(vec![100, 40, 30, 2]),
            fact::IRQS => Ok(vec![4, 17, 11, 0]),
            _ => Err(Error::new(EINVAL)),
        }
    }

    fn info_bytes(&self, kind: usize) -> Result<Vec<u8>> {
        Ok(if kind == fact::LOG { vec![b'x'; 9000] } else { b"rsdp 0x1000\n".to_vec() })
    }

    fn processes(&self) -> Result<Vec<u64>> {
        Ok(vec![1, 7, 8, 9])
    }

    fn process(&self, pid: u64) -> Result<ProcessInfo> {
        let (parent, uid) = match pid {
            1 => (0, 0),
            7 => (1, 1000),
            8 => (7, 0),
            9 => (1, 1001),
            _ => return Err(Error::new(ESRCH)),
        };
        Ok(ProcessInfo { pid, parent, group: pid, uid, state: 'S', ..ProcessInfo::default() })
    }

    fn process_name(&self, pid: u64) -> Result<String> {
        Ok(format!("/bin/p {pid}"))
    }

    fn kill(&self, pid: u64, signal: usize) -> Result<()> {
        self.acts.borrow_mut().push(format!("kill {pid} {signal}"));
        Ok(())
    }

    fn reboot(&self) -> Result<()> {
        self.acts.borrow_mut().push("reboot".to_owned());
        Err(Error::new(EIO))
    }

    fn cpus(&self) -> Result<usize> {
        Ok(2)
    }

    fn monotonic(&self) -> u64 {
        self.passed.get().saturating_add(12345)
    }

    fn wall_time(&self) -> u64 {
        self.passed.get().saturating_add(1_700_000_000_000_000_000)
    }
}

fn root(node: Node) -> Fake<System<Fixed>> {
    Fake::new(System::new(Fixed::default(), node))
}

fn text(scheme: &mut Fake<System<Fixed>>, path: &str) -> String {
    let id = scheme.open(path, 0).unwrap();
    String::from_utf8(scheme.read(id, 4096, 0).unwrap()).unwrap()
}

#[test]
fn sys_tells_lines_of_a_name_and_a_value() {
    let mut sys = root(Node::System);
    assert!(text(&mut sys, "uname").starts_with("Anode "));
    assert!(text(&mut sys, "counters").starts_with("traps 0\ncalls 1\n"));
    let memory = "page_size 4096\ntotal_pages 100\nfree_pages 40\npromised_pages 30\nobjects 2\n";
    assert_eq!(text(&mut sys, "memory"), memory);
    assert_eq!(text(&mut sys, "cpu"), "cpus 2\n");
    assert_eq!(text(&mut sys, "uptime_ns"), "12345\n");
    assert_eq!(text(&mut sys, "boot"), "rsdp 0x1000\n");
    let id = sys.open("", 0).unwrap();
    let names = sys.list(id, 4096).unwrap();
    let all = "boot counters cpu exe log memory power uname uptime_ns";
    assert_eq!(names.join(" "), all);
    assert_eq!(sys.open("none", 0), Err(Error::new(ENOENT)));
    assert_eq!(sys.open("log/x", 0), Err(Error::new(ENOTDIR)));
}

#[test]
fn a_long_text_is_read_in_pieces_of_what_it_was_at_first() {
    let mut sys = root(Node::System);
    let id = sys.open("log", 0).unwrap();
    assert_eq!(sys.read(id, 4096, 0).unwrap().len(), 4096);
    assert_eq!(sys.read(id, 4096, 8192).unwrap().len(), 808);
    assert_eq!(sys.read(id, 4096, 9000).unwrap(), []);
    assert_eq!(sys.read(id, 4096, u64::MAX - 1).unwrap(), []);
}

#[test]
fn a_process_is_one_line_of_fields_and_its_name_is_last() {
    let mut proc = root(Node::Processes);
    let line = "pid=7 ppid=1 pgid=7 uid=1000 gid=0 state=S threads=0 pages=0 cpu_ns=0 prio=0 \
                handles=0 name=/bin/p 7\n";
    assert_eq!(text(&mut proc, "7/stat"), line);
    let seven = proc.open("7", 0).unwrap();
    assert_eq!(proc.list(seven, 4096).unwrap(), ["signal", "stat"]);
    assert!(matches!(proc.open_at(seven, "stat", 0), Ok(Answer { .. })));
    for path in ["10", "10/stat", "x", "7/none", "-7", "4294967303/stat"] {
        assert_eq!(proc.open(path, 0), Err(Error::new(ENOENT)), "{path}");
    }
}

#[test]
fn a_user_sees_its_own_processes_and_its_children_and_acts_on_no_others() {
    let kernel = Fixed::default();
    let mut proc = System::new(kernel.clone(), Node::Processes);
    let user = Context { pid: 7, uid: 1000, ..Context::default() };
    let seen = [1, 7, 8, 9].map(|pid| proc.open(&format!("{pid}/stat"), &user).is_ok());
    assert_eq!(seen, [false, true, true, false]);
    assert_eq!(proc.visible(&user).unwrap(), [7, 8]);
    assert_eq!(proc.visible(&Context::default()).unwrap(), [1, 7, 8, 9]);
    // Handed on to somebody else, a file does not keep its opener's rights.
    let mut signal = System::<Fixed>::file(Node::Signal(9), &Context::default());
    assert_eq!(proc.write(&mut signal, b"9", 0, &user), Err(Error::new(EPERM)));
    assert_eq!(proc.write(&mut signal, b"9\n", 0, &Context::default()), Ok(2));
    assert_eq!(proc.write(&mut signal, b"x", 0, &Context::default()), Err(Error::new(EINVAL)));
    assert_eq!(*kernel.acts.borrow(), ["kill 9 9"]);
}

#[test]
fn exe_is_the_program_of_who_reads() {
    let mut sys = System::new(Fixed::default(), Node::System);
    let reader = |pid| Context { pid, ..Context::default() };
    let mut exe = System::<Fixed>::file(Node::System.child("exe").unwrap(), &reader(7));
    let mut name = [0; 16];
    assert_eq!(sys.read(&mut exe, &mut name, 0, &reader(8)), Ok(8));
    assert_eq!(name[..8], *b"/bin/p 8");
}

#[test]
fn only_root_ends_the_machine() {
    let kernel = Fixed::default();
    let mut sys = System::new(kernel.clone(), Node::System);
    let user = Context { uid: 1000, ..Context::default() };
    let mut file = System::<Fixed>::file(Node::System.child("power").unwrap(), &user);
    assert_eq!(sys.write(&mut file, b"reboot", 0, &user), Err(Error::new(EPERM)));
    let root = Context::default();
    assert_eq!(sys.write(&mut file, b"poweroff", 0, &root), Err(Error::new(EINVAL)));
    assert_eq!(sys.write(&mut file, b"reboot\n", 0, &root), Err(Error::new(EIO)));
    assert_eq!(*kernel.acts.borrow(), ["reboot"]);
}

#[test]
fn interrupts_in_use_are_files_of_their_count() {
    let mut irq = root(Node::Interrupts);
    let id = irq.open("", 0).unwrap();
    assert_eq!(irq.list(id, 4096).unwrap(), ["11", "4"]);
    assert_eq!(text(&mut irq, "4"), "17\n");
    assert_eq!(irq.open("5", 0), Err(Error::new(ENOENT)));
}

/// A `TimeSpec`.
fn time(seconds: u64, nanos: u64) -> Vec<u8> {
    [seconds, nanos].map(u64::to_le_bytes).concat()
}

#[test]
fn an_alarm_is_told_once_when_it_is_due_and_a_read_takes_it_back() {
    let kernel = Fixed::default();
    let mut clocks = Fake::new(Clocks::new(kernel.clone()));
    let ids = ["1", "4"].map(|path| clocks.open(path, 0).unwrap());
    let read = |clocks: &mut Fake<_>, id| clocks.request(op::EVENT, id, [3, 0, 0, 0], &[]).unwrap();
    assert_eq!(clocks.read(ids[0], 16, 0), Ok(time(1_700_000_000, 0)));
    assert_eq!(clocks.write(ids[0], &time(1_700_000_000, 100), 0), Ok(16));
    assert_eq!(clocks.write(ids[1], &time(0, 12345 + 200), 0), Ok(16));
    assert_eq!((clocks.ready(), read(&mut clocks, ids[0]).value), (vec![], 0));
    assert_eq!(clocks.scheme().deadline(), 12345 + 100);

    kernel.passed.set(100);
    clocks.turn();
    clocks.turn();
    assert_eq!((clocks.ready(), read(&mut clocks, ids[0]).value), (vec![(ids[0], 1)], 1));
    assert_eq!(clocks.scheme().deadline(), 12345 + 200);
    assert_eq!(clocks.read(ids[0], 16, 0), Ok(time(1_700_000_000, 100)));
    assert_eq!(read(&mut clocks, ids[0]).value, 0);

    clocks.close(ids[1]);
    kernel.passed.set(300);
    clocks.turn();
    assert_eq!(clocks.ready(), []);
    assert_eq!(clocks.write(ids[0], &time(5, 0), 0), Ok(16));
    clocks.turn();
    assert_eq!(clocks.ready(), [(ids[0], 1)], "a time that has passed is due at once");
}

#[test]
fn what_is_no_time_or_no_clock_is_refused() {
    let mut clocks = Fake::new(Clocks::new(Fixed::default()));
    for path in ["", "2", "x", "4/1"] {
        assert_eq!(clocks.open(path, 0), Err(Error::new(ENOENT)), "{path}");
    }
    let id = clocks.open("4", 0).unwrap();
    assert_eq!(clocks.read(id, 15, 0), Err(Error::new(EINVAL)));
    for bad in [&time(0, 1_000_000_000), &time(u64::MAX, 0), &time(0, 0)[..15].to_vec()] {
        assert_eq!(clocks.write(id, bad, 0), Err(Error::new(EINVAL)));
    }
}
