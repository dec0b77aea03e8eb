//! The kernel core: every decision the kernel takes, as safe code over plain state.
