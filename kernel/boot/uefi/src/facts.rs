//! What the firmware knows beside memory and disks: screen, tables, clock, randomness.

use crate::look;
use anode_loader::seed::Pool;
use anode_loader::time::DateTime;
use anode_loader::{BootMethod, Channel, Facts, Framebuffer, machine};
use uefi::boot;
use uefi::proto::console::gop::{GraphicsOutput, PixelBitmask, PixelFormat};
use uefi::proto::rng::Rng;
use uefi::table::cfg::ConfigTableEntry;
use uefi::{Guid, runtime, system, table};

/// All of it; what is not there is zero.
pub(crate) fn gather() -> Facts {
    let system = table::system_table_raw().map(|table| table.as_ptr().expose_provenance());
    Facts {
        method: BootMethod::Uefi,
        rsdp: config_table(&[ConfigTableEntry::ACPI2_GUID, ConfigTableEntry::ACPI_GUID]),
        smbios: config_table(&[ConfigTableEntry::SMBIOS3_GUID, ConfigTableEntry::SMBIOS_GUID]),
        efi_system_table: system.and_then(|address| u64::try_from(address).ok()).unwrap_or(0),
        wall_seconds: wall_seconds().unwrap_or(0),
        framebuffer: framebuffer().unwrap_or_default(),
        seed: seed(),
        ..Facts::default()
    }
}

/// The address of the first table of `wanted` that there is, or 0.
fn config_table(wanted: &[Guid]) -> u64 {
    system::with_config_table(|entries| {
        let find = |guid: &Guid| entries.iter().find(|entry| entry.guid == *guid);
        let entry = wanted.iter().find_map(find);
        entry.and_then(|entry| u64::try_from(entry.address.expose_provenance()).ok()).unwrap_or(0)
    })
}

/// The clock; one without a time zone is taken to run in UTC.
fn wall_seconds() -> Option<u64> {
    let time = runtime::get_time().ok()?;
    let date = DateTime {
        year: u64::from(time.year()),
        month: u64::from(time.month()),
        day: u64::from(time.day()),
        hour: u64::from(time.hour()),
        minute: u64::from(time.minute()),
        second: u64::from(time.second()),
    };
    // The zone is what is to be added to get UTC, in minutes.
    let zone = i64::from(time.time_zone().unwrap_or(0)).checked_mul(60)?;
    date.seconds()?.checked_add_signed(zone)
}

/// The firmware's randomness, if it has some, stirred with the CPU's.
fn seed() -> [u64; 4] {
    let mut pool = Pool::default();
    let mut bytes = [0; 32];
    let handle = boot::get_handle_for_protocol::<Rng>();
    let filled = handle.and_then(look::<Rng>).and_then(|mut rng| rng.get_rng(None, &mut bytes));
    if filled.is_ok() {
        for word in bytes.as_chunks().0 {
            pool.add(u64::from_le_bytes(*word));
        }
    }
    machine::stir(&mut pool);
    pool.words()
}

/// The screen in the mode that the firmware chose; `None` if it cannot be drawn on directly.
fn framebuffer() -> Option<Framebuffer> {
    let handle = boot::get_handle_for_protocol::<GraphicsOutput>().ok()?;
    let mut screen = look::<GraphicsOutput>(handle).ok()?;
    let mode = screen.current_mode_info();
    let byte = |position| Channel { position, size: 8 };
    let [red, green, blue] = match mode.pixel_format() {
        PixelFormat::Rgb => [byte(0), byte(8), byte(16)],
        PixelFormat::Bgr => [byte(16), byte(8), byte(0)],
        PixelFormat::Bitmask => {
            let PixelBitmask { red, green, blue, .. } = mode.pixel_bitmask()?;
            [channel(red)?, channel(green)?, channel(blue)?]
        }
        PixelFormat::BltOnly => return None,
    };
    let (width, height) = mode.resolution();
    let pitch = u32::try_from(mode.stride()).ok()?.checked_mul(4)?;
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut buffer = screen.frame_buffer();
    let phys = u64::try_from(buffer.as_mut_ptr().expose_provenance()).ok()?;
    let len = u64::try_from(buffer.size()).ok()?;
    let whole =
        u64::from(pitch).checked_mul(u64::from(height))? <= len && pitch >= width.checked_mul(4)?;
    (whole && phys != 0).then_some(Framebuffer {
        phys,
        len,
        width,
        height,
        pitch,
        bits_per_pixel: 32,
        red,
        green,
        blue,
    })
}

/// The channel of the bits in `mask`, which follow each other.
fn channel(mask: u32) -> Option<Channel> {
    let position = u8::try_from(mask.trailing_zeros()).ok().filter(|_| mask != 0)?;
    Some(Channel { position, size: u8::try_from(mask.count_ones()).ok()? })
}
