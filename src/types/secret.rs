//! The one home of secrets.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes: zeroized when dropped, never shown, never copied by accident.
///
/// It has no `Clone`, no `Serialize` and no `Display`; `Debug` shows only the length. Where a second owner is needed, wrap it in an `Arc`.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`. The vector's buffer becomes the secret's; no copy stays behind.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one call that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether two secrets are the same, in a time that depends only on their lengths.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(other.0.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", Secret::new(b"hunter2".to_vec()));
        assert_eq!(shown, "Secret(7 bytes)");
    }

    #[test]
    fn secrets_compare_by_content() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        assert!(secret("a").same(&secret("a")));
        assert!(!secret("a").same(&secret("b")));
        assert!(!secret("a").same(&secret("ab")));
    }
}
