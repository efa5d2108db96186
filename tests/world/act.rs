//! What can happen to a world: time, faults and their repairs, and what operators ask for.

use std::fmt;

use jkeys::agent::core::ViewId;
use jkeys::lifecycle::{Compromised, Ending, Key, Node as Row, Phase, Profile, Standing};
use jkeys::types::{Curve, KeySpec, KeyUse, Kid, NodeName, ProfileName, Seq, Span};

use super::World;
use super::disk::Mood;
use super::network::Fate;
use super::node::{Fuse, Node};
use super::settings;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Time passes.
    Pass(Pass),
    /// The leader crashes.
    CrashLeader,
    /// The leader will crash before it carries out the effect after so many.
    CrashLeaderAfter(u8),
    /// The leader starts.
    StartLeader,
    /// The leader's machine stands still.
    SleepLeader,
    /// It goes on, with its clocks as they stood.
    WakeLeader,
    /// Nothing gets through between this node and the leader.
    Cut(Who),
    /// It does again.
    Heal(Who),
    /// Messages wait on their way.
    Hold(Who),
    /// They come, or don't.
    Release(Who, Fate),
    /// The agent crashes; the server goes on.
    CrashAgent(Who),
    /// The agent will crash at this piece of work.
    CrashAgentAt(Who, u8, bool),
    /// The agent starts.
    StartAgent(Who),
    /// The machine is switched off and on.
    Reboot(Who),
    /// Hooks fail.
    FailHooks(Who),
    /// They succeed again, at the next attempt.
    MendHooks(Who),
    /// The disk is full.
    FillDisk(Who),
    /// The disk takes half of a view, and says that it has taken all of it.
    TearDisk(Who),
    /// The disk takes work and does not come back from it.
    StallDisk(Who),
    /// It works again.
    ClearDisk(Who),
    /// The node's clock is this many minutes ahead.
    SetClock(Who, i64),
    /// The leader's clock is this many minutes ahead.
    SetLeaderClock(i64),
    /// A machine is set up and enrolled.
    Join(Who),
    /// A machine is thrown away with its disk, and another one is enrolled under its name.
    Rejoin(Who),
    /// A machine that the leader knows no more, or should know anew, is enrolled under its name with all that is on its disk.
    EnrolAgain(Who),
    /// `jkeys node revoke`, `jkeys node remove`.
    EndNode(Who, Ending),
    /// A machine is thrown away with its disk. Nobody tells the leader.
    Lose(Who),
    /// Keys that are asked for are not made.
    StopMakingKeys,
    /// They are made again.
    MakeKeys,
    /// `jkeys rotate --now`, with or without `--force`.
    RotateNow(bool),
    /// `jkeys rotate`.
    Hasten,
    /// `jkeys revoke`.
    Revoke(Which),
    /// `jkeys revoke --destroy`.
    Destroy(Which),
    /// `jkeys rotate --now --compromised`.
    Compromised(Which),
    /// `jkeys rotate --now --compromised all`.
    CompromisedAll,
    /// `jkeys audit adopt`.
    Adopt,
    /// A profile is added to the settings, of keys for this use.
    AddProfile(KeyUse),
    /// It is taken out of them.
    RemoveProfile,
    /// The settings are changed in some way, and the leader reloads them.
    Configure(settings::Change),
    /// Somebody keeps a copy of the leader's machine.
    CopyLeader,
    /// The leader's machine is put back to that copy.
    SetLeaderBack,
}

/// How much time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Until a decision, or a change on a node, or for thirty hours.
    ToNext,
    /// Three hours.
    Hours,
    /// Eleven minutes: more than `clock_skew`, and than `start_grace`.
    Minutes,
}

/// A node, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Who(pub u8);

pub const A: Who = Who(0);
pub const B: Who = Who(1);
pub const C: Who = Who(2);
pub const D: Who = Who(3);

/// A key, by where it is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Prepublished,
    Armed,
    Active,
    Retiring,
    Staged,
    Published,
    Unpublished,
}

impl Who {
    /// `a` to `z`, then `a1` and so on.
    pub fn name(self) -> NodeName {
        self.to_string().parse().expect("a node's name")
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = char::from(b'a' + self.0 % 26);
        match self.0 / 26 {
            0 => write!(f, "{letter}"),
            more => write!(f, "{letter}{more}"),
        }
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Which {
    fn key(self, world: &World) -> Option<Kid> {
        let is = |key: &&Key| {
            matches!(
                (&key.phase, self),
                (Phase::Prepublished, Self::Prepublished)
                    | (Phase::Armed { .. }, Self::Armed)
                    | (Phase::Active { .. }, Self::Active)
                    | (Phase::Retiring { .. }, Self::Retiring)
                    | (Phase::Staged, Self::Staged)
                    | (Phase::Published { .. }, Self::Published)
                    | (Phase::Unpublished { .. }, Self::Unpublished)
            )
        };
        world.leader.store.state.keys.values().find(is).map(|key| key.kid().clone())
    }
}

impl Act {
    /// Whether something that works is broken by it. Repairs, time and the schedule cost nothing.
    pub fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::Pass(_)
                | Self::StartLeader
                | Self::WakeLeader
                | Self::Heal(_)
                | Self::Release(..)
                | Self::StartAgent(_)
                | Self::MendHooks(_)
                | Self::ClearDisk(_)
                | Self::MakeKeys
                | Self::Adopt
        )
    }

    /// Whether it can happen now.
    pub fn is_open(self, world: &World) -> bool {
        let node = |who: Who| world.nodes.get(&who.name());
        let agent = |who: Who| node(who).filter(|node| node.agent.is_some());
        let leads = world.leader.core.is_some() && world.leader.asleep_since.is_none();
        match self {
            Self::Pass(_) => true,
            Self::CrashLeaderAfter(_) => leads && world.leader.fuse.is_none(),
            Self::StartLeader => world.leader.core.is_none(),
            Self::WakeLeader => world.leader.asleep_since.is_some(),
            Self::Cut(who) => node(who).is_some_and(|node| !node.link.is_cut),
            Self::Heal(who) => node(who).is_some_and(|node| node.link.is_cut),
            Self::Hold(who) => node(who).is_some_and(|node| !node.link.is_held && node.link.stream.is_some()),
            Self::Release(who, fate) => node(who).is_some_and(|node| {
                let waiting = node.link.down.len() + node.link.up.len();
                node.link.is_held && (fate == Fate::InOrder || waiting > 0)
            }),
            Self::CrashAgent(who) | Self::Reboot(who) => agent(who).is_some(),
            Self::CrashAgentAt(who, ..) => agent(who).is_some_and(|node| node.fuse.is_none()),
            Self::StartAgent(who) => node(who).is_some_and(|node| node.agent.is_none()),
            Self::FailHooks(who) => node(who).is_some_and(|node| !node.hooks_fail),
            Self::MendHooks(who) => node(who).is_some_and(|node| node.hooks_fail),
            Self::FillDisk(who) => node(who).is_some_and(|node| node.disk.mood == Mood::Works),
            Self::TearDisk(who) => node(who).is_some_and(|node| node.disk.mood == Mood::Works),
            Self::StallDisk(who) => node(who).is_some_and(|node| node.disk.mood == Mood::Works),
            Self::ClearDisk(who) => node(who).is_some_and(|node| node.disk.mood != Mood::Works),
            Self::SetClock(who, mins) => node(who).is_some_and(|node| node.ahead_ms != mins * 60_000),
            Self::SetLeaderClock(mins) => world.leader.ahead_ms != mins * 60_000 && world.leader.asleep_since.is_none(),
            Self::Join(who) => leads && node(who).is_none(),
            Self::Rejoin(who) => leads && node(who).is_some(),
            Self::EnrolAgain(who) => leads && agent(who).is_some_and(|node| !node.link.is_cut && !node.link.is_held),
            // A leader without any node is like one that was just founded: nobody can tell it that its clock is wrong.
            Self::EndNode(who, _) => {
                let nodes = &world.leader.store.state.nodes;
                let is_other = |(name, row): (&NodeName, &Row)| *name != who.name() && row.standing != Standing::Joining;
                leads && nodes.contains_key(&who.name()) && nodes.iter().any(is_other)
            }
            Self::Lose(who) => node(who).is_some(),
            Self::StopMakingKeys => world.leader.makes_keys,
            Self::MakeKeys => !world.leader.makes_keys,
            Self::CrashLeader
            | Self::SleepLeader
            | Self::RotateNow(_)
            | Self::Hasten
            | Self::CompromisedAll
            | Self::Configure(_) => leads,
            Self::Revoke(which) | Self::Destroy(which) | Self::Compromised(which) => leads && which.key(world).is_some(),
            Self::Adopt => leads && world.leader.store.state.halted.is_some(),
            Self::AddProfile(_) => leads && !has_added(world),
            Self::RemoveProfile => leads && has_added(world),
            // A leader is not set back once more before its nodes have told it: what some of them hold of one lost story and others of
            // another is given up in part, and the answer to `jkeys audit adopt` says so.
            Self::CopyLeader => leads && world.is_of_one_story(),
            Self::SetLeaderBack => world.leader.copied().is_some(),
        }
    }

    /// Lets it happen.
    pub fn perform(self, world: &mut World) {
        match self {
            Self::Pass(Pass::ToNext) => pass_to_next(world),
            Self::Pass(Pass::Hours) => world.advance(world.now + Span::hours(3)),
            Self::Pass(Pass::Minutes) => world.advance(world.now + Span::mins(11)),
            Self::Cut(who) | Self::Heal(who) | Self::Hold(who) | Self::Release(who, _) => self.on_link(world, who),
            Self::CrashAgent(who)
            | Self::CrashAgentAt(who, ..)
            | Self::StartAgent(who)
            | Self::Reboot(who)
            | Self::FailHooks(who)
            | Self::MendHooks(who)
            | Self::FillDisk(who)
            | Self::TearDisk(who)
            | Self::StallDisk(who)
            | Self::ClearDisk(who)
            | Self::SetClock(who, _) => self.on_node(world, who),
            Self::Join(who) | Self::Rejoin(who) => drop(world.join(&who.name())),
            Self::EnrolAgain(who) => world.enrol_again(&who.name()),
            Self::EndNode(who, ending) => drop(world.end_node(&who.name(), ending)),
            Self::Lose(who) => drop(world.nodes.remove(&who.name())),
            _ => self.on_leader(world),
        }
        world.settle();
    }

    fn on_link(self, world: &mut World, who: Who) {
        let name = who.name();
        let node = world.nodes.get_mut(&name).expect("the act is open");
        match self {
            Self::Cut(_) => {
                node.link.is_cut = true;
                world.cut(&name);
            }
            Self::Heal(_) => node.link.is_cut = false,
            Self::Hold(_) => node.link.is_held = true,
            Self::Release(_, fate) => {
                node.link.release(fate);
                if fate == Fate::Lost {
                    world.cut(&name);
                }
            }
            _ => unreachable!("not an act on a link"),
        }
    }

    fn on_node(self, world: &mut World, who: Who) {
        let name = who.name();
        let node = world.nodes.get_mut(&name).expect("the act is open");
        match self {
            Self::CrashAgent(_) => world.crash_agent(&name),
            Self::CrashAgentAt(_, after, done) => node.fuse = Some(Fuse { after, done }),
            Self::StartAgent(_) => world.start_agent(&name),
            Self::Reboot(_) => world.reboot(&name),
            Self::FailHooks(_) => node.hooks_fail = true,
            Self::MendHooks(_) => node.hooks_fail = false,
            Self::FillDisk(_) => node.disk.mood = Mood::Full,
            Self::TearDisk(_) => node.disk.mood = Mood::Tears,
            Self::StallDisk(_) => node.disk.mood = Mood::Stalls,
            Self::ClearDisk(_) => world.resume(&name),
            Self::SetClock(_, mins) => {
                node.ahead_ms = mins * 60_000;
                // What has fallen due by that is done now.
                world.advance(world.now);
            }
            _ => unreachable!("not an act on a node"),
        }
    }

    fn on_leader(self, world: &mut World) {
        match self {
            Self::CrashLeader => world.crash_leader(),
            Self::CrashLeaderAfter(effects) => world.leader.fuse = Some(effects),
            Self::StartLeader => world.start_leader(),
            Self::SleepLeader => world.put_leader_to_sleep(),
            Self::WakeLeader => world.wake_leader(),
            Self::SetLeaderClock(mins) => world.set_leader_clock(mins * 60_000),
            Self::StopMakingKeys => world.leader.makes_keys = false,
            Self::MakeKeys => world.leader.makes_keys = true,
            Self::RotateNow(force) => drop(world.rotate_now(None, force)),
            Self::Hasten => drop(world.hasten()),
            Self::Revoke(which) => drop(which.key(world).and_then(|kid| world.revoke(kid, false))),
            Self::Destroy(which) => drop(which.key(world).and_then(|kid| world.revoke(kid, true))),
            Self::Compromised(which) => {
                let kid = which.key(world);
                drop(kid.and_then(|kid| world.rotate_now(Some(Compromised::Key(kid)), false)));
            }
            Self::CompromisedAll => drop(world.rotate_now(Some(Compromised::All), false)),
            Self::Adopt => drop(world.adopt()),
            Self::AddProfile(of) => {
                let spec = match of {
                    KeyUse::Sig => KeySpec::Ed25519,
                    KeyUse::Enc => KeySpec::EcdhEs(Curve::P256),
                };
                let added = Profile::new(added(), spec);
                world.configure(|settings| drop(settings.profiles.insert(added.name.clone(), added)));
            }
            Self::RemoveProfile => world.configure(|settings| drop(settings.profiles.remove(&added()))),
            Self::Configure(change) => world.reload(change),
            Self::CopyLeader => world.leader.copy(),
            Self::SetLeaderBack => world.set_leader_back(),
            _ => unreachable!("not an act on the leader"),
        }
    }
}

/// The profile that comes and goes.
pub fn added() -> ProfileName {
    "added".parse().expect("a profile's name")
}

fn has_added(world: &World) -> bool {
    world.leader.store.state.settings.profiles.contains_key(&added())
}

/// Passes time until there is a new record, or another view on a node, but not for longer than thirty hours.
fn pass_to_next(world: &mut World) {
    let (before, limit) = (marks(world), world.now + Span::hours(30));
    while world.now < limit && marks(world) == before {
        let due = world.next_due().unwrap_or(limit).max(world.now + Span(1));
        world.advance(due.min(limit));
    }
}

fn marks(world: &World) -> (Seq, Vec<Option<ViewId>>) {
    let live = |node: &Node| node.disk.live.as_ref().map(|live| live.id.clone());
    (world.leader.store.next_seq, world.nodes.values().map(live).collect())
}
