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
    /// Two resources where one is wanted.
    #[error("the file holds more than one {KIND}: keep one of them, or give each a file of its own")]
    Several,
    /// A value that the API server would refuse, too.
    #[error("{0}")]
    Value(String),
}

/// Reads the one `AetherConnect` of a YAML file that may hold documents of other kinds, refusing unknown fields.
///
/// Of the API server's rules, those on the name and the ports are checked here: only they matter without a cluster.
pub fn parse(text: &str) -> Result<AetherConnect, ParseError> {
    match <[AetherConnect; 1]>::try_from(parse_all(text)?) {
        Ok([resource]) => Ok(resource),
        Err(_) => Err(ParseError::Several),
    }
}

/// Reads every `AetherConnect` of a YAML file, in the manner of [`parse`]; there is at least one.
pub fn parse_all(text: &str) -> Result<Vec<AetherConnect>, ParseError> {
    let (mut found, mut other) = (Vec::new(), None);
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
        let resource = serde_path_to_error::deserialize(value)?;
        check(&resource).map_err(ParseError::Value)?;
        found.push(resource);
    }
    if found.is_empty() {
        return Err(other.map_or(ParseError::Empty, ParseError::OtherKind));
    }
    Ok(found)
}

fn check(resource: &AetherConnect) -> Result<(), String> {
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || name.len() > 40 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        return Err("metadata.name: use up to 40 lower-case letters, digits and '-', starting with a letter".to_owned());
    }
    let spec = &resource.spec;
    let ports = [
        ("gateway.port", spec.gateway.port),
        ("auth.grpcPort", spec.auth.grpc_port),
        ("auth.httpPort", spec.auth.http_port),
        ("message.httpPort", spec.message.http_port),
        ("message.grpcPort", spec.message.grpc_port),
    ];
    match ports.iter().find(|(_, port)| *port == 0) {
        Some((field, _)) => Err(format!("spec.{field}: use a port from 1 to 65535")),
        None => Ok(()),
    }
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
    use crate::{
        api::{Environment, Store},
        config::Defaults,
        resources::{Children, Hashes, Instance, StorePorts},
    };

    const HEAD: &str = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: chat}\n";
    const EVERYTHING: &str = "spec:
  image: {registry: reg.example/x, pullSecrets: [{name: pull}], message: other/message:9}
  gateway:
    replicas: 2
    resources: {limits: {cpu: 1}}
    env: [{name: LOG_LEVEL, value: trace}, {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]
    rateLimit: {max: 5, windowSeconds: 6, loginMax: 7}
    trustedProxies: [10.0.0.0/8]
  postgres: {external: {secretRef: {name: pg}}}
  mongodb: {managed: {storage: {size: 2Gi, className: fast}, image: 'local/ferretdb:1.24'}}
  redis: {disabled: true}
";

    #[test]
    fn an_empty_spec_has_defaults() {
        let resource = parse(&format!("{HEAD}spec: {{}}\n")).unwrap();
        assert_eq!(resource.spec.gateway.port, 3000);
        assert_eq!(resource.spec.environment, Environment::Production);
        assert!(resource.spec.manages(Store::Postgres));
        assert!(resource.spec.manages(Store::Redis));
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
    fn a_name_that_is_none_and_a_port_that_is_none_are_refused() {
        for name in ["../../etc", "Chat", "chat_1", "-chat", "chat-", ""] {
            let head = HEAD.replace("chat", &format!("'{name}'"));
            let error = parse(&format!("{head}spec: {{}}\n")).unwrap_err().to_string();
            assert!(error.contains("metadata.name"), "{name}: {error}");
        }
        let error = parse(&format!("{HEAD}spec: {{gateway: {{port: 0}}}}\n")).unwrap_err().to_string();
        assert!(error.contains("spec.gateway.port"), "{error}");
    }

    #[test]
    fn of_two_resources_none_is_silently_left_out() {
        let two = format!("{HEAD}spec: {{}}\n---\n{HEAD}spec: {{}}\n");
        assert!(matches!(parse(&two), Err(ParseError::Several)));
    }

    #[test]
    fn other_documents_are_passed_over() {
        let secret = "apiVersion: v1\nkind: Secret\n---\n";
        assert!(parse(&format!("{secret}{HEAD}spec: {{suspend: true}}\n")).unwrap().spec.suspend);
        assert!(parse(secret).unwrap_err().to_string().contains("v1 Secret"));
        assert!(matches!(parse(""), Err(ParseError::Empty)));
    }

    #[test]
    fn fuzz_a_resource_that_is_read_can_be_written_read_again_and_built() {
        let everything = format!("{HEAD}{EVERYTHING}");
        let corpus = [
            include_bytes!("../../../examples/quickstart.yaml").as_slice(),
            include_bytes!("../../../examples/external.yaml"),
            include_bytes!("../../../examples/two-tenants.yaml"),
            everything.as_bytes(),
        ];
        let words = [
            "spec: ",
            "{",
            "}",
            "  ",
            "\n",
            "- ",
            "---\n",
            "&a ",
            "*a",
            "<<: ",
            "!!binary ",
            "| ",
            "replicas: ",
            "disabled: true",
            "external:",
            "managed: {}",
            "autoscaling: {minReplicas: 1, maxReplicas: 3}",
            "podTemplate: ",
            "env: ",
            "jwt: ",
            "secretRef: ",
            "storage: ",
            "resources: ",
        ];
        aether_fuzz::fuzz("resource", &corpus, &words, |text| {
            let resources = match parse_all(&String::from_utf8_lossy(text)) {
                Ok(resources) => resources,
                Err(error) => return aether_fuzz::kind(&error.to_string().split(':').next()),
            };
            for resource in &resources {
                let written = serde_yaml::to_string(resource).unwrap();
                let again = parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
                assert_eq!(serde_json::to_value(resource).unwrap(), serde_json::to_value(again).unwrap());
                let instance = Instance {
                    name: resource.metadata.name.as_deref().unwrap(),
                    namespace: "team",
                    uid: "u-1",
                    spec: &resource.spec,
                    version: "1.0.0".into(),
                    defaults: &Defaults::default(),
                    hashes: Hashes::default(),
                    store_ports: StorePorts::default(),
                };
                assert!(Children::of(&instance).all().count() > 4);
            }
            resources.len().to_string()
        });
    }
}
