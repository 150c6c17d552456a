//! Configuration from environment variables, each known by its name.

use std::{collections::HashMap, str::FromStr};

use crate::Secret;

/// What is wrong with a variable, said so that its reader can mend it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A variable without a default is absent or empty.
    #[error("{0} is not set: {1}")]
    Missing(&'static str, &'static str),
    /// A variable has a value that it cannot have.
    #[error("{0}={1} is not valid: {2}")]
    Invalid(&'static str, String, String),
}

/// The variables of one service: the process's own, or a made-up set in the one-process mode and in tests.
/// An empty variable counts as absent.
#[derive(Clone, Default)]
pub struct Env(HashMap<String, String>);

impl Env {
    /// The environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self(std::env::vars().collect())
    }

    /// Adds a variable, replacing an earlier one of its name.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // so that numbers and texts read alike where it is called
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), value.to_string());
        self
    }

    /// The variables of both; where both have one, the other's counts.
    #[must_use]
    pub fn overridden_by(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// The value, or `None` where the variable is absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The value, or a default.
    #[must_use]
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    /// The parsed value, or a default; an unparsable one is an error that names the variable.
    pub fn parse<T: FromStr>(&self, name: &'static str, default: T) -> Result<T, ConfigError>
    where
        T::Err: std::fmt::Display,
    {
        match self.get(name) {
            None => Ok(default),
            Some(value) => {
                value.parse().map_err(|e: T::Err| ConfigError::Invalid(name, value.to_owned(), e.to_string()))
            }
        }
    }

    /// `true`, `1`, `yes`, `on` and their opposites, whatever the case.
    pub fn flag(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some("false" | "0" | "no" | "off") => Ok(false),
            Some(other) => Err(ConfigError::Invalid(name, other.to_owned(), "use true or false".into())),
        }
    }

    /// Comma-separated values, trimmed; empty ones are left out.
    #[must_use]
    pub fn list(&self, name: &str, default: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or(default);
        value.split(',').map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned).collect()
    }

    /// A secret that must be there; `what` says what to set it to.
    pub fn secret(&self, name: &'static str, what: &'static str) -> Result<Secret, ConfigError> {
        self.get(name).map(Secret::new).ok_or(ConfigError::Missing(name, what))
    }

    /// Whether `AETHERCONNECT_ENV` is `development` rather than `production` (the default).
    pub fn is_development(&self) -> Result<bool, ConfigError> {
        match self.get("AETHERCONNECT_ENV") {
            None | Some("production") => Ok(false),
            Some("development") => Ok(true),
            Some(other) => {
                Err(ConfigError::Invalid("AETHERCONNECT_ENV", other.to_owned(), "use production or development".into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let env = Env::default().with("REDIS_URL", "");
        assert_eq!(env.get("REDIS_URL"), None);
    }

    #[test]
    fn a_port_that_is_no_number_names_its_variable() {
        let env = Env::default().with("API_GATEWAY_PORT", "http");
        let error = env.parse::<u16>("API_GATEWAY_PORT", 3000).expect_err("refused");
        assert!(error.to_string().starts_with("API_GATEWAY_PORT=http is not valid"));
    }

    #[test]
    fn a_missing_secret_names_its_variable() {
        let error = Env::default().secret("JWT_SECRET", "at least 32 random bytes").expect_err("refused");
        assert_eq!(error.to_string(), "JWT_SECRET is not set: at least 32 random bytes");
    }
}
