//! Whether an object is already as it should be.

use serde_json::{Map, Value};

/// Whether `live` has everything that `desired` asks for. The API server adds defaults to objects, so more keys are
/// fine; lists have to match item by item. Values that say nothing (`false`, `0`, `""`, empty) count as absent, as
/// the API server leaves many of them out; quantities may be written differently.
pub fn covers(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => covers_object(live, desired),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len() && live.iter().zip(desired).all(|(live, desired)| covers(live, desired))
        }
        (Value::String(live), Value::String(desired)) if live != desired => same_quantity(live, desired),
        _ => live == desired || (is_nothing(live) && is_nothing(desired)),
    }
}

/// The same for whole objects, whose `apiVersion` and `kind` lists leave out.
pub fn covers_whole(live: &Value, desired: &Value) -> bool {
    let (Value::Object(live), Value::Object(desired)) = (live, desired) else {
        return false;
    };
    let mut desired = desired.clone();
    desired.retain(|key, _| key != "apiVersion" && key != "kind");
    covers_object(live, &desired)
}

fn covers_object(live: &Map<String, Value>, desired: &Map<String, Value>) -> bool {
    desired.iter().all(|(key, desired)| match live.get(key) {
        Some(live) => covers(live, desired),
        None => is_nothing(desired),
    })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(value) => value.values().all(is_nothing),
    }
}

/// The API server rewrites quantities: `1000m` comes back as `1`.
fn same_quantity(a: &str, b: &str) -> bool {
    matches!((quantity(a), quantity(b)), (Some(a), Some(b)) if a == b)
}

/// A quantity in thousandths.
fn quantity(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(digits.checked_mul(factor)? / scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let live = json!({"spec": {"a": 1, "defaulted": true, "list": [{"x": 1, "protocol": "TCP"}]}});
        assert!(covers(&live, &json!({"spec": {"a": 1, "list": [{"x": 1}], "off": false, "empty": {"a": []}}})));
    }

    #[test]
    fn a_change_is_a_difference() {
        let live = json!({"a": 1, "list": [1, 2], "on": true});
        for desired in
            [json!({"a": 2}), json!({"b": 1}), json!({"list": [1]}), json!({"list": [2, 1]}), json!({"on": false})]
        {
            assert!(!covers(&live, &desired), "{desired}");
        }
    }

    #[test]
    fn quantities_are_compared_by_value() {
        for (a, b) in [("1000m", "1"), ("0.5", "500m"), ("1Gi", "1024Mi"), ("1.5Gi", "1536Mi"), ("1k", "1000")] {
            assert!(covers(&json!(a), &json!(b)), "{a} {b}");
        }
        for (a, b) in [("1", "2"), ("1G", "1Gi"), ("a", "b"), ("", "0"), ("1x", "1y")] {
            assert!(!covers(&json!(a), &json!(b)), "{a} {b}");
        }
    }
}
