//! What the environment sets.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use aether_common::{
    Env, Secret,
    env::ConfigError,
    grpc::Targets,
    net, shutdown,
    tls::{self, ServerTls},
    tokens::{Keys, TokenKind},
};

/// Everything that this service can be told. No default for secrets and stores.
#[derive(Clone)]
pub struct Config {
    pub(crate) listen: IpAddr,
    pub(crate) http_port: u16,
    pub(crate) grpc_port: u16,
    pub(crate) store: StoreAddress,
    /// Absent where Redis is off.
    pub(crate) redis: Option<redis::Client>,
    pub(crate) auth: Targets,
    /// Absent where this service doesn't speak TLS.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) access_keys: Keys,
    pub(crate) websocket_keys: Keys,
    /// Messages a user may send in a minute; 0 means any number.
    pub(crate) rate_limit: u32,
    pub(crate) development: bool,
    pub(crate) grace: Duration,
}

/// Where rooms and messages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreAddress {
    /// A server that all replicas share.
    MongoDb(Secret),
    /// A file that belongs to this process alone.
    Sqlite(PathBuf),
}

impl Config {
    /// Reads the variables; an error names the one to mend.
    pub fn from_env(env: &Env) -> anyhow::Result<Self> {
        let development = env.is_development()?;
        Ok(Self {
            listen: net::listen_address(env)?,
            http_port: env.parse("MESSAGE_SERVICE_HTTP_PORT", 3001)?,
            grpc_port: env.parse("MESSAGE_SERVICE_GRPC_PORT", 50002)?,
            store: store_address(env)?,
            redis: redis_address(env)?,
            auth: Targets::from_env(env, "AUTH_SERVICE_GRPC_URL", "http://localhost:50001")?,
            tls: ServerTls::from_env(env)?,
            access_keys: Keys::from_env(TokenKind::Access, env)?,
            websocket_keys: Keys::from_env(TokenKind::WebSocket, env)?,
            rate_limit: env.parse("MESSAGE_RATE_LIMIT_PER_MINUTE", if development { 0 } else { 10 })?,
            development,
            grace: shutdown::grace(env)?,
        })
    }
}

/// Reads `MONGODB_URL`.
pub(crate) fn store_address(env: &Env) -> Result<StoreAddress, ConfigError> {
    const MEND: &str = "use mongodb://…, mongodb+srv://… or sqlite://path";
    let url = env.secret("MONGODB_URL", MEND)?;
    if url.expose().starts_with("mongodb://") || url.expose().starts_with("mongodb+srv://") {
        return Ok(StoreAddress::MongoDb(url));
    }
    match url.expose().strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or_default()) {
        Some(path) if !path.is_empty() => Ok(StoreAddress::Sqlite(path.into())),
        // The value may hold a password.
        _ => Err(ConfigError::Invalid("MONGODB_URL", "***".into(), MEND.into())),
    }
}

fn redis_address(env: &Env) -> Result<Option<redis::Client>, ConfigError> {
    if !env.flag("REDIS_ENABLED", env.get("REDIS_URL").is_some())? {
        return Ok(None);
    }
    let url = env.secret("REDIS_URL", "use redis://… or rediss://…, or set REDIS_ENABLED=false")?;
    tls::redis(env, &url).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn env() -> Env {
        Env::default().with("JWT_SECRET", "a".repeat(32)).with("JWT_WS_SECRET", "b".repeat(32))
    }

    #[test]
    fn a_store_address_must_be_of_a_known_kind_and_an_error_hides_it() {
        let error = Config::from_env(&env().with("MONGODB_URL", "mysql://u:secret@h")).err().unwrap().to_string();
        assert!(error.contains("MONGODB_URL") && !error.contains("secret"), "{error}");
        let error = Config::from_env(&env()).err().unwrap().to_string();
        assert!(error.starts_with("MONGODB_URL is not set"), "{error}");
    }

    #[test]
    fn a_file_is_named_by_its_path() {
        let config = Config::from_env(&env().with("MONGODB_URL", "sqlite:///data/message.db")).unwrap();
        assert_eq!(config.store, StoreAddress::Sqlite("/data/message.db".into()));
        assert!(config.redis.is_none());
    }

    #[test]
    fn redis_that_is_on_needs_an_address() {
        let env = env().with("MONGODB_URL", "sqlite://m.db").with("REDIS_ENABLED", "true");
        assert!(Config::from_env(&env).err().unwrap().to_string().starts_with("REDIS_URL is not set"));
    }

    #[test]
    fn an_address_of_redis_that_is_none_is_refused_and_hidden() {
        let env = env().with("MONGODB_URL", "sqlite://m.db").with("REDIS_URL", "redis//:hunter2@redis");
        let error = Config::from_env(&env).err().unwrap().to_string();
        assert!(error.starts_with("REDIS_URL=*** is not valid") && !error.contains("hunter2"), "{error}");
    }
}
