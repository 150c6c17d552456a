//! GET and POST /api/rooms/{room}/members, DELETE /api/rooms/{room}/members/{user}, and who owns a room
use crate::rooms::{create, join};
use crate::{api, failure};
use aether_tests::{Answer, Api, User, unique};
use reqwest::Method;
use serde_json::{Value, json};

fn path(room: &Value) -> String {
    format!("/api/rooms/{}/members", room["id"].as_str().unwrap())
}

async fn add(api: &Api, owner: &User, room: &Value, body: Value) -> Answer {
    api.post(&path(room), Some(&owner.token), body).await
}

async fn remove(api: &Api, by: &User, room: &Value, user: &User) -> Answer {
    api.delete(&format!("{}/{}", path(room), user.id), Some(&by.token)).await
}

#[tokio::test]
async fn members_are_listed_by_page_in_the_order_in_which_they_entered() {
    let api = api();
    let owner = User::register(&api, "first").await;
    let room = create(&api, &owner, "public").await;
    let mut all = vec![owner.id.clone()];
    for _ in 0..3 {
        let guest = User::register(&api, "guest").await;
        join(&api, &guest, room["id"].as_str().unwrap()).await;
        all.push(guest.id);
    }
    let mut listed = Vec::new();
    for page in 1..=2 {
        let answer = api.get(&format!("{}?page={page}&limit=3", path(&room)), Some(&owner.token)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["pagination"]["totalItems"], 4, "{}", answer.body);
        let members = answer.body["members"].as_array().unwrap().clone();
        listed.extend(members.iter().map(|member| (member["userId"].clone(), member["role"].clone())));
    }
    let expected: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(place, id)| (json!(id), json!(if place == 0 { "owner" } else { "member" })))
        .collect();
    assert_eq!(listed, expected);
    for query in ["page=0", "limit=101", "page=x"] {
        let answer = api.get(&format!("{}?{query}", path(&room)), Some(&owner.token)).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_owner_lets_somebody_into_a_private_room_by_id_or_name_and_puts_them_out() {
    let api = api();
    let (owner, guest) = (User::register(&api, "keeper").await, User::register(&api, "invited").await);
    let room = create(&api, &owner, "private").await;
    for body in [json!({"userId": guest.id}), json!({"username": guest.username})] {
        let answer = add(&api, &owner, &room, body).await;
        assert_eq!((answer.status, &answer.body["room"]["members"]), (200, &json!([owner.id, guest.id])));
        assert_eq!(api.get("/api/rooms", Some(&guest.token)).await.body["rooms"][0]["id"], room["id"]);
        assert_eq!(remove(&api, &owner, &room, &guest).await.status, 200);
        assert_eq!(api.get("/api/rooms", Some(&guest.token)).await.body["rooms"], json!([]));
    }
    api.get(&path(&room), Some(&guest.token)).await.assert(404, failure("Room not found"));
}

#[tokio::test]
async fn an_invitation_must_name_one_user_who_is_there() {
    let api = api();
    let owner = User::register(&api, "inviter").await;
    let room = create(&api, &owner, "private").await;
    let both = json!({"userId": owner.id, "username": owner.username});
    for body in [json!({}), both] {
        let refused = failure("userId or username is required, and not both");
        add(&api, &owner, &room, body).await.assert(400, refused);
    }
    for body in [json!({"username": unique("nobody")}), json!({"userId": "999999999"})] {
        add(&api, &owner, &room, body).await.assert(404, failure("User not found"));
    }
}

#[tokio::test]
async fn only_the_owner_lets_in_and_puts_out() {
    let api = api();
    let (owner, guest) = (User::register(&api, "boss").await, User::register(&api, "plain").await);
    let other = User::register(&api, "third").await;
    let room = create(&api, &owner, "public").await;
    join(&api, &guest, room["id"].as_str().unwrap()).await;
    let refused = failure("Only the room's owner may do this");
    add(&api, &guest, &room, json!({"userId": other.id})).await.assert(403, refused.clone());
    remove(&api, &guest, &room, &owner).await.assert(403, refused);
}

#[tokio::test]
async fn a_room_whose_owner_leaves_belongs_to_who_entered_first_of_those_who_stay() {
    let api = api();
    let (owner, second) = (User::register(&api, "leaver").await, User::register(&api, "heir").await);
    let third = User::register(&api, "later").await;
    let room = create(&api, &owner, "private").await;
    for user in [&second, &third] {
        assert_eq!(add(&api, &owner, &room, json!({"userId": user.id})).await.status, 200);
    }
    let leave = format!("/api/rooms/{}/leave", room["id"].as_str().unwrap());
    assert_eq!(api.post(&leave, Some(&owner.token), json!({})).await.status, 200);
    assert_eq!(remove(&api, &third, &room, &second).await.status, 403);
    assert_eq!(remove(&api, &second, &room, &third).await.status, 200);
    let listed = api.get(&path(&room), Some(&second.token)).await.body["members"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["role"]), (1, &json!("owner")), "{listed}");
}

#[tokio::test]
async fn public_rooms_are_found_by_a_part_of_their_name_in_whatever_case_and_private_ones_never() {
    let api = api();
    let (owner, seeker) = (User::register(&api, "host").await, User::register(&api, "seeker").await);
    let word = unique("Needle");
    for (name, kind) in [("a", "public"), ("b", "public"), ("c", "private")] {
        let body = json!({"name": format!("{name} {word} room"), "roomType": kind});
        assert_eq!(api.post("/api/rooms", Some(&owner.token), body).await.status, 201);
    }
    let search = |query: String| {
        let (api, token) = (api.clone(), seeker.token.clone());
        async move { api.get(&format!("/api/rooms/public?{query}"), Some(&token)).await.body }
    };
    let found = search(format!("search={}", word.to_uppercase())).await;
    let names: Vec<&str> =
        found["rooms"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect();
    assert_eq!(names, [format!("a {word} room"), format!("b {word} room")]);
    let second = search(format!("search={word}&page=2&limit=1")).await;
    assert_eq!((&second["rooms"][0]["name"], &second["pagination"]["totalItems"]), (&json!(names[1]), &json!(2)));
    assert_eq!(search(format!("search={}", unique("haystack"))).await["rooms"], json!([]));
}

#[tokio::test]
async fn two_users_have_one_direct_room_whoever_asks_and_nobody_leaves_or_joins_it() {
    let api = api();
    let (ann, bob) = (User::register(&api, "ann").await, User::register(&api, "bob").await);
    let stranger = User::register(&api, "stranger").await;
    let mut rooms = Vec::new();
    for (asks, body) in [(&ann, json!({"userId": bob.id})), (&bob, json!({"username": ann.username}))] {
        let answer = api.post("/api/rooms/direct", Some(&asks.token), body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        rooms.push(answer.body["room"].clone());
    }
    assert_eq!(rooms[0]["id"], rooms[1]["id"]);
    assert_eq!((&rooms[0]["name"], &rooms[1]["name"]), (&json!(bob.username), &json!(ann.username)));
    let id = rooms[0]["id"].as_str().unwrap();
    join(&api, &stranger, id).await.assert(404, failure("Room not found"));
    let left = api.call(Method::POST, &format!("/api/rooms/{id}/leave"), Some(&ann.token), Some(json!({}))).await;
    assert_eq!(left.status, 403, "{}", left.body);
    let oneself = api.post("/api/rooms/direct", Some(&ann.token), json!({"userId": ann.id})).await;
    assert_eq!(oneself.status, 400, "{}", oneself.body);
}
