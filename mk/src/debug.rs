//! `mk debug`: the image in QEMU, stopped before its first instruction, under gdb.

use std::process::{Command, Stdio};

use crate::{
    build,
    failure::{Code, Failure, Result},
    needs::{self, Need},
    progress::cannot_start,
    qemu::PROGRAM,
    run, workspace,
};

/// Where the loader puts the kernel (`KERNEL_BASE` of `anode_loader`).
const KERNEL_BASE: &str = "0xffffffff80000000";

/// `mk debug`, with the flags of `mk run`
pub(crate) fn command(arguments: lexopt::Parser) -> Result<()> {
    let options = run::options(arguments)?;
    needs::ensure(&[Need::Gdb])?;
    run::prepare(&options)?;
    let folder = workspace::target().join("run");
    crate::files::make_dir(&folder)?;
    // Both programs start in this folder, so the socket's name stays short.
    let socket = "gdb.socket";
    crate::files::remove(&folder.join(socket))?;
    let mut qemu = Command::new(PROGRAM);
    qemu.current_dir(&folder).args(options.config.arguments()?);
    qemu.args(["-S", "-display", "none", "-serial", "file:debug.log", "-chardev"]);
    qemu.arg(format!("socket,path={socket},server=on,wait=off,id=gdb"));
    qemu.args(["-gdb", "chardev:gdb"]).stdin(Stdio::null());
    let mut machine = qemu.spawn().map_err(|error| cannot_start(&qemu, &error))?;
    eprintln!("mk: the serial line goes to target/run/debug.log");
    let mut gdb = Command::new("gdb");
    gdb.current_dir(&folder).args(["-q", "-ex", "set confirm off"]);
    gdb.arg("-ex")
        .arg(format!("add-symbol-file {} -o {KERNEL_BASE}", build::kernel_path().display()));
    gdb.args(["-ex", &format!("target remote {socket}")]);
    let status = gdb.status().map_err(|error| cannot_start(&gdb, &error));
    // The session is over, however gdb ended.
    drop(machine.kill());
    drop(machine.wait());
    match status? {
        status if status.success() => Ok(()),
        status => Err(Failure::new(Code::Tool, format!("gdb ended with {status}"))),
    }
}
