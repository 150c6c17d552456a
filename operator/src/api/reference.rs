//! The reference of the resource for people, from its definition.

use std::fmt::Write as _;

use serde_json::Value;

/// Every field of `spec` and `status` as Markdown.
pub fn reference() -> Result<String, serde_json::Error> {
    let definition = serde_json::to_value(super::crd())?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut text = String::from(
        "# Reference of the resource\nGenerated from the types in `operator/src/api/`; `kubectl explain aetherconnect.spec` tells \
         the same of a cluster.\n\n`apiVersion: aetherconnect.io/v1alpha1`, `kind: AetherConnect`, short name `ac`.\n",
    );
    for part in ["spec", "status"] {
        let _ = write!(text, "\n## {part}\n| field | type | default | what |\n| --- | --- | --- | --- |\n");
        fields(&mut text, part, &schema[part]);
        let mut rules = Vec::new();
        collect_rules(&mut rules, &schema[part]);
        if !rules.is_empty() {
            let _ = write!(text, "\nRules, in the words of the API server's refusal:\n");
            rules.iter().for_each(|rule| {
                let _ = writeln!(text, "- {rule}");
            });
        }
    }
    Ok(text)
}

/// A line for each field, those of an object after itself.
fn fields(text: &mut String, path: &str, schema: &Value) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let inner = if field["type"] == "array" { &field["items"] } else { field };
        let path = if field["type"] == "array" { format!("{path}[]") } else { path };
        let about = field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let (kind, default) = (kind(field), default(field));
        let _ = writeln!(text, "| `{path}` | {kind} | {default} | {about} |");
        // Kubernetes' own types are explained by its own reference.
        let is_ours = !matches!(name.as_str(), "env" | "conditions" | "clients" | "metrics" | "egress");
        if is_ours {
            fields(text, &path, inner);
        }
    }
}

/// A field's type, with its limits.
fn kind(field: &Value) -> String {
    let name = field["type"].as_str().unwrap_or("any");
    let limit = |key: &str, sign: &str| field.get(key).and_then(Value::as_f64).map(|limit| format!("{sign} {limit}"));
    let choices = field["enum"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "));
    let map = field["additionalProperties"].is_object() && name == "object";
    let name = if map { "map" } else { name };
    let notes: Vec<_> = [limit("minimum", "≥"), limit("maximum", "≤"), choices].into_iter().flatten().collect();
    if notes.is_empty() { name.to_owned() } else { format!("{name}: {}", notes.join(", ")) }
}

fn default(field: &Value) -> String {
    match field.get("default") {
        Some(Value::Object(_)) | None => String::new(),
        Some(value) => format!("`{value}`"),
    }
}

fn collect_rules(rules: &mut Vec<String>, schema: &Value) {
    match schema {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                let message = rule["message"].as_str().unwrap_or_default().to_owned();
                if !message.is_empty() && !rules.contains(&message) {
                    rules.push(message);
                }
            }
            fields.values().for_each(|inner| collect_rules(rules, inner));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_rules(rules, inner)),
        _ => {}
    }
}
