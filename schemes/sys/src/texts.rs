//! What the files say.

use std::fmt::Write;

use anode_abi::counters::Counters;
use anode_abi::info::fact;
use anode_scheme::Context;
use redox::error::{EISDIR, ENOENT, Error, Result};

use crate::kernel::Kernel;
use crate::tree::{Node, SysFile};

/// The text of a file, for who reads it.
pub(crate) fn text(kernel: &impl Kernel, node: Node, reader: &Context) -> Result<Vec<u8>> {
    let text = match node {
        Node::File(file) => return system(kernel, file, reader),
        Node::Stat(pid) => stat(kernel, pid)?,
        Node::Interrupt(line) => {
            let irqs = kernel.info_words(fact::IRQS)?;
            let found = irqs.as_chunks().0.iter().find(|[other, _]| *other == line);
            found.map(|[_, count]| format!("{count}\n")).ok_or(Error::new(ENOENT))?
        }
        Node::Signal(_) => String::new(),
        Node::System | Node::Processes | Node::Process(_) | Node::Interrupts => {
            return Err(Error::new(EISDIR));
        }
    };
    Ok(text.into_bytes())
}

fn system(kernel: &impl Kernel, file: SysFile, reader: &Context) -> Result<Vec<u8>> {
    let text = match file {
        SysFile::Uname => format!("Anode {} x86_64\n", env!("CARGO_PKG_VERSION")),
        SysFile::Counters => lines(Counters::NAMES, &kernel.info_words(fact::COUNTERS)?),
        SysFile::Memory => {
            let names = ["total_pages", "free_pages", "promised_pages", "objects"];
            format!("page_size 4096\n{}", lines(&names, &kernel.info_words(fact::MEMORY)?))
        }
        SysFile::Cpu => format!("cpus {}\n", kernel.cpus()?),
        SysFile::Uptime => format!("{}\n", kernel.monotonic()),
        SysFile::Exe => kernel.process_name(reader.pid)?,
        SysFile::Log => return kernel.info_bytes(fact::LOG),
        SysFile::Boot => return kernel.info_bytes(fact::BOOT),
        SysFile::Power => String::new(),
    };
    Ok(text.into_bytes())
}

/// Lines of `name value`.
fn lines(names: &[&str], values: &[u64]) -> String {
    names.iter().zip(values).fold(String::new(), |mut text, (name, value)| {
        // A `String` takes all that is written to it.
        let _written = writeln!(text, "{name} {value}");
        text
    })
}

fn stat(kernel: &impl Kernel, pid: u64) -> Result<String> {
    let process = kernel.process(pid)?;
    let name = kernel.process_name(pid)?;
    Ok(format!(
        "pid={} ppid={} pgid={} uid={} gid={} state={} threads={} pages={} cpu_ns={} prio={} \
         handles={} name={name}\n",
        process.pid,
        process.parent,
        process.group,
        process.uid,
        process.gid,
        process.state,
        process.threads,
        process.pages,
        process.cpu_ns,
        process.priority,
        process.handles,
    ))
}
