//! The real program: processes that are killed, signalled, started wrongly and left without room on the disk.

mod audit;
mod bad_input;
mod bad_start;
mod dev;
mod disks;
mod enrolling;
mod explaining;
mod fleet;
mod full_disk;
mod kills;
mod live;
mod process;
mod restoring;
mod signals;
mod skipped;
