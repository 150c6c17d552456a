//! `aetherconnect run` as a person uses it: the built program, a resource, a data directory.
#![allow(clippy::unwrap_used)]

mod backend;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Output, Stdio},
};

use backend::{Backend, command};
use serde_json::{Value, json};

fn fails(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

fn ada() -> Value {
    json!({"email": "ada@example.com", "password": "correct horse", "firstName": "Ada", "lastName": "Lovelace", "username": "ada"})
}

#[tokio::test]
async fn it_serves_until_interrupted_and_keeps_its_data() {
    let data = tempfile::tempdir().unwrap();
    let backend = Backend::start(&mut command(data.path()));
    assert_eq!(backend.post("/api/auth/register", ada()).await.0, 201);
    let (clean, rest) = backend.interrupt();
    assert!(clean && rest.contains("Data is kept in"), "{rest}");

    let again = Backend::start(&mut command(data.path()));
    let login = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(again.post("/api/auth/login", login).await.0, 200);
}

#[tokio::test]
async fn a_limit_of_the_resource_holds_and_the_environment_overrides_it() {
    let data = tempfile::tempdir().unwrap();
    let resource = data.path().join("chat.yaml");
    let text = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: chat}\nspec: {gateway: {rateLimit: {max: 1}}}\n";
    std::fs::write(&resource, text).unwrap();
    let login = json!({"email": "nobody@example.com", "password": "correct horse"});

    let limited = Backend::start(command(&data.path().join("one")).arg("--file").arg(&resource));
    assert_eq!(limited.post("/api/auth/login", login.clone()).await.0, 401);
    assert_eq!(limited.post("/api/auth/login", login.clone()).await.0, 429);

    let overridden =
        Backend::start(command(&data.path().join("two")).arg("-f").arg(&resource).env("RATE_LIMIT_MAX", "100"));
    assert_eq!(overridden.post("/api/auth/login", login.clone()).await.0, 401);
    assert_eq!(overridden.post("/api/auth/login", login).await.0, 401);
}

#[test]
fn a_resource_with_an_unknown_field_is_refused_by_its_name() {
    let data = tempfile::tempdir().unwrap();
    let resource = data.path().join("chat.yaml");
    let text = "apiVersion: aetherconnect.io/v1alpha1\nkind: AetherConnect\nmetadata: {name: chat}\nspec: {gateway: {prot: 1}}\n";
    std::fs::write(&resource, text).unwrap();
    let error = fails(command(data.path()).arg("-f").arg(&resource));
    assert!(error.contains("chat.yaml") && error.contains("prot") && error.contains("port"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_its_variable() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = fails(command(data.path()).env("API_GATEWAY_PORT", &port));
    assert!(error.contains("API_GATEWAY_PORT") && error.contains(&port), "{error}");
}

#[tokio::test]
async fn a_second_one_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let _first = Backend::start(&mut command(data.path()));
    assert!(fails(&mut command(data.path())).contains("in use by another"));
}

#[tokio::test]
async fn what_is_open_at_ctrl_c_is_finished_with_all_services_behind_it() {
    let data = tempfile::tempdir().unwrap();
    let backend = Backend::start(&mut command(data.path()));
    let body = ada().to_string();
    let address = backend.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
    let head =
        "POST /api/auth/register HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{}", body.len(), &body[..10]).unwrap();
    // Once another request is answered on this machine, the first half of this one has arrived, too.
    assert_eq!(
        backend.post("/api/auth/login", json!({"email": "a@example.com", "password": "wrong horse"})).await.0,
        401
    );
    let pid = backend.child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    while TcpStream::connect(address.replace("localhost", "127.0.0.1")).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut backend = Backend::start(&mut command(data.path()));
    let address = backend.url.trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let mut held = TcpStream::connect(&address).unwrap();
    write!(held, "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{").unwrap();
    let interrupt = |pid: u32| Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap();
    interrupt(backend.child.id());
    while TcpStream::connect(&address).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let asked = std::time::Instant::now();
    interrupt(backend.child.id());
    assert_eq!(backend.child.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn it_ends_quietly_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
