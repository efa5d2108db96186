//! The generated code of `proto/jkeys/v1`, and a `Debug` without the secrets for what holds any.

use std::fmt;

#[allow(missing_docs, clippy::pedantic)]
mod generated {
    tonic::include_proto!("jkeys.v1");
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

pub use generated::*;

impl fmt::Debug for EnrollRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrollRequest")
            .field("node_name", &self.node_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LeaderUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderUpdate").field(&self.message).finish()
    }
}

impl fmt::Debug for leader_update::Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Welcome(welcome) => welcome.fmt(f),
            Self::Generation(bytes) => write!(f, "Generation({} bytes)", bytes.len()),
            Self::Answer(answer) => answer.fmt(f),
            Self::Erase(erase) => erase.fmt(f),
        }
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public_form.len();
        write!(f, "Generation({public} bytes, {} private halves)", self.privates.len())
    }
}

impl fmt::Debug for PrivateHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateHalf").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateTokenResponse")
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it would stand in the output of a derived `Debug`.
    const SECRET: [u8; 4] = [201, 202, 203, 204];

    #[test]
    fn debug_shows_no_secret() {
        let half = PrivateHalf {
            kid: "k".into(),
            pkcs8_der: SECRET.to_vec(),
        };
        let generation = Generation {
            public_form: b"{}".to_vec(),
            privates: vec![half.clone()],
            ..Generation::default()
        };
        let update = LeaderUpdate {
            message: Some(leader_update::Message::Generation(SECRET.to_vec().into())),
            ..LeaderUpdate::default()
        };
        let enroll = EnrollRequest {
            token_secret: SECRET.to_vec(),
            ..EnrollRequest::default()
        };
        let token = CreateTokenResponse {
            token: "jkeys-join-201".into(),
            expires_at_ms: 7,
        };
        let shown = format!("{half:?} {generation:?} {update:?} {enroll:?} {token:?}");
        assert!(!shown.contains("201"), "{shown}");
    }
}
