//! The initfs image: format, builder and parser.
