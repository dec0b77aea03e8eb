//! The boot bundle.

use crate::Error;
use crate::image::ImageSpec;
pub(crate) use anode_loader::slot::ALIGN;
use anode_loader::slot::{Checksum, HEADER, Header};
use std::io::{self, Seek, SeekFrom, Write};

/// Lays the bundle of `spec` out for a slot of `room` bytes: its header and its parts.
pub(crate) fn pack<'a>(spec: &ImageSpec<'a>, room: u64) -> Result<(Header, [&'a [u8]; 4]), Error> {
    let parts = [spec.kernel, spec.init, spec.initfs, spec.cmdline.as_bytes()];
    for (part, name) in parts.iter().zip(["kernel", "init", "initfs"]) {
        (!part.is_empty()).then_some(()).ok_or(Error::Missing(name))?;
    }
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let line = length(spec.cmdline.as_bytes());
    let layout = Header::layout(parts.map(length));
    let layout = layout.ok_or(Error::TooLarge { what: "command line", bytes: line, room: 512 })?;
    let too_large = Error::TooLarge { what: "boot bundle", bytes: layout.total, room };
    (layout.total <= room).then_some(()).ok_or(too_large)?;
    let mut payload = Checksum::default();
    body(&layout, &parts, |bytes| {
        payload.update(bytes);
        Ok(())
    })
    .map_err(Error::write("boot bundle"))?;
    Ok((Header { payload: payload.value(), ..layout }, parts))
}

/// Gives out all bytes behind the header, in order, with zeros between the parts.
fn body(
    header: &Header,
    parts: &[&[u8]; 4],
    mut give: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let zeros = [0; HEADER];
    let mut at = u64::try_from(HEADER).unwrap_or(0);
    let [kernel, init, initfs, line] = header.parts;
    let [kernel_bytes, init_bytes, initfs_bytes, line_bytes] = *parts;
    let placed =
        [(line, line_bytes), (kernel, kernel_bytes), (init, init_bytes), (initfs, initfs_bytes)];
    let pad = |at: &mut u64, to: u64, give: &mut dyn FnMut(&[u8]) -> io::Result<()>| {
        while *at < to {
            let len =
                usize::try_from(to.saturating_sub(*at)).unwrap_or(usize::MAX).min(zeros.len());
            give(zeros.get(..len).unwrap_or_default())?;
            *at = at.saturating_add(u64::try_from(len).unwrap_or(0));
        }
        io::Result::Ok(())
    };
    for (place, bytes) in placed {
        pad(&mut at, place.phys, &mut give)?;
        give(bytes)?;
        at = at.saturating_add(place.len);
    }
    pad(&mut at, header.total, &mut give)
}

/// Writes the bundle to the slot at `start`: the contents first, the header only when they are
/// there.
pub(crate) fn write<T: Write + Seek>(
    target: &mut T,
    start: u64,
    header: &Header,
    parts: &[&[u8]; 4],
) -> io::Result<()> {
    target.seek(SeekFrom::Start(start))?;
    target.write_all(&[0; HEADER])?;
    body(header, parts, |bytes| target.write_all(bytes))?;
    target.flush()?;
    target.seek(SeekFrom::Start(start))?;
    target.write_all(&header.encode())?;
    target.flush()
}
