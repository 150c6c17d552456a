//! The operator's configuration, from the environment.

use rand::RngExt;

/// Default images, where a resource names none.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Before `/gateway`, `/auth` and `/message`.
    pub registry: String,
    /// Managed PostgreSQL.
    pub postgres: String,
    /// Managed MongoDB.
    pub mongodb: String,
    /// Managed Redis.
    pub redis: String,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            registry: "ghcr.io/aetherconnect".into(),
            postgres: "postgres:15".into(),
            mongodb: "mongo:7".into(),
            redis: "redis:7".into(),
        }
    }
}

/// Everything the operator reads from its environment; the README has a table.
#[derive(Clone, Debug)]
pub struct Config {
    /// `WATCH_NAMESPACES`: empty for all.
    pub watch_namespaces: Vec<String>,
    /// `POD_NAME`: identity in the lease and in Events.
    pub identity: String,
    /// `POD_NAMESPACE`: where the lease lives.
    pub namespace: String,
    /// `IMAGE_REGISTRY`, `POSTGRES_IMAGE`, `MONGODB_IMAGE`, `REDIS_IMAGE`.
    pub images: Images,
    /// `LOG_LEVEL`.
    pub log_level: String,
    /// `LOG_FORMAT`: JSON unless `text`.
    pub log_json: bool,
    /// `OPERATOR_HTTP_PORT`: health and metrics.
    pub http_port: u16,
}

impl Config {
    /// Reads the configuration; `get` looks a variable up.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let or = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
        let images = Images::default();
        let port = or("OPERATOR_HTTP_PORT", "8080");
        let format = or("LOG_FORMAT", "json");
        anyhow::ensure!(matches!(format.as_str(), "json" | "text"), "LOG_FORMAT must be json or text, not {format}");
        let namespaces = or("WATCH_NAMESPACES", "");
        Ok(Self {
            watch_namespaces: namespaces
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(Into::into)
                .collect(),
            identity: get("POD_NAME").unwrap_or_else(|| format!("operator-{:08x}", rand::rng().random::<u32>())),
            namespace: or("POD_NAMESPACE", "default"),
            images: Images {
                registry: or("IMAGE_REGISTRY", &images.registry),
                postgres: or("POSTGRES_IMAGE", &images.postgres),
                mongodb: or("MONGODB_IMAGE", &images.mongodb),
                redis: or("REDIS_IMAGE", &images.redis),
            },
            log_level: or("LOG_LEVEL", "info"),
            log_json: format == "json",
            http_port: port
                .parse()
                .map_err(|_| anyhow::anyhow!("OPERATOR_HTTP_PORT must be a port number, not {port}"))?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_environment_gives_defaults() {
        let config = Config::from_env(|_| None).unwrap();
        assert!(config.watch_namespaces.is_empty());
        assert_eq!(config.images, Images::default());
        assert_eq!(config.http_port, 8080);
    }

    #[test]
    fn lists_and_mistakes_are_understood() {
        let config = Config::from_env(|name| (name == "WATCH_NAMESPACES").then(|| "a, b,".into())).unwrap();
        assert_eq!(config.watch_namespaces, ["a", "b"]);
        let error = Config::from_env(|name| (name == "OPERATOR_HTTP_PORT").then(|| "x".into())).unwrap_err();
        assert!(error.to_string().contains("OPERATOR_HTTP_PORT"));
    }
}
