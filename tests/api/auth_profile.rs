//! GET and PUT /api/auth/profile
use crate::{api, failure, guard_401};
use aether_tests::{User, assert_json, unique};
use serde_json::{Value, json};

const PATH: &str = "/api/auth/profile";

fn user_of(user: &User, changes: Value) -> Value {
    let mut expected = json!({
        "id": user.id, "username": user.username, "email": user.email,
        "firstName": "John", "lastName": "Doe", "name": "John Doe", "roles": ["user"],
        "createdAt": "<time>", "updatedAt": "<time>",
    });
    changes.as_object().unwrap().iter().for_each(|(key, value)| expected[key] = value.clone());
    expected
}

#[tokio::test]
async fn the_profile_is_the_callers_own() {
    let api = api();
    let user = User::register(&api, "profile").await;
    let expected = json!({
        "success": true,
        "message": "User profile retrieved successfully",
        "user": user_of(&user, json!({})),
    });
    api.get(PATH, Some(&user.token)).await.assert(200, expected);
}

#[tokio::test]
async fn any_of_the_fields_can_be_changed_alone() {
    let api = api();
    let user = User::register(&api, "change").await;
    let renamed = unique("renamed");
    let mut so_far = json!({});
    for (field, value, name) in
        [("firstName", "Jane", "Jane Doe"), ("lastName", "Roe", "Jane Roe"), ("username", &renamed, "Jane Roe")]
    {
        so_far[field] = value.into();
        so_far["name"] = name.into();
        let expected = json!({
            "success": true,
            "message": "User profile updated successfully",
            "user": user_of(&user, so_far.clone()),
        });
        api.put(PATH, Some(&user.token), json!({field: value})).await.assert(200, expected);
    }
    let stored = api.get(PATH, Some(&user.token)).await;
    assert_json(&stored.body["user"], user_of(&user, so_far));
}

#[tokio::test]
async fn an_update_moves_updated_at_and_leaves_created_at() {
    let api = api();
    let user = User::register(&api, "moved").await;
    let before = api.get(PATH, Some(&user.token)).await.body;
    let after = api.put(PATH, Some(&user.token), json!({"firstName": "Jane"})).await.body;
    assert_eq!(before["user"]["createdAt"], after["user"]["createdAt"]);
    assert!(after["user"]["updatedAt"].as_str() > before["user"]["updatedAt"].as_str());
}

#[tokio::test]
async fn a_taken_user_name_is_refused_whatever_its_case() {
    let api = api();
    let (first, second) = (User::register(&api, "first").await, User::register(&api, "second").await);
    for name in [first.username.clone(), first.username.to_uppercase()] {
        let answer = api.put(PATH, Some(&second.token), json!({"username": name})).await;
        answer.assert(400, failure("Failed to update user profile"));
    }
}

#[tokio::test]
async fn a_bad_value_is_refused_and_changes_nothing() {
    let api = api();
    let user = User::register(&api, "badput").await;
    for body in [json!({"username": "ab"}), json!({"username": 5}), json!({"firstName": ""}), json!([])] {
        api.put(PATH, Some(&user.token), body).await.assert(400, failure("<string>"));
    }
    let stored = api.get(PATH, Some(&user.token)).await;
    assert_json(&stored.body["user"], user_of(&user, json!({})));
}

#[tokio::test]
async fn what_is_not_the_users_to_change_stays_as_it_is() {
    let api = api();
    let user = User::register(&api, "roles").await;
    api.put(PATH, Some(&user.token), json!({"firstName": "Jane", "roles": ["admin"], "id": "1"})).await;
    let stored = api.get(PATH, Some(&user.token)).await;
    assert_eq!(stored.body["user"]["roles"], json!(["user"]));
    assert_eq!(stored.body["user"]["id"], user.id);
}

#[tokio::test]
async fn without_a_token_both_are_refused() {
    let api = api();
    api.get(PATH, None).await.assert(401, guard_401());
    api.put(PATH, None, json!({"firstName": "Jane"})).await.assert(401, guard_401());
}
