//! Where a service is.

use std::str::FromStr as _;

use http::Uri;

use crate::{Env, env::ConfigError};

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
}

impl Targets {
    /// Reads URLs, separated by commas, from a variable.
    pub fn from_env(env: &Env, variable: &'static str, default: &str) -> Result<Self, ConfigError> {
        let urls = env.list(variable, default);
        let hosts = urls.iter().map(|url| host(url).map_err(|mend| ConfigError::Invalid(variable, url.clone(), mend)));
        match hosts.collect::<Result<Vec<_>, _>>()? {
            hosts if hosts.is_empty() => {
                Err(ConfigError::Missing(variable, "use a URL such as http://localhost:50001"))
            }
            hosts => Ok(Self { hosts }),
        }
    }
}

fn host(url: &str) -> Result<Host, String> {
    let uri = Uri::from_str(url).map_err(|error| error.to_string())?;
    match (uri.scheme_str(), uri.host(), uri.path()) {
        (Some("http"), Some(host), "/") => Ok(Host {
            // A literal IPv6 address stands in brackets, which the resolver doesn't take.
            name: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            uri: uri.clone(),
        }),
        _ => Err("use a URL such as http://localhost:50001, without a path".to_owned()),
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
        assert!(hosts(",").is_err_and(|error| error.starts_with("URL is not set")));
    }
}
