//! The screen: text while the loader works, then a framebuffer by VBE.

use crate::call::{Buffer, Registers, call};
use anode_loader::Framebuffer;
use anode_loader::pc::{preferred_size, suits, vbe_mode};
use core::fmt;

/// A VBE call that succeeded.
const SUPPORTED: u32 = 0x004f;
/// Most modes that are looked at.
const MAX_MODES: usize = 256;
/// Bit of a mode number: the linear framebuffer.
const LINEAR: u32 = 0x4000;

/// Text on the screen, by INT 10h.
#[derive(Debug)]
pub(crate) struct Text;

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            call(0x10, Registers { eax: 0x0e00 | u32::from(byte), ebx: 7, ..Registers::default() });
        }
        Ok(())
    }
}

/// Makes a VBE call that fills `out`; `None` if the BIOS has it not.
fn ask(function: u32, bx: u32, cx: u32, out: &mut [u8]) -> Option<()> {
    let buffer = Buffer::SMALL;
    buffer.write(out);
    let question =
        Registers { eax: function, ebx: bx, ecx: cx, es: buffer.segment(), ..Registers::default() };
    let answer = call(0x10, question);
    buffer.read(out);
    (answer.eax & 0xffff == SUPPORTED).then_some(())
}

/// Sets the best linear mode of 32 bits a pixel; `None` if there is none, and text stays.
pub(crate) fn set_mode() -> Option<Framebuffer> {
    // The first bytes ask for the newer form of the answer.
    let mut info = [0; 512];
    info.iter_mut().zip(b"VBE2").for_each(|(to, from)| *to = *from);
    ask(0x4f00, 0, 0, &mut info)?;
    info.starts_with(b"VESA").then_some(())?;
    let half = |at: usize| {
        info.get(at..).and_then(|bytes| bytes.first_chunk().copied()).map(u16::from_le_bytes)
    };
    let version = half(4)?;
    let list = usize::from(half(16)?).checked_mul(16)?.checked_add(usize::from(half(14)?))?;
    // Copied before the next call: the list may lie in the buffer of this one.
    let numbers = modes(list);

    let mut edid = [0; 128];
    let wanted = ask(0x4f15, 1, 0, &mut edid).and_then(|()| preferred_size(&edid));
    let mut best: Option<(u32, Framebuffer)> = None;
    for number in numbers {
        let mut mode = [0; 256];
        let Some(()) = ask(0x4f01, 0, u32::from(number), &mut mode) else { continue };
        let Some(screen) = vbe_mode(&mode, version) else { continue };
        let rank = |screen: &Framebuffer| suits((screen.width, screen.height), wanted);
        if best.is_none_or(|(_, best)| rank(&screen) > rank(&best)) {
            best = Some((u32::from(number), screen));
        }
    }
    let (number, screen) = best?;
    ask(0x4f02, number | LINEAR, 0, &mut [])?;
    Some(screen)
}

/// The numbers of the list at `address`.
fn modes(address: usize) -> impl Iterator<Item = u16> {
    let mut numbers = [0xffff; MAX_MODES];
    for (index, number) in numbers.iter_mut().enumerate() {
        let place =
            index.checked_mul(2).and_then(|offset| offset.checked_add(address)).unwrap_or(0);
        *number = u16::from(crate::tables::byte(place))
            | u16::from(crate::tables::byte(place.saturating_add(1))) << 8;
        if *number == 0xffff {
            break;
        }
    }
    numbers.into_iter().take_while(|&number| number != 0xffff)
}
