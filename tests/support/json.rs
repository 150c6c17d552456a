//! Exact comparison of JSON bodies, with placeholders for what can't be known beforehand.

use serde_json::Value;

/// Panics unless `found` has exactly the keys and values of `expected`. A string of `expected` in angle brackets stands
/// for any value of a kind: `<string>` (not empty), `<any>`, `<digits>`, `<id>` (a room's or message's), `<time>`
/// (RFC 3339 in UTC with milliseconds), `<jwt>`, `<number>`, `<array>`.
#[track_caller]
pub fn assert_json(found: &Value, expected: Value) {
    let mut faults = Vec::new();
    compare(found, &expected, "body", &mut faults);
    assert!(faults.is_empty(), "{}\nexpected {expected:#}\nfound {found:#}", faults.join("\n"));
}

fn compare(found: &Value, expected: &Value, at: &str, faults: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                match got.get(key) {
                    Some(other) => compare(other, value, &format!("{at}.{key}"), faults),
                    None => faults.push(format!("{at}.{key} is missing")),
                }
            }
            let extra = got.keys().filter(|key| !wanted.contains_key(*key));
            faults.extend(extra.map(|key| format!("{at}.{key} is too much")));
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (index, (value, other)) in wanted.iter().zip(got).enumerate() {
                compare(other, value, &format!("{at}[{index}]"), faults);
            }
        }
        (Value::String(kind), _) if kind.starts_with('<') => {
            if !is(kind, found) {
                faults.push(format!("{at} is no {kind}: {found}"));
            }
        }
        _ if expected == found => {}
        _ => faults.push(format!("{at} is {found}, not {expected}")),
    }
}

fn is(kind: &str, found: &Value) -> bool {
    let text = found.as_str();
    let every = |test: fn(char) -> bool| text.is_some_and(|text| !text.is_empty() && text.chars().all(test));
    match kind {
        "<any>" => true,
        "<string>" => text.is_some_and(|text| !text.is_empty()),
        "<digits>" => every(|c| c.is_ascii_digit()),
        "<id>" => every(|c| c.is_ascii_alphanumeric() || c == '-'),
        "<time>" => text.is_some_and(is_time),
        "<jwt>" => text.is_some_and(|text| text.split('.').filter(|part| !part.is_empty()).count() == 3),
        "<number>" => found.is_number(),
        "<array>" => found.is_array(),
        _ => panic!("no such placeholder: {kind}"),
    }
}

fn is_time(text: &str) -> bool {
    let pattern = "0000-00-00T00:00:00.000Z";
    text.len() == pattern.len()
        && text.chars().zip(pattern.chars()).all(|(c, p)| if p == '0' { c.is_ascii_digit() } else { c == p })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_with_the_same_keys_and_kinds_passes() {
        let found = json!({"id": "12", "at": "2023-10-27T10:00:00.000Z", "list": [1]});
        assert_json(&found, json!({"id": "<digits>", "at": "<time>", "list": [1]}));
    }

    #[test]
    #[should_panic(expected = "body.extra is too much")]
    fn an_extra_key_fails() {
        assert_json(&json!({"a": 1, "extra": 2}), json!({"a": 1}));
    }

    #[test]
    #[should_panic(expected = "body.a is missing")]
    fn a_missing_key_fails() {
        assert_json(&json!({}), json!({"a": null}));
    }
}
