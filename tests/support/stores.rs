//! The stores of a backend, and the ways to them.

use crate::stack::{Options, Store};
use crate::{Authority, Cable, Mongo, database, unique};
use std::path::Path;

/// What leads from a backend to its stores: `None` for one that it keeps itself or does without.
#[derive(Debug, Default)]
pub struct Cables {
    /// To PostgreSQL.
    pub postgres: Option<Cable>,
    /// To MongoDB.
    pub mongodb: Option<Cable>,
    /// To Redis.
    pub redis: Option<Cable>,
}

pub(crate) fn through(place: &mut Option<Cable>, url: &str) -> String {
    let (cable, through) = Cable::to(url);
    *place = Some(cable);
    through
}

pub(crate) fn stores(options: &Options, mongo: Option<&Mongo>, dir: &Path, cables: &mut Cables) -> (String, String) {
    let file = |name: &str| format!("sqlite://{}", dir.join(name).display());
    match options.store {
        Store::Embedded => (file("auth.db"), file("message.db")),
        Store::Real | Store::Indexed => {
            let name = unique("test");
            let mut postgres = database::postgres(&name);
            if let Some(password) = &options.postgres_password {
                postgres = postgres.replacen('@', &format!(":{password}@"), 1);
            }
            let postgres = through(&mut cables.postgres, &postgres);
            let mongodb = mongo.map_or_else(|| database::mongodb(&name), |mongo| mongo.url(&name));
            (postgres, through(&mut cables.mongodb, &mongodb))
        }
    }
}

/// Puts TLS in front of all stores.
pub(crate) fn encrypt(
    tls: &Authority,
    postgres: &mut String,
    mongodb: &mut String,
    shared: &mut Vec<(&'static str, String)>,
) {
    let ca = tls.ca();
    *postgres = format!("{}?sslmode=verify-full&sslrootcert={ca}", tls.in_front_of(postgres));
    let query = if mongodb.contains('?') { '&' } else { '?' };
    *mongodb = format!("{}{query}tls=true&tlsCAFile={ca}", tls.in_front_of(mongodb));
    if let Some((_, redis)) = shared.iter_mut().find(|(name, _)| *name == "REDIS_URL") {
        *redis = tls.in_front_of(redis).replacen("redis://", "rediss://", 1);
        shared.push(("REDIS_TLS_CA_FILE", ca));
    }
}
