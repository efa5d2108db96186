//! A leader that only echoes, with real TLS on port 0 and a real socket, and what its callers see.

mod admin;
mod fleet;
mod leader;
