//! `/metrics` of each service: names, types and labels as `docs/metrics.md` has them, and values that move with use.
use aether_tests::{Api, Metrics, Options, PASSWORD, Service, Socket, Stack, User, WebSocket, eventually, unique};
use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
const TABLE: &str = include_str!("../../docs/metrics.md");

/// No other test uses it, so what is counted here was done here.
static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::start(&Options::default()));

fn metrics(of: &Service) -> Metrics {
    let answer = of.http("/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && !head.contains("chunked"), "{head}");
    Metrics::parse(body)
}

async fn grows(of: &Service, name: &str, labels: &[&str], before: f64, by: f64) {
    let now = async || metrics(of).sum(name, labels);
    eventually(&format!("{name} {labels:?} to grow by {by}"), LIMIT, now, |now| *now >= before + by).await;
}

/// Type, labels and services of each metric of the table.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>, BTreeSet<String>)> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| format!("`{row}"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let list = |cell: &str| -> BTreeSet<String> {
            cell.split(',')
                .map(|item| item.trim().trim_matches('`').to_owned())
                .filter(|item| !item.is_empty())
                .collect()
        };
        (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), list(cells[2]), list(cells[3])))
    })
    .collect()
}

/// Does something of every kind, with a user and rooms of its own.
async fn use_everything(api: &Api) {
    let (ann, bob) = (User::register(api, "metrics").await, User::register(api, "metrics").await);
    let token = Some(ann.token.as_str());
    assert_eq!(ann.try_login(api, "not the password").await.status, 401);
    let elsewhere = ann.login(api).await;
    api.put("/api/auth/profile", token, json!({"firstName": unique("first")})).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another correct horse"});
    assert_eq!(api.put("/api/auth/password", token, change).await.status, 200);
    assert_eq!(api.get("/api/auth/profile", Some(&elsewhere)).await.status, 401);
    api.delete(&format!("/api/auth/sessions/{}", unique("madeup")), token).await;
    for path in ["/api/auth/profile", "/api/auth/sessions", "/api/rooms", "/api/rooms/public?search=x", "/health"] {
        assert_eq!(api.get(path, token).await.status, 200, "{path}");
    }
    let room = api.post("/api/rooms", token, json!({"name": unique("nameof"), "description": ""})).await;
    let room = room.body["room"]["id"].as_str().unwrap().to_owned();
    let member = json!({"userId": bob.id});
    let members = format!("/api/rooms/{room}/members");
    assert_eq!(api.post(&members, token, member).await.status, 200);
    api.post("/api/rooms/direct", token, json!({"userId": bob.id})).await;
    let (mut socket, mut polling) = (WebSocket::connect(api, &ann).await.unwrap(), Socket::connect(api, &bob).await);
    let joined = socket.answer("join_room", json!({"roomId": room}), LIMIT).await;
    assert_eq!(joined["success"], true, "{joined}");
    polling.join(&room).await;
    polling.call("typing_start", json!({"roomId": room})).await;
    polling.send(&room, &unique("hello")).await;
    socket.next_event("new_message", LIMIT).await;
    polling.call("leave_room", json!({"roomId": room})).await;
    assert_eq!(api.get(&format!("/api/rooms/{room}/messages"), token).await.status, 200);
    assert_eq!(api.delete(&format!("{members}/{}", bob.id), token).await.status, 200);
    // What strangers make up.
    assert_eq!(api.get(&format!("/{}", unique("nothing")), None).await.status, 404);
    let method = Method::from_bytes(unique("ODD").as_bytes()).unwrap();
    api.send(api.request(method, &format!("/api/{}", unique("nothing")))).await;
    assert_eq!(api.post("/api/auth/logout", token, json!({})).await.status, 200);
}

#[tokio::test]
async fn each_service_tells_what_the_table_says_and_nothing_else() {
    use_everything(&STACK.api()).await;
    let documented = documented();
    assert!(documented.len() > 30, "{documented:?}");
    for (name, service) in [("gateway", &STACK.gateways[0]), ("auth", &STACK.auth[0]), ("message", &STACK.message[0])] {
        let told = metrics(service);
        let mine = documented.iter().filter(|(_, (_, _, services))| services.contains(name));
        let expected: BTreeSet<&String> = mine.clone().map(|(metric, _)| metric).collect();
        assert_eq!(told.0.keys().collect::<BTreeSet<_>>(), expected, "{name}");
        for (metric, (kind, labels, _)) in mine {
            let told = &told.0[metric];
            assert_eq!((&told.kind, &told.labels()), (kind, labels), "{metric} of {name}");
            assert!(!told.help.is_empty() && !told.samples.is_empty(), "{metric} of {name}");
        }
    }
}

#[tokio::test]
async fn the_gateways_metrics_move_with_use() {
    let (api, gateway) = (STACK.api(), &STACK.gateways[0]);
    let user = User::register(&api, "gateway").await;
    let before = metrics(gateway);
    let (requests, seconds) =
        ("aetherconnect_gateway_requests_total", "aetherconnect_gateway_request_duration_seconds");
    let profile = ["route=\"/api/auth/profile\"", "method=\"GET\"", "status=\"200\""];
    assert_eq!(api.get("/api/auth/profile", Some(&user.token)).await.status, 200);
    grows(gateway, requests, &profile, before.sum(requests, &profile), 1.0).await;
    grows(gateway, seconds, &profile[..1], before.sum(seconds, &profile[..1]), 1.0).await;

    let (tunnels, connections) = ("aetherconnect_gateway_websocket_tunnels", "aetherconnect_gateway_connections");
    let socket = WebSocket::connect(&api, &user).await.unwrap();
    let now = metrics(gateway);
    assert!(now.sum(tunnels, &[]) >= 1.0 && now.sum(connections, &[]) >= 1.0, "{now:?}");
    drop(socket);
    let open = async || metrics(gateway).sum(tunnels, &[]);
    eventually("the tunnels of all tests to close", LIMIT * 3, open, |open| *open == 0.0).await;
}

#[tokio::test]
async fn auths_metrics_move_with_use() {
    let (api, auth) = (STACK.api(), &STACK.auth[0]);
    let before = metrics(auth);
    let user = User::register(&api, "auth").await;
    user.login(&api).await;
    user.try_login(&api, "not the password").await;
    assert_eq!(api.post("/api/auth/logout", Some(&user.token), json!({})).await.status, 200);
    let login = "grpc_method=\"Login\"";
    for (name, labels, by) in [
        ("grpc_server_handled_total", &[login, "grpc_code=\"OK\""][..], 1.0),
        ("grpc_server_handled_total", &[login, "grpc_code=\"Unauthenticated\""], 1.0),
        ("grpc_server_handling_seconds", &[login], 2.0),
        ("aetherconnect_auth_store_seconds", &["operation=\"credentials\"", "result=\"ok\""], 2.0),
        ("aetherconnect_auth_password_hash_seconds", &[], 3.0),
        ("aetherconnect_auth_registrations_total", &[], 1.0),
        ("aetherconnect_auth_logins_total", &["result=\"failed\""], 1.0),
        ("aetherconnect_auth_revocations_total", &[], 1.0),
    ] {
        grows(auth, name, labels, before.sum(name, labels), by).await;
    }
    let watchers = async || metrics(auth).sum("aetherconnect_auth_revocation_watchers", &[]);
    eventually("gateway and message to watch", LIMIT, watchers, |watchers| *watchers == 2.0).await;
}

#[tokio::test]
async fn messages_metrics_move_with_use_and_show_a_client_that_reads_nothing() {
    let (api, message) = (STACK.api(), &STACK.message[0]);
    let (ann, bob) = (User::register(&api, "writer").await, User::register(&api, "idle").await);
    let before = metrics(message);
    let (mut writer, mut idle) = (Socket::connect(&api, &ann).await, Socket::connect(&api, &bob).await);
    let room = crate::rooms::create(&api, &ann, "public").await["id"].as_str().unwrap().to_owned();
    writer.join(&room).await;
    idle.join(&room).await;
    for number in 0..5 {
        writer.send(&room, &format!("message {number}")).await;
    }
    let insert = ["operation=\"insert\"", "result=\"ok\""];
    for (name, labels, by) in [
        ("aetherconnect_message_messages_stored_total", &[][..], 5.0),
        ("aetherconnect_message_deliveries_total", &[], 10.0),
        ("aetherconnect_message_append_seconds", &[], 1.0),
        ("aetherconnect_message_store_seconds", &insert, 1.0),
    ] {
        grows(message, name, labels, before.sum(name, labels), by).await;
    }
    let now = metrics(message);
    for (name, least) in [
        ("aetherconnect_message_connections", 2.0),
        ("aetherconnect_message_live_rooms", 1.0),
        ("aetherconnect_message_queued_events", 5.0),
        ("aetherconnect_message_longest_event_queue", 5.0),
    ] {
        assert!(now.sum(name, &[]) >= least, "{name}: {now:?}");
    }
    // Once it has read them, they wait no more.
    let longest = now.sum("aetherconnect_message_queued_events", &[]);
    for _ in 0..5 {
        idle.next("new_message").await;
    }
    let waiting = async || metrics(message).sum("aetherconnect_message_queued_events", &[]);
    eventually("the queue to shrink", LIMIT, waiting, |waiting| *waiting <= longest - 5.0).await;
}

#[tokio::test]
async fn how_far_behind_revocations_a_replica_is_shows_on_gateway_and_message() {
    let (api, message) = (STACK.api(), &STACK.message[0]);
    let (age, delay) = ("aetherconnect_revocation_heartbeat_age_seconds", "aetherconnect_revocation_delay_seconds");
    let services = [&STACK.gateways[0], message];
    let before = services.map(|service| metrics(service).sum(delay, &[]));
    for service in services {
        let now = async || metrics(service).sum(age, &[]);
        eventually("a young heartbeat", LIMIT, now, |now| (0.0..2.0).contains(now)).await;
    }
    let user = User::register(&api, "revoked").await;
    assert_eq!(api.post("/api/auth/logout", Some(&user.token), json!({})).await.status, 200);
    for (service, before) in services.into_iter().zip(before) {
        grows(service, delay, &[], before, 1.0).await;
    }
}

#[tokio::test]
async fn a_heartbeat_grows_old_while_auth_hangs() {
    let stack = Stack::start(&Options::default());
    stack.auth[0].pause();
    for service in [&stack.gateways[0], &stack.message[0]] {
        let age = async || metrics(service).sum("aetherconnect_revocation_heartbeat_age_seconds", &[]);
        eventually("the heartbeat to grow old", LIMIT, age, |age| *age > 3.0).await;
    }
    stack.auth[0].resume();
}

#[tokio::test]
async fn more_users_rooms_and_made_up_names_make_no_more_series() {
    let stack = Stack::start(&Options::default());
    let api = stack.api();
    let services = [&stack.gateways[0], &stack.auth[0], &stack.message[0]];
    use_everything(&api).await;
    use_everything(&api).await;
    let before = services.map(|service| metrics(service).series());
    for _ in 0..3 {
        use_everything(&api).await;
    }
    for (service, before) in services.into_iter().zip(before) {
        // Something may go another way by chance, but then it is of a fixed list all the same.
        let new: Vec<_> = metrics(service).series().difference(&before).cloned().collect();
        assert!(new.len() <= 2, "{new:?}");
        for (name, labels) in metrics(service).series() {
            for made_up in ["metrics_", "nameof_", "nothing_", "ODD_", "madeup_", "127.0.0.1", "@"] {
                assert!(!labels.contains(made_up), "{name} {labels}");
            }
        }
    }
}
