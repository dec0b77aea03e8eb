//! Terminal settings: Redox numbers every bit and control character in its own way.

use crate::abi::Termios;

/// Linux's kernel `struct termios`, as `TCGETS` and `TCSETS` take it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the C struct")]
pub struct LinuxTermios {
    pub c_iflag: u32,
    pub c_oflag: u32,
    pub c_cflag: u32,
    pub c_lflag: u32,
    pub c_line: u8,
    pub c_cc: [u8; 19],
}

/// Pairs of a Redox and a Linux bit.
type Bits = [(u32, u32)];

const INPUT: &Bits = &[
    (0o1, 0o1),
    (0o2, 0o2),
    (0o4, 0o4),
    (0o10, 0o10),
    (0o20, 0o20),
    (0o40, 0o40),
    (0o100, 0o100),
    (0o200, 0o200),
    (0o400, 0o400),
    (0o1000, 0o2000),
    (0o2000, 0o1_0000),
];
const OUTPUT: &Bits =
    &[(0o1, 0o1), (0o2, 0o4), (0o4, 0o2), (0o10, 0o10), (0o20, 0o20), (0o40, 0o40)];
const LOCAL: &Bits = &[
    (0x2, 0o20),
    (0x4, 0o40),
    (0x8, 0o10),
    (0x10, 0o100),
    (0x80, 0o1),
    (0x100, 0o2),
    (0x400, 0o10_0000),
    (0x40_0000, 0o400),
    (0x8000_0000, 0o200),
];
const CONTROL: &Bits = &[
    // The two bits of the character size, then the rest.
    (0o400, 0o20),
    (0o1000, 0o40),
    (0o2000, 0o100),
    (0o4000, 0o200),
    (0o1_0000, 0o400),
    (0o2_0000, 0o1000),
    (0o4_0000, 0o2000),
    (0o10_0000, 0o4000),
];
/// Index of a control character: Redox's, Linux's.
const CHARACTERS: [(usize, usize); 17] = [
    (0, 4),
    (1, 11),
    (2, 16),
    (3, 2),
    (4, 14),
    (5, 3),
    (6, 12),
    (7, 7),
    (8, 0),
    (9, 1),
    (10, 10),
    (12, 8),
    (13, 9),
    (14, 15),
    (15, 13),
    (16, 6),
    (17, 5),
];
/// Linux's speed bits within `c_cflag`.
const CBAUD: u32 = 0o1_0017;

fn to_linux(bits: u32, table: &Bits) -> u32 {
    table.iter().filter(|(ours, _)| bits & ours != 0).fold(0, |all, (_, linux)| all | linux)
}

fn to_redox(bits: u32, table: &Bits) -> u32 {
    table.iter().filter(|(_, linux)| bits & linux != 0).fold(0, |all, (ours, _)| all | ours)
}

/// Settings as Linux reads them into our struct.
#[must_use]
pub fn from_linux(linux: &LinuxTermios) -> Termios {
    let mut c_cc = [0; 32];
    for (ours, theirs) in CHARACTERS {
        if let (Some(to), Some(from)) = (c_cc.get_mut(ours), linux.c_cc.get(theirs)) {
            *to = *from;
        }
    }
    // Speeds up to B38400 are 0 to 15 for both; ours go on at 16 where Linux's go on at 0o10001.
    let low = linux.c_cflag & 0o17;
    let speed = if linux.c_cflag & 0o1_0000 == 0 { low } else { low.saturating_add(15) };
    Termios {
        c_iflag: to_redox(linux.c_iflag, INPUT),
        c_oflag: to_redox(linux.c_oflag, OUTPUT),
        c_cflag: to_redox(linux.c_cflag & !CBAUD, CONTROL),
        c_lflag: to_redox(linux.c_lflag, LOCAL),
        c_line: linux.c_line,
        c_cc,
        c_ispeed: speed,
        c_ospeed: speed,
    }
}

/// Our settings as Linux takes them; bits that we have no name for keep their value of `now`.
#[must_use]
pub fn into_linux(ours: &Termios, now: &LinuxTermios) -> LinuxTermios {
    let known = |table: &Bits| to_linux(u32::MAX, table);
    let merge = |now: u32, bits: u32, table| (now & !known(table)) | to_linux(bits, table);
    let mut c_cc = now.c_cc;
    for (own, theirs) in CHARACTERS {
        if let (Some(to), Some(from)) = (c_cc.get_mut(theirs), ours.c_cc.get(own)) {
            *to = *from;
        }
    }
    let speed = match ours.c_ospeed {
        low @ 0..=15 => low,
        high => 0o1_0000 | (high.saturating_sub(15) & 0o17),
    };
    LinuxTermios {
        c_iflag: merge(now.c_iflag, ours.c_iflag, INPUT),
        c_oflag: merge(now.c_oflag, ours.c_oflag, OUTPUT),
        c_cflag: (merge(now.c_cflag, ours.c_cflag, CONTROL) & !CBAUD) | speed,
        c_lflag: merge(now.c_lflag, ours.c_lflag, LOCAL),
        c_line: ours.c_line,
        c_cc,
    }
}

#[cfg(test)]
mod tests {
    use super::{LinuxTermios, from_linux, into_linux};

    fn cooked() -> LinuxTermios {
        let mut raw = LinuxTermios {
            c_iflag: libc::ICRNL | libc::IXON | libc::IUTF8,
            c_oflag: libc::OPOST | libc::ONLCR,
            c_cflag: libc::CS8 | libc::CREAD | libc::B38400,
            c_lflag: libc::ISIG | libc::ICANON | libc::ECHO | libc::IEXTEN,
            c_line: 0,
            c_cc: [0; 19],
        };
        raw.c_cc[libc::VINTR] = 3;
        raw.c_cc[libc::VEOF] = 4;
        raw.c_cc[libc::VMIN] = 1;
        raw
    }

    #[test]
    fn the_usual_terminal_has_redox_numbers() {
        let ours = from_linux(&cooked());
        assert_eq!(ours.c_iflag, 0o1400);
        assert_eq!(ours.c_oflag, 0o3);
        assert_eq!(ours.c_cflag, 0o5400);
        assert_eq!(ours.c_lflag, 0x588);
        assert_eq!((ours.c_cc[8], ours.c_cc[0], ours.c_cc[16]), (3, 4, 1));
        assert_eq!(ours.c_ospeed, 15);
    }

    #[test]
    fn a_round_trip_changes_nothing() {
        let mut fast = cooked();
        fast.c_cflag = (fast.c_cflag & !super::CBAUD) | libc::B115200;
        for raw in [cooked(), fast] {
            assert_eq!(into_linux(&from_linux(&raw), &raw), raw);
        }
    }

    #[test]
    fn raw_mode_clears_only_what_it_names() {
        let mut ours = from_linux(&cooked());
        ours.c_lflag = 0;
        let raw = into_linux(&ours, &cooked());
        assert_eq!(raw.c_lflag, 0);
        assert_eq!(raw.c_iflag, cooked().c_iflag);
    }
}
