//! Lists are told page by page.

use aether_common::Error;
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_LIMIT: u32 = 50;
const LARGEST_LIMIT: u32 = 100;

/// Which page it is, and of how many.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    #[schema(example = 1)]
    current_page: u32,
    #[schema(example = 1)]
    total_pages: u64,
    #[schema(example = 1)]
    total_items: u64,
    #[schema(example = 50)]
    items_per_page: u32,
    #[schema(example = false)]
    has_next: bool,
    #[schema(example = false)]
    has_previous: bool,
}

impl Pagination {
    pub(super) fn new(page: u32, limit: u32, items: u64) -> Self {
        let pages = items.div_ceil(limit.into());
        Self {
            current_page: page,
            total_pages: pages,
            total_items: items,
            items_per_page: limit,
            has_next: u64::from(page) < pages,
            // Before a page of nothing there is nothing either.
            has_previous: page > 1 && pages > 0,
        }
    }
}

/// Reads `page` and `limit`.
pub(super) fn page_and_limit(query: &[(String, String)]) -> Result<(u32, u32), Error> {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let page = value("page").map_or(Some(1), positive);
    let limit = value("limit").map_or(Some(DEFAULT_LIMIT), positive).filter(|limit| *limit <= LARGEST_LIMIT);
    match (page, limit) {
        (Some(page), Some(limit)) => Ok((page, limit)),
        (page, limit) => {
            let mend = |largest: u32| format!("must be a positive integer of at most {largest}");
            let page = page.is_none().then(|| ("page".to_owned(), mend(u32::MAX)));
            let limit = limit.is_none().then(|| ("limit".to_owned(), mend(LARGEST_LIMIT)));
            Err(Error::invalid(page.into_iter().chain(limit).collect()))
        }
    }
}

/// Digits only: `parse` alone would let a sign pass.
fn positive(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::extract::Query;

    use super::*;

    fn parse(page: &str, limit: &str) -> Result<(u32, u32), String> {
        let query = [("page".to_owned(), page.to_owned()), ("limit".to_owned(), limit.to_owned())];
        page_and_limit(&query).map_err(|e| e.message)
    }

    #[test]
    fn a_page_holds_fifty_unless_asked_otherwise() {
        assert_eq!(page_and_limit(&[]).unwrap(), (1, 50));
        assert_eq!(parse("2", "20"), Ok((2, 20)));
        assert_eq!(parse("4294967295", "100"), Ok((u32::MAX, 100)));
    }

    #[test]
    fn anything_but_a_positive_integer_is_refused_by_name() {
        for wrong in ["0", "-1", "+1", "1.5", "", " 1", "abc", "4294967296", "1e2"] {
            assert_eq!(
                parse(wrong, "1"),
                Err("page must be a positive integer of at most 4294967295".to_owned()),
                "{wrong}"
            );
            assert!(parse("1", wrong).unwrap_err().starts_with("limit must be"), "{wrong}");
        }
        assert_eq!(parse("1", "101"), Err("limit must be a positive integer of at most 100".to_owned()));
        assert!(parse("x", "x").unwrap_err().contains("; limit"));
    }

    #[test]
    fn pages_are_counted_as_the_specification_has_them() {
        let page = Pagination::new(1, 50, 1);
        assert_eq!((page.total_pages, page.has_next, page.has_previous), (1, false, false));
        let page = Pagination::new(2, 50, 101);
        assert_eq!((page.total_pages, page.has_next, page.has_previous), (3, true, true));
        let page = Pagination::new(9, 50, 101);
        assert_eq!((page.total_pages, page.has_next, page.has_previous), (3, false, true));
    }

    #[test]
    fn an_empty_history_has_no_page_before_any() {
        for page in [1, 2] {
            let page = Pagination::new(page, 50, 0);
            assert_eq!((page.total_pages, page.has_next, page.has_previous), (0, false, false));
        }
    }

    #[test]
    fn fuzz_pagination_reads_what_it_accepts_as_it_is_written() {
        let corpus: [&[u8]; 5] = [b"page=1&limit=50", b"limit=100", b"page=4294967295", b"page=%31&limit=2", b""];
        aether_fuzz::fuzz("pagination", &corpus, &["page=", "limit=", "100", "101", "%3D", "%26"], |query| {
            let query = String::from_utf8_lossy(query);
            let Ok(uri) = format!("/?{query}").parse() else { return "no URL".to_owned() };
            let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&uri) else {
                return "no query".to_owned();
            };
            let written = |name: &str, otherwise: &str| {
                let value = pairs.iter().find(|(key, _)| key == name).map_or(otherwise, |(_, value)| value);
                value.trim_start_matches('0').to_owned()
            };
            match page_and_limit(&pairs) {
                Ok((page, limit)) => {
                    assert!(limit <= LARGEST_LIMIT);
                    assert_eq!((page.to_string(), limit.to_string()), (written("page", "1"), written("limit", "50")));
                    let items = u64::from(page) * u64::from(limit);
                    let told = Pagination::new(page, limit, items);
                    assert_eq!((told.total_pages, told.has_next), (u64::from(page), false));
                    assert!(Pagination::new(page, limit, items + 1).has_next);
                    format!("{} {limit}", page.ilog2())
                }
                Err(error) => {
                    assert!(error.message.contains("positive integer"), "{}", error.message);
                    aether_fuzz::kind(&error.message.len())
                }
            }
        });
    }
}
