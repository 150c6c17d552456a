//! Forged and odd tokens: each is refused in the specification's form by the gateway and by the socket, and none is a
//! failure of ours.
use crate::{api, guard_401, shared};
use aether_tests::{Answer, Api, Socket, Token, User};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};

const PATHS: [&str; 2] = ["/api/auth/profile", "/api/rooms"];
const OTHER: &str = "another secret that nobody has configured";

/// Claims with one of them changed; `null` takes it away.
fn with(token: &Token, name: &str, value: Value) -> Token {
    match value {
        Value::Null => token.clone().without(&[name]),
        value => token.clone().with(name, value),
    }
}

fn headed(token: &Token, name: &str, value: Value) -> Token {
    let mut token = token.clone();
    token.header[name] = value;
    token
}

/// Tokens that are signed by the right key and wrong in what they say.
fn signed(good: &Token, secret: &str, other_kind: &str) -> Vec<(String, String)> {
    let now = good.claims["iat"].as_i64().unwrap();
    let claims = [
        ("sub", json!(null)),
        ("sub", json!("")),
        ("sub", json!(1)),
        ("sub", json!(["1"])),
        ("sub", json!("0")),
        ("sub", json!("-1")),
        ("sub", json!("1 OR 1=1")),
        ("sub", json!("99999999999999999999")),
        ("sid", json!(null)),
        ("sid", json!("")),
        ("sid", json!(7)),
        ("sid", json!("a\u{0}b")),
        ("sid", json!("x".repeat(4000))),
        ("exp", json!(null)),
        ("exp", json!("tomorrow")),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(253_402_300_799_i64)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(1e300)),
        ("iat", json!(null)),
        ("iat", json!("now")),
        ("iat", json!(now + 86_400)),
        ("nbf", json!(now + 86_400)),
        ("nbf", json!("later")),
        ("type", json!(null)),
        ("type", json!(other_kind)),
        ("type", json!("refresh")),
        ("type", json!(["access", "ws"])),
        ("roles", json!("admin")),
    ];
    let headers = [
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("")),
        ("kid", json!(["a"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("alg", json!("none")),
        ("alg", json!("HS384")),
        ("alg", json!("HS512")),
        ("alg", json!("RS256")),
        ("alg", json!("hs256")),
        ("enc", json!("A256GCM")),
        ("zip", json!("DEF")),
    ];
    let claims = claims.map(|(name, value)| (format!("{name} = {value:.60}"), with(good, name, value).sign(secret)));
    let headers = headers.map(|(name, value)| (format!("{name}: {value}"), headed(good, name, value).sign(secret)));
    claims.into_iter().chain(headers).collect()
}

/// Texts that are no tokens, or only nearly.
fn misshapen(good: &Token, text: &str, other: &str) -> Vec<(&'static str, String)> {
    let [head, body, tag] = text.split('.').collect::<Vec<_>>()[..] else { panic!("no token") };
    let none = headed(good, "alg", json!("none"));
    vec![
        ("other key", good.sign(OTHER)),
        ("other kind", other.to_owned()),
        ("no signature", format!("{head}.{body}.")),
        ("no third part", format!("{head}.{body}")),
        ("alg none without signature", format!("{}.", none.unsigned())),
        ("alg none with the signature", format!("{}.{tag}", none.unsigned())),
        ("signature cut off", text[..text.len() - 5].to_owned()),
        ("signature of another", format!("{head}.{body}.{}", other.rsplit('.').next().unwrap())),
        ("claims of another", format!("{head}.{}.{tag}", other.split('.').nth(1).unwrap())),
        ("one dot more", format!("{text}.")),
        ("a part more", format!("{text}.{tag}")),
        ("a dot before", format!(".{text}")),
        ("five parts, as an encrypted one", format!("{head}.{tag}.{tag}.{body}.{tag}")),
        ("padding", format!("{head}.{body}.{tag}=")),
        ("plain base64", format!("{}.{body}.{tag}", STANDARD.encode(good.header.to_string()))),
        ("claims are no object", format!("{head}.{}.{tag}", URL_SAFE_NO_PAD.encode("[]"))),
        ("claims are no JSON", format!("{head}.{}.{tag}", URL_SAFE_NO_PAD.encode("\u{0}{"))),
        ("dots", "..".to_owned()),
        ("a word", "null".to_owned()),
        ("quoted", format!("\"{text}\"")),
        ("a space inside", text.replacen('.', ". ", 1)),
        ("large", format!("{head}.{}.{tag}", "A".repeat(40_000))),
    ]
}

#[tokio::test]
async fn every_forged_or_odd_access_token_is_a_401_of_the_specifications_form() {
    let api = api();
    let user = User::register(&api, "forged").await;
    let (good, ws) = (Token::parse(&user.token), user.ws_token(&api).await);
    // What is refused below is not refused for how it was made.
    assert_eq!(api.get(PATHS[0], Some(&good.sign(&shared().jwt_secret))).await.status, 200);
    let mut tokens = signed(&good, &shared().jwt_secret, "ws");
    tokens.extend(misshapen(&good, &user.token, &ws).into_iter().map(|(what, token)| (what.to_owned(), token)));
    assert!(tokens.len() >= 60);
    for (what, token) in tokens {
        for path in PATHS {
            let answer = api.get(path, Some(&token)).await;
            assert_eq!(answer.status, 401, "{what} at {path}: {}", answer.body);
            answer.assert(401, guard_401());
        }
    }
}

#[tokio::test]
async fn every_forged_or_odd_ws_token_is_a_connect_error() {
    let api = api();
    let user = User::register(&api, "forgedws").await;
    let ws = user.ws_token(&api).await;
    let good = Token::parse(&ws);
    assert!(Socket::try_connect(&api, json!({"token": good.sign(&shared().ws_secret)})).await.is_ok());
    let tokens = signed(&good, &shared().ws_secret, "access").into_iter().map(|(what, token)| (what, json!(token)));
    let misshapen = misshapen(&good, &ws, &user.token).into_iter();
    let misshapen = misshapen.map(|(what, token)| (what.to_owned(), json!(token)));
    let odd = [json!("\u{1f40e}"), json!(5), json!(["a"]), json!({"a": 1}), json!(true), json!(null), json!("")];
    let odd = odd.into_iter().map(|value| (value.to_string(), value));
    for (what, token) in tokens.chain(misshapen).chain(odd) {
        let error = Socket::try_connect(&api, json!({"token": token})).await.err();
        let error = error.unwrap_or_else(|| panic!("{what} was let in"));
        assert!(error["message"].is_string(), "{what}: {error}");
    }
}

/// A request for the profile with these values of the header `authorization`.
async fn ask(api: &Api, values: &[&[u8]]) -> Answer {
    let mut request = api.request(Method::GET, PATHS[0]);
    for value in values {
        request = request.header("authorization", HeaderValue::from_bytes(value).unwrap());
    }
    api.send(request).await
}

#[tokio::test]
async fn a_token_counts_only_where_it_belongs() {
    let api = api();
    let user = User::register(&api, "place").await;
    let token = &user.token;
    let bearer = format!("Bearer {token}");
    for fine in [bearer.clone(), format!("bearer {token}"), format!("BEARER  {token} ")] {
        assert_eq!(ask(&api, &[fine.as_bytes()]).await.status, 200, "{fine:.20}");
    }
    for odd in [
        token.clone(),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Bearer: {token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Token {token}"),
        format!("Basic {}", STANDARD.encode(format!("user:{token}"))),
        "Bearer".to_owned(),
        "Bearer  ".to_owned(),
        format!("Bearer {token}\u{e9}\u{1f40e}"),
    ] {
        let answer = ask(&api, &[odd.as_bytes()]).await;
        assert_eq!(answer.status, 401, "{odd:.30}: {}", answer.body);
        answer.assert(401, guard_401());
    }
    for two in [[bearer.as_bytes(), b"Bearer x"], [b"Bearer x", bearer.as_bytes()], [bearer.as_bytes(); 2]] {
        ask(&api, &two).await.assert(401, guard_401());
    }
    let elsewhere = [
        api.request(Method::GET, &format!("{}?token={token}&access_token={token}", PATHS[0])),
        api.request(Method::GET, PATHS[0]).header("cookie", format!("token={token}; accessToken={token}")),
        api.request(Method::GET, PATHS[0]).header("x-access-token", token),
    ];
    for request in elsewhere {
        api.send(request).await.assert(401, guard_401());
    }
}

#[tokio::test]
async fn a_token_of_100_kilobytes_is_refused_and_harms_nobody() {
    let api = api();
    let huge = "x".repeat(100 * 1024);
    for _ in 0..3 {
        // It doesn't fit into the head of a request, which is refused before anybody looks for a token.
        let answer = api.get(PATHS[0], Some(&huge)).await;
        assert!([401, 431].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(api.get("/api/health", None).await.status, 200);
}
