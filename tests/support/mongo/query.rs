//! Which documents a filter lets through, and in which order values stand.

use super::collection::Failure;
use mongodb::bson::{Bson, Document, oid::ObjectId};

const BAD_VALUE: i32 = 2;

/// A value by which documents are found and sorted. Kinds are ordered as in MongoDB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Least,
    Null,
    Number(i64),
    Text(String),
    Other(String),
    Id(ObjectId),
    Bool(bool),
    Time(i64),
    Most,
}

impl Key {
    pub(super) fn of(value: Option<&Bson>) -> Self {
        match value {
            None | Some(Bson::Null) => Self::Null,
            Some(Bson::Int32(number)) => Self::Number((*number).into()),
            Some(Bson::Int64(number)) => Self::Number(*number),
            Some(Bson::String(text)) => Self::Text(text.clone()),
            Some(Bson::ObjectId(id)) => Self::Id(*id),
            Some(Bson::Boolean(on)) => Self::Bool(*on),
            Some(Bson::DateTime(time)) => Self::Time(time.timestamp_millis()),
            Some(other) => Self::Other(other.to_string()),
        }
    }

    /// Between which keys a filter's value for one field lets through; a little more is no fault.
    pub(super) fn bounds(filter: Option<&Bson>) -> (Self, Self) {
        let operators = filter.and_then(Bson::as_document);
        let bound = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| operators?.get(name));
            found.map(|value| Self::of(Some(value)))
        };
        (bound(["$gt", "$gte"]).unwrap_or(Self::Least), bound(["$lt", "$lte"]).unwrap_or(Self::Most))
    }
}

/// The one value that a filter asks for in a field; `None` if it asks for more, or nothing.
pub(super) fn wanted(filter: Option<&Bson>) -> Option<Key> {
    let filter = filter?;
    if is_operator(filter) { None } else { Some(Key::of(Some(filter))) }
}

fn is_operator(filter: &Bson) -> bool {
    filter.as_document().and_then(|document| document.keys().next()).is_some_and(|name| name.starts_with('$'))
}

/// Whether a document has all that a filter asks for.
pub(super) fn matches(document: &Document, filter: &Document) -> Result<bool, Failure> {
    for (field, filter) in filter {
        if field.starts_with('$') {
            return Err(Failure::new(BAD_VALUE, format!("{field} is not known here")));
        }
        let key = Key::of(document.get(field));
        let operators = if is_operator(filter) { filter.as_document() } else { None };
        let Some(operators) = operators else {
            if key != Key::of(Some(filter)) {
                return Ok(false);
            }
            continue;
        };
        for (name, operand) in operators {
            if !holds(&key, name, operand)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn holds(key: &Key, operator: &str, operand: &Bson) -> Result<bool, Failure> {
    let other = Key::of(Some(operand));
    let comparable = std::mem::discriminant(key) == std::mem::discriminant(&other);
    Ok(match operator {
        "$eq" => *key == other,
        "$ne" => *key != other,
        "$gt" => comparable && *key > other,
        "$gte" => comparable && *key >= other,
        "$lt" => comparable && *key < other,
        "$lte" => comparable && *key <= other,
        "$in" => operand.as_array().into_iter().flatten().any(|one| *key == Key::of(Some(one))),
        "$nin" => operand.as_array().into_iter().flatten().all(|one| *key != Key::of(Some(one))),
        _ => return Err(Failure::new(BAD_VALUE, format!("{operator} is not known here"))),
    })
}
