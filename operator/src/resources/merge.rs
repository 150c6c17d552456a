//! A person's pod template over the operator's own: a strategic merge, as `kubectl patch --type strategic` does it.

use serde_json::{Map, Value};

/// Lists of a pod whose items are told apart by a key; any other list is replaced as a whole.
fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "ports" => Some("containerPort"),
        "topologySpreadConstraints" => Some("topologyKey"),
        "hostAliases" => Some("ip"),
        _ => None,
    }
}

/// Merges `patch` into `target`. `null` removes a field; an item with `$patch: delete` removes the item of its key.
pub fn strategic(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (field, value) in patch {
        match (target.get_mut(field), value) {
            (_, Value::Null) => {
                target.remove(field);
            }
            (Some(Value::Object(target)), Value::Object(patch)) => strategic(target, patch),
            (Some(Value::Array(target)), Value::Array(patch)) if merge_key(field).is_some() => {
                merge_list(target, patch, merge_key(field).unwrap_or_default());
            }
            _ => {
                target.insert(field.clone(), value.clone());
            }
        }
    }
}

fn merge_list(target: &mut Vec<Value>, patch: &[Value], key: &str) {
    for item in patch {
        let place = target.iter().position(|old| old.get(key).is_some_and(|old| item.get(key) == Some(old)));
        let deletes = item.get("$patch").is_some_and(|directive| directive == "delete");
        match (place, item) {
            (Some(place), _) if deletes => {
                target.remove(place);
            }
            (None, _) if deletes => {}
            (Some(place), Value::Object(item)) => match target.get_mut(place) {
                Some(Value::Object(old)) => strategic(old, item),
                Some(old) => *old = Value::Object(item.clone()),
                None => {}
            },
            _ => target.push(item.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut target: Value, patch: &Value) -> Value {
        if let (Value::Object(target), Value::Object(patch)) = (&mut target, patch) {
            strategic(target, patch);
        }
        target
    }

    #[test]
    fn containers_and_variables_are_merged_by_name() {
        let target = json!({"containers": [{"name": "auth", "image": "a", "env": [{"name": "A", "value": "1"}]}]});
        let patch = json!({"containers": [
            {"name": "auth", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]},
            {"name": "sidecar", "image": "s"},
        ]});
        assert_eq!(
            merged(target, &patch),
            json!({"containers": [
                {"name": "auth", "image": "a", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]},
                {"name": "sidecar", "image": "s"},
            ]})
        );
    }

    #[test]
    fn other_lists_are_replaced_and_null_removes() {
        let target = json!({"tolerations": [{"key": "a"}], "securityContext": {"runAsUser": 1, "fsGroup": 2}, "x": 1});
        let patch = json!({"tolerations": [{"key": "b"}], "securityContext": {"fsGroup": null}, "x": null});
        assert_eq!(merged(target, &patch), json!({"tolerations": [{"key": "b"}], "securityContext": {"runAsUser": 1}}));
    }

    #[test]
    fn an_item_is_deleted_by_its_key() {
        let target = json!({"volumes": [{"name": "a"}, {"name": "b"}]});
        let patch = json!({"volumes": [{"name": "a", "$patch": "delete"}, {"name": "none", "$patch": "delete"}]});
        assert_eq!(merged(target, &patch), json!({"volumes": [{"name": "b"}]}));
    }
}
