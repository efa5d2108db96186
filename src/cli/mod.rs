//! The command line: what an operator and an auditor type.
//!
//! A verb family has a file of its own: its flags, and what it does. [`admin`] is the one client of the leader, [`render`] the one
//! place that makes texts, [`outcome`] how a command ends.

mod admin;
mod audit;
mod backup;
mod ca;
mod dev;
mod enroll;
mod explain;
mod follow;
mod history;
mod init;
mod keys;
mod keystore;
mod node;
mod outcome;
mod plan;
mod render;
mod restore;
mod rotate;
#[cfg(test)]
mod samples;
mod screen;
mod secrets;
mod services;
mod status;
#[cfg(test)]
mod tests;

use clap::{Parser, Subcommand};

pub use outcome::{CliError, Exit, conclude};
pub use screen::Screen;

use crate::clock::Clock;
use crate::rpc::account_name;
use crate::types::Actor;

/// Rotates the signing keys of an OpenID Connect provider on a cluster of VMs.
///
/// Exit status: 0 done, 1 failed or refused, 2 wrong usage, 3 done on some nodes only.
#[derive(Debug, Parser)]
#[command(name = "jkeys", version)]
pub struct Cli {
    #[command(flatten)]
    place: admin::Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Keys and nodes as they are now, and what needs attention
    Status(status::StatusArgs),
    /// What comes, when, and what it waits for; whether a configuration is safe
    Plan(plan::PlanArgs),
    /// Hand over to the next signing key: as soon as the rules allow, or at once with --now
    Rotate(rotate::RotateArgs),
    /// Trust a key no more, on every node, at once
    Revoke(rotate::RevokeArgs),
    /// The keys
    #[command(subcommand)]
    Keys(keys::KeysVerb),
    /// The audit log: who decided what, when, and why
    History(history::HistoryArgs),
    /// Which key signed a token, whether it could, and what became of it since
    Explain(explain::ExplainArgs),
    /// Check the audit log, export it, and prove what is in it
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// The leader's keystore: its versions, and a new master key
    #[command(subcommand)]
    Keystore(keystore::KeystoreVerb),
    /// The nodes of the fleet
    #[command(subcommand)]
    Node(node::NodeVerb),
    /// The CA that signs the certificates of leader and nodes
    #[command(subcommand)]
    Ca(ca::CaVerb),
    /// Write a first configuration, and found a fleet
    #[command(subcommand)]
    Init(init::InitVerb),
    /// A leader and three agents on this machine, in a scratch folder, on a fast schedule, watched by a probe
    Dev(dev::DevArgs),
    /// Write all that the leader holds into a sealed file, while it runs
    Backup(backup::BackupArgs),
    /// Make a leader's folder again, from a snapshot or a backup, while no leader runs
    Restore(restore::RestoreArgs),
    /// Where this machine keeps what is secret, for who takes it out of service
    #[command(subcommand)]
    Secrets(secrets::SecretsVerb),
    /// Make this machine a node, with a token of `jkeys node token`
    Enroll(enroll::EnrollArgs),
    /// Run the leader: decides, keeps the keys, and pushes them to the agents
    Leader(services::ServiceArgs),
    /// Run the agent: holds the keys on this node and swaps them
    Agent(services::ServiceArgs),
}

/// Who runs this program, for a record that it writes itself.
fn caller() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    Actor::User {
        uid,
        name: account_name(uid),
    }
}

/// Carries out one command.
///
/// # Errors
/// It was refused, or it failed: what happened, then what to do.
pub async fn run(cli: Cli, clock: &Clock, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let place = &cli.place;
    let config = place.config.as_deref();
    match cli.verb {
        Verb::Status(args) => args.run(place, screen).await,
        Verb::Plan(args) => args.run(place, clock, screen).await,
        Verb::Rotate(args) => args.run(place, screen).await,
        Verb::Revoke(args) => args.run(place, screen).await,
        Verb::Keys(verb) => verb.run(place, clock, screen).await,
        Verb::History(args) => args.run(place, clock, screen).await,
        Verb::Explain(args) => args.run(place, clock, screen).await,
        Verb::Audit(verb) => verb.run(place, screen).await,
        Verb::Keystore(verb) => verb.run(place, clock, screen).await,
        Verb::Node(verb) => verb.run(place, clock, screen).await,
        Verb::Ca(verb) => verb.run(place, screen).await,
        Verb::Init(verb) => verb.run(config, clock, screen),
        Verb::Enroll(args) => args.run(config, clock, screen).await,
        Verb::Backup(args) => args.run(place, screen).await,
        Verb::Restore(args) => args.run(place, clock, screen),
        Verb::Secrets(verb) => verb.run(config, screen),
        Verb::Dev(args) => args.run(clock).await,
        Verb::Leader(args) => services::leader(&args, config, clock).await,
        Verb::Agent(args) => services::agent(&args, config, clock).await,
    }
}
