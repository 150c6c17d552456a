//! The Secrets that the operator generates. Random values are passed in; values that exist are never changed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Instance, mongodb, postgres, redis, store};
use crate::api::{DeletionPolicy, Origin, Store};

/// A generated Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    /// Keys that sign tokens.
    Jwt,
    /// Credentials of managed PostgreSQL.
    Postgres,
    /// Credentials of managed MongoDB.
    Mongodb,
    /// The password of managed Redis.
    Redis,
}

impl Generated {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jwt, Self::Postgres, Self::Mongodb, Self::Redis];

    /// The component it belongs to, also the end of its name.
    pub fn part(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
            Self::Redis => "redis",
        }
    }

    /// Whether the instance needs it.
    pub fn wanted(self, instance: &Instance<'_>) -> bool {
        let spec = instance.spec;
        match self {
            Self::Jwt => spec.jwt.as_ref().is_none_or(|jwt| jwt.secret_ref.is_none()),
            // CloudNativePG makes its own.
            Self::Postgres => spec.manages(Store::Postgres),
            Self::Mongodb => matches!(spec.origin(Store::Mongodb), Origin::Managed | Origin::Operated),
            Self::Redis => matches!(spec.origin(Store::Redis), Origin::Managed | Origin::Operated),
        }
    }

    /// Whether a volume can be opened with it only, so that it must live as long as the volume.
    pub fn guards_a_volume(self) -> bool {
        matches!(self, Self::Postgres | Self::Mongodb)
    }

    /// Whether it goes with the resource. Under `Retain` it doesn't: a volume that stays is worth nothing without its
    /// password, and new token keys would log everybody out. Redis keeps nothing, so its password always goes.
    pub fn owned(self, instance: &Instance<'_>) -> bool {
        self == Self::Redis || instance.spec.deletion_policy == DeletionPolicy::Delete
    }

    /// The keys that `existing` lacks, with values; `random` gives a fresh secret at each call.
    pub fn missing(
        self,
        instance: &Instance<'_>,
        existing: &BTreeMap<String, String>,
        random: &mut dyn FnMut() -> String,
    ) -> BTreeMap<String, String> {
        let mut all = existing.clone();
        if self == Self::Jwt {
            all.entry("JWT_SECRET".into()).or_insert_with(&mut *random);
            all.entry("JWT_WS_SECRET".into()).or_insert_with(&mut *random);
        } else {
            let password = all.entry("password".into()).or_insert_with(random).clone();
            let host = match self {
                Self::Redis => redis::host(instance),
                _ => store::host(instance, self.part()),
            };
            if self == Self::Mongodb {
                all.entry("username".into()).or_insert_with(|| mongodb::USER.into());
            }
            // The community operator makes the URI.
            if self != Self::Mongodb || instance.spec.manages(Store::Mongodb) {
                all.entry("uri".into()).or_insert_with(|| self.uri(&host, &password));
            }
        }
        all.retain(|key, _| !existing.contains_key(key));
        all
    }

    fn uri(self, host: &str, password: &str) -> String {
        match self {
            Self::Postgres => {
                let (user, port) = (postgres::USER, postgres::PORT);
                format!("postgres://{user}:{password}@{host}:{port}/{user}")
            }
            Self::Mongodb => {
                let (user, port, database) = (mongodb::USER, mongodb::PORT, mongodb::DATABASE);
                format!("mongodb://{user}:{password}@{host}:{port}/{database}?authSource=admin")
            }
            // Some clients take an empty user for a user of that name.
            Self::Redis | Self::Jwt => format!("redis://default:{password}@{host}:{}", redis::PORT),
        }
    }

    /// The Secret's metadata.
    pub fn metadata(self, instance: &Instance<'_>) -> Value {
        let owners = if self.owned(instance) { vec![instance.owner()] } else { Vec::new() };
        json!({
            "name": instance.child(self.part()),
            "namespace": instance.namespace,
            "labels": instance.labels(self.part()),
            "ownerReferences": owners,
        })
    }

    /// The whole Secret.
    pub fn secret(self, instance: &Instance<'_>, values: &BTreeMap<String, String>) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self.metadata(instance),
            "type": "Opaque",
            "stringData": values,
        })
    }
}
