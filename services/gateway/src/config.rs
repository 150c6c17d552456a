//! What the gateway is told by its environment.

use std::{net::IpAddr, str::FromStr, time::Duration};

use aether_common::{
    Env,
    env::ConfigError,
    grpc::Targets,
    net, shutdown,
    tls::Peer,
    tokens::{Keys, TokenKind},
};
use axum::http::Uri;
use ipnet::IpNet;

use crate::{playground::Playground, proxy::Host};

/// Some 300 MB of slow clients.
const MOST_CONNECTIONS: usize = 20_000;

/// Everything that the gateway needs to know before it starts.
pub struct Config {
    /// The address that both servers listen on (`LISTEN_ADDRESS`).
    pub address: IpAddr,
    /// The port for clients (`API_GATEWAY_PORT`); 0 picks a free one.
    pub port: u16,
    /// The port for probes and scrapers (`METRICS_PORT`); 0 picks a free one.
    pub metrics_port: u16,
    /// `AUTH_SERVICE_GRPC_URL`
    pub auth: Targets,
    /// `MESSAGE_SERVICE_GRPC_URL`
    pub message: Targets,
    /// Hosts and ports of `MESSAGE_SERVICE_HTTP_URL`: one host name that stands for all replicas, or a list of them.
    pub(crate) socket_hosts: Vec<Host>,
    /// The keys that access tokens are verified with (`JWT_SECRET`, `JWT_SECRET_PREVIOUS`).
    pub keys: Keys,
    /// Web pages' origins that may use the API (`FRONTEND_URL`).
    pub origins: Vec<String>,
    /// Requests a client address may make in one window (`RATE_LIMIT_MAX`); 0 for any number.
    pub rate_limit: u32,
    /// Logins a client address may try in one window (`LOGIN_RATE_LIMIT_MAX`); 0 for any number.
    pub login_rate_limit: u32,
    /// Socket.IO sessions a client address may open in one window (`SOCKET_RATE_LIMIT_MAX`); 0 for any number.
    pub socket_rate_limit: u32,
    /// `RATE_LIMIT_WINDOW_SECONDS`
    pub rate_window: Duration,
    /// Networks whose `X-Forwarded-For` is believed (`TRUSTED_PROXIES`).
    pub trusted_proxies: Vec<IpNet>,
    /// Connections that may be open (`MAX_CONNECTIONS`).
    pub max_connections: usize,
    /// Connections that one address may have open (`MAX_CONNECTIONS_PER_ADDRESS`).
    pub max_connections_per_address: usize,
    /// A chat client as a page, for a first look (`PLAYGROUND_ENABLED`, `PLAYGROUND_SOCKET_IO`).
    pub(crate) playground: Option<Playground>,
    /// How long open requests may go on after the signal (`SHUTDOWN_GRACE_SECONDS`).
    pub grace: Duration,
}

impl Config {
    /// Reads the variables; the error names the one that is wrong.
    pub fn from_env(env: &Env) -> anyhow::Result<Self> {
        let development = env.is_development()?;
        let (rate_limit, login_rate_limit) = if development { (1000, 0) } else { (100, 20) };
        let window: u64 = env.parse("RATE_LIMIT_WINDOW_SECONDS", 900)?;
        if window == 0 {
            return Err(
                invalid("RATE_LIMIT_WINDOW_SECONDS", "0", "use at least 1; RATE_LIMIT_MAX=0 turns it off").into()
            );
        }
        let rate_limit = env.parse("RATE_LIMIT_MAX", rate_limit)?;
        let max_connections = positive(env, "MAX_CONNECTIONS", MOST_CONNECTIONS)?;
        Ok(Self {
            address: net::listen_address(env)?,
            port: env.parse("API_GATEWAY_PORT", 3000)?,
            metrics_port: env.parse("METRICS_PORT", 9090)?,
            auth: Targets::from_env(env, "AUTH_SERVICE_GRPC_URL", "http://localhost:50001")?,
            message: Targets::from_env(env, "MESSAGE_SERVICE_GRPC_URL", "http://localhost:50002")?,
            socket_hosts: hosts(env)?,
            keys: Keys::from_env(TokenKind::Access, env)?,
            origins: origins(&env.list("FRONTEND_URL", "http://localhost:3004"))?,
            rate_limit,
            socket_rate_limit: env.parse("SOCKET_RATE_LIMIT_MAX", rate_limit)?,
            max_connections,
            max_connections_per_address: positive(env, "MAX_CONNECTIONS_PER_ADDRESS", max_connections.div_ceil(2))?,
            login_rate_limit: env.parse("LOGIN_RATE_LIMIT_MAX", login_rate_limit)?,
            rate_window: Duration::from_secs(window),
            trusted_proxies: networks(&env.list("TRUSTED_PROXIES", ""))?,
            playground: Playground::from_env(env)?,
            grace: shutdown::grace(env)?,
        })
    }
}

fn positive(env: &Env, name: &'static str, default: usize) -> Result<usize, ConfigError> {
    match env.parse(name, default)? {
        0 => Err(invalid(name, "0", "use at least 1")),
        number => Ok(number),
    }
}

fn invalid(name: &'static str, value: &str, mend: &str) -> ConfigError {
    ConfigError::Invalid(name, value.to_owned(), mend.to_owned())
}

fn hosts(env: &Env) -> Result<Vec<Host>, ConfigError> {
    let urls = env.list("MESSAGE_SERVICE_HTTP_URL", "http://localhost:3001");
    urls.iter().map(|url| host(env, url)).collect()
}

fn host(env: &Env, url: &str) -> Result<Host, ConfigError> {
    const NAME: &str = "MESSAGE_SERVICE_HTTP_URL";
    let parsed = Uri::from_str(url).map_err(|e| invalid(NAME, url, &e.to_string()))?;
    match (parsed.scheme_str(), parsed.host(), parsed.path()) {
        (Some(scheme @ ("http" | "https")), Some(host), "/") => {
            let tls = scheme == "https";
            // A literal IPv6 address stands in brackets, which the resolver doesn't take.
            let name = host.trim_matches(['[', ']']).to_owned();
            let peer = if tls { Some(Peer::from_env(env, NAME, &name, b"http/1.1")?) } else { None };
            Ok(Host { name, port: parsed.port_u16().unwrap_or(if tls { 443 } else { 80 }), peer })
        }
        _ => Err(invalid(NAME, url, "use a URL such as http://localhost:3001, without a path")),
    }
}

fn origins(list: &[String]) -> Result<Vec<String>, ConfigError> {
    const NAME: &str = "FRONTEND_URL";
    const MEND: &str = "list the origins by name, such as https://chat.example.com, separated by commas";
    list.iter()
        .map(|text| {
            let origin = text.trim_end_matches('/').to_ascii_lowercase();
            let parsed = Uri::from_str(&origin).map_err(|_| invalid(NAME, text, MEND))?;
            let whole = matches!(parsed.scheme_str(), Some("http" | "https"))
                && parsed.host().is_some_and(|host| !host.contains('*'))
                && parsed.path() == "/"
                && parsed.query().is_none();
            if whole { Ok(origin) } else { Err(invalid(NAME, text, MEND)) }
        })
        .collect()
}

fn networks(list: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    list.iter()
        .map(|text| {
            IpNet::from_str(text)
                .or_else(|_| IpAddr::from_str(text).map(IpNet::from))
                .map_err(|_| invalid("TRUSTED_PROXIES", text, "list networks such as 10.0.0.0/8, separated by commas"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn env() -> Env {
        Env::default().with("JWT_SECRET", "s".repeat(32))
    }

    fn refusal(env: &Env) -> String {
        Config::from_env(env).err().unwrap().to_string()
    }

    #[test]
    fn the_secret_is_all_that_must_be_set() {
        let config = Config::from_env(&env()).unwrap();
        assert_eq!((config.port, config.rate_limit, config.login_rate_limit), (3000, 100, 20));
        let host = &config.socket_hosts[0];
        assert_eq!((host.name.as_str(), host.port, host.peer.is_none()), ("localhost", 3001, true));
        assert!(refusal(&Env::default()).starts_with("JWT_SECRET is not set"));
    }

    #[test]
    fn development_has_wider_limits() {
        let config = Config::from_env(&env().with("AETHERCONNECT_ENV", "development")).unwrap();
        assert_eq!((config.rate_limit, config.login_rate_limit), (1000, 0));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_mend() {
        for (name, value) in [
            ("MESSAGE_SERVICE_HTTP_URL", "localhost:3001"),
            ("MESSAGE_SERVICE_HTTP_URL", "https://message/socket"),
            ("AUTH_SERVICE_GRPC_URL", "auth:50001"),
            ("FRONTEND_URL", "*"),
            ("FRONTEND_URL", "https://*.example.com"),
            ("FRONTEND_URL", "https://example.com/app"),
            ("TRUSTED_PROXIES", "10.0.0.0/33"),
            ("RATE_LIMIT_WINDOW_SECONDS", "0"),
            ("RATE_LIMIT_MAX", "-1"),
            ("MAX_CONNECTIONS", "0"),
        ] {
            let refusal = refusal(&env().with(name, value));
            assert!(refusal.starts_with(&format!("{name}=")), "{refusal}");
        }
    }

    #[test]
    fn a_trailing_slash_of_an_origin_does_no_harm() {
        let config = Config::from_env(&env().with("FRONTEND_URL", "http://localhost:3004/, https://a.b")).unwrap();
        assert_eq!(config.origins, ["http://localhost:3004", "https://a.b"]);
    }

    #[test]
    fn a_single_trusted_proxy_needs_no_prefix_length() {
        let config = Config::from_env(&env().with("TRUSTED_PROXIES", "10.0.0.0/8, ::1")).unwrap();
        assert_eq!(config.trusted_proxies.len(), 2);
    }
}
