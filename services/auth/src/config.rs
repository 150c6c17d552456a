//! What the service is told by its environment.

use std::{net::IpAddr, time::Duration};

use aether_common::{
    Env,
    env::ConfigError,
    net, shutdown,
    tls::{self, ServerTls},
    tokens::{Keys, TokenKind},
};

use crate::store::Database;

/// The settings of the service, each from one variable.
#[derive(Clone)]
pub struct Config {
    /// `LISTEN_ADDRESS` (every address).
    pub(crate) address: IpAddr,
    /// `AUTH_SERVICE_GRPC_PORT` (50001).
    pub(crate) grpc_port: u16,
    /// `AUTH_SERVICE_HTTP_PORT` (3002).
    pub(crate) http_port: u16,
    /// `SHUTDOWN_GRACE_SECONDS` (20).
    pub(crate) grace: Duration,
    /// `DATABASE_URL`.
    pub(crate) database: Database,
    /// `REDIS_URL`, where `REDIS_ENABLED` says so.
    pub(crate) redis: Option<redis::Client>,
    /// `JWT_SECRET` and `JWT_SECRET_PREVIOUS`.
    pub(crate) access: Keys,
    /// `JWT_WS_SECRET` and `JWT_WS_SECRET_PREVIOUS`.
    pub(crate) websocket: Keys,
    /// `LOGIN_FAILURES_PER_ADDRESS` (5).
    pub(crate) failures_per_address: u32,
    /// `LOGIN_FAILURES_PER_ACCOUNT` (50).
    pub(crate) failures_per_account: u32,
    /// `TLS_CERT_FILE`, `TLS_KEY_FILE` and `TLS_CLIENT_CA_FILE`
    pub(crate) tls: Option<ServerTls>,
    /// Whether `AETHERCONNECT_ENV` is `development`.
    pub(crate) development: bool,
}

impl Config {
    /// Reads the variables; an error names the one to mend.
    pub fn from_env(env: &Env) -> anyhow::Result<Self> {
        Ok(Self {
            address: net::listen_address(env)?,
            grpc_port: env.parse("AUTH_SERVICE_GRPC_PORT", 50001)?,
            http_port: env.parse("AUTH_SERVICE_HTTP_PORT", 3002)?,
            grace: shutdown::grace(env)?,
            database: Database::from_env(env)?,
            redis: redis(env)?,
            access: Keys::from_env(TokenKind::Access, env)?,
            websocket: Keys::from_env(TokenKind::WebSocket, env)?,
            failures_per_address: env.parse("LOGIN_FAILURES_PER_ADDRESS", 5)?,
            failures_per_account: env.parse("LOGIN_FAILURES_PER_ACCOUNT", 50)?,
            tls: ServerTls::from_env(env)?,
            development: env.is_development()?,
        })
    }
}

/// Redis is used where `REDIS_ENABLED` says so; without a word, where `REDIS_URL` is set.
fn redis(env: &Env) -> Result<Option<redis::Client>, ConfigError> {
    if !env.flag("REDIS_ENABLED", env.get("REDIS_URL").is_some())? {
        return Ok(None);
    }
    let url = env.secret("REDIS_URL", "set it to redis://host:6379, or REDIS_ENABLED to false")?;
    tls::redis(env, &url).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env::default()
            .with("DATABASE_URL", "sqlite:///tmp/auth.db")
            .with("JWT_SECRET", "a".repeat(32))
            .with("JWT_WS_SECRET", "b".repeat(32))
    }

    fn refusal(env: &Env) -> String {
        Config::from_env(env).err().expect("refused").to_string()
    }

    #[test]
    fn three_variables_are_enough() {
        assert!(Config::from_env(&env()).is_ok_and(|config| config.redis.is_none()));
    }

    #[test]
    fn each_missing_variable_is_named() {
        for name in ["DATABASE_URL", "JWT_SECRET", "JWT_WS_SECRET"] {
            assert!(refusal(&env().with(name, "")).starts_with(&format!("{name} is not set")));
        }
        assert!(refusal(&env().with("REDIS_ENABLED", "true")).starts_with("REDIS_URL is not set"));
    }

    #[test]
    fn a_url_with_a_password_is_never_shown() {
        for url in ["mysql://ada:hunter2@db/x", "postgres://ada:hunter2@db:port/x"] {
            let refusal = refusal(&env().with("DATABASE_URL", url));
            assert!(refusal.starts_with("DATABASE_URL") && !refusal.contains("hunter2"), "{refusal}");
        }
        let refusal = refusal(&env().with("REDIS_URL", "http://ada:hunter2@redis"));
        assert!(refusal.starts_with("REDIS_URL") && !refusal.contains("hunter2"), "{refusal}");
    }
}
