//! The disk drivers, against what the host knows to be on the disks.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    build,
    failure::Result,
    files,
    guest::{Case, Group, Length, check, failed, plain},
    qemu::{Bus, Config, Machine},
    workspace,
};

pub(super) const VIRTIO: Group = Group {
    name: "disk",
    length: Length::Short,
    machine: |image| machine(image, Bus::Virtio),
    begin: Machine::log_in,
    cases: CASES,
};

pub(super) const NVME: Group =
    Group { name: "disk-nvme", machine: |image| machine(image, Bus::Nvme), ..VIRTIO };

pub(super) const AHCI: Group =
    Group { name: "disk-ahci", machine: |image| machine(image, Bus::Ahci), ..VIRTIO };

const CASES: &[Case] = &[
    Case { name: "disk:0 shows the image's first sectors", run: first_sectors },
    Case { name: "1,000 random reads of disk:1 equal the host's copy", run: random_reads },
];

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
    config.disks.push(random_disk());
    config.bus = bus;
    Ok(config)
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
