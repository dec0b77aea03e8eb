//! The disk drivers, against what the host knows to be on the disks.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    build,
    failure::Result,
    files,
    guest::{Case, Group, Length, check, failed, plain},
    qemu::{Board, Bus, Config, Disk, Machine},
    workspace,
};

pub(super) const VIRTIO: Group = Group {
    name: "disk",
    length: Length::Short,
    machine: |image| machine(image, Bus::Virtio),
    begin: Machine::log_in,
    cases: &[
        FIRST_SECTORS,
        RANDOM_READS,
        Case {
            name: "virtio-blk dies 20 times under its readers",
            run: |it| kill(it, "virtio-blk"),
        },
    ],
};

pub(super) const NVME: Group = Group {
    name: "disk-nvme",
    machine: |image| machine(image, Bus::Nvme),
    cases: &[
        FIRST_SECTORS,
        RANDOM_READS,
        Case { name: "nvme dies 20 times under its readers", run: |it| kill(it, "nvme") },
    ],
    ..VIRTIO
};

pub(super) const AHCI: Group = Group {
    name: "disk-ahci",
    machine: |image| machine(image, Bus::Ahci),
    cases: &[
        FIRST_SECTORS,
        RANDOM_READS,
        Case { name: "ahci dies 20 times under its readers", run: |it| kill(it, "ahci") },
    ],
    ..VIRTIO
};

/// Disks on all buses at once: the image three times, and behind NVMe a second disk.
pub(super) const MIXED: Group = Group {
    name: "disk-mixed",
    machine: |image| mixed(image, Board::Q35, Bus::Virtio),
    cases: &[ALL_APPEAR, RANDOM_READS],
    ..VIRTIO
};

/// The same without PCI Express and without messages of virtio-blk.
pub(super) const PC: Group = Group {
    name: "disk-pc",
    machine: |image| mixed(image, Board::Pc, Bus::VirtioLine),
    cases: &[
        ALL_APPEAR,
        Case { name: "no device is polled", run: nothing_polled },
        RANDOM_READS,
        Case { name: "a disk is pulled out under its readers", run: pull_virtio },
        Case { name: "an NVMe disk is pulled out under its readers", run: pull_nvme },
    ],
    ..VIRTIO
};

/// A driver that does not serve for a long time.
pub(super) const LATE: Group = Group {
    name: "disk-late",
    machine: |_image| {
        mixed(&build::image_with("late-driver", &[LATE_DRIVER])?, Board::Q35, Bus::Virtio)
    },
    cases: &[Case { name: "disks are there without those of a late driver", run: late_driver }],
    ..VIRTIO
};

const FIRST_SECTORS: Case =
    Case { name: "disk:0 shows the image's first sectors", run: first_sectors };
const ALL_APPEAR: Case =
    Case { name: "disks of all drivers appear with their partitions", run: all_appear };
const RANDOM_READS: Case =
    Case { name: "1,000 random reads of disk:1 equal the host's copy", run: random_reads };

const KILLS: u32 = 20;
/// The size of the second disk.
const SIZE: usize = 16 << 20;
const READS: usize = 1000;
/// The bytes of one read: a block, so that every read reaches the device.
const BLOCK: usize = 4096;
const SEED: u64 = 0x0a40_de00;

fn random_disk() -> PathBuf {
    workspace::target().join("run/random.img")
}

/// A machine with the image and a disk of random bytes on this bus.
fn machine(image: &Path, bus: Bus) -> Result<Config> {
    let mut random = Random(SEED);
    let data: Vec<u8> = (0..SIZE >> 3).flat_map(|_word| random.next().to_le_bytes()).collect();
    files::update(&random_disk(), &data)?;
    let mut config = plain(image)?;
    config.disks.push(Disk { file: random_disk(), bus });
    config.bus = bus;
    Ok(config)
}

/// A machine with the image on this bus, then random bytes on the same one, then the image by
/// each of the other drivers.
fn mixed(image: &Path, board: Board, bus: Bus) -> Result<Config> {
    let mut config = machine(image, bus)?;
    config.board = board;
    let image = || image.to_owned();
    config.disks.extend([
        Disk { file: image(), bus: Bus::Nvme },
        Disk { file: random_disk(), bus: Bus::Nvme },
        Disk { file: image(), bus: Bus::Ahci },
    ]);
    Ok(config)
}

/// The service file of a virtio-blk that begins to work long after a client has lost patience.
const LATE_DRIVER: (&str, &str) = (
    "etc/init/virtio-blk.toml",
    "name = \"virtio-blk\"\nprogram = \"/bin/sh\"\n\
     args = [\"-c\", \"/bin/sleep 30; exec /bin/virtio-blk\"]\n\
     schemes = [\"virtio-blk\"]\npci = \"1af4:1001,1af4:1042\"\nuses = [\"pci\"]\n\
     sees = [\"*\"]\npriority = 7\n",
);

/// The names under `disk:`.
fn names(machine: &mut Machine) -> Result<Vec<String>> {
    Ok(machine.ok("ls disk:")?.split_whitespace().map(str::to_owned).collect())
}

/// Whether these names are all disks of these kinds: of the image, which has partitions, or not.
fn are_disks(names: &[String], images: &[bool]) -> bool {
    let partitions = |disk: usize| {
        let begin = format!("{disk}p");
        names.iter().filter(|name| name.starts_with(&begin)).count()
    };
    let of_image = images.iter().position(|image| *image).map_or(0, partitions);
    let right = |(disk, image): (usize, &bool)| {
        names.contains(&disk.to_string()) && partitions(disk) == if *image { of_image } else { 0 }
    };
    let all = images.iter().enumerate().all(right);
    all && of_image > 0 && !names.contains(&images.len().to_string())
}

fn all_appear(machine: &mut Machine) -> Result<()> {
    let names = names(machine)?;
    let images = [true, false, true, false, true];
    check(are_disks(&names, &images), || format!("under disk: there are {names:?}"))?;
    for disk in [2, 4] {
        let text = machine.ok(&format!("cmp disk:0p1 disk:{disk}p1 && echo the same"))?;
        check(text.contains("the same"), || format!("disk:{disk}p1 is not disk:0p1: {text:?}"))?;
    }
    Ok(())
}

fn nothing_polled(machine: &mut Machine) -> Result<()> {
    let log = machine.ok("dmesg")?;
    check(!log.contains("is polled"), || format!("a device is polled:\n{log}"))
}

/// At first only the disks of the others are there, and then the late ones behind them.
fn late_driver(machine: &mut Machine) -> Result<()> {
    let early = names(machine)?;
    check(are_disks(&early, &[true, false, true]), || format!("without it there are {early:?}"))?;
    let text = machine.ok("hexdump disk:0 | head -n 40")?;
    check(text.contains("EFI PART"), || format!("disk:0 reads:\n{text}"))?;
    let images = [true, false, true, true, false];
    for _second in 0..60 {
        let names = names(machine)?;
        if are_disks(&names, &images) {
            let text = machine.ok("cmp disk:0p1 disk:3p1 && echo the same")?;
            return check(text.contains("the same"), || format!("disk:3p1 is not 0p1: {text:?}"));
        }
        check(names == early, || format!("while it starts, under disk: there are {names:?}"))?;
        machine.sh("sleep 1")?;
    }
    failed("the late driver's disks never came")
}

/// No byte is wrong, no reader hangs, and at the end there is another process.
fn kill(machine: &mut Machine, driver: &str) -> Result<()> {
    let before = machine.ok(&format!("svc | grep {driver}"))?;
    let text = machine.ok(&format!("/test/driverkill {driver} disk:1 {KILLS} {SEED}"))?;
    check(text.contains(&format!("{KILLS} kills: ")), || format!("driverkill said {text:?}"))?;
    let after = machine.ok(&format!("svc | grep {driver}"))?;
    let pid = |row: &str| row.split_whitespace().nth(2).map(str::to_owned);
    check(pid(&before) != pid(&after) && text.contains(&pid(&after).unwrap_or_default()), || {
        format!("{text}; svc shows {after:?}, and before it showed {before:?}")
    })
}

fn pull_virtio(machine: &mut Machine) -> Result<()> {
    pull(machine, "virtio-blk", 1, "device1")
}

fn pull_nvme(machine: &mut Machine) -> Result<()> {
    pull(machine, "nvme", 3, "device3")
}

/// Readers of the disk end with an error, and the driver's other disk goes on.
fn pull(machine: &mut Machine, driver: &str, disk: u32, device: &str) -> Result<()> {
    machine.send(&format!("/test/driverkill {driver} disk:{disk} 0 {SEED}\n"))?;
    machine.expect("reading")?;
    machine.pull(device)?;
    machine.expect("0 kills: ")?;
    machine.expect("# ")?;
    let other = disk.saturating_sub(1);
    let text = machine.ok(&format!("hexdump disk:{other} | head -n 40"))?;
    check(text.contains("EFI PART"), || format!("disk:{other} reads:\n{text}"))?;
    let output = machine.sh(&format!("hexdump disk:{disk} | head -n 4"))?;
    check(!output.text.contains("00000010"), || format!("it reads on: {}", output.text))
}

/// `hexdump` in the guest and the file on the host agree on sectors 0 and 1.
fn first_sectors(machine: &mut Machine) -> Result<()> {
    let image = files::read(&build::image_path())?;
    let wanted = image.get(..1024).unwrap_or_default();
    let text = machine.ok("hexdump disk:0 | head -n 80")?;
    let got = dumped(&text, wanted.len());
    check(got == wanted, || format!("the guest's first sectors differ from the image's:\n{text}"))
}

/// The bytes that lines of `OFFSET  xx xx … |text|` show; a `*` repeats the line before it.
fn dumped(text: &str, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for line in text.lines() {
        let (left, _text) = line.split_once('|').unwrap_or((line, ""));
        let mut words = left.split_whitespace();
        let Some(offset) = words.next().and_then(|word| usize::from_str_radix(word, 16).ok())
        else {
            continue;
        };
        let offset = offset.min(len);
        let last = bytes.get(bytes.len().saturating_sub(16)..).unwrap_or_default().to_vec();
        bytes.extend(last.iter().cycle().take(offset.saturating_sub(bytes.len())));
        bytes.extend(words.filter_map(|word| u8::from_str_radix(word, 16).ok()));
    }
    bytes.truncate(len);
    bytes
}

fn random_reads(machine: &mut Machine) -> Result<()> {
    let disk = files::read(&random_disk())?;
    let before = blocks_read(machine)?;
    let line = format!("/test/diskcheck disk:1 {READS} {BLOCK} {SEED}");
    let text = machine.ok(&line)?;
    let after = blocks_read(machine)?;
    let mut random = Random(SEED);
    let mut sum = Fnv::default();
    for _read in 0..READS {
        let blocks = u64::try_from(SIZE / BLOCK).unwrap_or(1);
        let block = usize::try_from(random.below(blocks)).unwrap_or(0);
        let at = block.saturating_mul(BLOCK);
        sum.add(disk.get(at..at.saturating_add(BLOCK)).unwrap_or_default());
    }
    let wanted = format!("{:016x}", sum.0);
    check(text.split_whitespace().last() == Some(&wanted), || {
        format!("the guest read other bytes than the host: {text:?}, not {wanted}")
    })?;
    let bytes = after.saturating_sub(before);
    let least = u64::try_from(READS.saturating_mul(BLOCK)).unwrap_or(0);
    check(bytes >= least, || format!("QEMU saw only {bytes} bytes read, not {least}"))
}

/// How many bytes QEMU has read from the second disk for the guest.
fn blocks_read(machine: &Machine) -> Result<u64> {
    let answer = machine.qmp("query-blockstats", &json!({}))?;
    let disk = workspace::list(&json!({ "all": answer }), "all")
        .find(|disk| disk.pointer("/device") == Some(&Value::from("disk1")))
        .and_then(|disk| disk.pointer("/stats/rd_bytes")?.as_u64());
    disk.map_or_else(|| failed("QEMU has no statistics for disk1"), Ok)
}

/// The generator that `diskcheck` uses too (splitmix64).
struct Random(u64);

impl Random {
    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// A running checksum (FNV-1a, 64 bits), as in `diskcheck`.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::dumped;

    #[test]
    fn a_hexdump_is_read_back() {
        let text = "\
00000000  45 46 49 20 50 41 52 54  00 00 01 00 5c 00 00 00  |EFI PART....\\...|
00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000040  41 42                                             |AB|
00000042
";
        let bytes = dumped(text, 1024);

        assert_eq!(bytes.len(), 0x42);
        assert_eq!(&bytes[..8], b"EFI PART");
        assert!(bytes[16..64].iter().all(|&byte| byte == 0));
        assert_eq!(&bytes[64..], b"AB");
    }
}
