//! The operator's configuration, from the environment.

use std::collections::BTreeMap;

use anyhow::Context;
use rand::RngExt;

use crate::api::Resources;

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

/// What a resource leaves open, for all instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Images.
    pub images: Images,
    /// `DEFAULT_VERSION`: of the services; the operator's own when absent.
    pub version: Option<String>,
    /// `DEFAULT_STORAGE_CLASS` of managed stores; the cluster's when absent.
    pub storage_class: Option<String>,
    /// `DEFAULT_INGRESS_CLASS`; the cluster's when absent.
    pub ingress_class: Option<String>,
    /// `DEFAULT_RESOURCES`: CPU and memory by component, as JSON.
    pub resources: BTreeMap<String, Resources>,
    /// `UPGRADE_BATCH_SIZE`: how many instances that follow the default version are upgraded at a time.
    pub upgrade_batch: usize,
}

/// What `DEFAULT_RESOURCES` may name.
const COMPONENTS: [&str; 6] = ["gateway", "auth", "message", "postgres", "mongodb", "redis"];

impl Default for Defaults {
    fn default() -> Self {
        Self {
            images: Images::default(),
            version: None,
            storage_class: None,
            ingress_class: None,
            resources: BTreeMap::new(),
            upgrade_batch: 5,
        }
    }
}

impl Defaults {
    /// The version of an instance that names none.
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"))
    }

    /// Reads them; `get` looks a variable up.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let (defaults, images) = (Self::default(), Images::default());
        let or = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
        let resources: BTreeMap<String, Resources> = match get("DEFAULT_RESOURCES") {
            Some(json) => serde_json::from_str(&json).context(
                "DEFAULT_RESOURCES must be JSON, such as {\"gateway\": {\"limits\": {\"memory\": \"1Gi\"}}}",
            )?,
            None => BTreeMap::new(),
        };
        if let Some(unknown) = resources.keys().find(|name| !COMPONENTS.contains(&name.as_str())) {
            anyhow::bail!("DEFAULT_RESOURCES names {unknown}: there are {}", COMPONENTS.join(", "));
        }
        let upgrade_batch = match get("UPGRADE_BATCH_SIZE") {
            Some(text) => match text.parse() {
                Ok(size) if size > 0 => size,
                _ => anyhow::bail!("UPGRADE_BATCH_SIZE must be a number of at least 1, not {text}"),
            },
            None => defaults.upgrade_batch,
        };
        Ok(Self {
            images: Images {
                registry: or("IMAGE_REGISTRY", &images.registry),
                postgres: or("POSTGRES_IMAGE", &images.postgres),
                mongodb: or("MONGODB_IMAGE", &images.mongodb),
                redis: or("REDIS_IMAGE", &images.redis),
            },
            version: get("DEFAULT_VERSION"),
            storage_class: get("DEFAULT_STORAGE_CLASS"),
            ingress_class: get("DEFAULT_INGRESS_CLASS"),
            resources,
            upgrade_batch,
        })
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
    /// What resources leave open.
    pub defaults: Defaults,
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
            defaults: Defaults::from_env(get)?,
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
        assert_eq!(config.defaults, Defaults::default());
        assert_eq!(config.http_port, 8080);
    }

    #[test]
    fn lists_and_mistakes_are_understood() {
        let config = Config::from_env(|name| (name == "WATCH_NAMESPACES").then(|| "a, b,".into())).unwrap();
        assert_eq!(config.watch_namespaces, ["a", "b"]);
        for (name, value, word) in [
            ("DEFAULT_RESOURCES", r#"{"gatway": {}}"#, "gatway"),
            ("DEFAULT_RESOURCES", "x", "must be JSON"),
            ("UPGRADE_BATCH_SIZE", "0", "at least 1"),
        ] {
            let error = Config::from_env(|wanted| (wanted == name).then(|| value.into())).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{error:#}");
        }
        let error = Config::from_env(|name| (name == "OPERATOR_HTTP_PORT").then(|| "x".into())).unwrap_err();
        assert!(error.to_string().contains("OPERATOR_HTTP_PORT"));
    }
}
