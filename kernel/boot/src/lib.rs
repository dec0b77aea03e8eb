//! The loader's shared core.
