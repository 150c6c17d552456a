//! Users as text. Pure.

use aether_auth::admin::Account;

use crate::output::{Paint, table};

/// All users, one a line.
pub(crate) fn list(users: &[Account], paint: Paint) -> String {
    if users.is_empty() {
        return "There are no users yet.\n".to_owned();
    }
    let head = ["ID", "USERNAME", "EMAIL", "NAME", "SESSIONS", "CREATED", "STATE"].map(str::to_owned).to_vec();
    let rows = users.iter().map(|user| {
        let state = if user.disabled_at.is_some() { "disabled" } else { "active" };
        vec![
            user.id.clone(),
            user.username.clone(),
            user.email.clone(),
            format!("{} {}", user.first_name, user.last_name),
            user.sessions.to_string(),
            user.created_at.format("%Y-%m-%d").to_string(),
            state.to_owned(),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    table(&rows, |row, column, cell| match (row, column) {
        (0, _) => paint.bold(cell),
        (_, 6) if cell == "disabled" => paint.bad(cell),
        _ => cell.to_owned(),
    })
}

/// A new user.
pub(crate) fn created(user: &Account, _: bool, _: usize) -> String {
    format!("Made {} ({}). The user can log in now, and change the password in the profile.", user.username, user.email)
}

/// A disabled user.
pub(crate) fn disabled(user: &Account, changed: bool, ended: usize) -> String {
    if !changed {
        return format!("{} was disabled already.", user.username);
    }
    format!(
        "Disabled {}: no login any more, {}; `users enable` undoes it.",
        user.username,
        match ended {
            0 => "and there was no session to end".to_owned(),
            1 => "and one session ends everywhere within a second".to_owned(),
            n => format!("and {n} sessions end everywhere within a second"),
        }
    )
}

/// An enabled user.
pub(crate) fn enabled(user: &Account, changed: bool, _: usize) -> String {
    match changed {
        true => format!("Enabled {}: login works again, with the same password.", user.username),
        false => format!("{} was not disabled.", user.username),
    }
}

/// A user with another password.
pub(crate) fn reset(user: &Account, _: bool, ended: usize) -> String {
    let disabled = if user.disabled_at.is_some() { " The user is still disabled: `users enable`." } else { "" };
    format!("Set a new password for {}; {ended} sessions ended.{disabled}", user.username)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ada(disabled_at: Option<&str>) -> Account {
        serde_json::from_value(json!({
            "id": "1", "email": "ada@example.com", "username": "ada", "firstName": "Ada", "lastName": "Lovelace",
            "roles": ["user"], "createdAt": "2026-01-02T03:04:05Z", "disabledAt": disabled_at, "sessions": 2,
        }))
        .unwrap()
    }

    #[test]
    fn users_are_listed_with_their_state() {
        let text = list(&[ada(None), ada(Some("2026-02-02T00:00:00Z"))], Paint::none());
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].contains("ada       ada@example.com  Ada Lovelace  2         2026-01-02  active"), "{text}");
        assert!(lines[2].ends_with("disabled"), "{text}");
        assert_eq!(list(&[], Paint::none()), "There are no users yet.\n");
    }

    #[test]
    fn each_change_says_what_it_did() {
        let user = ada(None);
        assert!(disabled(&user, true, 2).contains("2 sessions end everywhere within a second"));
        assert!(disabled(&user, false, 0).ends_with("already."));
        assert!(enabled(&user, true, 0).contains("login works again"));
        assert!(reset(&ada(Some("2026-02-02T00:00:00Z")), true, 0).contains("still disabled"));
    }
}
