//! `/api/rooms*`

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, send};

const GENERAL: &str = "635a5e3b8bb9e8b3c8e9f5d2";

fn general(members: &Value) -> Value {
    json!({"id": GENERAL, "name": "general", "description": "General discussion room", "roomType": "public",
        "createdBy": "system", "members": members, "createdAt": "2023-10-27T10:00:00.000Z",
        "updatedAt": "2023-10-27T10:00:00.000Z"})
}

#[tokio::test]
async fn a_new_user_has_no_rooms_until_it_joins_one() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let none = json!({"success": true, "message": "No rooms joined yet.", "rooms": []});
    assert_eq!(send(world.get("/api/rooms", &token)).await, (200, none.clone()));

    let room = general(&json!(["1", "2"]));
    let joined = json!({"success": true, "message": "Joined room successfully", "room": room});
    assert_eq!(send(world.post("/api/rooms/general/join", &token)).await, (200, joined));
    let rooms = json!({"success": true, "message": "Rooms retrieved successfully", "rooms": [room]});
    assert_eq!(send(world.get("/api/rooms", &token)).await, (200, rooms));

    let left = json!({"success": true, "message": "Left room successfully"});
    assert_eq!(send(world.post(&format!("/api/rooms/{GENERAL}/leave"), &token)).await, (200, left));
    assert_eq!(send(world.get("/api/rooms", &token)).await, (200, none));
}

#[tokio::test]
async fn a_room_is_created_once() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let create = |body: Value| send(world.post("/api/rooms", &token).json(&body));
    let (status, body) = create(json!({"name": "x", "roomType": "private"})).await;
    assert_eq!((status, &body["message"]), (201, &json!("Room created successfully")));
    assert_eq!((&body["room"]["roomType"], &body["room"]["description"]), (&json!("private"), &json!("")));
    let taken = json!({"success": false, "message": "A room with this name already exists"});
    assert_eq!(create(json!({"name": "x"})).await, (400, taken));
    assert_eq!(create(json!({})).await, (400, json!({"success": false, "message": "name is required"})));
}

#[tokio::test]
async fn the_history_comes_in_pages_of_fifty() {
    let world = World::new().await;
    let token = world.register("ada").await;
    send(world.post("/api/rooms/general/join", &token)).await;
    let (status, body) = send(world.get("/api/rooms/general/messages", &token)).await;
    assert_eq!((status, &body["message"]), (200, &json!("Message history retrieved successfully")));
    let messages = body["messages"].as_array().unwrap();
    let expected = json!({"id": format!("{:024x}", 101), "userId": "1", "username": "John Doe", "roomId": GENERAL,
        "content": "Hello, world!", "messageType": "text", "metadata": null,
        "createdAt": "2023-10-27T10:01:00.000Z", "updatedAt": "2023-10-27T10:01:00.000Z"});
    assert_eq!((messages.len(), &messages[49]), (50, &expected));
    let pagination = json!({"currentPage": 1, "totalPages": 3, "totalItems": 101, "itemsPerPage": 50,
        "hasNext": true, "hasPrevious": false});
    assert_eq!(body["pagination"], pagination);
    assert_eq!(body.as_object().unwrap().len(), 4);

    let (_, last) = send(world.get(&format!("/api/rooms/{GENERAL}/messages?page=6&limit=20"), &token)).await;
    assert_eq!(last["messages"].as_array().unwrap().len(), 1);
    let pagination = json!({"currentPage": 6, "totalPages": 6, "totalItems": 101, "itemsPerPage": 20,
        "hasNext": false, "hasPrevious": true});
    assert_eq!(last["pagination"], pagination);
}

#[tokio::test]
async fn a_page_that_is_no_positive_integer_is_400() {
    let world = World::new().await;
    let token = world.register("ada").await;
    for (query, message) in [
        ("page=-1", "page must be a positive integer of at most 4294967295"),
        ("page=0&limit=5", "page must be a positive integer of at most 4294967295"),
        ("page=4294967296", "page must be a positive integer of at most 4294967295"),
        ("page=two", "page must be a positive integer of at most 4294967295"),
        ("limit=101", "limit must be a positive integer of at most 100"),
    ] {
        let answer = send(world.get(&format!("/api/rooms/general/messages?{query}"), &token)).await;
        assert_eq!(answer, (400, json!({"success": false, "message": message})));
    }
}

#[tokio::test]
async fn an_unknown_room_is_404_and_a_strangers_history_403() {
    let world = World::new().await;
    let token = world.register("ada").await;
    let unknown = (404, json!({"success": false, "message": "Room not found"}));
    assert_eq!(send(world.get("/api/rooms/nowhere/messages", &token)).await, unknown);
    assert_eq!(send(world.post("/api/rooms/nowhere/join", &token)).await, unknown);
    assert_eq!(send(world.post("/api/rooms/nowhere/leave", &token)).await, unknown);
    for room in ["%ff", "%c3%28"] {
        assert_eq!(send(world.get(&format!("/api/rooms/{room}/messages"), &token)).await, unknown);
        assert_eq!(send(world.post(&format!("/api/rooms/{room}/join"), &token)).await, unknown);
        assert_eq!(send(world.post(&format!("/api/rooms/{room}/leave"), &token)).await, unknown);
    }
    let stranger = json!({"success": false, "message": "You are not a member of this room"});
    assert_eq!(send(world.get("/api/rooms/general/messages", &token)).await, (403, stranger));
}

#[tokio::test]
async fn an_outage_of_message_is_503() {
    let mut world = World::new().await;
    let token = world.register("ada").await;
    world.message.kill().await;
    assert_eq!(send(world.get("/api/rooms", &token)).await.0, 503);
    assert_eq!(send(world.get("/api/auth/profile", &token)).await.0, 200);
}

#[tokio::test]
async fn an_unknown_url_is_404_and_a_wrong_method_405_with_the_right_ones() {
    let world = World::new().await;
    let (status, body) = send(world.request(Method::GET, "/api/nothing")).await;
    assert_eq!((status, &body["success"]), (404, &json!(false)));
    let answer = world.request(Method::DELETE, "/api/rooms").send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "GET,HEAD,POST");
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"success": false, "message": "Method not allowed"}));
}
