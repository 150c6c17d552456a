//! Documents behind indexes.

use super::query::{Key, matches, wanted};
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use std::cmp::Ordering;
use std::collections::BTreeMap;

const BAD_VALUE: i32 = 2;
const DUPLICATE_KEY: i32 = 11000;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[derive(Debug)]
struct Index {
    name: String,
    unique: bool,
    fields: Vec<String>,
    /// By the fields' values, and by place where these needn't be unique.
    entries: BTreeMap<Vec<Key>, u64>,
}

impl Index {
    fn new(name: &str, unique: bool, fields: Vec<String>) -> Self {
        Self { name: name.to_owned(), unique, fields, entries: BTreeMap::new() }
    }

    fn key(&self, document: &Document, place: u64) -> Vec<Key> {
        let mut key: Vec<Key> = self.fields.iter().map(|field| Key::of(document.get(field))).collect();
        if !self.unique {
            key.push(Key::Number(place.cast_signed()));
        }
        key
    }

    /// How many of its first fields a filter fixes.
    fn fixed(&self, filter: &Document) -> usize {
        self.fields.iter().take_while(|field| wanted(filter.get(field)).is_some()).count()
    }

    /// Whether documents that match a filter stand here in the order, or the opposite one, that is asked for.
    fn sorts(&self, filter: &Document, sort: &Document) -> bool {
        let mut keys = sort.keys();
        keys.next().is_none_or(|first| self.fields.get(self.fixed(filter)) == Some(first)) && keys.next().is_none()
    }

    /// The places of what has the values that a filter fixes, in the order of the fields after these.
    fn range(&self, filter: &Document) -> impl DoubleEndedIterator<Item = u64> {
        let fixed = &self.fields[..self.fixed(filter)];
        let key: Vec<Key> = fixed.iter().filter_map(|field| wanted(filter.get(field))).collect();
        let (mut from, mut to) = (key.clone(), key);
        if let Some(next) = self.fields.get(fixed.len()) {
            let (least, most) = Key::bounds(filter.get(next));
            from.push(least);
            to.push(most);
        }
        to.push(Key::Most);
        self.entries.range(from..=to).map(|(_, place)| *place)
    }
}

#[derive(Debug)]
pub(super) struct Collection {
    documents: BTreeMap<u64, Document>,
    indexes: Vec<Index>,
    next: u64,
}

impl Default for Collection {
    fn default() -> Self {
        let id = Index::new("_id_", true, vec!["_id".to_owned()]);
        Self { documents: BTreeMap::new(), indexes: vec![id], next: 0 }
    }
}

impl Collection {
    /// In order, up to the first document that an index refuses.
    pub(super) fn insert(&mut self, documents: Vec<Document>) -> Result<Document, Failure> {
        for (number, document) in (0_i32..).zip(documents) {
            if let Err(failure) = self.add(document) {
                let error = doc! {"index": number, "code": failure.code, "errmsg": failure.message};
                return Ok(doc! {"n": number, "writeErrors": [error]});
            }
        }
        Ok(doc! {"n": i32::try_from(self.documents.len()).unwrap_or(i32::MAX)})
    }

    fn add(&mut self, mut document: Document) -> Result<(), Failure> {
        document.entry("_id".to_owned()).or_insert_with(|| ObjectId::new().into());
        let place = self.next;
        for index in self.indexes.iter().filter(|index| index.unique) {
            if index.entries.contains_key(&index.key(&document, place)) {
                let message = format!("E11000 duplicate key error, index: {}", index.name);
                return Err(Failure::new(DUPLICATE_KEY, message));
            }
        }
        for index in &mut self.indexes {
            let key = index.key(&document, place);
            index.entries.insert(key, place);
        }
        self.documents.insert(place, document);
        self.next += 1;
        Ok(())
    }

    fn remove(&mut self, place: u64) -> Option<Document> {
        let document = self.documents.remove(&place)?;
        for index in &mut self.indexes {
            let key = index.key(&document, place);
            index.entries.remove(&key);
        }
        Some(document)
    }

    pub(super) fn delete(&mut self, deletes: &[Document]) -> Result<Document, Failure> {
        let mut deleted = 0;
        for delete in deletes {
            let limit = Key::of(delete.get("limit")) == Key::Number(1);
            let filter = delete.get_document("q").cloned().unwrap_or_default();
            let places = self.places(&filter, &Document::new(), if limit { 1 } else { usize::MAX })?;
            deleted += i32::try_from(places.len()).unwrap_or(i32::MAX);
            places.into_iter().for_each(|place| drop(self.remove(place)));
        }
        Ok(doc! {"n": deleted})
    }

    /// Only `$set`, of one document or all that match.
    pub(super) fn update(&mut self, updates: &[Document]) -> Result<Document, Failure> {
        let mut matched = 0;
        for update in updates {
            let filter = update.get_document("q").cloned().unwrap_or_default();
            let change = update.get_document("u").ok().and_then(|change| change.get_document("$set").ok());
            let change = change.ok_or_else(|| Failure::new(BAD_VALUE, "only $set is known here"))?;
            let limit = if update.get_bool("multi").unwrap_or(false) { usize::MAX } else { 1 };
            let places = self.places(&filter, &Document::new(), limit)?;
            matched += i32::try_from(places.len()).unwrap_or(i32::MAX);
            for place in places {
                let Some(mut document) = self.remove(place) else { continue };
                document.extend(change.clone());
                self.add(document)?;
            }
        }
        Ok(doc! {"n": matched, "nModified": matched})
    }

    pub(super) fn create_indexes(&mut self, wanted: &[Document]) -> Result<Document, Failure> {
        for index in wanted {
            let name = index.get_str("name").map_err(|error| Failure::new(BAD_VALUE, error.to_string()))?;
            if self.indexes.iter().any(|there| there.name == name) {
                continue;
            }
            let fields = index.get_document("key").into_iter().flat_map(Document::keys).cloned().collect();
            let mut index = Index::new(name, index.get_bool("unique").unwrap_or(false), fields);
            for (place, document) in &self.documents {
                if index.entries.insert(index.key(document, *place), *place).is_some() {
                    return Err(Failure::new(DUPLICATE_KEY, format!("E11000 duplicate key error, index: {name}")));
                }
            }
            self.indexes.push(index);
        }
        Ok(doc! {})
    }

    pub(super) fn list_indexes(&self) -> Vec<Document> {
        let one = |index: &Index| {
            let key: Document = index.fields.iter().map(|field| (field.clone(), Bson::Int32(1))).collect();
            doc! {"v": 2, "key": key, "name": &index.name, "unique": index.unique}
        };
        self.indexes.iter().map(one).collect()
    }

    pub(super) fn find(&self, command: &Document) -> Result<Vec<Document>, Failure> {
        let part = |key| command.get_document(key).cloned().unwrap_or_default();
        let number = |key: &str| match Key::of(command.get(key)) {
            Key::Number(number) => usize::try_from(number).unwrap_or(0),
            _ => 0,
        };
        let (skip, limit) = (number("skip"), if number("limit") == 0 { usize::MAX } else { number("limit") });
        let places = self.places(&part("filter"), &part("sort"), limit.saturating_add(skip))?;
        Ok(places.iter().skip(skip).map(|place| self.documents[place].clone()).collect())
    }

    /// Where the first documents are that match, sorted.
    fn places(&self, filter: &Document, sort: &Document, limit: usize) -> Result<Vec<u64>, Failure> {
        let backwards = sort.values().next().is_some_and(|direction| Key::of(Some(direction)) == Key::Number(-1));
        let best = self.indexes.iter().max_by_key(|index| (index.sorts(filter, sort), index.fixed(filter)));
        let index = best.ok_or_else(|| Failure::new(BAD_VALUE, "no index"))?;
        let sorted = index.sorts(filter, sort);
        let candidates: Box<dyn Iterator<Item = u64>> =
            if sorted && backwards { Box::new(index.range(filter).rev()) } else { Box::new(index.range(filter)) };
        let mut found = Vec::new();
        for place in candidates {
            if matches(&self.documents[&place], filter)? {
                found.push(place);
            }
            if sorted && found.len() == limit {
                return Ok(found);
            }
        }
        if !sorted {
            found.sort_by(|one, other| self.order(*one, *other, sort));
            found.truncate(limit);
        }
        Ok(found)
    }

    fn order(&self, one: u64, other: u64, sort: &Document) -> Ordering {
        sort.iter().fold(Ordering::Equal, |order, (field, direction)| {
            let key = |place| Key::of(self.documents[&place].get(field));
            let next = key(one).cmp(&key(other));
            order.then(if Key::of(Some(direction)) == Key::Number(-1) { next.reverse() } else { next })
        })
    }
}
