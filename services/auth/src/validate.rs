//! What a user may type: each rule is said in the words of its mend.

use aether_common::{Error, Secret};

use crate::{common_passwords, passwords};

const LONGEST_EMAIL: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;
const SHORTEST_PASSWORD: usize = 8;
const LONGEST_PASSWORD: usize = 128;
const LONGEST_NAME: usize = 64;
/// Names that would pass for somebody who is no user: `system` makes the public room.
const RESERVED: [&str; 1] = ["system"];

/// Collects what is wrong with a request, so that its sender hears of everything at once.
#[derive(Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    fn require(&mut self, holds: bool, field: &str, mend: impl Into<String>) {
        if !holds {
            self.0.push((field.to_owned(), mend.into()));
        }
    }

    /// An e-mail address without the spaces around it.
    pub(crate) fn email(&mut self, value: &str) -> String {
        let email = value.trim();
        self.require(is_email(email), "email", "must be an e-mail address such as ada@example.com");
        email.to_owned()
    }

    /// A password to be, of a user with these names.
    pub(crate) fn new_password(&mut self, field: &str, value: &str, names: [&str; 2]) {
        let right_length = (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&value.chars().count());
        let mend = format!("must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters");
        self.require(right_length, field, mend);
        self.require(!common_passwords::contains(value), field, "is one of the commonest, choose another");
        let password = value.to_lowercase();
        let is_name = names.iter().any(|name| !name.is_empty() && name.to_lowercase() == password);
        self.require(!is_name, field, "must not be your user name or e-mail address");
    }

    /// A password that is tried.
    pub(crate) fn password(&mut self, field: &str, value: &str) {
        self.require(!value.is_empty(), field, "must be given");
        let short_enough = value.chars().count() <= LONGEST_PASSWORD;
        self.require(short_enough, field, format!("must have at most {LONGEST_PASSWORD} characters"));
    }

    /// What an earlier backend has made of a password.
    pub(crate) fn imported_hash(&mut self, hash: &Secret) {
        let mend = "must be bcrypt's ($2a$, $2b$ or $2y$, cost 4 to 14), or null for one who gets another password";
        self.require(passwords::is_importable(hash), "password", mend);
    }

    /// A user name.
    pub(crate) fn username(&mut self, value: &str) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let valid = (3..=32).contains(&value.len()) && value.chars().all(allowed);
        self.require(valid, "username", "must have 3 to 32 characters of a-z, A-Z, 0-9, _ . -");
        let free = !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(value));
        self.require(free, "username", "is reserved, choose another");
        value.to_owned()
    }

    /// A given or family name without the spaces around it.
    pub(crate) fn name(&mut self, field: &str, value: &str) -> String {
        let name = value.trim();
        let valid = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        self.require(valid, field, format!("must have 1 to {LONGEST_NAME} printable characters"));
        name.to_owned()
    }

    /// At least one of several fields.
    pub(crate) fn any(&mut self, given: bool, fields: &str) {
        self.require(given, fields, "must be given, at least one of them");
    }

    /// An error that names every field with its mend, unless all is well.
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(self.0)) }
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let in_local = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    let in_domain = |c: char| c.is_alphanumeric() || c == '-';
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(in_local);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(in_domain) && label.trim_matches('-') == label
    };
    text.len() <= LONGEST_EMAIL
        && local.len() <= LONGEST_LOCAL_PART
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_are_told_from_other_texts() {
        let long = format!("{}@example.com", "a".repeat(64));
        for email in
            ["ada@example.com", "a.b+c@sub.example.co", "o'neil@xn--bcher-kva.example", "zoë@bücher.example", &long]
        {
            assert!(is_email(email), "{email}");
        }
        let too_long = format!("a{long}");
        for email in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.com",
            "ada@localhost",
            "a b@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x..com",
            "a@b@c.com",
            "a\0@x.com",
            "<a@x.com>",
            &too_long,
        ] {
            assert!(!is_email(email), "{email}");
        }
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let mut form = Form::default();
        form.email("ada");
        form.new_password("password", "short", ["", ""]);
        form.username("a!");
        form.name("firstName", "  ");
        let message = form.check().expect_err("refused").message;
        for field in ["email", "password", "username", "firstName"] {
            assert!(message.contains(field), "{message}");
        }
    }

    fn refused(password: &str) -> bool {
        let mut form = Form::default();
        form.new_password("newPassword", password, ["ada_lovelace", "ada@example.com"]);
        let refusal = form.check().err().map(|error| error.message);
        assert!(refusal.as_ref().is_none_or(|message| message.starts_with("newPassword ")), "{refusal:?}");
        refusal.is_some()
    }

    #[test]
    fn a_password_is_measured_in_characters() {
        for fine in ["парол-12", "🐎🐎🐎🐎🐎🐎🐎🐎", "        ", &"ß".repeat(128)] {
            assert!(!refused(fine), "{fine}");
        }
        for bad in ["", "1234567", "🐎🐎🐎🐎🐎🐎🐎", &"a".repeat(129), &"ß".repeat(129)] {
            assert!(refused(bad), "{bad}");
        }
    }

    #[test]
    fn a_common_password_and_ones_own_name_are_refused_whatever_their_case() {
        for bad in ["password1", "PASSWORD1", "Ada_Lovelace", "ADA@example.com"] {
            assert!(refused(bad), "{bad}");
        }
        assert!(!refused("ada_lovelace is my name"));
    }
}
