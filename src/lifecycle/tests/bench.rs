//! A fleet on a bench: the pure core, keys without key bytes, and nodes that confirm when told to.

use std::collections::{BTreeMap, BTreeSet};

use crate::lifecycle::*;
use crate::types::*;

pub const START: Time = Time(1_800_000_000_000);
pub const RSA: &str = "rs256";

#[derive(Clone)]
pub struct Bench {
    pub state: State,
    pub seen: Sightings,
    pub now: Time,
    pub events: Vec<(Time, Event)>,
    pub decisions: Vec<(Time, Vec<Event>)>,
    made: u64,
    switches: BTreeMap<NodeName, Switches>,
}

pub fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

pub fn profile(text: &str) -> ProfileName {
    text.parse().unwrap()
}

pub const ENC: &str = "enc";

/// Signing profiles, but for those whose name begins with `enc`.
pub fn settings(profiles: &[&str]) -> Settings {
    profiles
        .iter()
        .map(|text| Profile::new(profile(text), spec_of(&profile(text))))
        .collect()
}

fn spec_of(profile: &ProfileName) -> KeySpec {
    if profile.as_str().starts_with(ENC) {
        KeySpec::EcdhEs(Curve::P256)
    } else {
        KeySpec::Es256
    }
}

/// `jkeys rotate --now --reason superseded`.
pub fn superseded() -> RotateNow {
    RotateNow {
        profiles: vec![],
        compromised: None,
        take: None,
        force: false,
        destroy: false,
        reason: Reason::Superseded,
        comment: None,
    }
}

/// `jkeys rotate --now --compromised`.
pub fn compromised(what: Compromised, destroy: bool) -> RotateNow {
    RotateNow {
        compromised: Some(what),
        destroy,
        reason: Reason::Compromised,
        ..superseded()
    }
}

impl Bench {
    /// A started leader with the two-day schedule, before any node.
    pub fn started(profiles: &[&str]) -> Self {
        let mut bench = Self {
            state: State::default(),
            seen: Sightings::new(),
            now: START,
            events: Vec::new(),
            decisions: Vec::new(),
            made: 0,
            switches: BTreeMap::new(),
        };
        bench.run(&Command::Start { last_up: None }).unwrap();
        if !profiles.is_empty() {
            bench.run(&Command::Configure(settings(profiles))).unwrap();
        }
        bench.settle();
        bench
    }

    /// A leader with these nodes in service.
    pub fn with_nodes(nodes: &[&str]) -> Self {
        Self::with_profile(RSA, nodes)
    }

    /// The same with one profile of that name.
    pub fn with_profile(profile: &str, nodes: &[&str]) -> Self {
        let mut bench = Self::started(&[profile]);
        for node in nodes {
            bench.join(node);
            bench.confirm(node);
        }
        bench.settle();
        bench
    }

    /// The same fleet on another course: keys that are made from here on are others.
    pub fn diverged(&self) -> Self {
        let mut other = self.clone();
        other.made += 100;
        other
    }

    pub fn run(&mut self, command: &Command) -> Result<Decision, Refusal> {
        let decision = decide(&self.state, &self.seen, command, self.now)?;
        let at = self.state.time(self.now);
        if !decision.is_empty() {
            // Whatever is decided, a reader of the log finds lawful.
            self.state.clone().replay(&decision.events, at).expect("a lawful decision");
            self.state.apply(&decision.events, at);
            self.decisions.push((at, decision.events.clone()));
        }
        self.events.extend(decision.events.iter().map(|event| (at, event.clone())));
        Ok(decision)
    }

    /// The keys that are gone for good by what was decided.
    pub fn gone_for_good(&self) -> BTreeSet<Kid> {
        let ends = self.events.iter().filter(|(_, event)| event.ends_key());
        ends.filter_map(|(_, event)| event.kid().cloned()).collect()
    }

    /// Decides until nothing is due, making every key that is wanted.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            let ticked = self.run(&Command::Tick);
            if ticked.is_err() {
                return;
            }
            if ticked.unwrap().is_empty() && !self.make_wanted() {
                return;
            }
        }
        panic!("the leader never comes to rest");
    }

    fn make_wanted(&mut self) -> bool {
        let wanted = wanted(&self.state, &self.seen, self.now);
        for Wanted { profile } in &wanted {
            let command = self.key_made(&profile.name);
            self.run(&command).unwrap();
        }
        !wanted.is_empty()
    }

    pub fn key_made(&mut self, profile: &ProfileName) -> Command {
        self.made += 1;
        let kid: Kid = format!("{profile}-{}", self.made).parse().unwrap();
        let configured = self.state.settings.profiles.get(profile);
        let key = PublicKey {
            kid: kid.clone(),
            spec: configured.map_or_else(|| spec_of(profile), |profile| profile.spec),
            jwk: BTreeMap::from([("kid".to_owned(), kid.to_string())]).try_into().unwrap(),
            thumbprint: kid.to_string(),
            certificate_der: vec![],
        };
        Command::KeyMade {
            profile: profile.clone(),
            key: Box::new(key),
            asked_at: self.state.time(self.now),
        }
    }

    /// A new join token.
    pub fn issue(&mut self, token: Digest, node: NodeName, expires_at: Time) {
        let command = Command::IssueToken {
            token,
            node,
            expires_at,
            only_new_name: false,
        };
        self.run(&command).unwrap();
    }

    pub fn join(&mut self, node: &str) {
        let secret = Digest::of(format!("{node}{}", self.state.last_enrolment).as_bytes());
        let expires_at = self.state.time(self.now) + Span::hours(1);
        self.issue(secret, name(node), expires_at);
        let (tls_key, witness_key) = (Digest::of(&secret.0), WitnessKey([2; 32]));
        self.run(&Command::Enrol {
            token: secret,
            node: name(node),
            tls_key,
            witness_key,
        })
        .unwrap();
        self.switches.remove(&name(node));
    }

    /// What a node that holds the newest generation reads back, with the switches that its clock has made.
    pub fn installed(&mut self, node: &str) -> Installed {
        let set = self.state.key_set();
        let before = self.switches.get(&name(node)).cloned().unwrap_or_default();
        let view = view(&set, &before, self.now);
        self.switches.insert(name(node), view.switches.clone());
        Installed::whole(&view)
    }

    pub fn confirm(&mut self, node: &str) {
        let installed = self.installed(node);
        self.report(node, Some(installed));
    }

    pub fn report(&mut self, node: &str, installed: Option<Installed>) {
        let highest_generation = installed.as_ref().map_or(Generation(0), |installed| installed.generation);
        let highest_epoch = self.state.epoch;
        let report = Report {
            sent_at: self.now,
            highest_epoch,
            highest_generation,
            checkpoint: None,
            refused: None,
            gone: BTreeSet::new(),
            installed,
            problem: None,
            failing: Vec::new(),
        };
        let enrolment = self.state.nodes[&name(node)].enrolment;
        let before = self.seen.remove(&enrolment).unwrap_or_default();
        self.seen
            .insert(enrolment, before.after(&self.state, &report, self.state.time(self.now)));
    }

    /// Lets time pass in steps of `step`; these nodes confirm at each, all others are silent.
    pub fn pass(&mut self, span: Span, step: Span, nodes: &[&str]) {
        let until = self.now + span;
        while self.now < until {
            let due = next_due(&self.state, &self.seen, self.now).unwrap_or(until);
            self.now = until.min(self.now + step).min(due);
            self.settle();
            for node in nodes {
                self.confirm(node);
            }
            self.settle();
            for node in nodes {
                self.confirm(node);
            }
            self.settle();
        }
    }

    /// The state that the records alone make.
    pub fn rebuilt(&self) -> State {
        let mut rebuilt = State::default();
        for (at, events) in &self.decisions {
            let stored = serde_json::to_string(events).unwrap();
            let events: Vec<Event> = serde_json::from_str(&stored).unwrap();
            rebuilt.apply(&events, *at);
        }
        rebuilt
    }

    pub fn kid_in(&self, matches: impl Fn(&Phase) -> bool) -> Option<Kid> {
        self.state
            .keys
            .values()
            .find(|key| matches(&key.phase))
            .map(|key| key.kid().clone())
    }

    pub fn active(&self) -> Kid {
        self.state
            .active(&profile(RSA))
            .expect("a profile has a signer")
            .kid()
            .clone()
    }

    pub fn standby(&self) -> Kid {
        self.state
            .prepublished(&profile(RSA))
            .next()
            .expect("a profile has a standby")
            .kid()
            .clone()
    }

    /// The key that relying parties encrypt to.
    pub fn encrypted_to(&self) -> Option<Kid> {
        self.state.encrypted_to(&profile(ENC)).map(|(key, _)| key.kid().clone())
    }

    pub fn staged(&self) -> Option<Kid> {
        self.state.staged(&profile(ENC)).next().map(|key| key.kid().clone())
    }

    pub fn armed(&self) -> Option<Time> {
        self.state.armed(&profile(RSA)).map(|(_, activate_at)| activate_at)
    }

    pub fn published(&self) -> BTreeSet<Kid> {
        self.state.keys.keys().cloned().collect()
    }

    pub fn standing(&self, node: &str) -> Standing {
        self.state.nodes[&name(node)].standing
    }

    pub fn in_service(&self, node: &str) -> bool {
        matches!(self.standing(node), Standing::InService { .. })
    }

    pub fn when(&self, found: impl Fn(&Event) -> bool) -> Option<Time> {
        self.events.iter().rev().find(|(_, event)| found(event)).map(|(at, _)| *at)
    }
}
