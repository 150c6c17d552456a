//! What reconciliation has found out, one fact for each condition.

use std::collections::BTreeMap;

/// The conditions that stand for a dependency or a step, in the order in which they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Generated and referenced Secrets.
    Secrets,
    /// Certificates of the services, when they speak TLS.
    Certificates,
    /// PostgreSQL.
    Postgres,
    /// MongoDB.
    Mongodb,
    /// Redis.
    Redis,
    /// Schemas are up to date.
    Migrations,
    /// The auth service.
    Auth,
    /// The message service.
    Message,
    /// The gateway.
    Gateway,
    /// An Ingress or HTTPRoute, when one is wanted.
    Exposed,
    /// PodMonitors, when they are wanted.
    Monitoring,
}

impl Condition {
    /// What is there to be switched off.
    pub const WORKLOADS: [Self; 7] =
        [Self::Postgres, Self::Mongodb, Self::Redis, Self::Migrations, Self::Auth, Self::Message, Self::Gateway];

    /// The three services.
    pub const SERVICES: [Self; 3] = [Self::Auth, Self::Message, Self::Gateway];

    /// Whether later steps wait for this one. The services do without Redis, and work without being exposed.
    pub fn gates(self) -> bool {
        !matches!(self, Self::Redis | Self::Exposed | Self::Monitoring)
    }

    /// The condition's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "SecretsReady",
            Self::Certificates => "CertificatesReady",
            Self::Postgres => "PostgresReady",
            Self::Mongodb => "MongodbReady",
            Self::Redis => "RedisReady",
            Self::Migrations => "MigrationsComplete",
            Self::Auth => "AuthAvailable",
            Self::Message => "MessageAvailable",
            Self::Gateway => "GatewayAvailable",
            Self::Exposed => "Exposed",
            Self::Monitoring => "Monitored",
        }
    }
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Done.
    Good,
    /// Will come by itself.
    Waiting,
    /// Not wanted now.
    Paused,
    /// Needs somebody, or at least time.
    Bad,
}

/// A finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// How it stands.
    pub state: State,
    /// CamelCase, for machines.
    pub reason: String,
    /// For people: what to do, if anything.
    pub message: String,
}

impl Fact {
    /// A finding that all is well.
    pub fn good(reason: &str, message: impl Into<String>) -> Self {
        Self::new(State::Good, reason, message)
    }

    /// A finding that something is on its way.
    pub fn waiting(reason: &str, message: impl Into<String>) -> Self {
        Self::new(State::Waiting, reason, message)
    }

    /// A finding that something is switched off.
    pub fn paused(reason: &str, message: impl Into<String>) -> Self {
        Self::new(State::Paused, reason, message)
    }

    /// A finding that something is wrong.
    pub fn bad(reason: &str, message: impl Into<String>) -> Self {
        Self::new(State::Bad, reason, message)
    }

    fn new(state: State, reason: &str, message: impl Into<String>) -> Self {
        Self { state, reason: reason.to_owned(), message: message.into() }
    }
}

/// A fact that holds up the rest, and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The condition it belongs to.
    pub condition: Condition,
    /// What is wrong, or awaited.
    pub fact: Fact,
}

impl Problem {
    /// Something that will come by itself.
    pub fn waiting(condition: Condition, reason: &str, message: impl Into<String>) -> Self {
        Self { condition, fact: Fact::waiting(reason, message) }
    }

    /// A problem.
    pub fn new(condition: Condition, reason: &str, message: impl Into<String>) -> Self {
        Self { condition, fact: Fact::bad(reason, message) }
    }
}

/// All findings.
pub type Facts = BTreeMap<Condition, Fact>;

/// Notes problems; the first of a condition is kept, the others are added to its message.
pub fn note(facts: &mut Facts, problems: Vec<Problem>) {
    for problem in problems {
        match facts.get_mut(&problem.condition) {
            // What is wrong matters more than what is awaited.
            Some(fact) if fact.state == State::Bad && problem.fact.state != State::Bad => {}
            Some(fact) if fact.state == problem.fact.state => {
                fact.message = format!("{}; {}", fact.message, problem.fact.message);
            }
            _ => {
                facts.insert(problem.condition, problem.fact);
            }
        }
    }
}
