//! The rules: what state a key is in, what may be decided, and what a node holds.
//!
//! Everything here is pure: `now` is an argument, and a decision is a list of events. The way through: a [`Command`] goes into
//! [`decide()`] and comes out as a [`Decision`] or a [`Refusal`]; [`State::apply`] makes the decision's events part of the state;
//! [`State::key_set`] is what nodes must hold, and [`view()`] what one of them holds at an instant.

mod action;
mod adoption;
mod authority;
mod cause;
mod clock;
mod decide;
mod due;
mod encryption;
mod ended;
mod event;
mod evolve;
mod generation;
mod halted;
mod key;
mod lawful;
mod making;
pub mod mutant;
mod named;
mod planned;
mod publication;
mod report;
mod retirement;
mod settings;
mod sightings;
mod standby;
mod state;
mod subject;
mod timing;
mod view;

pub use action::Action;
pub use adoption::{Adopt, Adoption, MAX_GIVEN_UP, Shown, Told};
pub use authority::{Authority, Ca, CaEnding, CaFacts, CaPhase, Papers, ca_rotation_due_at, distrusting};
pub use cause::{Cause, Evidence, Grounds, Leaving, Why};
pub use clock::{Doubt, Reading, Vote};
pub use decide::{
    Command, Compromised, Decision, Refusal, RotateNow, Wanted, decide, holds_schedule, is_unknown, may_hold_keys, owing_since,
    unconfirmed, wanted,
};
pub use due::next_due;
pub use encryption::{Keeping, Staging};
pub use ended::{Ended, Ending, Farewell, held_keys, last_holder_of};
pub use event::Event;
pub use generation::{KeySet, Member, Stage};
pub use halted::{Halted, Restoration};
pub use key::{Key, Phase, PrivateHalf};
pub use lawful::Unlawful;
pub use named::NamedNodes;
pub use publication::Publication;
pub use report::{Failing, Follower, Installed, Report};
pub use retirement::Retirement;
pub use settings::{Profile, Settings, Windows};
pub use sightings::{Confirmed, Sighting, Sightings};
pub use standby::{NextUp, ready_first};
pub use state::{Absence, Fleet, Halt, Head, JoinToken, Node, Revocation, Standing, State, Wait};
pub use timing::{MAX_PUBLISHED, TimingRule, Violation, check};
pub use view::{Switches, View, view};

#[cfg(test)]
mod tests;
