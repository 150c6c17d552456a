//! What several services do with JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// With every object's keys in order: whether the library keeps them so depends on what else is built with it.
#[must_use]
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.into_iter().collect()
        }
        other => other,
    }
}
