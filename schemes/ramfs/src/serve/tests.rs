//! Files through the ring.

use anode_initfs::Builder;
use anode_scheme::testing::Fake;
use redox::flag::{O_RDONLY, O_RDWR};

use super::Ramfs;
use crate::{suite, tree::Tree};

fn files() -> Fake<Ramfs<Vec<u8>>> {
    let mut builder = Builder::new();
    builder.file("bin/sh", 0o755, vec![7; 5000]).unwrap();
    builder.directory("tmp", 0o1777).unwrap();
    let mut tree = Tree::new(builder.build().unwrap(), 64, (0, 0)).unwrap();
    tree.schemes = vec!["disk".into(), "rand".into()];
    let image = std::fs::File::open("/dev/null").unwrap();
    Fake::new(Ramfs::new(tree, image.into()))
}

#[test]
fn they_are_as_files_are() {
    suite::all(files);
}

#[test]
fn an_unchanged_file_carries_its_range_of_the_image() {
    let mut files = files();
    let image = files.open_at(0, "bin/sh", O_RDONLY).unwrap();
    let content = image.content.unwrap();
    assert_eq!(content.range.offset % 4096, 0);
    assert_eq!(content.range.len, 5000);
    assert!(image.positioned && image.cookie != 0);
    assert_eq!(files.read(image.value, 9000, 4990).unwrap(), [7; 10]);

    let writer = files.open_at(0, "bin/sh", O_RDWR).unwrap();
    assert_eq!(writer.content, None, "a writer must ask for what it wrote");
    files.write(writer.value, b"#!", 0).unwrap();
    assert_eq!(files.open_at(0, "bin/sh", O_RDONLY).unwrap().content, None);
    assert_eq!(files.stat(writer.value).unwrap().st_size, 5000);
}
