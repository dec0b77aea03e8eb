//! Finding all functions, through bridges.

use crate::access::{Access, Address, read8};
use crate::function::{Function, header_type, is_multifunction};

const BRIDGE: u8 = 1;
const SECONDARY_BUS: u8 = 0x19;

/// Every function behind the host bridge, sorted by address.
///
/// A bridge counts as far as the firmware configured it. Each bus is looked at once, whatever
/// the bridges say.
pub(crate) fn functions(access: &mut impl Access) -> Vec<Function> {
    let mut found = Vec::new();
    let mut seen = [false; 256];
    let mut buses = root_buses(access);
    while let Some(bus) = buses.pop() {
        match seen.get_mut(usize::from(bus)) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        for device in 0..32 {
            for address in device_functions(access, bus, device) {
                buses.extend(behind(access, address));
                found.extend(Function::read(access, address));
            }
        }
    }
    found.sort_by_key(|function| function.address);
    found
}

/// Bus 0, and the buses of further host bridges.
fn root_buses(access: &mut impl Access) -> Vec<u8> {
    let first = Address { bus: 0, device: 0, function: 0 };
    if !exists(access, first) || !is_multifunction(access, first) {
        return vec![0];
    }
    let bridge = |function: &u8| exists(access, Address { function: *function, ..first });
    (0..8).filter(bridge).collect()
}

/// The functions of a device that are there.
fn device_functions(access: &mut impl Access, bus: u8, device: u8) -> Vec<Address> {
    let first = Address { bus, device, function: 0 };
    if !exists(access, first) {
        return Vec::new();
    }
    let count = if is_multifunction(access, first) { 8 } else { 1 };
    let address = |function| Address { function, ..first };
    (0..count).map(address).filter(|address| exists(access, *address)).collect()
}

/// The bus behind a bridge.
fn behind(access: &mut impl Access, address: Address) -> Option<u8> {
    if header_type(access, address) != BRIDGE {
        return None;
    }
    let bus = read8(access, address, SECONDARY_BUS);
    (bus > address.bus && bus != u8::MAX).then_some(bus)
}

fn exists(access: &mut impl Access, address: Address) -> bool {
    !matches!(access.read(address, 0) & 0xFFFF, 0 | 0xFFFF)
}
