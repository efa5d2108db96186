//! `jkeys secrets agent`: what is secret on a node, wherever it lies.

use super::AgentError;
use super::disk::{self, is_there};
use super::folder::KEYS;
use crate::config::AgentConfig;
use crate::types::{SecretKind, SecretPlace};

/// Every place on this machine where the agent keeps something secret, or has written it.
///
/// # Errors
/// A folder, or the list of what was written elsewhere, can't be read.
pub fn secrets(config: &AgentConfig) -> Result<Vec<SecretPlace>, AgentError> {
    let root = &config.state_dir;
    let is_public = |name: &str| {
        let mut outputs = config.outputs.iter();
        outputs.any(|output| output.path == name && !output.format.is_private())
    };
    let mut places = disk::secrets(root, &config.view_dir, is_public)?;
    let cache_key = config.cache_key_file.clone().unwrap_or_else(|| root.join("cache.key"));
    let own = [
        (root.join("cache.sealed"), SecretKind::SealedCache),
        (cache_key, SecretKind::CacheKey),
        (root.join(KEYS), SecretKind::NodeKeys),
    ];
    let own = own.into_iter().filter(|(path, _)| is_there(path));
    places.extend(own.map(|(path, holds)| SecretPlace { path, holds }));
    Ok(places)
}
