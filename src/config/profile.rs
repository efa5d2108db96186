//! Profiles and their windows, for the leader.

use super::error::ConfigError;
use super::table::Fields;
use super::value;
use crate::lifecycle::{Profile, Settings, Windows};
use crate::types::{KeySpec, KeyUse, KidFormat, ProfileName, Span};

/// Reads `[defaults]` and every `[[profile]]` of `top`.
///
/// Only profiles whose every value is right are returned, to be held against the timing rules: the numbers of others are not those
/// that were meant.
pub(super) fn settings(top: &mut Fields<'_>, errors: &mut Vec<ConfigError>) -> Settings {
    let mut base = Windows::default();
    let mut base_is_sound = true;
    if let Some(mut table) = top.table("defaults") {
        base = windows(&mut table, base);
        base_is_sound = table.is_sound();
        errors.extend(table.finish());
    }
    let tables = top.tables("profile");
    if tables.is_empty() {
        top.object("there is no profile: write at least one, [[profile]] with name and alg");
    }
    let mut settings = Settings::default();
    for mut table in tables {
        if let Some(profile) = profile(&mut table, base) {
            if settings.profiles.contains_key(&profile.name) {
                table.object(&format!("profile {} is there twice: give it another name", profile.name));
            } else {
                settings.profiles.insert(profile.name.clone(), profile);
            }
        }
        errors.extend(table.finish());
    }
    if !base_is_sound {
        settings.profiles.clear();
    }
    settings
}

fn profile(table: &mut Fields<'_>, base: Windows) -> Option<Profile> {
    let name = table.need::<ProfileName>("name", "what the profile is called, such as \"web\"", value::parsed);
    let algs = "RS256, PS256, ES256, ES384 or Ed25519, or with use = \"enc\" RSA-OAEP-256 or ECDH-ES";
    let alg = table.need("alg", algs, value::text);
    let bits = table.get("bits", value::number);
    let key_use = table.get("use", key_use).unwrap_or(KeyUse::Sig);
    let kid_format = table.get("kid_format", kid_format).unwrap_or_default();
    let certificate_life = table.get("certificate_life", value::span).unwrap_or(Span::TEN_YEARS);
    let windows = windows(table, base);
    let sound = table.is_sound();
    let spec = KeySpec::parse(alg?, bits)
        .map_err(|why| table.object(&why.to_string()))
        .ok()?;
    if sound && spec.key_use() != key_use {
        let (alg, used_for) = (spec.jwk_alg(), spec.key_use().as_str());
        table.object(&format!(
            "alg {alg:?} is for use = {used_for:?}, not {:?}; change one of the two",
            key_use.as_str()
        ));
        return None;
    }
    let profile = Profile {
        name: name?,
        spec,
        kid_format,
        certificate_life,
        windows,
    };
    sound.then_some(profile)
}

fn windows(table: &mut Fields<'_>, base: Windows) -> Windows {
    let mut span = |key, default| table.get(key, value::span).unwrap_or(default);
    Windows {
        interval: span("interval", base.interval),
        min_prepublish: span("min_prepublish", base.min_prepublish),
        arm_lead: span("arm_lead", base.arm_lead),
        token_lifetime: span("token_lifetime", base.token_lifetime),
        decrypt_window: span("decrypt_window", base.decrypt_window),
        clock_skew: span("clock_skew", base.clock_skew),
        straggler_after: span("straggler_after", base.straggler_after),
        start_grace: span("start_grace", base.start_grace),
        max_age: span("max_age", base.max_age),
        anchor: table.get("anchor", value::anchor).unwrap_or(base.anchor),
    }
}

fn key_use(value: &toml::de::DeValue<'_>) -> Result<KeyUse, String> {
    match value::text(value)? {
        "sig" => Ok(KeyUse::Sig),
        "enc" => Ok(KeyUse::Enc),
        other => Err(format!("{other:?} is not a use; write \"sig\" or \"enc\"")),
    }
}

fn kid_format(value: &toml::de::DeValue<'_>) -> Result<KidFormat, String> {
    match value::text(value)? {
        "thumbprint" => Ok(KidFormat::Thumbprint),
        "janssen" => Ok(KidFormat::Janssen),
        other => Err(format!(
            "{other:?} is not a form of kids; write \"thumbprint\" or \"janssen\""
        )),
    }
}
