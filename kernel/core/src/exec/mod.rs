//! Programs: from an ELF file in a memory object to a space that can run.

pub(crate) mod elf;
