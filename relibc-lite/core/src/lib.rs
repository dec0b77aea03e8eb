//! The C library's logic, as safe code.
