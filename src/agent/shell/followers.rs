//! Runs what follows a swap and other events: hooks, and probes of what is served.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::agent::core::{EventHook, HookRun, Input, Occasion, Settings, Unserved, ViewId};
use crate::clock::Clock;
use crate::hooks::probe::{self, Probe};
use crate::hooks::{self, Hook, HookResult};
use crate::types::{Generation, HookEvent, Kid, Span};

/// What an agent runs when something has happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followers {
    /// The hooks on a swap, in their order.
    pub swap: Vec<Hook>,
    /// The hooks on other events, in their order.
    pub events: Vec<(EventHook, Hook)>,
    /// What is looked at after the hooks on a swap, and how long after a look again, if so.
    pub probes: Vec<(Option<Span>, Probe)>,
}

impl Followers {
    /// What the core must know of them.
    pub(super) fn told_in(&self, settings: &Settings) -> Settings {
        Settings {
            has_hooks: !self.swap.is_empty(),
            probes: self.probes.iter().map(|(every, _)| *every).collect(),
            event_hooks: self.events.iter().map(|(rule, _)| *rule).collect(),
            ..settings.clone()
        }
    }
}

/// What each run takes.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub followers: Arc<Followers>,
    /// The link to the live view.
    pub live: PathBuf,
    pub clock: Clock,
}

impl Runner {
    fn environment(&self, event: HookEvent, generation: Generation) -> BTreeMap<String, String> {
        let live = self.live.display().to_string();
        let values = [
            ("JKEYS_EVENT", event.to_string()),
            ("JKEYS_GENERATION", generation.to_string()),
            ("JKEYS_LIVE", live),
        ];
        values.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Runs the hooks on a swap one after the other, up to the first that fails.
    pub async fn run_hooks(self, id: ViewId) -> Input {
        let mut environment = self.environment(HookEvent::Swap, id.generation);
        environment.insert("JKEYS_STEP".to_owned(), id.step().to_string());
        for hook in &self.followers.swap {
            let result = hooks::run(hook, &environment, &self.clock).await;
            if let Err(why) = told(result, HookEvent::Swap, id.generation) {
                return Input::HooksRan(id, Err(why));
            }
        }
        Input::HooksRan(id, Ok(()))
    }

    /// Runs one hook on another event.
    pub async fn run_hook(self, run: HookRun) -> Input {
        let Some((_, hook)) = self.followers.events.get(run.hook) else {
            return Input::HookRan(run, Ok(()));
        };
        let event = run.occasion.event();
        let mut environment = self.environment(event, run.generation);
        let gone = match &run.occasion {
            Occasion::Stale | Occasion::Fresh => None,
            Occasion::Revoked(kids) => Some(("keys", kids)),
            Occasion::CutOff(kids) => Some(("node", kids)),
        };
        if let Some((what, kids)) = gone {
            environment.insert("JKEYS_REVOKED".to_owned(), what.to_owned());
            environment.insert("JKEYS_KIDS".to_owned(), spaced(kids));
        }
        let result = hooks::run(hook, &environment, &self.clock).await;
        let ended = told(result, event, run.generation);
        Input::HookRan(run, ended)
    }

    /// Looks at places where the JWKS is served, up to the first that is not as it should be.
    pub async fn probe(self, id: ViewId, published: BTreeSet<Kid>, probes: Vec<usize>) -> Input {
        let generation = id.generation.0;
        let probes = probes.into_iter().filter_map(|probe| self.followers.probes.get(probe));
        for (_, probe) in probes {
            let url = &probe.url;
            match probe::look(probe, &published).await {
                Ok(()) => info!(%url, generation, "the published keys are served"),
                Err(why) => {
                    if why.is_leak() {
                        error!(%why, generation, "a private key is served");
                    } else {
                        warn!(%why, generation, "a probe failed; it is tried again");
                    }
                    let words = why.to_string();
                    return Input::Probed(
                        id,
                        Err(Unserved {
                            words,
                            served: why.served(),
                        }),
                    );
                }
            }
        }
        Input::Probed(id, Ok(()))
    }
}

fn spaced(kids: &BTreeSet<Kid>) -> String {
    kids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Says how a hook ended in the log, and in words why it failed.
fn told(result: HookResult, event: HookEvent, generation: Generation) -> Result<(), String> {
    let (stdout, stderr, generation) = (result.stdout, result.stderr, generation.0);
    match result.ended {
        Ok(()) => {
            info!(%event, stdout, stderr, generation, "a hook succeeded");
            Ok(())
        }
        Err(why) => {
            warn!(%why, %event, stdout, stderr, generation, "a hook failed");
            Err(why.to_string())
        }
    }
}
