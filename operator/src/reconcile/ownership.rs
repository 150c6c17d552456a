//! Which fields of an object are the operator's: since it created the object, or since it applied it. Only what it
//! applied does an apply take away again. Pure.

use serde_json::{Value, json};

use crate::resources::MANAGER;

fn by(entry: &Value, operation: &str) -> bool {
    entry["manager"] == MANAGER && entry["operation"] == operation && entry["subresource"].is_null()
}

/// The object's managers, with what the operator created as if it had applied it; none if it has applied already.
pub fn applied(live: &Value) -> Option<Value> {
    let mut managers = live["metadata"]["managedFields"].as_array()?.clone();
    if managers.iter().any(|entry| by(entry, "Apply")) {
        return None;
    }
    let created = managers.iter_mut().find(|entry| by(entry, "Update"))?;
    created["operation"] = json!("Apply");
    Some(Value::Array(managers))
}

/// The fields of an object that was created and never applied: the operator's, and those of each other manager.
pub fn of_created(live: &Value) -> Option<(&Value, Vec<&Value>)> {
    let managers = live["metadata"]["managedFields"].as_array()?;
    if managers.iter().any(|entry| by(entry, "Apply")) {
        return None;
    }
    let created = managers.iter().find(|entry| by(entry, "Update"))?;
    let others = managers.iter().filter(|entry| !by(entry, "Update")).map(|entry| &entry["fieldsV1"]);
    Some((&created["fieldsV1"], others.collect()))
}

/// Takes from `after` what is the operator's alone and isn't in an object made afresh.
pub fn take_away(after: &mut Value, fresh: &Value, ours: &Value, others: &[&Value]) {
    let (Some(fields), Some(made)) = (after.as_object_mut(), fresh.as_object()) else { return };
    fields.retain(|key, value| {
        let key_of = |fields: &Value| fields.get(format!("f:{key}")).cloned().unwrap_or_default();
        let (mine, theirs) = (key_of(ours), others.iter().map(|fields| key_of(fields)).collect::<Vec<_>>());
        let is_shared = theirs.iter().any(|fields| !fields.is_null());
        if mine.is_null() {
            return true;
        }
        match made.get(key) {
            None => is_shared,
            Some(made) if made.is_object() => {
                take_away(value, made, &mine, &theirs.iter().collect::<Vec<_>>());
                true
            }
            Some(made) => {
                if !is_shared {
                    *value = made.clone();
                }
                true
            }
        }
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn created(operation: &str) -> Value {
        json!({"metadata": {"managedFields": [
            {"manager": MANAGER, "operation": operation, "fieldsV1": {"f:spec": {"f:a": {}, "f:b": {"f:x": {}, "f:y": {}}, "f:list": {}}}},
            {"manager": "person", "operation": "Update", "fieldsV1": {"f:spec": {"f:b": {"f:y": {}}, "f:c": {}}}},
        ]}})
    }

    #[test]
    fn what_was_created_counts_as_applied_once_and_for_all() {
        let managers = applied(&created("Update")).unwrap();
        assert_eq!((&managers[0]["operation"], &managers[1]["operation"]), (&json!("Apply"), &json!("Update")));
        assert_eq!(applied(&created("Apply")), None);
    }

    #[test]
    fn what_is_no_longer_wanted_goes_unless_somebody_else_has_a_part_in_it() {
        let live = created("Update");
        let (ours, others) = of_created(&live).unwrap();
        let others: Vec<_> = others.iter().map(|fields| &fields["f:spec"]).collect();
        let mut after = json!({"a": 1, "b": {"x": 1, "y": 1, "z": 1}, "c": 1, "list": [1, 2]});
        take_away(&mut after, &json!({"b": {}, "list": [2]}), &ours["f:spec"], &others);
        assert_eq!(after, json!({"b": {"y": 1, "z": 1}, "c": 1, "list": [2]}));
    }
}
