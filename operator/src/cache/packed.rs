//! Texts that are much alike, kept small: an instance's objects differ from another's in little but names.

use std::{collections::HashMap, sync::Arc};

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

use super::Watched;

/// A text that takes more than one part in so many of its length could be packed better.
const GOOD: usize = 6;
/// More sorts of objects than there are, unless somebody makes them up.
const MOST: usize = 256;

/// A text, packed.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// What it is like.
    example: Arc<[u8]>,
    length: u32,
    bytes: Box<[u8]>,
}

impl Packed {
    fn new(text: &str, example: Arc<[u8]>) -> Self {
        let bytes = compress_with_dict(text.as_bytes(), &example).into_boxed_slice();
        // Nothing of 4 GiB comes from an API server.
        Self { example, length: u32::try_from(text.len()).unwrap_or(u32::MAX), bytes }
    }

    /// The text; none if it was not to be packed.
    pub(super) fn text(&self) -> Option<String> {
        let bytes = decompress_with_dict(&self.bytes, self.length as usize, &self.example).ok()?;
        String::from_utf8(bytes).ok()
    }
}

/// The first of each sort, or one that says more.
#[derive(Default)]
pub(super) struct Examples(HashMap<(Watched, Box<str>), Arc<[u8]>>);

impl Examples {
    /// Packs a text: like others of its sort, if it has one.
    pub(super) fn pack(&mut self, what: Watched, sort: Option<&str>, text: &str) -> Packed {
        let Some(sort) = sort else { return Packed::new(text, Arc::default()) };
        let key = (what, sort.into());
        if let Some(example) = self.0.get(&key) {
            let packed = Packed::new(text, example.clone());
            // Growing, they can't take turns for ever.
            let says_more = text.len() > example.len() + example.len() / 16;
            if !says_more || packed.bytes.len() * GOOD < text.len() {
                return packed;
            }
        }
        let example: Arc<[u8]> = text.as_bytes().into();
        if self.0.len() < MOST || self.0.contains_key(&key) {
            self.0.insert(key, example.clone());
        }
        Packed::new(text, example)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::resources::Kind;

    const SERVICES: Watched = Watched::Children(Kind::Service);

    fn object(name: &str, status: &str) -> String {
        let spec: Vec<_> = (0..40).map(|port| format!("\"port{port}\": {}", port * 7919 % 1009)).collect();
        format!("{{\"name\": \"{name}\", \"spec\": {{{}}}, \"status\": \"{status}\"}}", spec.join(", "))
    }

    #[test]
    fn what_is_like_another_takes_little_and_comes_back_as_it_was() {
        let mut examples = Examples::default();
        for n in 0..9 {
            let text = object(&format!("chat{n}-größe"), "");
            let packed = examples.pack(SERVICES, Some("gateway"), &text);
            assert_eq!(packed.text().unwrap(), text);
            assert!(packed.bytes.len() * 10 < text.len(), "{} of {}", packed.bytes.len(), text.len());
        }
    }

    #[test]
    fn what_says_more_is_the_example_for_those_after_it() {
        let mut examples = Examples::default();
        let status: String = (0..20).map(|n| crate::resources::hash([format!("{n}").as_str()])).collect();
        let before = examples.pack(SERVICES, Some("gateway"), &object("first", ""));
        examples.pack(SERVICES, Some("gateway"), &object("second", &status));
        let after = examples.pack(SERVICES, Some("gateway"), &object("third", &status));
        assert!(after.bytes.len() < 60, "{}", after.bytes.len());
        assert_eq!(before.text().unwrap(), object("first", ""));
    }

    #[test]
    fn sorts_that_somebody_makes_up_are_not_remembered_for_ever() {
        let mut examples = Examples::default();
        for n in 0..2 * MOST {
            let text = object(&n.to_string(), "");
            assert_eq!(examples.pack(SERVICES, Some(&format!("made-up-{n}")), &text).text().unwrap(), text);
        }
        assert_eq!(examples.0.len(), MOST);
    }
}
