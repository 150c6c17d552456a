//! Passwords that everybody tries first.

use std::{collections::HashSet, sync::LazyLock};

/// Comments with the list's origin and licence, an empty line, and one password a line, in lower case.
const LIST: &str = include_str!("common-passwords.txt");

static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| LIST.split_once("\n\n").map(|(_, list)| list.lines().collect()).unwrap_or_default());

/// Whether a password is one of the commonest, whatever its case.
pub(crate) fn contains(password: &str) -> bool {
    COMMON.contains(password.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_three_thousand_commonest_that_are_long_enough_to_be_chosen() {
        assert_eq!(COMMON.len(), 3000);
        assert!(COMMON.iter().all(|password| password.chars().count() >= 8));
        for common in ["password", "Password1", "123456789", "QWERTYUIOP", "iloveyou", "webster1"] {
            assert!(contains(common), "{common}");
        }
        for fine in ["correct horse", "password of mine", "# the list", ""] {
            assert!(!contains(fine), "{fine}");
        }
    }
}
