//! The block of words and strings that a program finds at its start (System V ABI):
//! argc, argv, NULL, environment, NULL, auxiliary vector, then the strings.

/// Auxiliary vector: address of the program headers.
pub const AT_PHDR: u64 = 3;
/// Auxiliary vector: bytes of one program header.
pub const AT_PHENT: u64 = 4;
/// Auxiliary vector: number of program headers.
pub const AT_PHNUM: u64 = 5;
/// Auxiliary vector: bytes of a page.
pub const AT_PAGESZ: u64 = 6;
/// Auxiliary vector: entry point of the program.
pub const AT_ENTRY: u64 = 9;

/// What goes into the block. The lists hold NUL-terminated strings, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Number of strings in `argv`.
    pub argc: usize,
    /// The arguments.
    pub argv: &'a [u8],
    /// Number of strings in `env`.
    pub envc: usize,
    /// The environment, `NAME=value` each.
    pub env: &'a [u8],
    /// Pairs of the auxiliary vector, without the closing pair of zeroes.
    pub aux: &'a [(u64, u64)],
}

impl Start<'_> {
    /// Words of the block, strings not counted: argc, two lists with their ends, aux with its end.
    fn words(&self) -> Option<usize> {
        let aux = self.aux.len().checked_add(1)?.checked_mul(2)?;
        self.argc.checked_add(self.envc)?.checked_add(aux)?.checked_add(3)
    }

    /// Bytes that [`Start::write`] needs; `None` when that overflows.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        let strings = self.argv.len().checked_add(self.env.len())?;
        self.words()?.checked_mul(8)?.checked_add(strings)?.checked_next_multiple_of(16)
    }

    /// Writes the block for a buffer that lies at `address`.
    ///
    /// `None` when the buffer is too small, or the lists hold fewer strings than they claim.
    #[must_use]
    pub fn write(&self, buffer: &mut [u8], address: u64) -> Option<()> {
        let (words, strings) = buffer.split_at_mut_checked(self.words()?.checked_mul(8)?)?;
        let texts = strings.get_mut(..self.argv.len().checked_add(self.env.len())?)?;
        let (argv, env) = texts.split_at_mut_checked(self.argv.len())?;
        argv.copy_from_slice(self.argv);
        env.copy_from_slice(self.env);

        let strings_at = address.checked_add(u64::try_from(words.len()).ok()?)?;
        let env_at = strings_at.checked_add(u64::try_from(self.argv.len()).ok()?)?;
        let mut words = Words { words };
        words.put(u64::try_from(self.argc).ok()?)?;
        words.put_list(self.argv, self.argc, strings_at)?;
        words.put_list(self.env, self.envc, env_at)?;
        for (kind, value) in self.aux.iter().chain(&[(0, 0)]) {
            words.put(*kind)?;
            words.put(*value)?;
        }
        Some(())
    }
}

/// The words of the block that are still to be written.
struct Words<'a> {
    words: &'a mut [u8],
}

impl Words<'_> {
    fn put(&mut self, word: u64) -> Option<()> {
        let (first, rest) = core::mem::take(&mut self.words).split_first_chunk_mut::<8>()?;
        *first = word.to_le_bytes();
        self.words = rest;
        Some(())
    }

    /// Pointers to `count` strings that lie one after another from `address` on, and a NULL.
    fn put_list(&mut self, strings: &[u8], count: usize, address: u64) -> Option<()> {
        let mut at = 0_usize;
        for _ in 0..count {
            let length = strings.get(at..)?.iter().position(|byte| *byte == 0)?;
            self.put(address.checked_add(u64::try_from(at).ok()?)?)?;
            at = at.checked_add(length)?.checked_add(1)?;
        }
        self.put(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_PAGESZ, Start};
    use std::vec;
    use std::vec::Vec;

    const START: Start<'static> =
        Start { argc: 2, argv: b"ls\0-l\0", envc: 1, env: b"A=b\0", aux: &[(AT_PAGESZ, 4096)] };

    fn words(block: &[u8]) -> Vec<u64> {
        block.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
    }

    #[test]
    fn the_block_is_that_of_the_system_v_abi() {
        let mut block = vec![0; START.size().unwrap()];
        START.write(&mut block, 0x1000).unwrap();

        let strings = 0x1000 + 10 * 8;
        let expected = [2, strings, strings + 3, 0, strings + 6, 0, AT_PAGESZ, 4096, 0, 0];
        assert_eq!(words(&block)[..10], expected);
        assert_eq!(&block[80..90], b"ls\0-l\0A=b\0");
    }

    #[test]
    fn a_small_buffer_or_a_lying_count_is_refused() {
        let mut block = vec![0; START.size().unwrap()];
        assert_eq!(START.write(&mut block[..89], 0), None);
        assert_eq!(Start { argc: 3, ..START }.write(&mut block, 0), None);
        assert_eq!(Start { argc: usize::MAX, ..START }.size(), None);
    }
}
