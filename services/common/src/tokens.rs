//! Access tokens (30 days) and WebSocket tokens (60 seconds): HS256, a secret for each kind, keys known by id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result as JwtResult},
    signature,
};
use serde::{Deserialize, Serialize};

use crate::{Env, Secret, env::ConfigError, lock};

/// How long an access token and its session live.
pub const ACCESS_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a WebSocket token may be used to connect.
pub const WEBSOCKET_LIFETIME: Duration = Duration::from_secs(60);
/// The shortest secret that is accepted, in bytes: as long as the hash.
pub const SHORTEST_SECRET: usize = 32;

/// How far apart the clocks of two replicas may be, in seconds.
const SKEW: i64 = 300;

/// Ours are a tenth of this, in bytes; a longer one would not fit into a header of a call to another service.
const LONGEST_TOKEN: usize = 8 * 1024;

/// What a token is for. Neither kind is accepted in the other's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenKind {
    /// For HTTP and gRPC requests.
    #[serde(rename = "access")]
    Access,
    /// For opening a Socket.IO connection.
    #[serde(rename = "ws")]
    WebSocket,
}

impl TokenKind {
    /// In seconds.
    fn lifetime(self) -> i64 {
        let lifetime = match self {
            Self::Access => ACCESS_LIFETIME,
            Self::WebSocket => WEBSOCKET_LIFETIME,
        };
        i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id: decimal digits.
    pub sub: String,
    /// The user's name when the token was made.
    pub username: String,
    /// The user's roles when the token was made.
    pub roles: Vec<String>,
    /// The session that the token belongs to; revoking it revokes every token of it.
    pub sid: String,
    /// What the token is for.
    #[serde(rename = "type")]
    pub kind: TokenKind,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it runs out, in seconds since 1970.
    pub exp: i64,
    /// From when on it may be used; ours may at once, and don't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}

/// Whether a text may be a user's id: ascending numbers that the database gives, in digits.
fn is_user_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0') && text.parse::<i64>().is_ok()
}

/// Whether a text may be a session's id: anything else need not be looked for in a database.
#[must_use]
pub fn is_session_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Why a token was refused: for logs and tests; its holder only sees "Unauthorized".
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token of ours, or not of the wanted kind.
    #[error("token is not valid: {0}")]
    Invalid(String),
    /// Signed by a key that isn't known here. Another replica may know it: keys don't change everywhere at once.
    #[error("token is signed by an unknown key")]
    UnknownKey,
    /// Its time is over.
    #[error("token has expired")]
    Expired,
}

struct Key {
    id: String,
    sign: EncodingKey,
    verify: DecodingKey,
}

impl Key {
    fn new(secret: &Secret) -> Self {
        let bytes = secret.expose().as_bytes();
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let id = digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
        Self { id, sign: EncodingKey::from_secret(bytes), verify: DecodingKey::from_secret(bytes) }
    }
}

/// The keys of one kind of token: the current one signs, the previous one is still accepted. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    kind: TokenKind,
    current: Key,
    previous: Option<Key>,
    rules: Validation,
    /// What tokens say whose signature was good: a user's requests come with the same one for weeks. One that opens a
    /// socket comes once.
    known: Option<Mutex<HashMap<String, Claims>>>,
}

/// So many known tokens take some 500 KB.
const KNOWN: usize = 1024;

impl Keys {
    /// Keys from secrets of at least [`SHORTEST_SECRET`] bytes each.
    #[must_use]
    pub fn new(kind: TokenKind, current: &Secret, previous: Option<&Secret>) -> Self {
        install_hs256();
        let mut rules = Validation::new(Algorithm::HS256);
        // Checked here against the caller's clock.
        rules.validate_exp = false;
        rules.set_required_spec_claims(&["exp", "sub"]);
        let known = (kind == TokenKind::Access).then(Mutex::default);
        Self(Arc::new(Inner { kind, current: Key::new(current), previous: previous.map(Key::new), rules, known }))
    }

    /// `JWT_SECRET` or `JWT_WS_SECRET`, and the same with `_PREVIOUS` where it is set.
    pub fn from_env(kind: TokenKind, env: &Env) -> Result<Self, ConfigError> {
        let (current, previous) = match kind {
            TokenKind::Access => ("JWT_SECRET", "JWT_SECRET_PREVIOUS"),
            TokenKind::WebSocket => ("JWT_WS_SECRET", "JWT_WS_SECRET_PREVIOUS"),
        };
        let secret = env.secret(current, "set it to at least 32 random bytes, the same in every service")?;
        let old = env.get(previous).map(Secret::new);
        for (name, secret) in [(current, Some(&secret)), (previous, old.as_ref())] {
            if secret.is_some_and(|s| s.expose().len() < SHORTEST_SECRET) {
                return Err(ConfigError::Invalid(name, "***".into(), "use at least 32 bytes".into()));
            }
        }
        Ok(Self::new(kind, &secret, old.as_ref()))
    }

    /// A signed token.
    pub fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        let Inner { kind, current, .. } = &*self.0;
        anyhow::ensure!(claims.kind == *kind, "claims of another kind of token");
        let header = Header { kid: Some(current.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(jsonwebtoken::encode(&header, claims, &current.sign)?)
    }

    /// What a token says, if it is ours, of this kind, and `now` is before its end.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let known = |known: &Mutex<HashMap<String, Claims>>| lock(known).get(token).cloned();
        let claims = match self.0.known.as_ref().and_then(known) {
            Some(claims) => claims,
            None => self.0.read(token)?,
        };
        let starts = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
        let lifetime = self.0.kind.lifetime();
        if starts > now.timestamp() + SKEW || claims.exp.saturating_sub(claims.iat) > lifetime {
            return Err(TokenError::Invalid("not of this time".into()));
        }
        if claims.exp <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

impl Inner {
    /// What a token says, if it is ours and of this kind, whatever its time.
    fn read(&self, token: &str) -> Result<Claims, TokenError> {
        let invalid = |e: jsonwebtoken::errors::Error| TokenError::Invalid(e.to_string());
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Invalid("too long".into()));
        }
        let header = jsonwebtoken::decode_header(token).map_err(invalid)?;
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(TokenError::Invalid("header asks for what isn't known here".into()));
        }
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| header.kid.as_deref() == Some(&key.id))
            .ok_or(TokenError::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verify, &self.rules).map_err(invalid)?.claims;
        if claims.kind != self.kind {
            return Err(TokenError::Invalid("another kind of token".into()));
        }
        if !is_user_id(&claims.sub) || !is_session_id(&claims.sid) {
            return Err(TokenError::Invalid("no user or session".into()));
        }
        if let Some(known) = &self.known {
            let mut known = lock(known);
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert(token.to_owned(), claims.clone());
        }
        Ok(claims)
    }
}

/// HMAC-SHA256 by `ring`, which the TLS stack brings anyway: the library's own choices pull in RSA and curves.
struct Hs256(ring::hmac::Key);

impl Hs256 {
    fn new(algorithm: &Algorithm, family: AlgorithmFamily, secret: &[u8]) -> JwtResult<Self> {
        if *algorithm != Algorithm::HS256 || family != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Self(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret)))
    }
}

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(ring::hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        ring::hmac::verify(&self.0, message, tag).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(algorithm, key.family(), key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(algorithm, key.family(), key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

fn install_hs256() {
    static ONCE: Once = Once::new();
    // It only fails where one is installed already, which this process does nowhere else.
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn secret(letter: &str) -> Secret {
        Secret::new(letter.repeat(32))
    }

    fn claims(kind: TokenKind, now: DateTime<Utc>) -> Claims {
        Claims {
            sub: "1".into(),
            username: "ada".into(),
            roles: vec!["user".into()],
            sid: "s1".into(),
            kind,
            iat: now.timestamp(),
            exp: now.timestamp() + 60,
            nbf: None,
        }
    }

    #[test]
    fn a_signed_token_says_what_was_signed() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        let claims = claims(TokenKind::Access, now);
        assert_eq!(keys.verify(&keys.sign(&claims).expect("signed"), now), Ok(claims));
    }

    #[test]
    fn a_token_is_refused_from_its_last_second_on() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        let token = keys.sign(&claims(TokenKind::Access, now)).expect("signed");
        assert_eq!(keys.verify(&token, now + TimeDelta::seconds(60)), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_that_is_known_still_runs_out_and_has_to_be_the_same_to_the_last_letter() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        let token = keys.sign(&claims(TokenKind::Access, now)).expect("signed");
        for _ in 0..2 {
            assert!(keys.verify(&token, now).is_ok());
        }
        assert_eq!(keys.verify(&token, now + TimeDelta::seconds(60)), Err(TokenError::Expired));
        assert!(keys.verify(&token, now - TimeDelta::seconds(SKEW + 1)).is_err());
        for odd in [&token[..token.len() - 1], &format!("{token} "), &token.to_uppercase()] {
            assert!(keys.verify(odd, now).is_err(), "{odd}");
        }
    }

    #[test]
    fn no_more_tokens_are_remembered_than_fit() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        for session in 0..2 * KNOWN {
            let claims = Claims { sid: session.to_string(), ..claims(TokenKind::Access, now) };
            assert_eq!(keys.verify(&keys.sign(&claims).expect("signed"), now), Ok(claims));
            assert!(lock(keys.0.known.as_ref().expect("kept")).len() <= KNOWN);
        }
    }

    #[test]
    fn the_previous_key_is_accepted_and_the_one_before_is_not() {
        let now = Utc::now();
        let token =
            Keys::new(TokenKind::Access, &secret("a"), None).sign(&claims(TokenKind::Access, now)).expect("signed");
        assert!(Keys::new(TokenKind::Access, &secret("b"), Some(&secret("a"))).verify(&token, now).is_ok());
        let later = Keys::new(TokenKind::Access, &secret("c"), Some(&secret("b")));
        assert_eq!(later.verify(&token, now), Err(TokenError::UnknownKey));
    }

    #[test]
    fn one_kind_of_token_is_refused_in_the_others_place_even_under_one_secret() {
        let now = Utc::now();
        let access = Keys::new(TokenKind::Access, &secret("a"), None);
        let websocket = Keys::new(TokenKind::WebSocket, &secret("a"), None);
        let token = access.sign(&claims(TokenKind::Access, now)).expect("signed");
        assert!(websocket.verify(&token, now).is_err());
    }

    #[test]
    fn a_validly_signed_token_without_a_user_is_refused() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        for sub in ["", "system", "-1", "1 ", "0", "01", "9223372036854775808"] {
            let claims = Claims { sub: sub.into(), ..claims(TokenKind::Access, now) };
            assert!(keys.verify(&keys.sign(&claims).expect("signed"), now).is_err(), "{sub:?}");
        }
    }

    #[test]
    fn a_validly_signed_token_of_another_time_or_of_no_session_is_refused() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        let (fine, at) = (claims(TokenKind::Access, now), now.timestamp());
        let lifetime = TokenKind::Access.lifetime();
        for odd in [
            Claims { iat: at + SKEW + 1, exp: at + SKEW + 60, ..fine.clone() },
            Claims { nbf: Some(at + SKEW + 1), ..fine.clone() },
            Claims { exp: at + lifetime + 1, ..fine.clone() },
            Claims { iat: i64::MIN, exp: i64::MAX, ..fine.clone() },
            Claims { sid: String::new(), ..fine.clone() },
            Claims { sid: "a\0b".into(), ..fine.clone() },
        ] {
            assert!(keys.verify(&keys.sign(&odd).expect("signed"), now).is_err(), "{odd:?}");
        }
        let behind = Claims { iat: at + SKEW, exp: at + SKEW + 60, nbf: Some(at - 1), ..fine };
        assert!(keys.verify(&keys.sign(&behind).expect("signed"), now).is_ok());
    }

    #[test]
    fn rubbish_and_other_algorithms_are_refused() {
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
        for token in ["", ".", "..", "a.b.c", none, "\u{0}", &"x".repeat(10_000)] {
            assert!(keys.verify(token, Utc::now()).is_err(), "{token:?}");
        }
    }

    #[test]
    fn a_validly_signed_token_that_is_too_long_for_a_header_is_refused() {
        let now = Utc::now();
        let keys = Keys::new(TokenKind::Access, &secret("a"), None);
        let claims = Claims { username: "x".repeat(LONGEST_TOKEN), ..claims(TokenKind::Access, now) };
        assert!(matches!(keys.verify(&keys.sign(&claims).expect("signed"), now), Err(TokenError::Invalid(_))));
    }
}
