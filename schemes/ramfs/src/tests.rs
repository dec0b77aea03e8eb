//! Files as a program sees them; and any sequence of operations against a model.

mod model;

use anode_initfs::Builder;
use redox::flag::{
    O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};

use crate::{
    names::Sort::{self, Directory, Other},
    node::{Body, Ino, ROOT},
    open::Open,
    rights::Caller,
    tree::Tree,
    walk::Last,
};

const SUPER: Caller = Caller { uid: 0, gid: 0 };
const USER: Caller = Caller { uid: 1000, gid: 1000 };
const OTHER: Caller = Caller { uid: 1001, gid: 1001 };
#[test]
fn the_cap_is_on_what_lives_and_not_on_what_was_ever_written() {
    let mut tree = tree();
    let text = "x".repeat(10 * 4096);
    let free = |tree: &Tree<Vec<u8>>| tree.figures().2;
    for _round in 0..5 {
        tree.puts("removed", &text).unwrap();
        tree.removes("removed", Other, SUPER).unwrap();
        assert_eq!(free(&tree), 16);

        tree.puts("cut", &text).unwrap();
        let cut = tree.opens("cut", O_RDWR, SUPER).unwrap();
        tree.truncate(cut.ino, 4097).unwrap();
        assert_eq!(free(&tree), 14);
        tree.puts("cut", "").unwrap();
        tree.let_go(cut.ino);
        assert_eq!(free(&tree), 16);

        tree.puts("replaced", &text).unwrap();
        tree.puts("new", "y").unwrap();
        tree.moves("new", "replaced", SUPER).unwrap();
        assert_eq!(free(&tree), 15);
        tree.removes("replaced", Other, SUPER).unwrap();

        tree.puts("open", &text).unwrap();
        let open = tree.opens("open", O_RDONLY, SUPER).unwrap();
        tree.removes("open", Other, SUPER).unwrap();
        assert_eq!((free(&tree), tree.puts("other", &text)), (6, Ok(())), "a short write");
        tree.let_go(open.ino);
        tree.removes("other", Other, SUPER).unwrap();
        assert_eq!(free(&tree), 16);
    }
}

const NOFOLLOW: usize = 0x8000_0000;

fn tree() -> Tree<Vec<u8>> {
    let mut builder = Builder::new();
    builder.file("bin/sh", 0o755, *b"the shell").unwrap();
    builder.file("etc/motd", 0o644, *b"hello").unwrap();
    builder.symlink("bin/bash", "sh").unwrap();
    builder.symlink("sbin", "/bin").unwrap();
    builder.symlink("loop", "loop").unwrap();
    builder.symlink("away", "/scheme/rand").unwrap();
    builder.symlink("gone", "disk:0").unwrap();
    builder.directory("tmp", 0o1777).unwrap();
    let mut tree = Tree::new(builder.build().unwrap(), 16, (1, 0)).unwrap();
    tree.schemes = vec!["disk".into(), "rand".into()];
    tree
}

/// Short words for what tests do, with errors as their numbers.
impl Tree<Vec<u8>> {
    fn opens(&mut self, path: &str, flags: usize, caller: Caller) -> Result<Open, i32> {
        self.open(ROOT, path, flags, caller).map_err(|error| error.errno)
    }

    fn text(&mut self, path: &str) -> Result<String, i32> {
        let open = self.opens(path, O_RDONLY, SUPER)?;
        let mut buf = vec![0; 1 << 16];
        let len = self.read(open.ino, 0, &mut buf).map_err(|error| error.errno);
        self.let_go(open.ino);
        buf.truncate(len?);
        Ok(String::from_utf8(buf).unwrap())
    }

    fn puts(&mut self, path: &str, text: &str) -> Result<(), i32> {
        let open = self.opens(path, O_WRONLY | O_CREAT | O_TRUNC | 0o644, SUPER)?;
        let result = self.write(open.ino, Some(0), text.as_bytes());
        self.let_go(open.ino);
        result.map(|_len| ()).map_err(|error| error.errno)
    }

    fn moves(&mut self, old: &str, new: &str, caller: Caller) -> Result<(), i32> {
        let open = self.opens(old, O_STAT | O_SYMLINK | NOFOLLOW, caller)?;
        let name = (open.name.0, open.name.1.as_str());
        let result = self.rename(name, ROOT, new, caller);
        self.let_go(open.ino);
        result.map(|_place| ()).map_err(|error| error.errno)
    }

    fn removes(&mut self, path: &str, sort: Sort, caller: Caller) -> Result<(), i32> {
        self.unlink(ROOT, path, sort, caller).map_err(|error| error.errno)
    }

    fn makes_directory(&mut self, path: &str, caller: Caller) -> Result<(), i32> {
        let open = self.opens(path, O_CREAT | O_DIRECTORY | O_EXCL | 0o755, caller)?;
        self.let_go(open.ino);
        Ok(())
    }

    fn leads_to(&self, path: &str) -> Result<Option<Ino>, i32> {
        self.walk(ROOT, path, Last::Follow, SUPER)
            .map(|place| place.ino)
            .map_err(|error| error.errno)
    }
}

#[test]
fn the_image_is_there_and_a_change_hides_it() {
    let mut tree = tree();
    assert_eq!(tree.text("/bin/sh"), Ok("the shell".into()));
    tree.puts("etc/motd", "bye").unwrap();
    assert_eq!(tree.text("etc/motd"), Ok("bye".into()));
    tree.removes("bin/sh", Other, SUPER).unwrap();
    assert_eq!(tree.text("bin/sh"), Err(2));
    assert_eq!(tree.text("bin/bash"), Err(2));
}

#[test]
fn links_are_followed_within_the_tree_and_not_out_of_it() {
    let mut tree = tree();
    assert_eq!(tree.text("sbin/bash"), Ok("the shell".into()));
    assert_eq!(tree.text("../../bin/./../sbin/sh"), Ok("the shell".into()));
    assert_eq!(tree.text("loop"), Err(40));
    assert_eq!(tree.text("away"), Err(18));
    assert_eq!(tree.text("away/x"), Err(18));
    assert_eq!(tree.text("gone"), Err(18));
    assert_eq!(tree.opens("bin/bash", O_RDONLY | NOFOLLOW, SUPER), Err(40));
    assert_eq!(tree.text("bin/sh/"), Err(20));
    assert_eq!(tree.text("bin/sh/x"), Err(20));
    assert_eq!(tree.text(&"a".repeat(256)), Err(36));
    assert_eq!(tree.text(&"a/".repeat(2500)), Err(36));
}

#[test]
fn a_link_is_made_and_read_as_libc_does_it() {
    let mut tree = tree();
    let open = tree.opens("tmp/l", O_CREAT | O_SYMLINK | O_EXCL | O_WRONLY | 0o777, USER).unwrap();
    assert_eq!(tree.write(open.ino, Some(0), b"../etc/motd").unwrap(), 11);
    assert_eq!(tree.write(open.ino, Some(0), b"again").unwrap_err().errno, 22);
    tree.let_go(open.ino);

    let open = tree.opens("tmp/l", O_RDONLY | O_SYMLINK, USER).unwrap();
    let mut buf = [0; 64];
    let len = tree.read(open.ino, 0, &mut buf).unwrap();

    assert_eq!(&buf[..len], b"../etc/motd");
    assert_eq!(tree.text("tmp/l"), Ok("hello".into()));
    assert_eq!(tree.stat(open.ino).unwrap().mode & 0o170_000, 0o120_000);
}

#[test]
fn open_flags_mean_what_posix_says() {
    let mut tree = tree();
    let create = O_CREAT | O_EXCL | O_RDWR | 0o600;
    assert!(tree.opens("tmp/a", create, USER).is_ok());
    assert_eq!(tree.opens("tmp/a", create, USER), Err(17));
    assert_eq!(tree.opens("bin/bash", create, SUPER), Err(17));
    assert_eq!(tree.opens("tmp/b/c", create, USER), Err(2));
    assert_eq!(tree.opens("tmp/b/", create, USER), Err(2));
    assert_eq!(tree.opens("tmp", O_WRONLY, SUPER), Err(21));
    assert_eq!(tree.opens("bin/sh", O_RDONLY | O_DIRECTORY, SUPER), Err(20));
    assert!(tree.opens("tmp", O_RDONLY | O_DIRECTORY, USER).is_ok());
    let read_only = tree.opens("tmp/a", O_RDONLY, USER).unwrap();
    assert_eq!(read_only.for_writing().map_err(|error| error.errno), Err(9));
    let stat_only = tree.opens("tmp/a", O_STAT, OTHER).unwrap();
    assert_eq!(stat_only.for_reading().map_err(|error| error.errno), Err(9));
    let linked = O_CREAT | O_WRONLY | 0o644;
    tree.opens("tmp/l", O_CREAT | O_SYMLINK | O_EXCL | O_WRONLY, SUPER)
        .and_then(|open| tree.write(open.ino, None, b"target").map_err(|error| error.errno))
        .unwrap();
    assert!(tree.opens("tmp/l", linked, SUPER).is_ok());
    assert_eq!(tree.text("tmp/target"), Ok(String::new()));
}

#[test]
fn permissions_are_the_owners_the_groups_or_the_others() {
    let mut tree = tree();
    let open = tree.opens("tmp/a", O_CREAT | O_RDWR | 0o640, USER).unwrap();
    assert_eq!(tree.opens("tmp/a", O_RDONLY, OTHER), Err(13));
    assert!(tree.opens("tmp/a", O_RDONLY, Caller { uid: 5, gid: 1000 }).is_ok());
    assert_eq!(tree.opens("tmp/a", O_RDWR, Caller { uid: 5, gid: 1000 }), Err(13));
    assert!(tree.opens("tmp/a", O_RDWR, SUPER).is_ok());
    assert_eq!(tree.opens("etc/new", O_CREAT | O_WRONLY, USER), Err(13));
    assert_eq!(tree.removes("etc/motd", Other, USER), Err(13));
    assert_eq!(tree.removes("tmp/a", Other, OTHER), Err(1), "tmp is sticky");
    assert_eq!(tree.chmod(open.ino, OTHER, 0o777).unwrap_err().errno, 1);
    assert_eq!(tree.chown(open.ino, USER, Some(0), None).unwrap_err().errno, 1);
    tree.chmod(open.ino, USER, 0o4755).unwrap();
    tree.chown(open.ino, USER, None, Some(1000)).unwrap();
    assert_eq!(tree.stat(open.ino).unwrap().mode & 0o7777, 0o755, "setuid outlived a chown");
    tree.makes_directory("tmp/d", USER).unwrap();
    let private = tree.opens("tmp/d", O_RDONLY, USER).unwrap();
    tree.chmod(private.ino, USER, 0o700).unwrap();
    assert_eq!(tree.opens("tmp/d/x", O_RDONLY, OTHER), Err(13));
    assert_eq!(tree.removes("tmp/a", Other, USER), Ok(()));
}

#[test]
fn an_unlinked_file_lives_as_long_as_it_is_open() {
    let mut tree = tree();
    let open = tree.opens("tmp/a", O_CREAT | O_RDWR | 0o600, SUPER).unwrap();
    tree.write(open.ino, Some(0), b"still here").unwrap();
    let (_, _, free) = tree.figures();
    tree.removes("tmp/a", Other, SUPER).unwrap();

    let mut buf = [0; 16];
    assert_eq!(tree.read(open.ino, 0, &mut buf).unwrap(), 10);
    assert_eq!(tree.stat(open.ino).unwrap().links, 0);
    assert_eq!(tree.path(open.ino).unwrap_err().errno, 2);
    assert_eq!(tree.link(open.ino, ROOT, "tmp/b", SUPER).unwrap_err().errno, 2);
    tree.let_go(open.ino);

    assert_eq!(tree.figures().2, free + 1);
    assert!(tree.stat(open.ino).is_err());
}

#[test]
fn nothing_grows_in_a_removed_directory() {
    let mut tree = tree();
    tree.makes_directory("tmp/d", SUPER).unwrap();
    let open = tree.opens("tmp/d", O_RDONLY | O_DIRECTORY, SUPER).unwrap();
    tree.removes("tmp/d", Directory, SUPER).unwrap();
    let inside = tree.open(open.ino, "x", O_CREAT | O_WRONLY, SUPER);
    assert_eq!(inside.unwrap_err().errno, 2);
    tree.let_go(open.ino);
    assert!(tree.stat(open.ino).is_err());
}

#[test]
fn a_rename_replaces_only_like_by_like() {
    let mut tree = tree();
    tree.puts("tmp/a", "a").unwrap();
    tree.puts("tmp/b", "b").unwrap();
    tree.makes_directory("tmp/d", SUPER).unwrap();
    tree.makes_directory("tmp/e", SUPER).unwrap();
    tree.makes_directory("tmp/d/sub", SUPER).unwrap();

    assert_eq!(tree.moves("tmp/a", "tmp/b", SUPER), Ok(()));
    assert_eq!(tree.text("tmp/b"), Ok("a".into()));
    assert_eq!(tree.text("tmp/a"), Err(2));
    assert_eq!(tree.moves("tmp/b", "tmp/d", SUPER), Err(21));
    assert_eq!(tree.moves("tmp/d", "tmp/b", SUPER), Err(20));
    assert_eq!(tree.moves("tmp/e", "tmp/d", SUPER), Err(39));
    assert_eq!(tree.moves("tmp/d", "tmp/d/sub/x", SUPER), Err(22));
    assert_eq!(tree.moves("tmp/b", "tmp/c/", SUPER), Err(20));
    assert_eq!(tree.moves("tmp/b", "tmp/b", SUPER), Ok(()));
    assert_eq!(tree.moves("tmp/d", "tmp/e", SUPER), Ok(()));
    assert!(tree.leads_to("tmp/e/sub").unwrap().is_some());
    assert_eq!(tree.leads_to("tmp/e/sub/../../b"), tree.leads_to("tmp/b"));
    let moved = tree.leads_to("tmp/e/sub").unwrap().unwrap();
    assert_eq!(tree.path(moved).unwrap(), "/tmp/e/sub");
    assert_eq!(tree.moves("tmp/b", "tmp/x", OTHER), Err(1), "tmp is sticky");
}

#[test]
fn two_names_are_one_file() {
    let mut tree = tree();
    tree.puts("tmp/a", "one").unwrap();
    let open = tree.opens("tmp/a", O_RDWR, SUPER).unwrap();
    tree.link(open.ino, ROOT, "tmp/b", SUPER).unwrap();
    assert_eq!(tree.link(open.ino, ROOT, "tmp/b", SUPER).unwrap_err().errno, 17);
    tree.removes("tmp/a", Other, SUPER).unwrap();
    tree.let_go(open.ino);
    assert_eq!(tree.text("tmp/b"), Ok("one".into()));
    let directory = tree.opens("tmp", O_RDONLY, SUPER).unwrap();
    assert_eq!(tree.link(directory.ino, ROOT, "t", SUPER).unwrap_err().errno, 1);
}

#[test]
fn no_name_can_be_mistaken_for_a_scheme() {
    let mut tree = tree();
    let create = O_CREAT | O_WRONLY | 0o644;
    assert_eq!(tree.opens("tmp/disk:0", create, SUPER), Err(22));
    assert!(tree.opens("tmp/12:30.log", create, SUPER).is_ok());
    assert_eq!(tree.moves("tmp/12:30.log", "rand:", SUPER), Err(22));
}

#[test]
fn what_cannot_be_removed_stays() {
    let mut tree = tree();
    assert_eq!(tree.removes("bin", Directory, SUPER), Err(39));
    assert_eq!(tree.removes("bin", Other, SUPER), Err(21));
    assert_eq!(tree.removes("bin/sh", Directory, SUPER), Err(20));
    assert_eq!(tree.removes("/", Directory, SUPER), Err(16));
    assert_eq!(tree.removes("tmp/.", Directory, SUPER), Err(22));
    assert_eq!(tree.removes("none", Other, SUPER), Err(2));
    assert_eq!(tree.removes("sbin", Other, SUPER), Ok(()));
    assert!(tree.leads_to("bin").unwrap().is_some());
}

#[test]
fn the_number_of_nodes_is_bounded() {
    let mut tree = tree();
    let mut made = 0;
    let error = loop {
        match tree.makes_directory(&format!("tmp/{made}"), SUPER) {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, 28);
    assert!(made > 30_000);
    tree.removes("tmp/0", Directory, SUPER).unwrap();
    assert_eq!(tree.makes_directory("tmp/again", SUPER), Ok(()));
}

#[test]
fn a_damaged_image_is_refused() {
    let mut bytes = tree().lower;
    bytes[100] ^= 1;
    assert!(Tree::new(bytes, 1, (0, 0)).is_err());
}

#[test]
fn all_of_the_image_is_where_its_path_says() {
    let tree = tree();
    for (ino, node) in &tree.nodes {
        let path = tree.path(*ino).unwrap();
        if !matches!(node.body, Body::Symlink(_)) {
            assert_eq!(tree.leads_to(&path), Ok(Some(*ino)), "{path}");
        }
    }
}
