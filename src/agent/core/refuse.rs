//! What a node refuses, and what it shows a leader that may have lost it (rule R5).

use super::io::Effect;
use super::{Link, Refused, State};
use crate::lifecycle::KeySet;
use crate::rpc::fleet::Exhibit;
use crate::types::Generation;

impl State {
    pub(super) fn refuse(&mut self, generation: Option<Generation>, words: String, effects: &mut Vec<Effect>) {
        effects.push(Effect::SayRefused(words.clone()));
        self.refusal = Some(Refused {
            generation,
            words,
            ..Refused::default()
        });
    }

    /// Refuses a generation of the leader's, and says which of its keys are gone: a leader that was set back learns it from that.
    pub(super) fn refuse_sent(&mut self, set: &KeySet, words: String, effects: &mut Vec<Effect>) {
        self.refuse(Some(set.generation), words, effects);
        let kids = set.members.iter().map(|member| &member.public.kid);
        let gone = kids.filter(|kid| self.trusted.gone.contains(*kid)).cloned().collect();
        if let Some(refusal) = &mut self.refusal {
            refusal.gone = gone;
        }
    }

    /// A generation of a leader that is refused itself: the reason stands.
    pub(super) fn still_refused(&mut self, set: &KeySet) {
        let words = self.refusal.take().map(|refused| refused.words).unwrap_or_default();
        self.refuse_sent(set, words, &mut Vec::new());
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
