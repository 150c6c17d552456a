//! `/api/auth/*`

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, send};

fn john() -> Value {
    json!({"email": "john@example.com", "password": "correct horse", "firstName": "John", "lastName": "Doe",
        "username": "john_doe"})
}

fn user() -> Value {
    json!({"id": "1", "username": "john_doe", "email": "john@example.com", "firstName": "John", "lastName": "Doe",
        "name": "John Doe", "roles": ["user"], "createdAt": "2023-10-27T10:00:00.000Z",
        "updatedAt": "2023-10-27T10:00:00.000Z"})
}

#[tokio::test]
async fn registering_answers_201_with_the_user_and_an_access_token() {
    let world = World::new().await;
    let (status, body) = send(world.request(Method::POST, "/api/auth/register").json(&john())).await;
    let token = body["accessToken"].clone();
    assert!(token.is_string());
    let expected =
        json!({"success": true, "message": "User created successfully", "user": user(), "accessToken": token});
    assert_eq!((status, body), (201, expected));
}

#[tokio::test]
async fn registering_a_taken_name_is_400_with_the_specified_message() {
    let world = World::new().await;
    world.register("john_doe").await;
    let answer = send(world.request(Method::POST, "/api/auth/register").json(&john())).await;
    let expected = json!({"success": false, "message": "User with this email or username already exists"});
    assert_eq!(answer, (400, expected));
}

#[tokio::test]
async fn a_bad_body_is_400_and_names_the_fields() {
    let world = World::new().await;
    let register = || world.request(Method::POST, "/api/auth/register");
    for (request, message) in [
        (
            register().json(&json!({"email": 1, "password": "x", "username": "ada"})),
            "email must be a string; firstName is required; lastName is required",
        ),
        (register().body("{}"), "body must be JSON, with the header Content-Type: application/json"),
        (
            register().header("content-type", "application/json").body("{\"email\":"),
            "body is not valid JSON (line 1, column 9)",
        ),
        (register().header("content-type", "application/json"), "body is empty: send a JSON object"),
        (register().json(&json!(["john"])), "body must be a JSON object"),
    ] {
        assert_eq!(send(request).await, (400, json!({"success": false, "message": message})));
    }
    let mut short = john();
    short["password"] = json!("short");
    let expected = json!({"success": false, "message": "password must have at least 8 characters"});
    assert_eq!(send(register().json(&short)).await, (400, expected));
}

#[tokio::test]
async fn logging_in_answers_with_user_and_token_and_wrong_credentials_with_401() {
    let world = World::new().await;
    world.register("john_doe").await;
    let login = |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        send(world.request(Method::POST, "/api/auth/login").json(&body))
    };
    let (status, body) = login("john_doe@example.com", "correct horse").await;
    assert_eq!((status, &body["message"], &body["success"]), (200, &json!("Login successful"), &json!(true)));
    assert_eq!(body.as_object().unwrap().len(), 4);
    let refused = (401, json!({"success": false, "message": "Invalid credentials"}));
    assert_eq!(login("john_doe@example.com", "wrong horse").await, refused);
    assert_eq!(login("nobody@example.com", "correct horse").await, refused);
}

#[tokio::test]
async fn the_two_forms_of_401_stand_where_the_specification_has_them() {
    let world = World::new().await;
    let with_code = (401, json!({"statusCode": 401, "message": "Unauthorized"}));
    for (method, path) in [
        (Method::GET, "/api/auth/ws-token"),
        (Method::GET, "/api/auth/profile"),
        (Method::PUT, "/api/auth/profile"),
        (Method::PUT, "/api/auth/password"),
        (Method::GET, "/api/auth/sessions"),
        (Method::DELETE, "/api/auth/sessions"),
        (Method::DELETE, "/api/auth/sessions/1"),
        (Method::GET, "/api/rooms"),
        (Method::POST, "/api/rooms"),
        (Method::GET, "/api/rooms/general/messages"),
        (Method::POST, "/api/rooms/general/join"),
        (Method::POST, "/api/rooms/general/leave"),
    ] {
        assert_eq!(send(world.request(method.clone(), path)).await, with_code, "{method} {path}");
        assert_eq!(send(world.request(method, path).bearer_auth("rubbish")).await, with_code);
    }
    let plain = (401, json!({"success": false, "message": "Unauthorized"}));
    assert_eq!(send(world.request(Method::POST, "/api/auth/logout")).await, plain);
    assert_eq!(send(world.post("/api/auth/logout", "rubbish")).await, plain);
}

#[tokio::test]
async fn logging_out_revokes_the_token_at_once() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let done = json!({"success": true, "message": "Logged out successfully"});
    assert_eq!(send(world.post("/api/auth/logout", &token)).await, (200, done));
    assert_eq!(send(world.get("/api/auth/profile", &token)).await.0, 401);
    assert_eq!(send(world.get("/api/rooms", &token)).await.0, 401);
    let again = send(world.post("/api/auth/logout", &token)).await;
    assert_eq!(again, (401, json!({"success": false, "message": "Unauthorized"})));
}

#[tokio::test]
async fn a_websocket_token_is_given_to_a_user() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let answer = send(world.get("/api/auth/ws-token", &token)).await;
    assert_eq!(answer, (200, json!({"success": true, "token": "a token"})));
}

#[tokio::test]
async fn the_profile_is_shown_and_changed() {
    let world = World::new().await;
    let registered = send(world.request(Method::POST, "/api/auth/register").json(&john())).await.1;
    let token = registered["accessToken"].as_str().unwrap();
    let expected = json!({"success": true, "message": "User profile retrieved successfully", "user": user()});
    assert_eq!(send(world.get("/api/auth/profile", token)).await, (200, expected));

    let change = world.request(Method::PUT, "/api/auth/profile").bearer_auth(token).json(&json!({"lastName": "Roe"}));
    let (status, body) = send(change).await;
    assert_eq!((status, &body["message"]), (200, &json!("User profile updated successfully")));
    assert_eq!((&body["user"]["name"], &body["user"]["username"]), (&json!("John Roe"), &json!("john_doe")));
}

#[tokio::test]
async fn a_failed_profile_update_says_what_to_mend_where_that_is_known() {
    let world = World::new().await;
    let token = world.register("ada").await;
    world.register("grace").await;
    for (body, message) in [
        (json!({"username": "grace"}), "Failed to update user profile"),
        (json!({"username": "ab"}), "Failed to update user profile: firstName must be short"),
        (json!({"username": 7}), "Failed to update user profile: username must be a string"),
        (json!({"username": "odd"}), "Failed to update user profile"),
    ] {
        let change = world.request(Method::PUT, "/api/auth/profile").bearer_auth(&token).json(&body);
        assert_eq!(send(change).await, (400, json!({"success": false, "message": message})));
    }
}

#[tokio::test]
async fn a_fault_is_500_without_internal_text() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let change = world.request(Method::PUT, "/api/auth/profile").bearer_auth(&token);
    let answer = send(change.json(&json!({"username": "broken"}))).await;
    assert_eq!(answer, (500, json!({"success": false, "message": "Internal server error"})));
}

#[tokio::test]
async fn an_outage_of_auth_is_503_and_never_401() {
    let mut world = World::new().await;
    let token = world.register("ada").await;
    world.auth.kill().await;
    for request in [
        world.request(Method::POST, "/api/auth/login").json(&json!({"email": "a@b.c", "password": "correct horse"})),
        world.get("/api/auth/profile", &token),
        world.post("/api/auth/logout", &token),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.json::<Value>().await.unwrap()["success"], false);
    }
    // As soon as revocations can't be known any more, not even a well-signed token passes; it is never 401.
    tokio::time::sleep(std::time::Duration::from_millis(3600)).await;
    assert_eq!(send(world.get("/api/rooms", &token)).await.0, 503);
    assert_eq!(send(world.get("/api/rooms", "rubbish")).await.0, 401);
}

#[tokio::test]
async fn a_password_is_changed_and_a_bad_one_refused_by_the_name_of_its_field() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let change = |body: Value| send(world.request(Method::PUT, "/api/auth/password").bearer_auth(&token).json(&body));
    for (body, message) in [
        (json!({"currentPassword": "wrong", "newPassword": "battery staple"}), "currentPassword is wrong"),
        (json!({"newPassword": 7}), "currentPassword is required; newPassword must be a string"),
    ] {
        assert_eq!(change(body).await, (400, json!({"success": false, "message": message})));
    }
    let done = json!({"success": true, "message": "Password changed successfully"});
    assert_eq!(change(json!({"currentPassword": "correct horse", "newPassword": "battery staple"})).await, (200, done));
    let login = json!({"email": "ada@example.com", "password": "battery staple"});
    assert_eq!(send(world.request(Method::POST, "/api/auth/login").json(&login)).await.0, 200);
}

#[tokio::test]
async fn sessions_are_listed_and_the_current_one_ends_at_once_on_this_gateway() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let (status, body) = send(world.get("/api/auth/sessions", &token)).await;
    let id = body["sessions"][0]["id"].as_str().unwrap().to_owned();
    let session = json!({"id": id, "createdAt": "2023-10-27T10:00:00.000Z", "expiresAt": "2023-10-27T10:00:00.000Z",
        "address": null, "userAgent": null, "current": true});
    let list = json!({"success": true, "message": "Sessions retrieved successfully", "sessions": [session]});
    assert_eq!((status, body), (200, list));
    let delete = |path: String| send(world.request(Method::DELETE, &path).bearer_auth(&token));
    let none = json!({"success": false, "message": "Session not found"});
    for other in ["other", "%FF"] {
        assert_eq!(delete(format!("/api/auth/sessions/{other}")).await, (404, none.clone()));
    }
    let ended = json!({"success": true, "message": "Session revoked successfully", "revoked": 1});
    assert_eq!(delete(format!("/api/auth/sessions/{id}")).await, (200, ended));
    assert_eq!(send(world.get("/api/rooms", &token)).await.0, 401);
}

#[tokio::test]
async fn all_sessions_end_with_the_current_one_only_where_that_is_said() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let delete =
        |query: &str| send(world.request(Method::DELETE, &format!("/api/auth/sessions{query}")).bearer_auth(&token));
    let revoked = |number| json!({"success": true, "message": "Sessions revoked successfully", "revoked": number});
    let refusal = json!({"success": false, "message": "all must be true or false"});
    assert_eq!(delete("?all=perhaps").await, (400, refusal));
    assert_eq!(delete("").await, (200, revoked(0)));
    assert_eq!(send(world.get("/api/rooms", &token)).await.0, 200);
    assert_eq!(delete("?all=true").await, (200, revoked(1)));
    assert_eq!(send(world.get("/api/rooms", &token)).await.0, 401);
}
