//! Socket.IO at /socket, as far as the official client can't try it: payloads that it would never send, bad tokens,
//! and the exact form of each answer. The official client's own tests are in `tests/client`.
use crate::rooms::create;
use crate::{api, shared};
use aether_tests::{Socket, Token, User, assert_json, unique};
use serde_json::{Value, json};

fn refusal() -> Value {
    json!({"success": false, "message": "<string>", "error": "<string>"})
}

#[tokio::test]
async fn a_connection_without_a_valid_ws_token_is_refused() {
    let api = api();
    let user = User::register(&api, "refused").await;
    let ws = Token::parse(&user.ws_token(&api).await);
    let secret = &shared().ws_secret;
    Socket::try_connect(&api, json!({"token": ws.sign(secret)})).await.expect("signed again unchanged");
    for (what, auth) in [
        ("nothing", json!({})),
        ("no text", json!({"token": 5})),
        ("nonsense", json!({"token": "nonsense"})),
        ("an access token", json!({"token": user.token})),
        ("another secret", json!({"token": ws.sign("a secret that nobody has configured")})),
        ("the access secret", json!({"token": ws.sign(&shared().jwt_secret)})),
        ("no user", json!({"token": ws.clone().without(&["sub", "userId", "id"]).sign(secret)})),
        ("no session", json!({"token": ws.clone().without(&["jti", "sid"]).sign(secret)})),
        ("expired", json!({"token": ws.clone().with("exp", 1_700_000_000).sign(secret)})),
        ("not of type ws", json!({"token": ws.clone().with("type", "access").sign(secret)})),
    ] {
        let error = Socket::try_connect(&api, auth).await.err().unwrap_or_else(|| panic!("{what} was let in"));
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_good_token_is_greeted_with_who_it_belongs_to() {
    let api = api();
    let user = User::register(&api, "greeted").await;
    let greeting = Socket::connect(&api, &user).await.next("connected").await;
    assert_json(&greeting, json!({"message": "<string>", "user": {"id": user.id, "username": user.username}}));
}

#[tokio::test]
async fn a_success_is_acknowledged_with_id_seq_and_temp_id() {
    let api = api();
    let user = User::register(&api, "ack").await;
    let room = create(&api, &user, "public").await;
    let mut socket = Socket::connect(&api, &user).await;
    let ack = socket.call("send_message", json!({"roomId": room["id"], "content": "hi", "tempId": "t-1"})).await;
    assert_json(&ack, json!({"success": true, "id": "<id>", "seq": 1, "tempId": "t-1"}));
}

#[tokio::test]
async fn who_enters_a_room_is_told_who_else_is_there() {
    let api = api();
    let (ann, bob) = (User::register(&api, "there").await, User::register(&api, "enters").await);
    let room = create(&api, &ann, "public").await;
    let enter = json!({"roomId": room["id"]});
    let mut first = Socket::connect(&api, &ann).await;
    let entered = |here: Value| json!({"success": true, "roomId": room["id"], "seq": 0, "here": here});
    assert_json(&first.call("join_room", enter.clone()).await, entered(json!([])));
    let mut again = Socket::connect(&api, &ann).await;
    assert_json(&again.call("join_room", enter.clone()).await, entered(json!([])));
    let mut other = Socket::connect(&api, &bob).await;
    let there = json!([{"userId": ann.id, "username": ann.username}]);
    assert_json(&other.call("join_room", enter.clone()).await, entered(there.clone()));
    for socket in [&mut first, &mut again] {
        socket.call("leave_room", enter.clone()).await;
    }
    assert_eq!(other.next("user_left").await["userId"], ann.id.as_str());
    assert_json(&other.call("join_room", enter).await, entered(json!([])));
}

#[tokio::test]
async fn a_message_that_cannot_be_is_acknowledged_as_an_error() {
    let api = api();
    let user = User::register(&api, "cannot").await;
    let room = create(&api, &user, "public").await;
    let id = room["id"].clone();
    let mut socket = Socket::connect(&api, &user).await;
    for payload in [
        json!({"roomId": id, "content": ""}),
        json!({"roomId": id, "content": "   \n "}),
        json!({"roomId": id, "content": "x".repeat(1001)}),
        json!({"roomId": id}),
        json!({"content": "no room"}),
        json!({"roomId": 7, "content": "a number for a room"}),
        json!({"roomId": id, "content": {"not": "text"}}),
        json!({"roomId": unique("none"), "content": "no such room"}),
        json!("no object"),
        json!(null),
        json!([1, 2]),
    ] {
        let ack = socket.call("send_message", payload.clone()).await;
        assert_eq!(ack["success"], false, "{payload} got {ack}");
        assert_json(&ack, refusal());
    }
    socket.send(id.as_str().unwrap(), "the socket still works").await;
}

#[tokio::test]
async fn content_is_trimmed_and_a_thousand_characters_pass_whatever_their_bytes() {
    let api = api();
    let user = User::register(&api, "thousand").await;
    let room = create(&api, &user, "public").await;
    let id = room["id"].as_str().unwrap();
    let mut socket = Socket::connect(&api, &user).await;
    socket.send(id, &"😀".repeat(1000)).await;
    socket.send(id, &format!("  {}\n", "y".repeat(1000))).await;
    let history = api.get(&format!("/api/rooms/{id}/messages"), Some(&user.token)).await;
    assert_eq!(history.body["messages"][0]["content"], "😀".repeat(1000));
    assert_eq!(history.body["messages"][1]["content"], "y".repeat(1000));
}

#[tokio::test]
async fn an_event_without_an_acknowledgement_that_fails_is_told_by_an_error_event() {
    let api = api();
    let user = User::register(&api, "errors").await;
    let mut socket = Socket::connect(&api, &user).await;
    socket.emit("join_room", json!({"roomId": unique("none")})).await;
    assert_json(&socket.next("error").await, json!({"message": "<string>", "context": "join_room"}));
    socket.emit("join_room", json!(5)).await;
    assert_json(&socket.next("error").await, json!({"message": "<string>", "context": "join_room"}));
    socket.emit("send_message", json!({"roomId": "general", "content": "no member", "tempId": "t-9"})).await;
    let failed =
        |temp_id| json!({"message": "<string>", "error": "<string>", "tempId": temp_id, "timestamp": "<time>"});
    assert_json(&socket.next("message_error").await, failed("t-9"));
    socket.emit("send_message", json!({"roomId": "general", "content": 5, "tempId": "t-10"})).await;
    assert_json(&socket.next("error").await, json!({"message": "<string>", "context": "send_message"}));
    assert_json(&socket.next("message_error").await, failed("t-10"));
}

#[tokio::test]
async fn a_private_room_cannot_be_joined_by_a_stranger() {
    let api = api();
    let (owner, stranger) = (User::register(&api, "closed").await, User::register(&api, "knocks").await);
    let room = create(&api, &owner, "private").await;
    let mut socket = Socket::connect(&api, &stranger).await;
    socket.emit("join_room", json!({"roomId": room["id"]})).await;
    assert_json(&socket.next("error").await, json!({"message": "<string>", "context": "join_room"}));
    let ack = socket.call("send_message", json!({"roomId": room["id"], "content": "let me in"})).await;
    assert_json(&ack, refusal());
}

#[tokio::test]
async fn a_sender_cannot_speak_for_another() {
    let api = api();
    let (mallory, victim) = (User::register(&api, "mallory").await, User::register(&api, "victim").await);
    let room = create(&api, &mallory, "public").await;
    let mut socket = Socket::connect(&api, &mallory).await;
    let payload = json!({"roomId": room["id"], "content": "hi", "userId": victim.id, "username": victim.username});
    assert_eq!(socket.call("send_message", payload).await["success"], true);
    let path = format!("/api/rooms/{}/messages", room["id"].as_str().unwrap());
    let history = api.get(&path, Some(&mallory.token)).await;
    assert_eq!(history.body["messages"][0]["userId"], mallory.id);
    assert_eq!(history.body["messages"][0]["username"], mallory.username);
}

#[tokio::test]
async fn a_request_that_the_engine_refuses_says_why_by_number_as_its_clients_expect() {
    let api = api();
    let polling = "/socket/?EIO=4&transport=polling";
    for (query, code, message) in [
        ("/socket/?EIO=3&transport=polling".to_owned(), 5, "Unsupported protocol version"),
        ("/socket/?transport=polling".to_owned(), 5, "Unsupported protocol version"),
        ("/socket/?EIO=4&transport=pigeon".to_owned(), 0, "Transport unknown"),
        ("/socket/?EIO=4".to_owned(), 0, "Transport unknown"),
        (format!("{polling}&sid={}", unique("none")), 1, "Session ID unknown"),
        (format!("{polling}&sid={}.00000000", unique("none")), 1, "Session ID unknown"),
    ] {
        api.get(&query, None).await.assert(400, json!({"code": code, "message": message}));
    }
    let posted = api.post(polling, None, json!({})).await;
    posted.assert(400, json!({"code": 2, "message": "Bad handshake method"}));
}
