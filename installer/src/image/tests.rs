//! Tests that read an image back with the loader's own code, with `gpt` and with `fatfs`.

use super::{ImageSpec, Item, Mark, Root, write};
use crate::plan::{Layout, Plan};
use crate::{Error, SECTOR};
use anode_fs::device::Access;
use anode_fs::executor::block_on;
use anode_fs::fsck::{Depth, check};
use anode_loader::gpt::{BOOT_TYPE, DATA_TYPE, MAX_SECTOR, Partition, find};
use anode_loader::slot::{Checksum, HEADER, Header, place};
use anode_loader::{Disk, DiskError};
use fatfs::{FileSystem, FsOptions};
use fscommon::StreamSlice;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

const SIZE: u64 = 160 << 20;
const GUID: [u8; 16] = [0x10, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

const ITEMS: [Item<'static>; 3] = [
    Item::Directory("tmp", 0o1777),
    Item::File("bin/sh", 0o755, &[6; 70_000]),
    Item::Symlink("bin/bash", "sh"),
];

/// An ELF file with a boot sector of 0x11 and a second stage of 700 bytes of 0x22.
fn bios() -> Vec<u8> {
    let mut file = vec![0; 0x1000];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(32, &64_u64.to_le_bytes());
    put(54, &[56, 0, 2, 0]);
    for (at, offset, address, len) in
        [(64, 0x200_u64, 0x7c00_u64, 440_u64), (120, 0x400, 0x8000, 700)]
    {
        put(at, &1_u32.to_le_bytes());
        put(at + 8, &offset.to_le_bytes());
        put(at + 24, &address.to_le_bytes());
        put(at + 32, &len.to_le_bytes());
    }
    put(0x200, &[0x11; 440]);
    put(0x400, &[0x22; 700]);
    put(0x408, b"ANODEST2");
    file
}

fn with_spec<R>(use_it: impl FnOnce(ImageSpec<'_>) -> R) -> R {
    use_it(ImageSpec {
        kernel: &[1; 5000],
        init: &[2; 4096],
        initfs: &[3; 9000],
        root: Root { items: &ITEMS, secret: [5; 16], time: 9 },
        cmdline: "log=info",
        bios: &bios(),
        uefi: &[0x4d; 70_000],
        size_bytes: SIZE,
        disk_guid: GUID,
        mark: Mark::Plain,
    })
}

fn image() -> (Vec<u8>, Layout) {
    let mut target = Cursor::new(Vec::new());
    let layout = with_spec(|spec| write(&spec, &mut target)).unwrap();
    (target.into_inner(), layout)
}

/// An image as the loader sees it.
struct ImageDisk(Vec<u8>);

impl Disk for ImageDisk {
    fn sector_size(&self) -> u32 {
        512
    }

    fn sectors(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap() / SECTOR
    }

    fn read(&mut self, lba: u64, out: &mut [u8]) -> Result<(), DiskError> {
        let start = usize::try_from(lba * SECTOR).unwrap();
        out.copy_from_slice(self.0.get(start..start + out.len()).ok_or(DiskError::Range)?);
        Ok(())
    }

    fn write(&mut self, _lba: u64, _bytes: &[u8]) -> Result<(), DiskError> {
        Err(DiskError::Range)
    }
}

fn boot_partition(disk: &mut ImageDisk) -> Partition {
    find(disk, BOOT_TYPE, &mut vec![0; MAX_SECTOR]).unwrap()
}

#[test]
fn the_image_has_its_size_and_its_boot_code() {
    let (bytes, layout) = image();

    assert_eq!(u64::try_from(bytes.len()).unwrap(), SIZE);
    assert_eq!(bytes[..0x1a0], [0x11; 0x1a0]);
    assert_eq!(bytes[0x1a0..0x1aa], [0, 8, 0, 0, 0, 0, 0, 0, 2, 0]);
    assert_eq!(bytes[510..512], [0x55, 0xaa]);
    // One protective entry over the whole disk, not active.
    assert_eq!((bytes[446], bytes[450]), (0, 0xee));
    let start = usize::try_from(layout.bios.start).unwrap();
    assert_eq!(bytes[start + 8..start + 16], *b"ANODEST2");
    assert_eq!((bytes[start + 699], bytes[start + 700]), (0x22, 0));
}

#[test]
fn the_loader_finds_the_boot_partition_and_both_guids() {
    let (bytes, layout) = image();
    let mut disk = ImageDisk(bytes);

    let found = boot_partition(&mut disk);

    assert_eq!(
        (found.first * SECTOR, found.sectors * SECTOR),
        (layout.boot.start, layout.boot.len)
    );
    let mut guid = GUID;
    assert_eq!(found.disk, guid);
    guid[15] ^= 3;
    assert_eq!(found.guid, guid);
    let data = find(&mut disk, DATA_TYPE, &mut vec![0; MAX_SECTOR]).unwrap();
    assert_eq!(data.first * SECTOR, layout.data.start);
}

#[test]
fn the_table_at_the_end_is_as_good_as_the_one_at_the_start() {
    let (mut bytes, _) = image();
    bytes[..4096].fill(0);
    let mut disk = ImageDisk(bytes);

    assert_eq!(boot_partition(&mut disk).disk, GUID);
}

#[test]
fn slot_a_holds_the_bundle_and_slot_b_is_empty() {
    let (bytes, _) = image();
    let mut disk = ImageDisk(bytes);
    let partition = boot_partition(&mut disk);
    let (first, sectors) = place(&partition, 0, 512).unwrap();
    let slot = &disk.0[usize::try_from(first * SECTOR).unwrap()..];

    let header = Header::decode(slot, sectors * SECTOR).unwrap();

    let mut checksum = Checksum::default();
    checksum.update(&slot[HEADER..usize::try_from(header.total).unwrap()]);
    assert_eq!(checksum.value(), header.payload);
    let part = |which: usize| {
        let part = header.parts[which];
        let start = usize::try_from(part.phys).unwrap();
        &slot[start..start + usize::try_from(part.len).unwrap()]
    };
    assert_eq!((part(0), part(1)), ([1; 5000].as_slice(), [2; 4096].as_slice()));
    assert_eq!((part(2), part(3)), ([3; 9000].as_slice(), b"log=info".as_slice()));
    let (first, _) = place(&partition, 1, 512).unwrap();
    assert!(Header::decode(&disk.0[usize::try_from(first * SECTOR).unwrap()..], 1 << 25).is_err());
}

#[test]
fn the_efi_partition_holds_the_loader_and_nothing_else() {
    let (bytes, layout) = image();
    let end = layout.esp.start + layout.esp.len;
    let slice = StreamSlice::new(Cursor::new(bytes), layout.esp.start, end).unwrap();

    let volume = FileSystem::new(slice, FsOptions::new()).unwrap();

    assert_eq!(volume.fat_type(), fatfs::FatType::Fat32);
    let mut loader = Vec::new();
    let mut file = volume.root_dir().open_file("EFI/BOOT/BOOTX64.EFI").unwrap();
    file.read_to_end(&mut loader).unwrap();
    assert_eq!(loader, [0x4d; 70_000]);
    let names: Vec<_> = volume.root_dir().iter().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.iter().filter(|name| *name != "ANODE ESP").collect::<Vec<_>>(), ["EFI"]);
}

#[test]
fn the_root_filesystem_is_found_by_its_type_and_whole() {
    let (bytes, layout) = image();
    let mut target = Cursor::new(bytes);
    let window = mkfs::partition(&mut target).unwrap();
    assert_eq!(
        (window.start, window.end),
        (layout.data.start, layout.data.start + layout.data.len)
    );
    let disk = mkfs::Disk::new(target, window.start, layout.data.len, Access::ReadOnly);
    let report = block_on(check(&disk, Depth::Content), || {}).unwrap();
    // The root, bin, and the three of the list.
    assert_eq!((report.findings, report.files), (vec![], 5));
}

#[test]
fn the_same_parts_and_guid_make_the_same_bytes() {
    assert!(image().0 == image().0);
}

#[test]
fn what_lay_on_the_disk_before_is_gone_where_it_would_be_read() {
    let mut target = Cursor::new(vec![0xff; usize::try_from(SIZE).unwrap()]);
    let layout = with_spec(|spec| write(&spec, &mut target)).unwrap();
    let mut disk = ImageDisk(target.into_inner());

    let partition = boot_partition(&mut disk);
    let (b, _) = place(&partition, 1, 512).unwrap();

    assert_eq!(disk.0[usize::try_from(b * SECTOR).unwrap()..][..8], [0; 8]);
    assert_eq!(disk.0[usize::try_from(layout.data.start).unwrap()..][..8], [0; 8]);
}

#[test]
fn an_active_mark_is_set_only_on_demand() {
    let mut target = Cursor::new(Vec::new());
    with_spec(|spec| write(&ImageSpec { mark: Mark::Active, ..spec }, &mut target)).unwrap();
    assert_eq!(target.into_inner()[446], 0x80);
}

#[test]
fn parts_that_do_not_fit_are_refused_with_a_sentence() {
    let refuse = |change: &dyn Fn(&mut ImageSpec<'_>)| {
        with_spec(|mut spec| {
            change(&mut spec);
            Plan::new(&spec).unwrap_err()
        })
    };
    let large = vec![1; 40 << 20];
    let long = "x".repeat(513);
    let cases: [(&str, Error); 6] = [
        ("take a larger one", refuse(&|spec| spec.size_bytes = 50 << 20)),
        (
            "the boot bundle is",
            with_spec(|spec| Plan::new(&ImageSpec { initfs: &large, ..spec }).unwrap_err()),
        ),
        (
            "the command line is",
            with_spec(|spec| Plan::new(&ImageSpec { cmdline: &long, ..spec }).unwrap_err()),
        ),
        (
            "the UEFI loader is",
            with_spec(|spec| Plan::new(&ImageSpec { uefi: &large, ..spec }).unwrap_err()),
        ),
        ("the kernel is empty", refuse(&|spec| spec.kernel = &[])),
        ("it is not an ELF file", refuse(&|spec| spec.bios = &[0; 100])),
    ];
    for (expected, error) in cases {
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn the_smallest_size_that_an_error_names_is_enough() {
    let Err(Error::TooSmall { need, .. }) = Layout::new(1 << 20) else {
        panic!("1 MiB is too small")
    };
    assert!(Layout::new(need).is_ok());
    assert!(Layout::new(need - 1).is_err());
}

#[test]
fn a_damaged_bios_loader_is_refused_or_cut_but_never_a_panic() {
    let good = bios();
    for byte in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut file = good.clone();
            file[byte] = value;
            if let Ok(plan) = with_spec(|spec| {
                Plan::new(&ImageSpec { bios: &file, ..spec }).map(|plan| plan.layout)
            }) {
                assert_eq!(plan.size, SIZE);
            }
        }
    }
    for len in 0..good.len() {
        let refused =
            with_spec(|spec| Plan::new(&ImageSpec { bios: &good[..len], ..spec }).is_err());
        assert_eq!(refused, len < 0x400 + 700, "{len} bytes");
    }
}

/// A target that fails after so many writes.
struct Failing {
    inner: Cursor<Vec<u8>>,
    left: u32,
}

impl Write for Failing {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(1).ok_or(std::io::ErrorKind::StorageFull)?;
        self.inner.write(buf)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buf)
    }
}

impl Seek for Failing {
    fn seek(&mut self, pos: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(pos)
    }
}

#[test]
fn a_write_that_fails_before_the_table_leaves_no_disk_that_boots() {
    for left in [0, 10, 200, 500] {
        let mut target =
            Failing { inner: Cursor::new(vec![0; usize::try_from(SIZE).unwrap()]), left };
        let result = with_spec(|spec| write(&spec, &mut target));
        assert!(
            matches!(result, Err(Error::Write { .. } | Error::Root(_))),
            "{left} writes: {result:?}"
        );
        let mut disk = ImageDisk(target.inner.into_inner());
        assert!(find(&mut disk, BOOT_TYPE, &mut vec![0; MAX_SECTOR]).is_err());
    }
}

#[test]
fn a_plan_prints_its_steps_and_ends_with_the_table() {
    let text = with_spec(|spec| Plan::new(&spec).unwrap().to_string());
    assert_eq!(text.lines().count(), 9);
    assert!(text.ends_with("9. write the partition table and the boot sector\n"), "{text}");
}
