//! The args object of a program that init starts (`anode_abi::args`).

use anode_abi::{
    args::{ABI_VERSION, Header, MAGIC, MAX_BYTES},
    number::NONE,
};

/// Packs arguments and environment; the working directory is the root of `file:`.
///
/// # Errors
///
/// A sentence if a text holds a NUL or all of it is larger than [`MAX_BYTES`].
pub(crate) fn pack(argv: &[String], env: &[String]) -> Result<Vec<u8>, String> {
    let strings = |texts: &[String]| -> Result<Vec<u8>, String> {
        if let Some(bad) = texts.iter().find(|text| text.contains('\0')) {
            return Err(format!("{bad:?} holds a NUL character"));
        }
        Ok(texts.iter().flat_map(|text| text.bytes().chain([0])).collect())
    };
    let (arguments, environment) = (strings(argv)?, strings(env)?);
    let at_argv = size_of::<Header>();
    let at_env = at_argv.saturating_add(arguments.len());
    let at_cwd = at_env.saturating_add(environment.len());
    let cwd = b"/\0";
    let bytes = at_cwd.saturating_add(cwd.len());
    if bytes > MAX_BYTES {
        return Err(format!("its arguments and environment have {bytes} bytes, above {MAX_BYTES}"));
    }
    let header = Header {
        magic: MAGIC,
        version: ABI_VERSION,
        bytes: word(bytes),
        argc: word(argv.len()),
        argv: word(at_argv),
        envc: word(env.len()),
        env: word(at_env),
        cwd: word(at_cwd),
        cwd_handle: word(NONE),
        umask: 0o022,
        ignored: 0,
        blocked: 0,
        reserved: [0; 4],
    };
    let words = words(&header);
    let mut object = Vec::with_capacity(bytes);
    object.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    object.extend(arguments);
    object.extend(environment);
    object.extend(cwd);
    Ok(object)
}

/// The header as the words of its layout.
const fn words(header: &Header) -> [u64; 16] {
    let [a, b, c, d] = header.reserved;
    [
        header.magic,
        header.version,
        header.bytes,
        header.argc,
        header.argv,
        header.envc,
        header.env,
        header.cwd,
        header.cwd_handle,
        header.umask,
        header.ignored,
        header.blocked,
        a,
        b,
        c,
        d,
    ]
}

fn word(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use anode_abi::args::{ABI_VERSION, MAGIC, MAX_BYTES};

    use super::pack;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn every_offset_points_at_its_text() {
        let object = pack(&texts(&["nulld", "-v"]), &texts(&["A=1"])).unwrap();
        let word = |index: usize| u64::from_le_bytes(object[index * 8..][..8].try_into().unwrap());
        let text = |offset: u64| {
            let rest = &object[usize::try_from(offset).unwrap()..];
            rest.split(|byte| *byte == 0).next().unwrap()
        };
        assert_eq!((word(0), word(1)), (MAGIC, ABI_VERSION));
        assert_eq!(word(2), u64::try_from(object.len()).unwrap());
        assert_eq!((word(3), word(5)), (2, 1));
        assert_eq!(text(word(4)), b"nulld");
        assert_eq!(text(word(6)), b"A=1");
        assert_eq!(text(word(7)), b"/");
        assert_eq!(word(8), u64::MAX);
        assert_eq!(object.last(), Some(&0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(pack(&texts(&["a\0b"]), &[]).unwrap_err().contains("NUL"));
        assert!(pack(&["x".repeat(MAX_BYTES)], &[]).unwrap_err().contains("above"));
    }
}
