//! Switches that take one rule out, for the tests that show that its absence is noticed.
//!
//! They are there with the feature `mutants` only, which no release has; without it [`is_out`] is the constant `false`, and the code
//! behind it is compiled out.

macro_rules! mutants {
    ($($(#[$doc:meta])+ $mutant:ident = $name:literal,)+) => {
        /// A rule, or a part of one, that can be taken out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[$doc])+ $mutant,)+
        }

        impl Mutant {
            /// All of them, in the order of the rules.
            pub const ALL: &'static [Self] = &[$(Self::$mutant),+];

            /// Its name, such as `r1-missing`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$mutant => $name,)+
                }
            }
        }
    };
}

mutants! {
    /// R1: a key is published when it is needed, and signs as soon as it can.
    R1 = "r1",
    /// R1: a node that has not confirmed a key is not waited for.
    R1Missing = "r1-missing",
    /// R1: the time does not count from a node's confirmation.
    R1Confirmed = "r1-confirmed",
    /// R1: what a node that left service served until then is forgotten.
    R1Evicted = "r1-evicted",
    /// R1: what a node served whose name is enrolled anew is forgotten.
    R1Replaced = "r1-replaced",
    /// R1: the first key of a profile signs at once in a live fleet too.
    R1Bootstrap = "r1-bootstrap",
    /// R2: a key is armed whether R1 will hold or not.
    R2ArmEarly = "r2-arm-early",
    /// R2: a node's clock is not corrected.
    R2Clock = "r2-clock",
    /// R3: a key is removed as soon as nobody signs with it.
    R3Wait = "r3-wait",
    /// R3: a node that has not confirmed its switch is not waited for.
    R3Missing = "r3-missing",
    /// R3: what a node that left service may have signed is forgotten.
    R3Departed = "r3-departed",
    /// R3: a confirmed arming counts as a switch.
    R3ConfirmedSwitch = "r3-confirmed-switch",
    /// R4: a key that activates leaves its predecessor active, and nodes take two active keys.
    R4TwoActive = "r4-two-active",
    /// R5: a node takes a lower epoch.
    R5Epoch = "r5-epoch",
    /// R5: a node takes a lower generation.
    R5Generation = "r5-generation",
    /// R5: a node takes the same generation with other content.
    R5Altered = "r5-altered",
    /// R5: a node takes a key that it knows as gone.
    R5GoneKid = "r5-gone-kid",
    /// R5: a node takes a generation of a log that does not go on from what it remembers.
    R5Log = "r5-log",
    /// R5: a node uses a generation before it remembers it.
    R5Durable = "r5-durable",
    /// R5: a leader that has just started decides without its nodes.
    R5StartGrace = "r5-start-grace",
    /// R5: a leader that was set back goes on.
    R5Halt = "r5-halt",
    /// R6: a leader counts half a view as a whole one.
    R6HalfCounts = "r6-half-counts",
    /// R6: a node does not look whether what it read back is what it wrote.
    R6NotRead = "r6-not-read",
    /// R7: a generation is sent before it is durable.
    R7PublishFirst = "r7-publish-first",
    /// R7: a caller is answered before the decision is durable.
    R7ReplyFirst = "r7-reply-first",
    /// R7: a confirmation counts before it is durable.
    R7Observed = "r7-observed",
    /// R8: a revocation waits for a standby that relying parties know.
    R8Waits = "r8-waits",
    /// R8: a revocation counts as confirmed without the nodes that are out of service.
    R8OutOfService = "r8-out-of-service",
    /// R9: the schedule goes on while the clock stands before the last record.
    R9ClockBack = "r9-clock-back",
    /// R9: a record's time is what the clock shows.
    R9RecordTime = "r9-record-time",
    /// R9: a clock that leaves the monotonic one is obeyed.
    R9Jumped = "r9-jumped",
    /// R9: a clock that is wrong from the start is obeyed.
    R9Unconfirmed = "r9-unconfirmed",
    /// R9: what the clocks of most nodes say is not heard.
    R9Outvoted = "r9-outvoted",
    /// R9: one node is enough to make the leader believe its clock.
    R9OneAgrees = "r9-one-agrees",
    /// R9: what nodes report counts before anybody has shown that the time is right.
    R9Unvouched = "r9-unvouched",
    /// R10: a node does not remember a switch.
    R10SwitchForgotten = "r10-switch-forgotten",
    /// R10: the sealed cache is written after the trusted state.
    R10CacheLate = "r10-cache-late",
    /// R10: a node that starts does nothing before its leader answers.
    R10NeedsLeader = "r10-needs-leader",
    /// E1: a node that has not confirmed a staged key is not waited for.
    E1Missing = "e1-missing",
    /// E1: a private half in the sealed cache counts as ready.
    E1Cached = "e1-cached",
    /// E1: a node comes into service that never will have a private half which the leader is without.
    E1Lacking = "e1-lacking",
    /// E1: `rotate --now` publishes a staged key without being forced to.
    E1Now = "e1-now",
    /// E1: a staged key is used although a thief of a node knows it.
    E1Taint = "e1-taint",
    /// E2: an unpublished key goes as soon as nobody publishes it.
    E2Window = "e2-window",
    /// E2: a node that publishes the key still is not waited for.
    E2Missing = "e2-missing",
    /// E2: the time does not count from the last node's confirmation.
    E2Confirmed = "e2-confirmed",
    /// E2: what a node that left service published until then is forgotten.
    E2Departed = "e2-departed",
    /// E2: the private half of a revoked key goes at once.
    E2Revoked = "e2-revoked",
    /// E2: nodes are not sent the private halves of unpublished keys.
    E2Unsent = "e2-unsent",
}

/// Whether this is taken out.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is_out(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use switch::{is_out, take_out};

/// The switch, one for the whole process.
#[cfg(feature = "mutants")]
mod switch {
    use std::str::FromStr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mutant;

    /// The place of what is taken out in [`Mutant::ALL`], counted from 1; 0 for nothing.
    static OUT: AtomicUsize = AtomicUsize::new(0);

    /// Whether this is taken out.
    #[must_use]
    pub fn is_out(mutant: Mutant) -> bool {
        OUT.load(Ordering::Relaxed) == mutant as usize + 1
    }

    /// Takes this out, and puts back what was out before.
    pub fn take_out(mutant: Option<Mutant>) {
        OUT.store(mutant.map_or(0, |mutant| mutant as usize + 1), Ordering::Relaxed);
    }

    impl FromStr for Mutant {
        type Err = String;

        fn from_str(name: &str) -> Result<Self, String> {
            let known = || Self::ALL.iter().copied();
            let names = || known().map(Self::name).collect::<Vec<_>>().join(", ");
            let found = known().find(|mutant| mutant.name() == name);
            found.ok_or_else(|| format!("no rule goes by that name; use one of {}", names()))
        }
    }
}
