//! A line of an export: an object whose fields are found whatever the style of their names, and whose values are
//! understood whether PostgreSQL's `row_to_json` or MongoDB's `mongoexport` wrote them.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

/// One line. Problems gather here, so that all of a line are told at once.
pub(super) struct Fields {
    /// By their names in lower case without `_`.
    values: BTreeMap<String, Value>,
    /// Fields, each with its mend.
    pub(super) problems: Vec<(String, String)>,
}

impl Fields {
    /// Reads a line.
    pub(super) fn parse(text: &str) -> Self {
        let mut problems = Vec::new();
        let object = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(object)) => object,
            _ => {
                let mend = "must be one JSON object, as `psql -At` and `mongoexport` (without --jsonArray) write it";
                problems.push(("the line".to_owned(), mend.to_owned()));
                serde_json::Map::new()
            }
        };
        let mut values = BTreeMap::new();
        for (name, value) in object {
            // Mongoose adds `id` to `_id`, which is the one that is kept.
            if !value.is_null() && (name.starts_with('_') || !values.contains_key(&plain(&name))) {
                values.insert(plain(&name), value);
            }
        }
        Self { values, problems }
    }

    /// An object within a line; anything else is taken for its id.
    pub(super) fn inner(value: Value) -> Self {
        let values = match value {
            Value::Object(object) if !object.keys().any(|key| key.starts_with('$')) => {
                object.into_iter().map(|(name, value)| (plain(&name), value)).collect()
            }
            id => BTreeMap::from([("id".to_owned(), id)]),
        };
        Self { values, problems: Vec::new() }
    }

    /// Something is wrong.
    pub(super) fn wrong(&mut self, field: &str, mend: impl Into<String>) {
        // A line that is none has no fields either.
        if self.problems.first().is_none_or(|(first, _)| first != "the line") {
            self.problems.push((field.to_owned(), mend.into()));
        }
    }

    /// The first of the fields that is there.
    pub(super) fn value(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| self.values.remove(&plain(name)))
    }

    /// An id, as text.
    pub(super) fn id(&mut self, names: &[&str]) -> Option<String> {
        let value = self.value(names)?;
        let id = id(&value);
        if id.is_none() {
            self.wrong(names[0], "must be a number, a text or {\"$oid\": …}");
        }
        id
    }

    /// An id that must be there.
    pub(super) fn required_id(&mut self, names: &[&str]) -> String {
        if !names.iter().any(|name| self.values.contains_key(&plain(name))) {
            self.wrong(names[0], "must be given");
            return String::new();
        }
        self.id(names).unwrap_or_default()
    }

    /// A text; a number is one, too.
    pub(super) fn text(&mut self, names: &[&str]) -> Option<String> {
        match self.value(names)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.wrong(names[0], "must be a text");
                None
            }
        }
    }

    /// A text that must be there; what is wrong with it the services say.
    pub(super) fn required_text(&mut self, names: &[&str]) -> String {
        if !names.iter().any(|name| self.values.contains_key(&plain(name))) {
            self.wrong(names[0], "must be given");
        }
        self.text(names).unwrap_or_default()
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, names: &[&str]) -> Option<bool> {
        match self.value(names)? {
            Value::Bool(flag) => Some(flag),
            Value::Number(number) => Some(number.as_f64() != Some(0.0)),
            Value::String(text) => match text.as_str() {
                "t" | "true" | "1" => Some(true),
                "f" | "false" | "0" => Some(false),
                _ => {
                    self.wrong(names[0], "must be true or false");
                    None
                }
            },
            _ => {
                self.wrong(names[0], "must be true or false");
                None
            }
        }
    }

    /// A time.
    pub(super) fn time(&mut self, names: &[&str]) -> Option<DateTime<Utc>> {
        let value = self.value(names)?;
        let time = time(&value);
        if time.is_none() {
            self.wrong(names[0], "must be a time such as 2023-10-27T10:00:00.000Z or {\"$date\": …}");
        }
        time
    }

    /// Several texts: an array, or one text as TypeORM's `simple-array` and PostgreSQL's arrays have it.
    pub(super) fn texts(&mut self, names: &[&str]) -> Vec<String> {
        let text = |text: &str| text.trim().trim_matches('"').to_owned();
        match self.value(names) {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_str().map(text)).collect(),
            Some(Value::String(items)) => {
                let items = items.trim_start_matches('{').trim_end_matches('}');
                items.split(',').map(text).filter(|item| !item.is_empty()).collect()
            }
            Some(_) => {
                self.wrong(names[0], "must be an array of texts");
                Vec::new()
            }
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Object(object) => {
            let keys = ["$oid", "$uuid", "$numberLong", "$numberInt", "_id", "id"];
            keys.iter().find_map(|key| object.get(*key)).and_then(id)
        }
        _ => None,
    }
}

/// Numbers up to here are seconds: in milliseconds it would be 1973.
const SECONDS: i64 = 100_000_000_000;

fn time(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => parsed(text),
        Value::Number(number) => match number.as_i64()? {
            seconds if seconds < SECONDS => DateTime::from_timestamp(seconds, 0),
            millis => DateTime::from_timestamp_millis(millis),
        },
        Value::Object(object) => match object.get("$date").or_else(|| object.get("$numberLong"))? {
            Value::Object(inner) => DateTime::from_timestamp_millis(inner.get("$numberLong")?.as_str()?.parse().ok()?),
            Value::Number(millis) => DateTime::from_timestamp_millis(millis.as_i64()?),
            Value::String(text) if object.contains_key("$numberLong") => {
                DateTime::from_timestamp_millis(text.parse().ok()?)
            }
            date => time(date),
        },
        _ => None,
    }
}

/// Without a zone it is UTC: TypeORM's `timestamp` columns have none.
fn parsed(text: &str) -> Option<DateTime<Utc>> {
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let exact = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    let zoned = || zoned.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()).map(|time| time.to_utc());
    let local = || local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|t| t.and_utc());
    exact.or_else(zoned).or_else(local)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_read_in_every_form_that_databases_print() {
        let oid = "635a5e3b8bb9e8b3c8e9f5d2";
        for (value, expected) in [
            (json!(7), "7"),
            (json!("7"), "7"),
            (json!({"$oid": oid}), oid),
            (json!({"$numberLong": "7"}), "7"),
            (json!({"$uuid": "8f0d0a3e-6d3e-4b0a-9d53-0f1d6d6f0b7a"}), "8f0d0a3e-6d3e-4b0a-9d53-0f1d6d6f0b7a"),
            (json!({"_id": {"$oid": oid}, "username": "ada"}), oid),
        ] {
            assert_eq!(id(&value).as_deref(), Some(expected), "{value}");
        }
        assert!([json!(1.5), json!(""), json!([]), json!({}), json!(true)].iter().all(|value| id(value).is_none()));
    }

    #[test]
    fn times_are_read_in_every_form_that_databases_print() {
        for value in [
            json!("2023-10-27T10:00:00.000Z"),
            json!("2023-10-27T10:00:00+00:00"),
            json!("2023-10-27T12:00:00+02"),
            json!("2023-10-27 10:00:00"),
            json!("2023-10-27T10:00:00.000"),
            json!({"$date": "2023-10-27T10:00:00Z"}),
            json!({"$date": {"$numberLong": "1698400800000"}}),
            json!({"$date": 1_698_400_800_000_i64}),
            json!(1_698_400_800_000_i64),
            json!(1_698_400_800),
        ] {
            assert_eq!(time(&value).map(|time| time.timestamp()), Some(1_698_400_800), "{value}");
        }
        assert!([json!("yesterday"), json!({}), json!(true)].iter().all(|value| time(value).is_none()));
    }

    #[test]
    fn names_are_found_whatever_their_style_and_null_is_as_if_absent() {
        let mut fields =
            Fields::parse(r#"{"first_name":"Ada","LASTNAME":"Lovelace","_id":{"$oid":"a"},"id":"b","x":null}"#);
        assert_eq!(fields.text(&["firstName"]).as_deref(), Some("Ada"));
        assert_eq!(fields.text(&["lastName"]).as_deref(), Some("Lovelace"));
        assert_eq!(fields.required_id(&["id"]), "a");
        assert_eq!(fields.required_text(&["x"]), "");
        assert_eq!(fields.problems, [("x".to_owned(), "must be given".to_owned())]);
    }

    #[test]
    fn a_line_that_is_no_object_is_told_once() {
        let mut fields = Fields::parse("[{\"id\":1},");
        fields.required_id(&["id"]);
        assert_eq!(fields.problems.len(), 1);
        assert!(fields.problems[0].1.contains("--jsonArray"));
    }

    #[test]
    fn roles_are_read_as_an_array_and_as_a_text() {
        for line in [r#"{"roles":["user","admin"]}"#, r#"{"roles":"user,admin"}"#, r#"{"roles":"{user,\"admin\"}"}"#] {
            assert_eq!(Fields::parse(line).texts(&["roles"]), ["user", "admin"], "{line}");
        }
    }
}
