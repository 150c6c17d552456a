//! The dashboards and alert rules of the chart over what live services and a live operator tell Prometheus:
//! `tests/pictures` evaluates them as Grafana and Prometheus do.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use aether_standins::Nodes;
use aether_tests::{Options, Service, Socket, Stack, User, http_text};
use serde_json::{Value, json};

use crate::{
    leader::Replica,
    world::{World, eventually},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn render(args: &[&Path]) -> Output {
    let program = Command::new(root().join("tests/tools/get-pictures")).output().unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
    Command::new(String::from_utf8(program.stdout).unwrap().trim()).args(args).output().unwrap()
}

fn assert_rendered(output: &Output) {
    assert!(output.status.success(), "\n{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn each_alert_fires_for_what_it_is_for_and_for_nothing_else() {
    let rules = root().join("charts/aetherconnect-operator/files/alerts.yaml");
    assert_rendered(&render(&[Path::new("alerts"), &rules, &root().join("tests/pictures/alerts.yaml")]));
}

/// What a monitor of Prometheus takes from pods, at some times.
struct Scrapes {
    folder: tempfile::TempDir,
    taken: Vec<Value>,
}

impl Scrapes {
    fn add(&mut self, text: &str, pod: &str, component: Option<&str>) {
        let file = self.folder.path().join(format!("{}.txt", self.taken.len()));
        std::fs::write(&file, text.split_once("\r\n\r\n").map_or(text, |(_, body)| body)).unwrap();
        let mut labels = json!({"namespace": "aetherconnect-system", "pod": pod});
        if let Some(component) = component {
            // As `podTargetLabels` of the instance's PodMonitors has Prometheus add them.
            labels = json!({"namespace": "team-a", "pod": pod, "app_kubernetes_io_instance": "chat",
                "app_kubernetes_io_component": component});
        }
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
        self.taken.push(json!({"file": file, "at": at, "labels": labels}));
    }

    fn take(&mut self, stack: &Stack, operator: &Replica) {
        let all: [(&str, &[Service]); 3] =
            [("gateway", &stack.gateways), ("auth", &stack.auth), ("message", &stack.message)];
        for (component, replicas) in all {
            for (number, replica) in replicas.iter().enumerate() {
                self.add(&replica.http("/metrics"), &format!("chat-{component}-{number}"), Some(component));
            }
        }
        self.add(&http_text(operator.port, "/metrics").unwrap(), "aetherconnect-operator-0", None);
    }
}

/// Something of each kind that a dashboard shows.
async fn use_it(stack: &Stack, world: &World, name: &str) {
    let api = stack.api();
    let (ann, bob) = (User::register(&api, "pictures").await, User::register(&api, "pictures").await);
    assert_eq!(ann.try_login(&api, "not the password").await.status, 401);
    let elsewhere = ann.login(&api).await;
    let room = json!({"name": format!("room {}", ann.username), "description": ""});
    let room = api.post("/api/rooms", Some(&ann.token), room).await.body["room"]["id"].as_str().unwrap().to_owned();
    assert_eq!(api.post(&format!("/api/rooms/{room}/join"), Some(&bob.token), json!({})).await.status, 200);
    // Each at a replica of its own.
    let mut sockets = [Socket::connect(&api, &ann).await, Socket::connect(&stack.api_of(1), &bob).await];
    for socket in &mut sockets {
        socket.join(&room).await;
    }
    sockets[0].send(&room, "hello").await;
    sockets[1].next("new_message").await;
    api.get(&format!("/api/rooms/{room}/messages"), Some(&ann.token)).await;
    assert_eq!(api.post("/api/auth/logout", Some(&elsewhere), json!({})).await.status, 200);
    world.apply(name, "{}").await;
    eventually("the instance is up", || async {
        let status = world.resource(name).await.status.unwrap_or_default();
        status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_shows_what_live_services_tell_and_no_alert_fires_while_all_is_well() {
    let world = World::new().await;
    let _nodes = Nodes::start(&world.client, Some(&world.namespace));
    let operator = Replica::start(&world, "first").await;
    let options = Options { redis: std::env::var_os("TEST_REDIS_URL").is_some(), ..Options::default() };
    let stack = Stack::start(&options.replicas(2));
    let mut scrapes = Scrapes { folder: tempfile::tempdir().unwrap(), taken: Vec::new() };
    use_it(&stack, &world, "one").await;
    scrapes.take(&stack, &operator);
    use_it(&stack, &world, "two").await;
    // Prometheus extrapolates from samples that are some time apart.
    tokio::time::sleep(Duration::from_secs(1)).await;
    scrapes.take(&stack, &operator);

    let files = root().join("charts/aetherconnect-operator/files");
    let scene = json!({
        "scrapes": scrapes.taken,
        "dashboards": [files.join("dashboards/instance.json"), files.join("dashboards/fleet.json")],
        "rules": files.join("alerts.yaml"),
        "variables": {"namespace": "team-a", "instance": "chat", "datasource": "prometheus"},
        "empty": {
            "status=~\"5..\"": "no request failed",
            "result=\"failed\"": "no store failed",
            "aetherconnect_gateway_limited_requests_total": "limits are off",
        },
    });
    let file = scrapes.folder.path().join("scene.json");
    std::fs::write(&file, scene.to_string()).unwrap();
    assert_rendered(&render(&[Path::new("panels"), &file]));
}
