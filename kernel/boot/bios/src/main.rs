//! The loader's BIOS front end: boot sector, stage 2, and calls back into 16-bit mode.
//!
//! ```text
//!  sector.s ─▶ start.s ─▶ main.rs ─┬─ memory.rs   E820, the map
//!  0x7c00      0x8000              ├─ disk.rs     INT 13h   ┐
//!                                  ├─ screen.rs   VBE       ├─ call.rs ─▶ 16-bit mode
//!                                  └─ tables.rs   RSDP      ┘
//! ```
//!
//! All of it runs in one flat piece below 384 KiB that may write to itself; it is gone when the
//! kernel runs.
#![no_std]
#![no_main]
#![expect(clippy::large_stack_frames, reason = "start.s gives it a stack of 64 KiB")]

mod call;
mod disk;
mod memory;
mod screen;
mod tables;

use anode_loader::machine::{self, Serial};
use anode_loader::seed::Pool;
use anode_loader::{BootMethod, Error, Facts, Hardware, load};
use core::convert::Infallible;
use core::fmt::{self, Write};

#[expect(bad_asm_style, reason = "LLVM has no far jump in Intel's syntax")]
mod assembly {
    core::arch::global_asm!(include_str!("sector.s"), options(raw));
    core::arch::global_asm!(include_str!("start.s"), options(raw));
}

/// Where stage 2 goes on in 64-bit mode; `drive` is the BIOS's number of the boot disk.
#[unsafe(no_mangle)]
extern "sysv64" fn bios_main(drive: u32) -> ! {
    let tsc_start = machine::tsc();
    let mut serial = Serial::new();
    match boot(drive, tsc_start, &mut serial) {
        Ok(never) => match never {},
        Err(error) => stop(&mut serial, format_args!("{error}")),
    }
}

/// Loads the kernel and enters it.
fn boot(drive: u32, tsc_start: u64, serial: &mut Serial) -> Result<Infallible, Error> {
    let (mut memory, low_page) = memory::detect()?;
    let mut disk = disk::BootDisk::open(drive)?;
    let cpu = machine::cpu()?;
    let rsdp = tables::rsdp();
    let (madt, has_madt) = memory.madt(rsdp, cpu.id);
    let hardware = Hardware { paging: cpu.paging, madt, has_madt, apic: machine::apic() };
    let loaded = load(&mut disk, &mut memory, &hardware, &machine::jump_pages())?;
    say(serial, format_args!("anode: loader (BIOS): {loaded}"));

    let mut pool = Pool::default();
    machine::stir(&mut pool);
    let facts = Facts {
        method: BootMethod::Bios,
        tsc_start,
        rsdp,
        smbios: tables::smbios(),
        low_page,
        wall_seconds: machine::clock().and_then(|clock| clock.date()?.seconds()).unwrap_or(0),
        seed: pool.words(),
        // Last, as no text can be shown after it.
        framebuffer: screen::set_mode().unwrap_or_default(),
        ..Facts::default()
    };
    // SAFETY: no call to the BIOS is made any more.
    let measured = unsafe { machine::settle(&hardware, &cpu)? };
    loaded.describe(&mut memory, &hardware, &facts, &measured)?;
    // SAFETY: `loaded` was made here and its `BootInfo` is complete; its tables map the jump's
    // pages one to one, as does `start.s`; no call to the BIOS is made any more.
    unsafe { machine::enter(&loaded, &cpu) }
}

/// Writes a line; neither the screen nor the serial port ever refuses one.
fn say(to: &mut impl Write, line: fmt::Arguments<'_>) {
    match write!(to, "{line}\r\n") {
        Ok(()) | Err(fmt::Error) => {}
    }
}

/// Says on the screen and the serial port why the machine cannot be started, and stops.
fn stop(serial: &mut Serial, why: fmt::Arguments<'_>) -> ! {
    say(serial, format_args!("anode: {why}; the machine cannot be started."));
    say(&mut screen::Text, format_args!("anode: {why}; the machine cannot be started."));
    machine::halt()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    stop(&mut Serial::new(), format_args!("the loader is at fault: {info}"))
}
