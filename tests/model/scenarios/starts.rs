//! The worlds in which scenarios begin.

use jkeys::lifecycle::Profile;
use jkeys::types::{Curve, KeySpec, Span};

use crate::world::act::{A, Act, B, C, Which};
use crate::world::node::Fuse;
use crate::world::{Config, START, World};

/// Two nodes in service, the first key active and a standby that every relying party will know in a day.
pub fn quiet() -> World {
    World::with_nodes(Config::usual(&["main"]), &["a", "b"])
}

/// Node a has been away for twenty hours, since the standby was revoked: it lacks the new one.
pub fn lacking() -> World {
    lacks_the_standby(quiet(), Span::hours(20))
}

/// The same after a day, with a `straggler_after` longer than `min_prepublish`: it is in service still.
pub fn waited_for() -> World {
    lacks_the_standby(patient(), Span::hours(24))
}

fn lacks_the_standby(mut world: World, since: Span) -> World {
    Act::Cut(A).perform(&mut world);
    Act::Revoke(Which::Prepublished).perform(&mut world);
    world.advance(START + since);
    world
}

/// Node a's agent stopped before the switch, eighteen hours ago; its server signs on with the key before.
pub fn left_behind() -> World {
    let mut world = armed();
    Act::CrashAgent(A).perform(&mut world);
    world.advance(START + Span::hours(66));
    world
}

/// [`quiet`], with a `straggler_after` longer than `min_prepublish`.
fn patient() -> World {
    let mut profile = Profile::new("main".parse().expect("a profile's name"), KeySpec::Es256);
    profile.windows.straggler_after = Span::hours(40);
    World::with_nodes(Config::of([profile]), &["a", "b"])
}

fn at(hours: u64, mins: u64) -> World {
    let mut world = quiet();
    world.advance(START + Span::hours(hours) + Span::mins(mins));
    world
}

/// The standby may take over at any time.
pub fn rested() -> World {
    at(30, 0)
}

/// The same, with a record of this very moment.
pub fn recorded() -> World {
    let mut world = rested();
    Act::Join(C).perform(&mut world);
    world
}

/// Ten minutes before the standby is armed.
pub fn before_arming() -> World {
    at(46, 50)
}

/// The standby is armed, and takes over in 50 minutes.
pub fn armed() -> World {
    at(47, 10)
}

/// The standby took over five minutes ago.
pub fn switched() -> World {
    at(48, 5)
}

/// A young standby is armed for the first moment that rule R1 allows.
pub fn tight() -> World {
    let mut world = quiet();
    Act::Revoke(Which::Prepublished).perform(&mut world);
    Act::Hasten.perform(&mut world);
    world.advance(START + Span::mins(25 * 60 + 10));
    world
}

/// Node a has been out of service for an hour; its agent does not run, and its server still signs.
pub fn evicted() -> World {
    let mut world = quiet();
    world.advance(START + Span::hours(1));
    Act::CrashAgent(A).perform(&mut world);
    world.advance(START + Span::hours(27));
    world
}

/// The leader's machine is as it was before a forced rotation, and nobody can reach it.
pub fn set_back() -> World {
    set_back_to_before(|world| Act::RotateNow(true).perform(world))
}

/// The same, before two starts as well.
pub fn set_back_by_two_terms() -> World {
    set_back_to_before(|world| {
        for act in [
            Act::CrashLeader,
            Act::StartLeader,
            Act::CrashLeader,
            Act::StartLeader,
            Act::RotateNow(true),
        ] {
            act.perform(world);
        }
    })
}

/// The leader's machine is as it was before a standby was revoked.
pub fn set_back_before_revocation() -> World {
    set_back_to_before(|world| Act::Revoke(Which::Prepublished).perform(world))
}

/// The leader's machine is as it was before two forced rotations, and a revocation of what was a standby then: what signs now it has
/// never known.
pub fn set_back_far() -> World {
    set_back_from(at(10, 0), |world| {
        for act in [Act::RotateNow(true), Act::RotateNow(true), Act::Revoke(Which::Retiring)] {
            act.perform(world);
        }
    })
}

/// The same before two forced rotations, in a fleet that holds its leader to its log; the leader runs, and two others were asked for.
pub fn set_back_and_alone() -> World {
    let config = Config {
        has_log: true,
        ..Config::usual(&["main"])
    };
    let mut world = World::with_nodes(config, &["a", "b"]);
    world.advance(START + Span::hours(10));
    let mut world = set_back_from(world, |world| {
        for act in [Act::RotateNow(true), Act::RotateNow(true)] {
            act.perform(world);
        }
    });
    for act in [Act::StartLeader, Act::RotateNow(true), Act::RotateNow(true)] {
        act.perform(&mut world);
    }
    world
}

/// [`set_back_before_revocation`]: the leader runs, and node a has told it; node b is cut off.
pub fn told_of_a_revocation() -> World {
    told(set_back_before_revocation())
}

/// [`set_back_far`], in the same way.
pub fn told_of_other_keys() -> World {
    told(set_back_far())
}

/// The leader's machine is as it was before two forced rotations of the key that is encrypted to: what nodes publish now it has never
/// known. It runs, and node a has told it; node b is cut off.
pub fn told_of_another_encryption_key() -> World {
    told(set_back_from(sealed(10, 0), |world| {
        for act in [Act::RotateNow(true), Act::RotateNow(true)] {
            act.perform(world);
        }
    }))
}

fn told(mut world: World) -> World {
    for act in [Act::StartLeader, Act::Heal(A)] {
        act.perform(&mut world);
    }
    assert!(world.leader.store.state.halted.is_some(), "node a remembers more");
    world
}

fn set_back_to_before(then: fn(&mut World)) -> World {
    set_back_from(rested(), then)
}

fn set_back_from(mut world: World, then: fn(&mut World)) -> World {
    world.leader.copy();
    then(&mut world);
    for act in [Act::CrashLeader, Act::Cut(A), Act::Cut(B)] {
        act.perform(&mut world);
    }
    world.set_leader_back();
    world
}

/// Three nodes in service, ten minutes before the standby is armed.
pub fn three() -> World {
    let config = Config {
        report_every: Span::hours(3),
        ..Config::usual(&["main"])
    };
    let mut world = World::with_nodes(config, &["a", "b", "c"]);
    world.advance(START + Span::hours(46) + Span::mins(50));
    world
}

/// Three nodes; node a has been cut off for longer than `straggler_after`.
pub fn away_of_three() -> World {
    let mut world = World::with_nodes(Config::usual(&["main"]), &["a", "b", "c"]);
    world.advance(START + Span::hours(1));
    Act::Cut(A).perform(&mut world);
    world.advance(START + Span::hours(44));
    world
}

/// Two nodes, ten minutes before the standby is armed; the leader's process has ended.
pub fn leaderless() -> World {
    let mut world = before_arming();
    Act::CrashLeader.perform(&mut world);
    world
}

/// The same, and nobody can reach it.
pub fn cut_and_leaderless() -> World {
    let mut world = leaderless();
    for act in [Act::Cut(A), Act::Cut(B)] {
        act.perform(&mut world);
    }
    world
}

/// The leader's machine has stood still for three hours. The server of node a signed on all that time with a key that was to retire long
/// before; now its agent is back and has said so. The others are cut off.
pub fn asleep() -> World {
    let mut world = three();
    world.advance(START + Span::hours(47) + Span::mins(10));
    Act::CrashAgent(A).perform(&mut world);
    world.advance(START + Span::hours(55));
    Act::SleepLeader.perform(&mut world);
    world.advance(START + Span::hours(58));
    for act in [Act::Cut(B), Act::Cut(C), Act::StartAgent(A)] {
        act.perform(&mut world);
    }
    world
}

/// The standby is armed; the clock of node a is two hours ahead, and it knows that.
pub fn ahead() -> World {
    let mut world = before_arming();
    Act::SetClock(A, 120).perform(&mut world);
    world.advance(START + Span::hours(47) + Span::mins(10));
    world
}

/// A profile of keys that sign, and one that came in an hour ago.
pub fn two_profiles() -> World {
    let mut world = quiet();
    Act::AddProfile(jkeys::types::KeyUse::Sig).perform(&mut world);
    world.advance(START + Span::hours(1));
    world
}

/// Two nodes in service, and keys that are encrypted to, with a `decrypt_window` of twelve hours; so long after they began.
fn sealed(hours: u64, mins: u64) -> World {
    let mut profile = Profile::new("sealed".parse().expect("a profile's name"), KeySpec::EcdhEs(Curve::P256));
    profile.windows.min_prepublish = Span::hours(12);
    profile.windows.decrypt_window = Span::hours(12);
    let mut world = World::with_nodes(Config::of([profile]), &["a", "b"]);
    world.advance(START + Span::hours(hours) + Span::mins(mins));
    world
}

/// Ten minutes before the second key is staged.
pub fn before_staging() -> World {
    sealed(46, 50)
}

/// The second key is staged, and takes over in ten minutes.
pub fn staged() -> World {
    sealed(47, 50)
}

/// The second key took over an hour ago; the first can still be encrypted to.
pub fn unpublished() -> World {
    sealed(49, 0)
}

/// The second key is staged, but not on node a, which is cut off.
pub fn not_on_a() -> World {
    let mut world = before_staging();
    Act::Cut(A).perform(&mut world);
    world.advance(START + Span::hours(47) + Span::mins(50));
    world
}

/// The standby is armed, and takes over in 50 minutes; the agent of node a crashed after its first write of that.
pub fn half_armed() -> World {
    let mut world = before_arming();
    let node = world.nodes.get_mut(&A.name()).expect("it has joined");
    node.fuse = Some(Fuse { after: 0, done: true });
    world.advance(START + Span::hours(47) + Span::mins(10));
    world
}

/// The second key is in the cache of node a and nowhere else on it: the agent crashed there.
pub fn only_in_the_cache() -> World {
    let mut world = before_staging();
    let node = world.nodes.get_mut(&A.name()).expect("it has joined");
    node.fuse = Some(Fuse { after: 0, done: true });
    world.advance(START + Span::hours(47) + Span::mins(50));
    world
}

/// The second key took over three hours ago, and node a does not know: it still publishes the first.
pub fn still_published_on_a() -> World {
    let mut world = staged();
    Act::Cut(A).perform(&mut world);
    world.advance(START + Span::hours(51));
    world
}
