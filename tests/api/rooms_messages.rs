//! GET /api/rooms/:roomId/messages
use crate::rooms::{create, join};
use crate::{api, failure, guard_401};
use aether_tests::{Api, Socket, User, unique};
use serde_json::{Value, json};

async fn history(api: &Api, user: &User, room: &str, query: &str) -> aether_tests::Answer {
    api.get(&format!("/api/rooms/{room}/messages{query}"), Some(&user.token)).await
}

fn id(room: &Value) -> &str {
    room["id"].as_str().unwrap()
}

fn contents(body: &Value) -> Vec<&str> {
    body["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_message_is_found_in_the_history_with_every_field() {
    let api = api();
    let user = User::register(&api, "history").await;
    let room = create(&api, &user, "public").await;
    let mut socket = Socket::connect(&api, &user).await;
    let ack = socket.send(id(&room), "Hello, world!").await;
    let expected = json!({
        "success": true,
        "message": "Message history retrieved successfully",
        "messages": [{
            "id": ack["id"], "userId": user.id, "username": user.username, "roomId": room["id"],
            "content": "Hello, world!", "messageType": "text", "metadata": null,
            "createdAt": "<time>", "updatedAt": "<time>",
        }],
        "pagination": {
            "currentPage": 1, "totalPages": 1, "totalItems": 1, "itemsPerPage": 50, "hasNext": false, "hasPrevious": false,
        },
    });
    history(&api, &user, id(&room), "").await.assert(200, expected);
}

#[tokio::test]
async fn an_empty_room_has_an_empty_history() {
    let api = api();
    let user = User::register(&api, "empty").await;
    let room = create(&api, &user, "private").await;
    let answer = history(&api, &user, id(&room), "").await;
    assert_eq!((answer.status, &answer.body["messages"]), (200, &json!([])));
    assert_eq!(answer.body["pagination"]["totalItems"], 0);
    assert_eq!(answer.body["pagination"]["hasNext"], false);
    let second = history(&api, &user, id(&room), "?page=2").await;
    assert_eq!(second.body["pagination"]["hasPrevious"], false);
}

#[tokio::test]
async fn messages_sent_by_name_and_by_id_make_one_history_that_both_lead_to() {
    let api = api();
    let user = User::register(&api, "onehistory").await;
    let room = create(&api, &user, "public").await;
    let mut socket = Socket::connect(&api, &user).await;
    let name = room["name"].as_str().unwrap();
    socket.send(name, "by name").await;
    socket.send(id(&room), "by id").await;
    for key in [name, id(&room)] {
        let answer = history(&api, &user, key, "").await;
        assert_eq!(contents(&answer.body), ["by name", "by id"]);
        assert!(answer.body["messages"].as_array().unwrap().iter().all(|message| message["roomId"] == room["id"]));
    }
}

#[tokio::test]
async fn page_one_holds_the_newest_and_each_page_ascends() {
    let api = api();
    let user = User::register(&api, "pages").await;
    let room = create(&api, &user, "public").await;
    let mut socket = Socket::connect(&api, &user).await;
    for number in 1..=55 {
        socket.send(id(&room), &number.to_string()).await;
    }
    let numbers = |from: u32, to: u32| (from..=to).map(|number| number.to_string()).collect::<Vec<_>>();
    for (query, from, to, per_page, page, pages) in [
        ("", 6, 55, 50, 1, 2),
        ("?page=2", 1, 5, 50, 2, 2),
        ("?page=1&limit=20", 36, 55, 20, 1, 3),
        ("?page=2&limit=20", 16, 35, 20, 2, 3),
        ("?page=3&limit=20", 1, 15, 20, 3, 3),
        ("?limit=100", 1, 55, 100, 1, 1),
    ] {
        let answer = history(&api, &user, id(&room), query).await;
        assert_eq!(contents(&answer.body), numbers(from, to), "{query}");
        let expected = json!({
            "currentPage": page, "totalPages": pages, "totalItems": 55, "itemsPerPage": per_page,
            "hasNext": page < pages, "hasPrevious": page > 1,
        });
        assert_eq!(answer.body["pagination"], expected, "{query}");
    }
    assert!(contents(&history(&api, &user, id(&room), "?page=9").await.body).is_empty());
}

#[tokio::test]
async fn a_page_or_limit_that_is_no_positive_integer_is_a_400() {
    let api = api();
    let user = User::register(&api, "badpage").await;
    let room = create(&api, &user, "public").await;
    for query in ["page=-1", "page=0", "page=x", "page=1.5", "page=", "limit=0", "limit=-5", "limit=x", "limit=101"] {
        let answer = history(&api, &user, id(&room), &format!("?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        answer.assert(400, failure("<string>"));
    }
}

#[tokio::test]
async fn an_unknown_room_is_a_404() {
    let api = api();
    let user = User::register(&api, "unknown").await;
    history(&api, &user, &unique("none"), "").await.assert(404, failure("Room not found"));
    history(&api, &user, "635a5e3b8bb9e8b3c8e9f5d2", "").await.assert(404, failure("Room not found"));
}

#[tokio::test]
async fn a_public_room_shows_its_history_to_members_alone() {
    let api = api();
    let (owner, guest) = (User::register(&api, "member").await, User::register(&api, "nomember").await);
    let room = create(&api, &owner, "public").await;
    Socket::connect(&api, &owner).await.send(id(&room), "for members").await;
    history(&api, &guest, id(&room), "").await.assert(403, failure("<string>"));
    join(&api, &guest, id(&room)).await;
    assert_eq!(contents(&history(&api, &guest, id(&room), "").await.body), ["for members"]);
}

#[tokio::test]
async fn a_private_room_does_not_show_that_it_is_there() {
    let api = api();
    let (owner, stranger) = (User::register(&api, "private").await, User::register(&api, "stranger").await);
    let room = create(&api, &owner, "private").await;
    for key in ["id", "name"] {
        let answer = history(&api, &stranger, room[key].as_str().unwrap(), "").await;
        answer.assert(404, failure("Room not found"));
    }
}

#[tokio::test]
async fn a_member_who_left_no_longer_sees_the_history() {
    let api = api();
    let (owner, guest) = (User::register(&api, "keeps").await, User::register(&api, "leaves").await);
    let room = create(&api, &owner, "public").await;
    join(&api, &guest, id(&room)).await;
    assert_eq!(history(&api, &guest, id(&room), "").await.status, 200);
    api.post(&format!("/api/rooms/{}/leave", id(&room)), Some(&guest.token), json!({})).await;
    history(&api, &guest, id(&room), "").await.assert(403, failure("<string>"));
}

#[tokio::test]
async fn without_a_token_it_is_refused() {
    api().get("/api/rooms/general/messages", None).await.assert(401, guard_401());
}
