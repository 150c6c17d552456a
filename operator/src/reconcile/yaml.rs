//! YAML for readers of YAML 1.1, such as kubectl, to whom a bare `no` is a boolean and `1_000` a number.

use serde_json::Value;

/// Around a text that has to be quoted, until it is.
const MARK: [&str; 2] = ["quoted-here-", "-to-here"];

/// A document of its own.
pub(super) fn document(object: &Value) -> Result<String, serde_yaml::Error> {
    let mut texts = Vec::new();
    let mut object = object.clone();
    mark(&mut object, &mut texts);
    let mut yaml = format!("---\n{}", serde_yaml::to_string(&object)?);
    for text in texts {
        yaml = yaml.replace(&marked(&text), &format!("\"{text}\""));
    }
    Ok(yaml)
}

fn mark(value: &mut Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if is_misread(text) => {
            texts.push(text.clone());
            *text = marked(text);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, texts)),
        Value::Object(fields) => {
            let marked = std::mem::take(fields).into_iter().map(|(key, mut field)| {
                mark(&mut field, texts);
                let mut key = Value::String(key);
                mark(&mut key, texts);
                (key.as_str().unwrap_or_default().to_owned(), field)
            });
            *fields = marked.collect();
        }
        _ => {}
    }
}

fn marked(text: &str) -> String {
    MARK.join(text)
}

/// What YAML 1.1 takes for something else than a text, and YAML 1.2 doesn't.
fn is_misread(text: &str) -> bool {
    let is_number =
        |text: &str| text.contains('_') && text.bytes().all(|byte| b"0123456789_.+-eExXabcdfABCDF".contains(&byte));
    ["y", "yes", "n", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str()) || is_number(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_kubectl_would_take_for_something_else_are_quoted() {
        let object =
            json!({"args": ["--appendonly", "no", "Off", "1_000"], "more": "say no\nno\n", "true": true, "n": 7});
        let yaml = document(&object).unwrap();
        for line in ["- --appendonly\n", "- \"no\"\n", "- \"Off\"\n", "- \"1_000\"\n", "true\n", "\"n\": 7\n", "  no\n"]
        {
            assert!(yaml.contains(line), "{line}{yaml}");
        }
        assert_eq!(serde_yaml::from_str::<Value>(&yaml).unwrap(), object);
    }
}
