//! The `jkeys` program.

fn main() {}
