//! GET and POST /api/rooms, POST /api/rooms/:id/join and /leave
use crate::{api, failure, guard_401};
use aether_tests::{Api, User, unique};
use serde_json::{Value, json};

const PATH: &str = "/api/rooms";

pub(crate) async fn create(api: &Api, owner: &User, room_type: &str) -> Value {
    let body = json!({"name": unique("room"), "description": "A room", "roomType": room_type});
    let answer = api.post(PATH, Some(&owner.token), body).await;
    assert_eq!(answer.status, 201, "the body is {}", answer.body);
    answer.body["room"].clone()
}

pub(crate) async fn join(api: &Api, user: &User, room: &str) -> aether_tests::Answer {
    api.post(&format!("{PATH}/{room}/join"), Some(&user.token), json!({})).await
}

fn room(name: &str, room_type: &str, owner: &str, members: &[&str]) -> Value {
    json!({
        "id": "<id>", "name": name, "description": "A room", "roomType": room_type, "createdBy": owner,
        "members": members, "createdAt": "<time>", "updatedAt": "<time>",
    })
}

#[tokio::test]
async fn a_new_user_has_no_rooms() {
    let api = api();
    let user = User::register(&api, "norooms").await;
    let expected = json!({"success": true, "message": "No rooms joined yet.", "rooms": []});
    api.get(PATH, Some(&user.token)).await.assert(200, expected);
}

#[tokio::test]
async fn a_made_room_is_returned_and_listed_with_its_owner_as_its_member() {
    let api = api();
    let user = User::register(&api, "owner").await;
    let name = unique("room");
    let body = json!({"name": name, "description": "A room", "roomType": "private"});
    let expected = room(&name, "private", &user.id, &[&user.id]);
    let made = api.post(PATH, Some(&user.token), body).await;
    made.assert(201, json!({"success": true, "message": "<string>", "room": expected}));
    let listed = api.get(PATH, Some(&user.token)).await;
    listed
        .assert(200, json!({"success": true, "message": "Rooms retrieved successfully", "rooms": [made.body["room"]]}));
}

#[tokio::test]
async fn description_and_type_may_be_left_out() {
    let api = api();
    let user = User::register(&api, "short").await;
    let name = unique("room");
    let answer = api.post(PATH, Some(&user.token), json!({"name": name})).await;
    assert_eq!(answer.status, 201, "the body is {}", answer.body);
    assert_eq!(answer.body["room"]["roomType"], "public");
}

#[tokio::test]
async fn a_bad_room_is_refused_by_a_message_that_names_the_field() {
    let api = api();
    let user = User::register(&api, "badroom").await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": 3}), "name"),
        (json!({"name": unique("x"), "roomType": "secret"}), "roomtype"),
    ] {
        let answer = api.post(PATH, Some(&user.token), body).await;
        answer.assert(400, failure("<string>"));
        let message = answer.body["message"].as_str().unwrap().to_lowercase();
        assert!(message.contains(field), "{message}");
    }
}

#[tokio::test]
async fn a_taken_room_name_is_refused() {
    let api = api();
    let user = User::register(&api, "takenroom").await;
    let room = create(&api, &user, "public").await;
    let answer = api.post(PATH, Some(&user.token), json!({"name": room["name"]})).await;
    assert!(answer.status == 400 || answer.status == 409, "{answer:?}");
    aether_tests::assert_json(&answer.body, failure("<string>"));
}

#[tokio::test]
async fn a_public_room_can_be_joined_by_id_and_by_name_and_twice() {
    let api = api();
    let (owner, guest) = (User::register(&api, "host").await, User::register(&api, "guest").await);
    let made = create(&api, &owner, "public").await;
    for key in ["id", "name", "id"] {
        let answer = join(&api, &guest, made[key].as_str().unwrap()).await;
        let expected = room(made["name"].as_str().unwrap(), "public", &owner.id, &[&owner.id, &guest.id]);
        answer.assert(200, json!({"success": true, "message": "<string>", "room": expected}));
    }
    assert_eq!(api.get(PATH, Some(&guest.token)).await.body["rooms"][0]["id"], made["id"]);
}

#[tokio::test]
async fn a_member_who_leaves_no_longer_has_the_room() {
    let api = api();
    let (owner, guest) = (User::register(&api, "stay").await, User::register(&api, "leave").await);
    let made = create(&api, &owner, "public").await;
    let id = made["id"].as_str().unwrap();
    join(&api, &guest, id).await;
    let answer = api.post(&format!("{PATH}/{id}/leave"), Some(&guest.token), json!({})).await;
    answer.assert(200, json!({"success": true, "message": "<string>"}));
    assert_eq!(api.get(PATH, Some(&guest.token)).await.body["rooms"], json!([]));
    assert_eq!(api.get(PATH, Some(&owner.token)).await.body["rooms"][0]["members"], json!([owner.id]));
}

#[tokio::test]
async fn a_private_room_looks_like_none_to_a_stranger() {
    let api = api();
    let (owner, stranger) = (User::register(&api, "inside").await, User::register(&api, "outside").await);
    let made = create(&api, &owner, "private").await;
    for key in ["id", "name"] {
        join(&api, &stranger, made[key].as_str().unwrap()).await.assert(404, failure("Room not found"));
    }
    assert_eq!(api.get(PATH, Some(&stranger.token)).await.body["rooms"], json!([]));
}

#[tokio::test]
async fn a_room_that_does_not_exist_can_be_neither_joined_nor_left() {
    let api = api();
    let user = User::register(&api, "noroom").await;
    for action in ["join", "leave"] {
        let answer = api.post(&format!("{PATH}/{}/{action}", unique("none")), Some(&user.token), json!({})).await;
        answer.assert(404, failure("Room not found"));
    }
}

#[tokio::test]
async fn the_room_general_is_there_from_the_start_made_by_the_system() {
    let api = api();
    let user = User::register(&api, "general").await;
    let answer = join(&api, &user, "general").await;
    assert_eq!(answer.status, 200, "the body is {}", answer.body);
    assert_eq!(answer.body["room"]["createdBy"], "system");
    assert_eq!(answer.body["room"]["roomType"], "public");
    assert!(answer.body["room"]["members"].as_array().unwrap().contains(&json!(user.id)));
}

#[tokio::test]
async fn without_a_token_every_one_is_refused() {
    let api = api();
    api.get(PATH, None).await.assert(401, guard_401());
    for path in [PATH, "/api/rooms/general/join", "/api/rooms/general/leave"] {
        api.post(path, None, json!({"name": "x"})).await.assert(401, guard_401());
    }
}
