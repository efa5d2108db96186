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
    /// R5: a node uses a generation before it remembers it.
    R5Durable = "r5-durable",
    /// R5: a leader that has just started decides without its nodes.
    R5StartGrace = "r5-start-grace",
    /// R5: a leader that was set back goes on.
    R5Halt = "r5-halt",
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
    /// R10: a node does not remember a switch.
    R10SwitchForgotten = "r10-switch-forgotten",
    /// R10: the sealed cache is written after the trusted state.
    R10CacheLate = "r10-cache-late",
    /// R10: a node that starts does nothing before its leader answers.
    R10NeedsLeader = "r10-needs-leader",
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
