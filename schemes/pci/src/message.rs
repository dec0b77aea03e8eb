//! Programming message-signalled interrupts, and what a function may do on the bus.

use anode_device::Registers;

use crate::access::{Access, read16, write_part};
use crate::function::{COMMAND, Function, Msi, Msix};

const MEMORY: u16 = 1 << 1;
const PORTS: u16 = 1 << 0;
const BUS_MASTER: u16 = 1 << 2;
const NO_LINE: u16 = 1 << 10;

const MSI_ENABLE: u16 = 1;
/// Bits of the MSI control that say how many messages are enabled; 0: one.
const MSI_COUNT: u16 = 0b111 << 4;
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK_ALL: u16 = 1 << 14;

// Offsets in an entry of the MSI-X table.
const ADDRESS_LOW: usize = 0;
const ADDRESS_HIGH: usize = 4;
const DATA: usize = 8;
const CONTROL: usize = 12;
const MASKED: u32 = 1;

/// Where a message goes, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) address: u64,
    pub(crate) data: u32,
}

/// Connects a function for its driver: memory and ports; no interrupt yet, and no DMA: it may
/// still be about what an earlier driver told it.
pub(crate) fn connect(access: &mut impl Access, function: &Function) {
    disable_messages(access, function);
    change_command(access, function, MEMORY | PORTS | NO_LINE, BUS_MASTER);
}

/// Lets a function reach memory by itself, and send messages.
pub(crate) fn let_master(access: &mut impl Access, function: &Function) {
    change_command(access, function, BUS_MASTER, 0);
}

/// Takes the bus away from a function: no DMA, no message, no line. When this returns, nothing
/// of it is under way any more.
pub(crate) fn disconnect(access: &mut impl Access, function: &Function) {
    change_command(access, function, NO_LINE, BUS_MASTER);
    disable_messages(access, function);
    // What the function sent before arrives before its answer to this.
    access.read(function.address, COMMAND);
}

/// Lets the function raise its line.
pub(crate) fn enable_line(access: &mut impl Access, function: &Function) {
    disable_messages(access, function);
    change_command(access, function, 0, NO_LINE);
}

/// Programs the one message of MSI.
pub(crate) fn program_msi(
    access: &mut impl Access,
    function: &Function,
    msi: Msi,
    message: Message,
) {
    disable_messages(access, function);
    let put = |access: &mut _, at: u8, bytes: &[u8]| {
        write_part(access, function.address, msi.at.saturating_add(at), bytes);
    };
    let [low, high] = halves(message.address);
    let [a, b, ..] = message.data.to_le_bytes();
    put(access, 4, &low.to_le_bytes());
    let data_at = if msi.wide {
        put(access, 8, &high.to_le_bytes());
        12
    } else {
        8
    };
    put(access, data_at, &[a, b]);
    if msi.maskable {
        put(access, data_at.saturating_add(4), &[0; 4]);
    }
    change_control(access, function, msi.at, MSI_ENABLE, MSI_COUNT);
    change_command(access, function, NO_LINE, 0);
}

/// Programs and unmasks one entry of the MSI-X table. The first one of a driver masks the
/// others, whatever they were.
pub(crate) fn program_msix(
    access: &mut impl Access,
    function: &Function,
    msix: Msix,
    table: &mut impl Registers,
    (entry, message): (u16, Message),
) {
    let control = read16(access, function.address, msix.at.saturating_add(2));
    if control & MSIX_ENABLE == 0 {
        change_control(access, function, msix.at, MSIX_ENABLE | MSIX_MASK_ALL, 0);
        for entry in 0..msix.entries {
            table.write32(entry_at(entry, CONTROL), MASKED);
        }
    }
    let [low, high] = halves(message.address);
    table.write32(entry_at(entry, CONTROL), MASKED);
    table.write32(entry_at(entry, ADDRESS_LOW), low);
    table.write32(entry_at(entry, ADDRESS_HIGH), high);
    table.write32(entry_at(entry, DATA), message.data);
    table.write32(entry_at(entry, CONTROL), 0);
    change_control(access, function, msix.at, 0, MSIX_MASK_ALL);
    change_command(access, function, NO_LINE, 0);
}

fn disable_messages(access: &mut impl Access, function: &Function) {
    if let Some(msi) = function.msi {
        change_control(access, function, msi.at, 0, MSI_ENABLE);
    }
    if let Some(msix) = function.msix {
        change_control(access, function, msix.at, 0, MSIX_ENABLE);
    }
}

fn change_command(access: &mut impl Access, function: &Function, set: u16, clear: u16) {
    let command = read16(access, function.address, COMMAND);
    // The upper half is the status, whose bits are cleared by writing ones: write zeroes.
    let word = u32::from(command & !clear | set);
    access.write(function.address, COMMAND, word);
}

fn change_control(access: &mut impl Access, function: &Function, at: u8, set: u16, clear: u16) {
    let at = at.saturating_add(2);
    let control = read16(access, function.address, at);
    write_part(access, function.address, at, &(control & !clear | set).to_le_bytes());
}

/// Offset of a field of a table entry.
fn entry_at(entry: u16, field: usize) -> usize {
    usize::from(entry).saturating_mul(16).saturating_add(field)
}

/// Lower and upper half of an address.
fn halves(address: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}
