//! Tokens that strangers made, and odd ones that are signed by the right key.
#![allow(clippy::unwrap_used)]

use aether_common::{
    Secret,
    tokens::{Claims, Keys, TokenKind, is_session_id},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const LIFETIME: i64 = 30 * 24 * 3600;

fn keys() -> Keys {
    Keys::new(TokenKind::Access, &Secret::new(SECRET.to_owned()), Some(&Secret::new("p".repeat(32))))
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn claims(sub: &str, nbf: Option<i64>) -> Claims {
    let at = now().timestamp();
    Claims {
        sub: sub.into(),
        username: "ada".into(),
        roles: vec!["user".into()],
        sid: "b6c0e5a8-5f0e-4e0c-9f8e-3f8b7c1d2e3f".into(),
        kind: TokenKind::Access,
        iat: at,
        exp: at + LIFETIME,
        nbf,
    }
}

/// A token's first two parts as they are before they are encoded.
fn parts(token: &str) -> Vec<u8> {
    let decoded: Vec<Vec<u8>> =
        token.split('.').take(2).map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    decoded.join(&b'\n')
}

#[test]
fn fuzz_a_changed_token_never_says_what_nobody_signed() {
    let keys = keys();
    let signed = [claims("1", None), claims("9223372036854775807", Some(1))];
    let tokens = signed.each_ref().map(|claims| keys.sign(claims).unwrap());
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
    let corpus = [tokens[0].as_bytes(), tokens[1].as_bytes(), none.as_bytes()];
    aether_fuzz::fuzz("tokens", &corpus, &[".", "eyJ", "==", "eyJhbGciOiJub25lIn0"], |bytes| {
        let outcome = keys.verify(&String::from_utf8_lossy(bytes), now());
        if let Ok(claims) = &outcome {
            assert!(signed.contains(claims), "{claims:?}");
        }
        aether_fuzz::kind(&outcome)
    });
}

#[test]
fn fuzz_a_token_that_is_signed_but_odd_is_refused_or_holds_what_every_token_must() {
    let keys = keys();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let corpus = [claims("1", None), claims("42", Some(1))].map(|claims| parts(&keys.sign(&claims).unwrap()));
    let words = [
        "\"sub\":",
        "\"exp\":",
        "\"iat\":",
        "\"nbf\":",
        "\"sid\":",
        "\"type\":",
        "\"ws\"",
        "\"access\"",
        "\"kid\":",
        "\"alg\":",
        "\"none\"",
        "\"HS512\"",
        "\"crit\":[]",
        "\"aud\":",
        "1800000000",
        "-9223372036854775808",
    ];
    aether_fuzz::fuzz("signed tokens", &[&corpus[0], &corpus[1]], &words, |bytes| {
        let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let encoded =
            [&bytes[..at], bytes.get(at + 1..).unwrap_or_default()].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let said = encoded.join(".");
        let tag = BASE64_URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, said.as_bytes()));
        let outcome = keys.verify(&format!("{said}.{tag}"), now());
        if let Ok(claims) = &outcome {
            let at = now().timestamp();
            assert_eq!(claims.kind, TokenKind::Access);
            assert!(claims.sub.parse::<i64>().is_ok_and(|id| id > 0 && id.to_string() == claims.sub), "{claims:?}");
            assert!(is_session_id(&claims.sid));
            assert!(claims.exp > at && claims.exp <= claims.iat.saturating_add(LIFETIME), "{claims:?}");
            assert!(claims.iat <= at + 300 && claims.nbf.is_none_or(|nbf| nbf <= at + 300), "{claims:?}");
        }
        aether_fuzz::kind(&outcome)
    });
}
