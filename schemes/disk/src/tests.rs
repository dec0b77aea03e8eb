//! The scheme over drivers that a test makes.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anode_scheme::testing::Fake;
use redox::error::{EACCES, EBUSY, EIO, EISDIR, ENOENT, ETIMEDOUT, Error, Result};
use redox::flag::{O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT};

use crate::drivers::Drivers;
use crate::scheme::Disks;

/// What a driver says: its names, or an errno.
type Names = std::result::Result<Vec<&'static str>, i32>;

/// The drivers, and what was asked of them.
#[derive(Clone, Debug)]
struct Made(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    names: [Names; 3],
    listed: Vec<usize>,
    opened: Vec<(usize, String, usize)>,
    busy: bool,
}

impl Drivers for Made {
    fn list(&mut self, family: usize) -> Result<Vec<String>> {
        let mut state = self.0.borrow_mut();
        state.listed.push(family);
        let names = state.names[family].clone().map_err(Error::new)?;
        Ok(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn open(&mut self, family: usize, name: &str, flags: usize) -> Result<OwnedFd> {
        let mut state = self.0.borrow_mut();
        state.opened.push((family, name.to_owned(), flags));
        if state.busy {
            return Err(Error::new(EBUSY));
        }
        Ok(File::open("/dev/null").unwrap().into())
    }
}

struct World {
    made: Made,
    disk: Fake<Disks<Made>>,
}

fn world(names: [&[&'static str]; 3]) -> World {
    let names = names.map(|names| Ok(names.to_vec()));
    let state = State { names, listed: Vec::new(), opened: Vec::new(), busy: false };
    let made = Made(Rc::new(RefCell::new(state)));
    World { disk: Fake::new(Disks::new(made.clone())), made }
}

impl World {
    /// Opens a name; gives the family and the name that it led to.
    fn opens(&mut self, name: &str, flags: usize) -> std::result::Result<(usize, String), i32> {
        let answer = self.disk.open_at(0, name, flags).map_err(|error| error.errno)?;
        assert!(answer.handle.is_some());
        let (family, name, given) = self.made.0.borrow_mut().opened.pop().unwrap();
        assert_eq!(given, flags);
        Ok((family, name))
    }

    fn lists(&mut self) -> Vec<String> {
        let root = self.disk.open("", O_RDONLY | O_DIRECTORY).unwrap();
        self.disk.list(root, 64).unwrap()
    }

    fn has(&self, family: usize, names: std::result::Result<&[&'static str], i32>) {
        self.made.0.borrow_mut().names[family] = names.map(<[_]>::to_vec);
    }
}

#[test]
fn disks_are_numbered_through_and_lead_to_their_drivers() {
    let mut world = world([&["0", "0p1", "1"], &[], &["0", "0p3"]]);
    assert_eq!(world.lists(), ["0", "0p1", "1", "2", "2p3"]);
    assert_eq!(world.opens("0p1", O_RDWR | O_EXCL), Ok((0, "0p1".to_owned())));
    assert_eq!(world.opens("1", O_RDONLY), Ok((0, "1".to_owned())));
    assert_eq!(world.opens("2p3", O_RDONLY), Ok((2, "0p3".to_owned())));
    for none in ["3", "x", "00", "2p3x", "4294967295"] {
        assert_eq!(world.opens(none, O_RDONLY), Err(ENOENT), "{none}");
    }
}

#[test]
fn nobody_waits_for_drivers_whose_disks_do_not_matter() {
    let mut world = world([&["0"], &["0"], &["0"]]);
    assert_eq!(world.opens("0", O_RDONLY), Ok((0, "0".to_owned())));
    assert_eq!(world.made.0.borrow().listed, [0]);
    assert_eq!(world.opens("1", O_RDONLY), Ok((1, "0".to_owned())));
    assert_eq!(world.opens("1", O_RDONLY), Ok((1, "0".to_owned())));
    assert_eq!(world.made.0.borrow().listed, [0, 0, 1]);
}

#[test]
fn a_number_never_means_another_disk() {
    let mut world = world([&[], &["0"], &["0"]]);
    assert_eq!(world.lists(), ["0", "1"]);
    world.has(0, Ok(&["0"]));
    world.has(1, Ok(&[]));
    assert_eq!(world.lists(), ["1", "2"]);
    assert_eq!(world.opens("1", O_RDONLY), Ok((2, "0".to_owned())));
    assert_eq!(world.opens("2", O_RDONLY), Ok((0, "0".to_owned())));
    assert_eq!(world.opens("0", O_RDONLY), Ok((1, "0".to_owned())), "the driver will refuse it");
}

#[test]
fn a_driver_that_fails_hides_no_disk_of_another() {
    let mut world = world([&["0"], &[], &["0"]]);
    world.has(1, Err(EIO));
    assert_eq!(world.lists(), ["0", "1"]);
    assert_eq!(world.opens("1", O_RDONLY), Ok((2, "0".to_owned())));
    assert_eq!(world.opens("2", O_RDONLY), Err(EIO), "it might have had it");
}

#[test]
fn what_is_there_is_served_while_one_driver_does_not_answer_and_its_disks_come_behind() {
    let mut world = world([&[], &["0", "0p1"], &["0"]]);
    world.has(0, Err(ETIMEDOUT));
    assert_eq!(world.opens("0p1", O_RDONLY), Ok((1, "0p1".to_owned())));
    assert_eq!(world.lists(), ["0", "0p1", "1"]);
    assert_eq!(world.opens("2", O_RDONLY), Err(ETIMEDOUT), "it may be the silent one's");
    world.has(0, Ok(&["0", "0p1"]));
    assert_eq!(world.lists(), ["0", "0p1", "1", "2", "2p1"]);
    assert_eq!(world.opens("2p1", O_RDONLY), Ok((0, "0p1".to_owned())));
}

#[test]
fn what_the_client_may_not_do_is_refused_here_and_the_rest_by_the_driver() {
    let mut world = world([&["0"], &[], &[]]);
    world.disk.caller = (7, 1000, 1000);
    assert_eq!(world.opens("0", O_RDONLY), Err(EACCES));
    assert!(world.made.0.borrow().opened.is_empty());
    assert_eq!(world.opens("0", O_STAT), Ok((0, "0".to_owned())));
    world.disk.caller = (8, 0, 0);
    world.made.0.borrow_mut().busy = true;
    assert_eq!(world.opens("0", O_RDWR), Err(EBUSY));
    let root = world.disk.open("", O_RDONLY).unwrap();
    assert_eq!(world.disk.read(root, 8, 0).unwrap_err().errno, EISDIR);
}
