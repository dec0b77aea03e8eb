//! The terminal's settings, as C's `struct termios` has them.

/// Bytes of the C struct: four flag words, a line number, 32 characters, padding, two speeds.
pub(crate) const BYTES: usize = 60;
const CHARACTERS: usize = 32;
const CHARACTERS_AT: usize = 17;
const SPEEDS_AT: usize = 52;

/// Input: carriage return is dropped.
pub(crate) const IGNCR: u32 = 0o200;
/// Input: carriage return becomes newline.
pub(crate) const ICRNL: u32 = 0o400;
/// Input: newline becomes carriage return.
pub(crate) const INLCR: u32 = 0o100;
/// Output is processed at all.
pub(crate) const OPOST: u32 = 0o1;
/// Output: newline becomes carriage return and newline.
pub(crate) const ONLCR: u32 = 0o2;
/// Characters make signals.
pub(crate) const ISIG: u32 = 0x80;
/// Input comes by lines, and may be edited until then.
pub(crate) const ICANON: u32 = 0x100;
/// Input is echoed.
pub(crate) const ECHO: u32 = 0x8;
/// Newline is echoed even without [`ECHO`].
pub(crate) const ECHONL: u32 = 0x10;
/// Signals leave the input alone.
pub(crate) const NOFLSH: u32 = 0x8000_0000;
const ECHOE: u32 = 0x2;
const ECHOK: u32 = 0x4;
const IEXTEN: u32 = 0x400;
/// Eight data bits, receiver on, no modem lines.
const CFLAG: u32 = 0o1400 | 0o4000 | 0o100_000;
const B115200: u32 = 0o21;

/// Which character does what; indices of [`Termios::characters`].
pub(crate) mod character {
    pub(crate) const EOF: usize = 0;
    pub(crate) const EOL: usize = 1;
    pub(crate) const ERASE: usize = 3;
    pub(crate) const WORD_ERASE: usize = 4;
    pub(crate) const KILL: usize = 5;
    pub(crate) const REPRINT: usize = 6;
    pub(crate) const INTERRUPT: usize = 8;
    pub(crate) const QUIT: usize = 9;
    pub(crate) const SUSPEND: usize = 10;
    pub(crate) const LITERAL: usize = 14;
    pub(crate) const MIN: usize = 16;
    pub(crate) const TIME: usize = 17;
}

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Termios {
    pub(crate) input: u32,
    pub(crate) output: u32,
    control: u32,
    pub(crate) local: u32,
    line: u8,
    characters: [u8; CHARACTERS],
    speeds: [u32; 2],
}

impl Default for Termios {
    /// Canonical mode with echo, as `stty sane` sets it.
    fn default() -> Self {
        let mut characters = [0; CHARACTERS];
        let set = [
            (character::EOF, 0x04),
            (character::ERASE, 0x7F),
            (character::WORD_ERASE, 0x17),
            (character::KILL, 0x15),
            (character::REPRINT, 0x12),
            (character::INTERRUPT, 0x03),
            (character::QUIT, 0x1C),
            (character::SUSPEND, 0x1A),
            (character::LITERAL, 0x16),
            (character::MIN, 1),
        ];
        for (index, value) in set {
            if let Some(slot) = characters.get_mut(index) {
                *slot = value;
            }
        }
        Self {
            input: ICRNL,
            output: OPOST | ONLCR,
            control: CFLAG,
            local: ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN,
            line: 0,
            characters,
            speeds: [B115200; 2],
        }
    }
}

impl Termios {
    /// Whether all of these bits of the local flags are set.
    pub(crate) const fn has(&self, local: u32) -> bool {
        self.local & local == local
    }

    /// A setting of [`character`].
    pub(crate) fn value(&self, index: usize) -> u8 {
        self.characters.get(index).copied().unwrap_or(0)
    }

    /// Whether `byte` is the character with that task; 0 is no character.
    pub(crate) fn is(&self, index: usize, byte: u8) -> bool {
        byte != 0 && self.value(index) == byte
    }

    /// The C struct.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let flags = [self.input, self.output, self.control, self.local];
        let mut bytes: Vec<u8> = flags.iter().flat_map(|flag| flag.to_le_bytes()).collect();
        bytes.push(self.line);
        bytes.extend(self.characters);
        bytes.resize(SPEEDS_AT, 0);
        bytes.extend(self.speeds.iter().flat_map(|speed| speed.to_le_bytes()));
        bytes
    }

    /// Reads the C struct; none if there are too few bytes. Any values are settings.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self {
            input: word(0)?,
            output: word(4)?,
            control: word(8)?,
            local: word(12)?,
            line: *bytes.get(16)?,
            characters: *bytes.get(CHARACTERS_AT..)?.first_chunk()?,
            speeds: [word(SPEEDS_AT)?, word(56)?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, ECHO, ICANON, Termios, character};

    #[test]
    fn the_settings_survive_the_c_struct() {
        let mut settings = Termios::default();
        settings.local &= !(ICANON | ECHO);
        let bytes = settings.to_bytes();
        assert_eq!(bytes.len(), BYTES);
        assert_eq!(bytes[17 + 8], 3, "VINTR stands where C has it");
        assert_eq!(Termios::from_bytes(&bytes), Some(settings));
        assert_eq!(Termios::from_bytes(&bytes[..BYTES - 1]), None);
    }

    #[test]
    fn a_character_that_is_off_is_no_character() {
        assert!(!Termios::default().is(character::EOL, 0));
        assert!(Termios::default().is(character::EOF, 4));
    }
}
