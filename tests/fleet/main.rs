//! The real leader and real agents, in this process: real TCP, TLS, sled and files, and a clock that the tests step.

mod adopting;
mod authorisation;
mod cas;
mod clocks;
mod cluster;
mod cutting;
mod deaf;
mod emergency;
mod encryption;
mod ending;
mod foresight;
mod hooks;
mod http;
mod joining;
mod live;
mod log;
mod probes;
mod restarts;
mod restore;
mod rotations;
#[path = "../processes/skipped.rs"]
mod skipped;
