//! Tests of the keystore: the contract of every backend, and each guard.

mod alone;
mod backup;
mod beside;
mod contract;
mod damage;
mod deferred;
mod guards;
mod history;
mod kill;
mod log;
mod rebuild;
mod rekey;
mod size;
mod support;
