//! The rules, one file each; every test here fails when its rule is taken out.

mod bench;
mod cas;
mod e1_publish;
mod e2_keep;
mod emergency;
mod emergency_encryption;
mod ended;
mod lawful;
mod r1_publish;
mod r2_arming;
mod r3_keep;
mod r5_adopt;
mod r5_adopt_word;
mod r5_starts;
mod r7_waits;
mod r8_revoke;
mod r9_time;
mod reconfigure;
mod respec;
mod schedule;
mod service;
mod tokens;
mod walk;
mod walk_fleet;
mod walk_settings;
