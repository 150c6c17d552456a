//! Second step: whether the Secrets hold what the services need. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::{
    facts::{Condition, Problem},
    read::{self, Observed},
};
use crate::{
    api::{Origin, SecretKey, Store},
    resources::{
        Hashes, Instance, MANAGER, StorePorts, certificate, connection, hash, mongodb, postgres, redis,
        secrets::Generated, store,
    },
};

/// The shortest key that may sign tokens.
const SHORTEST_KEY: usize = 32;

/// What stands in the way of generating Secrets: names that others have taken, and volumes whose password is lost.
pub fn before_secrets(instance: &Instance<'_>, observed: &Observed) -> Vec<Problem> {
    let mut problems = Vec::new();
    for generated in Generated::ALL.into_iter().filter(|generated| generated.wanted(instance)) {
        let name = instance.child(generated.part());
        let claim = store::claim_name(instance, generated.part());
        if observed.secrets.get(&name).is_some_and(|secret| !is_ours(secret, instance)) {
            let message = format!(
                "Secret {name} exists and was not made by the operator: rename or delete it, or name the resource differently"
            );
            problems.push(Problem::new(Condition::Secrets, "NameTaken", message));
        } else if observed.orphaned_claims.contains(&claim) {
            let message = format!(
                "Secret {name} is gone, but PersistentVolumeClaim {claim} holds data that only its password opens: \
                 restore the Secret, or delete the claim to start empty"
            );
            problems.push(Problem::new(Condition::Secrets, "CredentialsLost", message));
        }
    }
    for store in Store::ALL {
        let name = instance.derived_secret(store);
        let is_wanted = instance.uri(store).is_some_and(|at| at.name == name);
        if is_wanted && observed.secrets.get(&name).is_some_and(|secret| !is_ours(secret, instance)) {
            let message = format!("Secret {name} exists and was not made by the operator: rename or delete it");
            problems.push(Problem::new(Condition::Secrets, "NameTaken", message));
        }
    }
    problems
}

/// Whether the operator made the Secret, for this instance: by its labels, or by who wrote it first, should somebody
/// have taken the labels off.
pub fn is_ours(secret: &Secret, instance: &Instance<'_>) -> bool {
    let label = |name: &str| secret.metadata.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str);
    match (label("app.kubernetes.io/managed-by"), label("app.kubernetes.io/instance")) {
        (Some(manager), Some(name)) => manager == MANAGER && name == instance.name,
        _ => {
            let managers = secret.metadata.managed_fields.iter().flatten();
            managers.into_iter().any(|entry| entry.manager.as_deref() == Some(MANAGER))
        }
    }
}

/// What was found in Secrets that are right.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Hashes of what each part reads.
    pub hashes: Hashes,
    /// On which ports the stores answer.
    pub ports: StorePorts,
    /// URIs that stand in no Secret yet, but are made from some.
    pub derived: Vec<(Store, String)>,
}

/// Checks all Secrets that the services read, and hashes what they hold.
pub fn secrets(instance: &Instance<'_>, observed: &Observed) -> Result<Checked, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut keep =
        |result: Result<String, Problem>| result.map_err(|problem| problems.push(problem)).unwrap_or_default();
    let postgres = Uri {
        condition: Condition::Postgres,
        schemes: &["postgres", "postgresql"],
        example: "postgres://user:password@host:5432/database",
    };
    let mongodb = Uri {
        condition: Condition::Mongodb,
        schemes: &["mongodb", "mongodb+srv"],
        example: "mongodb://user:password@host:27017/database",
    };
    let redis =
        Uri { condition: Condition::Redis, schemes: &["redis", "rediss"], example: "redis://:password@host:6379" };
    let mut derived = Vec::new();
    let mut uri = |store: Store, rules: &Uri| match rules.read(instance, observed, store) {
        Ok((uri, is_derived)) => {
            if is_derived {
                derived.push((store, uri.clone()));
            }
            uri
        }
        Err(problem) => keep(Err(problem)),
    };
    let (postgres, mongodb) = (uri(Store::Postgres, &postgres), uri(Store::Mongodb, &mongodb));
    let redis = if instance.uri(Store::Redis).is_some() { uri(Store::Redis, &redis) } else { String::new() };
    let mut ca = |store: Store| match connection::ca(instance, store) {
        Some(ca) => keep(
            required(observed, &ca.name, &ca.key, condition(store), "a CA's certificate in PEM form").map(Into::into),
        ),
        None => String::new(),
    };
    let (postgres_ca, mongodb_ca, redis_ca) = (ca(Store::Postgres), ca(Store::Mongodb), ca(Store::Redis));
    let name = instance.jwt_secret();
    let jwt = keep(token_key(observed, &name, "JWT_SECRET"));
    let ws = keep(token_key(observed, &name, "JWT_WS_SECRET"));
    if !jwt.is_empty() && jwt == ws {
        let message = format!("keys JWT_SECRET and JWT_WS_SECRET of Secret {name} are the same: make them different");
        problems.push(Problem::new(Condition::Secrets, "KeysNotDifferent", message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let previous = |key: &str| value(observed, &name, key).unwrap_or_default().to_owned();
    let (old, old_ws) = (previous("JWT_SECRET_PREVIOUS"), previous("JWT_WS_SECRET_PREVIOUS"));
    // The token key goes into every hash, so that none of them can be tried out against a list of weak passwords.
    let hash = |parts: &[&str]| hash(std::iter::once(jwt.as_str()).chain(parts.iter().copied()));
    let certificate = |service: &str| match instance.spec.tls {
        Some(_) => value(observed, &certificate::secret(instance, service), "tls.crt").unwrap_or_default(),
        None => "",
    };
    let hashes = Hashes {
        auth: hash(&[&ws, &old, &old_ws, &postgres, &redis, certificate("auth"), &postgres_ca, &redis_ca]),
        message: hash(&[&ws, &old, &old_ws, &mongodb, &redis, certificate("message"), &mongodb_ca, &redis_ca]),
        gateway: hash(&[&old, certificate("gateway")]),
        redis: crate::resources::hash([redis.as_str()]),
        stores: stores_hash(instance, observed, [&postgres, &mongodb]),
    };
    let ports = StorePorts {
        postgres: ports(&postgres, postgres::PORT),
        mongodb: ports(&mongodb, mongodb::PORT),
        redis: ports(&redis, redis::PORT),
    };
    Ok(Checked { hashes, ports, derived })
}

/// The ports in a URI that has been checked; `default` where a host has none.
fn ports(uri: &str, default: u16) -> Vec<u16> {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let port = |host: &str| host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(default);
    BTreeSet::from_iter(hosts.split(',').map(port)).into_iter().collect()
}

/// Which stores these are: where they are, without the password, and which Secret they were found by, as a managed
/// store that begins anew has a new Secret.
fn stores_hash(instance: &Instance<'_>, observed: &Observed, uris: [&str; 2]) -> String {
    let uid =
        |name: &str| observed.secrets.get(name).and_then(|secret| secret.metadata.uid.as_deref()).unwrap_or_default();
    let place = |uri| str::rsplit_once(uri, '@').map_or(uri, |(_, place)| place);
    let [postgres, mongodb] = [Store::Postgres, Store::Mongodb].map(|store| match instance.spec.origin(store) {
        Origin::External(external) => external.secret_ref.name,
        _ => instance.uri(store).map(|at| at.name).unwrap_or_default(),
    });
    hash([uid(&postgres), place(uris[0]), uid(&mongodb), place(uris[1])])
}

fn value<'a>(observed: &'a Observed, name: &str, key: &str) -> Option<&'a str> {
    let data = observed.secrets.get(name)?.data.as_ref()?;
    std::str::from_utf8(&data.get(key)?.0).ok()
}

/// A value of a Secret that has to be there.
fn required<'a>(
    observed: &'a Observed,
    name: &str,
    key: &str,
    condition: Condition,
    example: &str,
) -> Result<&'a str, Problem> {
    let problem = |reason: &str, message: String| Err(Problem::new(condition, reason, message));
    let Some(secret) = observed.secrets.get(name) else {
        return problem("SecretNotFound", format!("Secret {name} doesn't exist: create it with key {key}, {example}"));
    };
    if secret.data.as_ref().is_none_or(|data| !data.contains_key(key)) {
        return problem("SecretKeyMissing", format!("Secret {name} has no key {key}: add it, {example}"));
    }
    match value(observed, name, key) {
        Some(value) => Ok(value),
        None => problem("SecretKeyMalformed", format!("key {key} of Secret {name} is not text: set it to {example}")),
    }
}

fn token_key(observed: &Observed, name: &str, key: &str) -> Result<String, Problem> {
    let example = "a random text of 32 bytes or more, for example from `openssl rand -hex 32`";
    let value = required(observed, name, key, Condition::Secrets, example)?;
    if value.len() < SHORTEST_KEY {
        let message = format!("key {key} of Secret {name} has {} bytes: set it to {example}", value.len());
        return Err(Problem::new(Condition::Secrets, "KeyTooShort", message));
    }
    Ok(value.to_owned())
}

/// What a store's URI has to look like.
struct Uri {
    condition: Condition,
    schemes: &'static [&'static str],
    example: &'static str,
}

impl Uri {
    /// The URI of a store that has one, and whether it is made from what a Secret holds.
    fn read(&self, instance: &Instance<'_>, observed: &Observed, store: Store) -> Result<(String, bool), Problem> {
        let example = format!("such as {}", self.example);
        let checked = |uri: String, key: &str, secret: &str| match self.check(&uri) {
            Ok(()) => Ok(uri),
            Err(wrong) => {
                let message = format!("key {key} of Secret {secret} {wrong}: set it to a URI {example}");
                Err(Problem::new(self.condition, "MalformedUri", message))
            }
        };
        if let Origin::External(external) = instance.spec.origin(store)
            && external.is_derived()
        {
            let at = &external.secret_ref;
            let data = observed.secrets.get(&at.name).and_then(|secret| secret.data.clone()).unwrap_or_default();
            return match connection::uri(store, &external, &data) {
                Ok(uri) => Ok((checked(uri, &at.key, &at.name)?, true)),
                // It isn't there, or isn't text, which is told as for any other key.
                Err(key) => required(observed, &at.name, key, self.condition, &example).and_then(|_| {
                    Err(Problem::new(
                        self.condition,
                        "SecretKeyMalformed",
                        format!("key {key} of Secret {} is empty: set it", at.name),
                    ))
                }),
            };
        }
        if instance.spec.origin(store) == Origin::Operated
            && let Some(at) = instance.uri(store)
            && !observed.secrets.contains_key(&at.name)
        {
            let message = format!("Secret {} isn't there yet: the store's operator makes it", at.name);
            return Err(Problem::waiting(self.condition, "WaitingForStore", message));
        }
        let at = instance.uri(store).unwrap_or_else(|| SecretKey { name: String::new(), key: String::new() });
        let uri = required(observed, &at.name, &at.key, self.condition, &example)?;
        Ok((checked(uri.to_owned(), &at.key, &at.name)?, false))
    }

    /// What is wrong, without a word of the URI itself: it holds a password.
    fn check(&self, uri: &str) -> Result<(), &'static str> {
        if uri.is_empty() {
            return Err("is empty");
        }
        if uri.ends_with('\n') {
            return Err("ends with a line break (use `printf` or `--from-literal` rather than `echo`)");
        }
        if uri.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("holds spaces or control characters");
        }
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Err("is not a URI");
        };
        if !self.schemes.contains(&scheme) {
            return Err("has the wrong scheme");
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        if hosts.split(',').any(|host| !is_host(host)) {
            return Err("has no valid host and port (encode special characters of the password, / as %2F)");
        }
        Ok(())
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, rest.strip_prefix(':').or(Some(""))),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    !name.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Whether the resource refers to Secrets that aren't ours: these are read again and again, as the operator may not
/// watch them.
pub fn uses_external_secrets(instance: &Instance<'_>) -> bool {
    let generated = Generated::ALL.map(|generated| instance.child(generated.part()));
    let derived = Store::ALL.map(|store| instance.derived_secret(store));
    let certificates = instance.services().map(|service| certificate::secret(instance, service.name));
    let is_ours = |name: &String| generated.contains(name) || derived.contains(name) || certificates.contains(name);
    !read::secret_names(instance).iter().all(is_ours)
}

fn condition(store: Store) -> Condition {
    match store {
        Store::Postgres => Condition::Postgres,
        Store::Mongodb => Condition::Mongodb,
        Store::Redis => Condition::Redis,
    }
}

/// `ownerReferences` and labels that a generated Secret should have and hasn't.
pub fn metadata_fix(generated: Generated, instance: &Instance<'_>, secret: &Secret) -> Option<Value> {
    let wanted = generated.metadata(instance);
    let owners = secret.metadata.owner_references.clone().unwrap_or_default();
    let owner_is_right = if generated.owned(instance) {
        owners.len() == 1 && owners.iter().all(|owner| owner.uid == instance.uid)
    } else {
        owners.is_empty()
    };
    let labels = serde_json::json!(secret.metadata.labels);
    let labels_are_right = super::compare::covers(&labels, &wanted["labels"]);
    let fix =
        serde_json::json!({"metadata": {"ownerReferences": wanted["ownerReferences"], "labels": wanted["labels"]}});
    (!owner_is_right || !labels_are_right).then_some(fix)
}

#[cfg(test)]
mod tests;
