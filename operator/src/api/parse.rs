//! Reading the resource from a file, without an API server: on a laptop.

use serde::Deserialize;

use super::{API_VERSION, AetherConnect, KIND};

/// Why a file is not an `AetherConnect`.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not YAML.
    #[error("{0}")]
    Yaml(#[from] serde_yaml::Error),
    /// A field is unknown or of the wrong type; its path says which.
    #[error(transparent)]
    Field(#[from] serde_path_to_error::Error<serde_yaml::Error>),
    /// A document of another kind.
    #[error("expected apiVersion {API_VERSION} and kind {KIND}, found {0}")]
    OtherKind(String),
    /// No document at all.
    #[error("the file is empty: it should hold a resource of apiVersion {API_VERSION} and kind {KIND}")]
    Empty,
    /// A field outside `spec` that doesn't exist.
    #[error("unknown field `{0}`: the resource has apiVersion, kind, metadata, spec and status")]
    UnknownField(String),
}

/// Reads the first `AetherConnect` of a YAML file that may hold several documents, refusing unknown fields.
///
/// The API server's CEL rules are not evaluated here.
pub fn parse(text: &str) -> Result<AetherConnect, ParseError> {
    let mut other = None;
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = serde_yaml::Value::deserialize(document)?;
        if value.is_null() {
            continue;
        }
        let field = |name: &str| value.get(name).and_then(|v| v.as_str()).unwrap_or("nothing").to_owned();
        if field("apiVersion") != API_VERSION || field("kind") != KIND {
            other.get_or_insert(format!("{} {}", field("apiVersion"), field("kind")));
            continue;
        }
        if let Some(unknown) = unknown_field(&value) {
            return Err(ParseError::UnknownField(unknown));
        }
        return Ok(serde_path_to_error::deserialize(value)?);
    }
    Err(other.map_or(ParseError::Empty, ParseError::OtherKind))
}

fn unknown_field(resource: &serde_yaml::Value) -> Option<String> {
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let keys = resource.as_mapping()?.keys();
    keys.filter_map(|key| key.as_str()).find(|key| !known.contains(key)).map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::{Environment, Redis, Store};

    const HEAD: &str = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: chat}\n";

    #[test]
    fn an_empty_spec_has_defaults() {
        let resource = parse(&format!("{HEAD}spec: {{}}\n")).unwrap();
        assert_eq!(resource.spec.gateway.port, 3000);
        assert_eq!(resource.spec.environment, Environment::Production);
        assert!(matches!(Store::of(resource.spec.postgres.as_ref()), Store::Managed(_)));
        assert!(matches!(Redis::of(resource.spec.redis.as_ref()), Redis::Managed(_)));
    }

    #[test]
    fn an_unknown_field_is_named() {
        let error = parse(&format!("{HEAD}spec: {{gateway: {{prot: 1}}}}\n")).unwrap_err().to_string();
        assert!(error.contains("prot"), "{error}");
        let error = parse(&format!("{HEAD}sepc: {{}}\nspec: {{}}\n")).unwrap_err().to_string();
        assert!(error.contains("sepc"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_told_with_the_path_of_its_field() {
        let error = parse(&format!("{HEAD}spec: {{gateway: {{port: 99999}}}}\n")).unwrap_err().to_string();
        assert!(error.starts_with("spec.gateway.port: "), "{error}");
    }

    #[test]
    fn other_documents_are_passed_over() {
        let secret = "apiVersion: v1\nkind: Secret\n---\n";
        assert!(parse(&format!("{secret}{HEAD}spec: {{suspend: true}}\n")).unwrap().spec.suspend);
        assert!(parse(secret).unwrap_err().to_string().contains("v1 Secret"));
        assert!(matches!(parse(""), Err(ParseError::Empty)));
    }
}
