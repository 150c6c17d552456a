//! Passwords come from standard input or from chance, never from an argument, which everybody on the machine can see.

use std::io::Read as _;

use anyhow::ensure;
use rand::RngExt as _;

/// Where a password comes from.
#[derive(clap::Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from standard input rather than generate one
    #[arg(long)]
    password_stdin: bool,
}

/// Without those that look alike.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups of letters, and letters in each: 100 bits.
const SHAPE: (usize, usize) = (4, 5);

impl PasswordArgs {
    /// The password, and whether it was generated.
    pub(crate) fn get(&self) -> anyhow::Result<(String, bool)> {
        if !self.password_stdin {
            return Ok((generate(), true));
        }
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        let password = one_line(&text);
        ensure!(!password.is_empty(), "standard input holds no password: `pass show ada | aetherconnect …`");
        ensure!(!password.contains('\n'), "standard input must hold the password on one line, and nothing else");
        Ok((password.to_owned(), false))
    }
}

fn one_line(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

fn generate() -> String {
    let mut rng = rand::rng();
    let group =
        |_| -> String { (0..SHAPE.1).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect() };
    (0..SHAPE.0).map(group).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_are_long_readable_and_each_another() {
        let (one, other) = (generate(), generate());
        assert_ne!(one, other);
        assert!(one.len() == 23 && one.chars().all(|c| c == '-' || LETTERS.contains(&(c as u8))), "{one}");
    }

    #[test]
    fn the_end_of_the_line_is_no_part_of_a_password_but_spaces_are() {
        assert_eq!([one_line(" a b \n"), one_line("a\r\n"), one_line("a")], [" a b ", "a", "a"]);
    }
}
