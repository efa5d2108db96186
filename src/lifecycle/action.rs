//! The names of events, as a record has them.

use std::fmt;
use std::str::FromStr;

use super::event::Event;

macro_rules! actions {
    ($($action:ident $name:literal,)*) => {
        /// What kind of thing was decided.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each is the event of that name")]
        pub enum Action {
            $($action,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$action,)*];

            /// Its name in a record.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)*
                }
            }
        }

        impl Event {
            /// What kind of event it is.
            #[must_use]
            pub fn action(&self) -> Action {
                match self {
                    $(Self::$action { .. } => Action::$action,)*
                }
            }
        }
    };
}

actions! {
    Founded "founded",
    Started "started",
    StoodStill "stood_still",
    ClockConfirmed "clock_confirmed",
    Configured "configured",
    Prepublished "prepublished",
    Armed "armed",
    Activated "activated",
    Retired "retired",
    Removed "removed",
    Staged "staged",
    Published "published",
    Unpublished "unpublished",
    Discarded "discarded",
    Revoked "revoked",
    ReportedCompromised "reported_compromised",
    DistrustedAll "distrusted_all",
    Destroyed "destroyed",
    RevocationConfirmed "revocation_confirmed",
    Hastened "hastened",
    TokenIssued "token_issued",
    TokenRevoked "token_revoked",
    Enrolled "enrolled",
    EnteredService "entered_service",
    LeftService "left_service",
    NodeRevoked "node_revoked",
    NodeRemoved "node_removed",
    WaitBegan "wait_began",
    WaitEnded "wait_ended",
    Halted "halted",
    Restored "restored",
    Adopted "adopted",
    Recovered "recovered",
    BackedUp "backed_up",
    Rekeyed "rekeyed",
    LeaderCertified "leader_certified",
    NodeCertified "node_certified",
    NodeCloned "node_cloned",
    CaAsked "ca_asked",
    CaMade "ca_made",
    CaActivated "ca_activated",
    CaDropped "ca_dropped",
    CaDestroyed "ca_destroyed",
    Refused "refused",
}

impl Event {
    /// Its name in a record.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.action().name()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|action| action.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|action| action.name()).collect();
            let given: String = text.chars().take(40).collect();
            format!("{given:?} is no action; the actions are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_the_name_that_its_event_has_in_a_record() {
        for action in Action::ALL {
            let json = format!("{{\"action\":\"{action}\"}}");
            match serde_json::from_str::<Event>(&json) {
                Ok(event) => assert_eq!(event.action(), *action),
                Err(lacks) => assert!(lacks.to_string().starts_with("missing field"), "{action}: {lacks}"),
            }
            assert_eq!(action.name().parse(), Ok(*action));
        }
        assert!(serde_json::from_str::<Event>("{\"action\":\"danced\"}").is_err());
    }

    #[test]
    fn an_unknown_action_is_answered_with_those_that_there_are() {
        let refused = "dance".parse::<Action>().unwrap_err();
        assert!(
            refused.contains("\"dance\" is no action") && refused.contains("wait_began"),
            "{refused}"
        );
    }
}
