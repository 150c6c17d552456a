//! Where a service is.

use std::str::FromStr as _;

use http::Uri;

use crate::{Env, env::ConfigError, tls::Peer};

/// The hosts that together stand for all replicas of a service: on a cluster it is one name with many addresses.
#[derive(Debug, Clone)]
pub struct Targets {
    pub(super) hosts: Vec<Host>,
}

#[derive(Debug, Clone)]
pub(super) struct Host {
    /// As the resolver takes it.
    pub(super) name: String,
    pub(super) port: u16,
    /// Scheme and authority.
    pub(super) uri: Uri,
    /// For https.
    pub(super) peer: Option<Peer>,
}

impl Targets {
    /// Reads URLs, separated by commas, from a variable.
    pub fn from_env(env: &Env, variable: &'static str, default: &str) -> Result<Self, ConfigError> {
        let urls = env.list(variable, default);
        let hosts = urls.iter().map(|url| host(env, variable, url));
        match hosts.collect::<Result<Vec<_>, _>>()? {
            hosts if hosts.is_empty() => {
                Err(ConfigError::Missing(variable, "use a URL such as http://localhost:50001"))
            }
            hosts => Ok(Self { hosts }),
        }
    }
}

fn host(env: &Env, variable: &'static str, url: &str) -> Result<Host, ConfigError> {
    let wrong = |mend: String| ConfigError::Invalid(variable, url.to_owned(), mend);
    let uri = Uri::from_str(url).map_err(|error| wrong(error.to_string()))?;
    match (uri.scheme_str(), uri.host(), uri.path()) {
        (Some(scheme @ ("http" | "https")), Some(host), "/") => {
            let tls = scheme == "https";
            // A literal IPv6 address stands in brackets, which the resolver doesn't take.
            let name = host.trim_matches(['[', ']']).to_owned();
            let peer = if tls { Some(Peer::from_env(env, variable, &name, b"h2")?) } else { None };
            Ok(Host { name, port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }), uri: uri.clone(), peer })
        }
        _ => Err(wrong("use a URL such as http://localhost:50001, without a path".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(urls: &str) -> Result<Vec<(String, u16)>, String> {
        let targets = Targets::from_env(&Env::default().with("URL", urls), "URL", "http://localhost:1");
        targets.map(|t| t.hosts.into_iter().map(|h| (h.name, h.port)).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_of_urls_names_several_hosts() {
        assert_eq!(hosts("http://a:1, http://[::1]:2"), Ok(vec![("a".into(), 1), ("::1".into(), 2)]));
        assert_eq!(hosts(""), Ok(vec![("localhost".into(), 1)]));
    }

    #[test]
    fn a_url_that_is_wrong_is_named_with_its_mend() {
        for url in ["auth:50001", "ftp://auth", "http://auth:50001/path", "http://"] {
            assert!(hosts(url).is_err_and(|error| error.starts_with(&format!("URL={url}"))), "{url}");
        }
        assert!(hosts("https://auth").is_err_and(|error| error.starts_with("TLS_CA_FILE is not set")));
        assert!(hosts(",").is_err_and(|error| error.starts_with("URL is not set")));
    }
}
