//! How a service reaches a store that somebody else runs, where that one's Secret doesn't hold a URI ready for use: a URI
//! of the operator's own, made from separate keys or with TLS added, and the CA's certificate in the pod.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Instance, mongodb, pod, postgres, redis};
use crate::api::{CaKey, ConnectionKeys, ExternalStore, Origin, Store};

/// The name of the CA's file in a pod.
const CA_FILE: &str = "ca.crt";

/// What a Secret holds.
pub type Data = BTreeMap<String, ByteString>;

/// The URI for a store by its Secret's data, or the name of the key that is missing or isn't text.
pub fn uri<'a>(store: Store, external: &'a ExternalStore, data: &'a Data) -> Result<String, &'a str> {
    let uri = match &external.keys {
        Some(keys) => from_keys(store, keys, data)?,
        None => text(data, &external.secret_ref.key).ok_or(external.secret_ref.key.as_str())?.to_owned(),
    };
    Ok(match external.tls {
        Some(_) => with_tls(store, &uri),
        None => uri,
    })
}

fn text<'a>(data: &'a Data, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&data.get(key)?.0).ok().map(str::trim).filter(|text| !text.is_empty())
}

fn from_keys<'a>(store: Store, keys: &'a ConnectionKeys, data: &'a Data) -> Result<String, &'a str> {
    let host = text(data, &keys.host).ok_or(keys.host.as_str())?;
    let encoded = |key: &str| text(data, key).map(|value| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
    let (scheme, default_port) = match store {
        Store::Postgres => ("postgres", postgres::PORT),
        Store::Mongodb => ("mongodb", mongodb::PORT),
        Store::Redis => ("redis", redis::PORT),
    };
    let credentials = match (encoded(&keys.username), encoded(&keys.password)) {
        (Some(user), Some(password)) => format!("{user}:{password}@"),
        (Some(user), None) => format!("{user}@"),
        // Redis' user of that name; the others have no password without a user.
        (None, Some(password)) => format!("default:{password}@"),
        (None, None) => String::new(),
    };
    // Several hosts have their ports with them.
    let place = match text(data, &keys.port) {
        _ if host.contains([':', ',']) && !host.starts_with('[') => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
        None => format!("{host}:{default_port}"),
    };
    let database = encoded(&keys.database).unwrap_or_else(|| "aetherconnect".into());
    Ok(match store {
        Store::Redis => format!("{scheme}://{credentials}{place}"),
        _ => format!("{scheme}://{credentials}{place}/{database}"),
    })
}

/// The same URI, by TLS with the CA's certificate that the pod has.
fn with_tls(store: Store, uri: &str) -> String {
    let file = file(store);
    match store {
        Store::Postgres => with_parameters(uri, &[("sslmode", "verify-full"), ("sslrootcert", &file)], &[]),
        Store::Mongodb => with_parameters(uri, &[("tls", "true"), ("tlsCAFile", &file)], &["ssl"]),
        Store::Redis => uri.strip_prefix("redis://").map_or_else(|| uri.to_owned(), |rest| format!("rediss://{rest}")),
    }
}

/// Sets parameters, whatever they were, and removes others.
fn with_parameters(uri: &str, set: &[(&str, &str)], removed: &[&str]) -> String {
    let (base, query) = uri.split_once('?').unwrap_or((uri, ""));
    let stays = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        !parameter.is_empty() && !removed.contains(&name) && set.iter().all(|(other, _)| *other != name)
    };
    let kept = query.split('&').filter(stays).map(str::to_owned);
    let set = set.iter().map(|(name, value)| format!("{name}={value}"));
    format!("{base}?{}", kept.chain(set).collect::<Vec<_>>().join("&"))
}

/// The CA of a store, when the resource names one.
pub fn ca(instance: &Instance<'_>, store: Store) -> Option<CaKey> {
    match instance.spec.origin(store) {
        Origin::External(external) => external.tls.map(|tls| tls.ca_secret_ref),
        _ => None,
    }
}

/// The CA's file in a pod.
pub fn file(store: Store) -> String {
    format!("{}/{CA_FILE}", dir(store))
}

fn dir(store: Store) -> String {
    format!("/etc/aetherconnect/{}-ca", store.part())
}

/// Mounts the CAs of these stores into a pod.
pub fn mount(instance: &Instance<'_>, stores: &[Store], pod: &mut Value) {
    for store in stores {
        if let Some(ca) = ca(instance, *store) {
            let items = json!([{"key": ca.key, "path": CA_FILE}]);
            pod::mount_secret(pod, &ca.name, &format!("{}-ca", store.part()), &dir(*store), Some(items));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::{SecretKey, StoreTls};

    fn made(store: Store, keys: bool, tls: bool, values: &[(&str, &str)]) -> Result<String, String> {
        let external = ExternalStore {
            secret_ref: SecretKey { name: "s".into(), key: "uri".into() },
            keys: keys.then(ConnectionKeys::default),
            tls: tls.then(|| StoreTls { ca_secret_ref: CaKey { name: "ca".into(), key: "ca.crt".into() } }),
        };
        let data = values.iter().map(|(key, value)| ((*key).to_owned(), ByteString((*value).into()))).collect();
        uri(store, &external, &data).map_err(str::to_owned)
    }

    #[test]
    fn separate_keys_become_a_uri_whatever_the_password_holds() {
        let values = [("host", "db.example"), ("username", "chat"), ("password", "p@ss/w:rd%"), ("database", "x")];
        let uri = made(Store::Postgres, true, false, &values).unwrap();
        assert_eq!(uri, "postgres://chat:p%40ss%2Fw%3Ard%25@db.example:5432/x");
        let uri = made(Store::Mongodb, true, false, &[("host", "a:27017,b:27018"), ("port", "1")]).unwrap();
        assert_eq!(uri, "mongodb://a:27017,b:27018/aetherconnect");
        let uri = made(Store::Redis, true, true, &[("host", "r"), ("port", "6380"), ("password", "x\n")]).unwrap();
        assert_eq!(uri, "rediss://default:x@r:6380");
    }

    #[test]
    fn a_missing_key_is_named() {
        assert_eq!(made(Store::Postgres, true, false, &[("port", "1")]), Err("host".into()));
        assert_eq!(made(Store::Postgres, false, true, &[]), Err("uri".into()));
    }

    #[test]
    fn tls_is_added_to_a_uri_and_replaces_what_it_said_of_it() {
        let values = [("uri", "postgres://u:p@h/d?sslmode=disable&application_name=x")];
        let uri = made(Store::Postgres, false, true, &values).unwrap();
        let file = "/etc/aetherconnect/postgres-ca/ca.crt";
        assert_eq!(uri, format!("postgres://u:p@h/d?application_name=x&sslmode=verify-full&sslrootcert={file}"));
        let uri = made(Store::Mongodb, false, true, &[("uri", "mongodb://h/d?ssl=false")]).unwrap();
        assert_eq!(uri, "mongodb://h/d?tls=true&tlsCAFile=/etc/aetherconnect/mongodb-ca/ca.crt");
    }
}
