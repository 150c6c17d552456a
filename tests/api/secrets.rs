//! Secrets are planted wherever a service gets some, and then looked for wherever it tells something: logs at the most
//! talkative level, metrics, health, answers and what is stored.
use aether_tests::{Answer, Api, Options, Socket, Stack, Store, eventually, failed_start, unique};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// What was planted, and what was said.
#[derive(Default)]
struct Search {
    planted: Vec<(&'static str, String)>,
    said: Vec<(String, String)>,
}

impl Search {
    /// A secret that stands nowhere else; long enough for a key, and a password that is good enough.
    fn plant(&mut self, what: &'static str) -> String {
        let secret = format!("planted{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        self.planted.push((what, secret.clone()));
        secret
    }

    /// A token that a service made: its signature is what must not be told, for the rest is worth nothing without.
    fn token(&mut self, what: &'static str, token: &Value) -> String {
        let token = token.as_str().unwrap().to_owned();
        self.planted.push((what, token.rsplit('.').next().unwrap().to_owned()));
        token
    }

    fn said(&mut self, place: impl ToString, text: impl Into<String>) {
        self.said.push((place.to_string(), text.into()));
    }

    /// An answer that is no place for a secret.
    fn answer(&mut self, status: u16, answer: &Answer) {
        assert_eq!(answer.status, status, "{answer:?}");
        self.said("an answer", format!("{answer:?}"));
    }

    fn assert_nothing_found(&self) {
        for (place, text) in &self.said {
            assert!(!text.is_empty(), "{place} said nothing");
            for (what, secret) in &self.planted {
                let Some(at) = text.find(secret.as_str()) else { continue };
                let from = text[..at].rfind('\n').map_or(0, |end| end + 1);
                panic!("{what} is told by {place}: {}", text[from..].lines().next().unwrap_or_default());
            }
        }
    }
}

/// Everything that a user can do with passwords and tokens, rightly and wrongly.
async fn accounts(api: &Api, search: &mut Search) -> (String, String) {
    let (password, new) = (search.plant("a password"), search.plant("a new password"));
    let name = unique("secretive");
    let email = format!("{name}@example.com");
    let form = |username: &str, password: &str| json!({"email": email, "password": password, "firstName": "A", "lastName": "B", "username": username});
    let registered = api.post("/api/auth/register", None, form(&name, &password)).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let token = search.token("the token of a registration", &registered.body["accessToken"]);
    search.answer(400, &api.post("/api/auth/register", None, form(&name, &password)).await);
    let long = search.plant("a password that is too long").repeat(2);
    search.answer(400, &api.post("/api/auth/register", None, form("other", &long)).await);
    let typed = json!({"email": email, "password": {"is": search.plant("a password of the wrong type")}});
    search.answer(400, &api.post("/api/auth/login", None, typed).await);
    let broken = format!("{{\"email\": \"{email}\", \"password\": {}", search.plant("a password in a broken body"));
    let request = api.request(Method::POST, "/api/auth/login").header("content-type", "application/json").body(broken);
    search.answer(400, &api.send(request).await);
    let login = |password: String| api.post("/api/auth/login", None, json!({"email": email, "password": password}));
    let wrong = search.plant("a wrong password");
    let refused = login(wrong).await;
    search.answer(401, &refused);
    let second = login(password.clone()).await;
    assert_eq!(second.status, 200, "{second:?}");
    let second = search.token("the token of a login", &second.body["accessToken"]);

    search.answer(200, &api.get("/api/auth/sessions", Some(&token)).await);
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let wrong = search.plant("a wrong current password");
    search.answer(400, &api.put("/api/auth/password", Some(&token), change(&wrong, &new)).await);
    search.answer(200, &api.put("/api/auth/password", Some(&token), change(&password, &new)).await);
    let revoked = async || api.get("/api/auth/profile", Some(&second)).await;
    search.answer(401, &eventually("the other session to end", LIMIT, revoked, |answer| answer.status == 401).await);
    search.answer(200, &api.delete("/api/auth/sessions", Some(&token)).await);
    search.answer(200, &api.put("/api/auth/profile", Some(&token), json!({"firstName": "C"})).await);
    (token, email)
}

/// Requests with secrets where a client may put them.
async fn odd_requests(api: &Api, token: &str, search: &mut Search) {
    let forged = search.plant("a forged token");
    let (head, _) = token.rsplit_once('.').unwrap();
    for forged in [forged.clone(), format!("{head}.{forged}")] {
        search.answer(401, &api.get("/api/auth/profile", Some(&forged)).await);
        search.answer(401, &api.get("/api/rooms", Some(&forged)).await);
    }
    for (header, what) in [("authorization", "basic credentials"), ("cookie", "a cookie"), ("x-api-key", "a key")] {
        let secret = search.plant(what);
        let request = api.request(Method::GET, "/api/auth/profile").header(header, format!("Basic {secret}"));
        search.answer(401, &api.send(request).await);
    }
    let secret = search.plant("a token in a query");
    search.answer(401, &api.get(&format!("/api/auth/profile?token={secret}"), None).await);
    let secret = search.plant("a token in a query of the socket");
    let answer = api.get(&format!("/socket/?EIO=4&transport=polling&sid=unknown&token={secret}"), None).await;
    search.answer(400, &answer);
}

async fn sockets(api: &Api, token: &str, search: &mut Search) {
    let answer = api.get("/api/auth/ws-token", Some(token)).await;
    let ws_token = search.token("a WebSocket token", &answer.body["token"]);
    let mut socket = Socket::try_connect(api, json!({"token": ws_token})).await.unwrap();
    let room = socket.join("general").await;
    search.answer(200, &api.post(&format!("/api/rooms/{room}/join"), Some(token), json!({})).await);
    socket.send(&room, "hello").await;
    let forged = search.plant("a forged WebSocket token");
    let refused = Socket::try_connect(api, json!({"token": forged})).await.unwrap_err();
    search.said("a refused socket", refused.to_string());
    let refused = Socket::try_connect(api, json!({"token": token})).await.unwrap_err();
    search.said("a refused socket", refused.to_string());
    let malformed = search.plant("a secret in a malformed event");
    socket.emit("join_room", json!({"roomId": {"secret": malformed}})).await;
    search.said("an error of the socket", socket.next("error").await.to_string());
}

fn look_at_services(stack: &Stack, search: &mut Search) {
    let services = stack.gateways.iter().chain(&stack.auth).chain(&stack.message);
    for service in services {
        for path in ["/metrics", "/readyz", "/health"] {
            search.said(path, service.http(path));
        }
    }
}

#[tokio::test]
async fn no_secret_is_told_by_logs_metrics_health_answers_or_what_is_stored() {
    let mut search = Search::default();
    let mut options = Options::default().env("LOG_LEVEL", "trace");
    for name in ["JWT_SECRET", "JWT_SECRET_PREVIOUS", "JWT_WS_SECRET", "JWT_WS_SECRET_PREVIOUS"] {
        options = options.env(name, search.plant(name));
    }
    if options.store == Store::Real {
        // The test's server asks for no password, and takes any.
        options.postgres_password = Some(search.plant("the password of PostgreSQL"));
    }
    // Nobody answers there.
    let redis = format!("redis://:{}@127.0.0.1:1", search.plant("the password of Redis"));
    let options = options.env("REDIS_ENABLED", true).env("REDIS_URL", redis);
    let stack = Stack::start(&options);
    let api = stack.api();

    let (token, email) = accounts(&api, &mut search).await;
    odd_requests(&api, &token, &mut search).await;
    sockets(&api, &token, &mut search).await;
    search.answer(200, &api.get("/api/health/detailed", None).await);
    look_at_services(&stack, &mut search);

    if let Some(postgres) = &stack.cables.postgres {
        postgres.cut();
        let password = search.plant("a password during an outage");
        let login = async || api.post("/api/auth/login", None, json!({"email": email, "password": password})).await;
        search.answer(503, &eventually("the outage", LIMIT, login, |answer| answer.status == 503).await);
        let health = async || api.get("/api/health/detailed", None).await;
        let told = eventually("health to tell", LIMIT, health, |answer| answer.status != 200).await;
        search.said("health during an outage", format!("{told:?}"));
        look_at_services(&stack, &mut search);
        postgres.mend();
    }
    let sessions = async || api.get("/api/auth/sessions", Some(&token)).await;
    search.answer(200, &eventually("auth to be back", LIMIT, sessions, |answer| answer.status == 200).await);
    search.answer(200, &api.post("/api/auth/logout", Some(&token), json!({})).await);

    for (name, dump) in stack.dump().await {
        search.said(format!("the store {name}"), dump);
    }
    for (name, log) in stack.logs() {
        // Bringing a schema up to date needs few words.
        assert!(log.contains("TRACE") || name.contains("migrate"), "{name} was not talkative:\n{log}");
        search.said(format!("the log of {name}"), log);
    }
    assert!(search.planted.len() >= 20, "{} planted", search.planted.len());
    search.assert_nothing_found();
}

#[test]
fn a_service_that_cannot_start_does_not_tell_its_secrets() {
    let mut search = Search::default();
    let key = search.plant("a key");
    let short = "planted-key-of-31-bytes-5a7b9c1";
    search.planted.push(("a key that is too short", short.to_owned()));
    let mut password = |url: &str| url.replace("PASSWORD", &search.plant("the password of a store"));
    let hosts = ["127.0.0.1:1/chat", "127.0.0.1:port/chat"];
    let auth: Vec<_> = hosts.iter().map(|host| password(&format!("postgres://chat:PASSWORD@{host}"))).collect();
    let message =
        hosts.iter().map(|host| password(&format!("mongodb://chat:PASSWORD@{host}?serverSelectionTimeoutMS=500")));
    let message: Vec<_> = message.collect();
    let unknown = password("mysql://chat:PASSWORD@db/chat");
    let redis = password("redis//:PASSWORD@127.0.0.1:1");
    let programs = [("aetherconnect-auth", "DATABASE_URL", auth), ("aetherconnect-message", "MONGODB_URL", message)];
    for (program, variable, urls) in programs {
        let level = ("LOG_LEVEL", "trace");
        for url in urls.iter().chain([&unknown]) {
            search.said(program, failed_start(program, &[(variable, url.as_str()), level], Some("migrate")));
        }
        let store = (variable, "sqlite://x.db");
        let keys = |access| [("JWT_SECRET", access), ("JWT_WS_SECRET", key.as_str())];
        let [access, websocket] = keys(short);
        search.said(program, failed_start(program, &[store, level, access, websocket], None));
        let [access, websocket] = keys(&key);
        let redis = ("REDIS_URL", redis.as_str());
        search.said(program, failed_start(program, &[store, level, access, websocket, redis], None));
    }
    search.assert_nothing_found();
}
