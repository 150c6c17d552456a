//! Users of the tests: each has a name of its own, so tests can share a backend.

use crate::{Answer, Api};
use serde_json::{Value, json};

/// The password of every test user.
pub const PASSWORD: &str = "correct horse battery";

/// A name that no other test uses: `prefix` with eight random letters and digits.
pub fn unique(prefix: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{prefix}_{}", &random[..8])
}

/// A registered user with an access token.
#[derive(Clone, Debug)]
pub struct User {
    /// The id, in digits.
    pub id: String,
    /// The user name.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// An access token of the session that registration opened.
    pub token: String,
}

impl User {
    /// A registration body for a new user of this name.
    pub fn form(username: &str) -> Value {
        json!({
            "email": format!("{username}@example.com"), "password": PASSWORD,
            "firstName": "John", "lastName": "Doe", "username": username,
        })
    }

    /// Registers a user with a name that starts with `prefix`.
    pub async fn register(api: &Api, prefix: &str) -> Self {
        let username = unique(prefix);
        let answer = api.post("/api/auth/register", None, Self::form(&username)).await;
        assert_eq!(answer.status, 201, "the body is {}", answer.body);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            id: text(&answer.body["user"]["id"]),
            email: text(&answer.body["user"]["email"]),
            token: text(&answer.body["accessToken"]),
            username,
        }
    }

    /// Logs in once more and returns the new session's access token.
    pub async fn login(&self, api: &Api) -> String {
        let answer = self.try_login(api, PASSWORD).await;
        assert_eq!(answer.status, 200, "the body is {}", answer.body);
        answer.body["accessToken"].as_str().unwrap().to_owned()
    }

    /// Tries to log in with any password.
    pub async fn try_login(&self, api: &Api, password: &str) -> Answer {
        api.post("/api/auth/login", None, json!({"email": self.email, "password": password})).await
    }

    /// A WebSocket token.
    pub async fn ws_token(&self, api: &Api) -> String {
        let answer = api.get("/api/auth/ws-token", Some(&self.token)).await;
        assert_eq!(answer.status, 200, "the body is {}", answer.body);
        answer.body["token"].as_str().unwrap().to_owned()
    }
}
