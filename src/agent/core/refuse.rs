//! What a node refuses, and what it shows a leader that may have lost it (rule R5).

use super::io::Effect;
use super::trusted::GoingBack;
use super::verify::Refusal;
use super::{Link, Refused, State};
use crate::lifecycle::KeySet;
use crate::rpc::fleet::Exhibit;
use crate::types::Generation;

/// What kind of reason something was refused for, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More than is allowed.
    Limits,
    /// A leader, or a generation, of an earlier term (rule R5).
    Epoch,
    /// The audit log does not prove it (rule R5).
    Log,
    /// It goes back behind what the node has accepted (rule R5).
    Generation,
    /// Its parts contradict each other.
    Form,
    /// A public key that is not in order.
    PublicKey,
    /// A private half that is missing, that should not be there, or that is another key's.
    PrivateHalf,
    /// What the sealed cache holds, whatever is wrong with it.
    Cache,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Limits,
        Self::Epoch,
        Self::Log,
        Self::Generation,
        Self::Form,
        Self::PublicKey,
        Self::PrivateHalf,
        Self::Cache,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Epoch => "epoch",
            Self::Log => "log",
            Self::Generation => "generation",
            Self::Form => "form",
            Self::PublicKey => "public_key",
            Self::PrivateHalf => "private_half",
            Self::Cache => "cache",
        }
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::GoingBack(why) => why.into(),
            Refusal::TooLarge { .. } => Self::Limits,
            Refusal::NotItsForm | Refusal::Twice(_) | Refusal::TwoActive(_) | Refusal::OtherUse(_) => Self::Form,
            Refusal::PublicKey { .. } => Self::PublicKey,
            Refusal::PrivateMissing(_) | Refusal::PrivateExtra(_) | Refusal::Pair { .. } => Self::PrivateHalf,
        }
    }
}

impl From<&GoingBack> for Reason {
    fn from(why: &GoingBack) -> Self {
        match why {
            GoingBack::LeaderEpoch { .. } | GoingBack::Epoch { .. } => Self::Epoch,
            GoingBack::Lower { .. } | GoingBack::Altered { .. } | GoingBack::GoneKey { .. } => Self::Generation,
        }
    }
}

impl State {
    pub(super) fn refuse(&mut self, generation: Option<Generation>, reason: Reason, words: String, effects: &mut Vec<Effect>) {
        effects.push(Effect::SayRefused(reason, words.clone()));
        self.refusal = Some(Refused {
            generation,
            words,
            ..Refused::default()
        });
    }

    /// Refuses a generation of the leader's, and says which of its keys are gone: a leader that was set back learns it from that.
    pub(super) fn refuse_sent(&mut self, set: &KeySet, reason: Reason, words: String, effects: &mut Vec<Effect>) {
        self.refuse(Some(set.generation), reason, words, effects);
        self.name_gone(set);
    }

    fn name_gone(&mut self, set: &KeySet) {
        let kids = set.members.iter().map(|member| &member.public.kid);
        let gone = kids.filter(|kid| self.trusted.gone.contains(*kid)).cloned().collect();
        if let Some(refusal) = &mut self.refusal {
            refusal.gone = gone;
        }
    }

    /// A generation of a leader that is refused itself: the reason stands.
    pub(super) fn still_refused(&mut self, set: &KeySet) {
        self.refusal.get_or_insert_default().generation = Some(set.generation);
        self.name_gone(set);
    }

    /// Who refuses something shows what it holds instead, once a stream: the leader may have lost it.
    pub(super) fn show(&mut self, effects: &mut Vec<Effect>) {
        let Link::Up { shows, .. } = &mut self.link else { return };
        let Some(content) = self.content.as_ref().filter(|_| *shows && self.refusal.is_some()) else {
            return;
        };
        let Some(proof) = &content.proof else { return };
        *shows = false;
        let exhibit = Exhibit {
            public_form: content.bundle.public_form.clone(),
            proof: (**proof).clone(),
        };
        effects.extend(exhibit.fits().then(|| Effect::Show(Box::new(exhibit))));
    }
}
