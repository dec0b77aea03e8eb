//! A fake machine and a world of programs for tests of the whole core.
