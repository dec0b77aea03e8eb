//! `unistd.h`: by what the functions act on.

mod id;
mod io;
mod limit;
mod tree;
