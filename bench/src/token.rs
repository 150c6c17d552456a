//! Tokens that the services take for their own, made here so that no login stands between a measurement and its users.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// A user that no other part of the benchmark has: the number is its id.
pub(crate) fn access(secret: &str, user: usize) -> Result<String> {
    sign(secret, user, "access", 3600)
}

pub(crate) fn websocket(secret: &str, user: usize) -> Result<String> {
    sign(secret, user, "ws", 60)
}

fn sign(secret: &str, user: usize, kind: &str, lifetime: u64) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let digest = Sha256::digest(secret.as_bytes());
    let kid: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let header = json!({ "typ": "JWT", "alg": "HS256", "kid": kid });
    let claims = json!({
        "sub": user.to_string(), "username": format!("user{user}"), "roles": ["user"], "sid": format!("bench-{user}"),
        "type": kind, "iat": now, "exp": now + lifetime,
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).context("a key of any length is taken")?;
    mac.update(text.as_bytes());
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}
