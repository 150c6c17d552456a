//! Two real operators of which one works: what happens when it is killed, or stops for a while and comes back.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use aether_operator::{leader::LEASE, resources::Kind};
use aether_standins::{Call, Nodes, Proxy};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::world::{World, eventually};

/// The figure.
const TAKEOVER: Duration = Duration::from_secs(15);

pub(crate) struct Replica {
    process: Child,
    proxy: Proxy,
    pub(crate) port: u16,
    _kubeconfig: tempfile::NamedTempFile,
}

impl Replica {
    pub(crate) async fn start(world: &World, name: &str) -> Self {
        let proxy = Proxy::start(world.client.clone()).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), proxy.kubeconfig()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(env!("CARGO_BIN_EXE_aetherconnect-operator"))
            .env("KUBECONFIG", file.path())
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", &world.namespace)
            .env("WATCH_NAMESPACES", &world.namespace)
            .env("OPERATOR_HTTP_PORT", port.to_string())
            .env("LOG_LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, proxy, port, _kubeconfig: file }
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn writes(&self) -> Vec<Call> {
        let is_work = |call: &Call| call.is_write() && !call.path.contains("/leases");
        self.proxy.calls().into_iter().filter(is_work).collect()
    }

    async fn is_ready(&self) -> bool {
        tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn holder(world: &World) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.namespace);
    leases.get_opt(LEASE).await.unwrap()?.spec?.holder_identity
}

/// An instance that is up, and two operators: the first works.
async fn two(world: &World) -> (Replica, Replica, Nodes) {
    let nodes = Nodes::start(&world.client, Some(&world.namespace));
    let first = Replica::start(world, "first").await;
    eventually("the first leads", || async { holder(world).await.as_deref() == Some("first") }).await;
    let second = Replica::start(world, "second").await;
    eventually("the second stands by", || second.is_ready()).await;
    world.apply("chat", "{}").await;
    eventually("the instance is up", || async {
        let status = world.resource("chat").await.status.unwrap_or_default();
        status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    })
    .await;
    // It has seen the lease.
    sleep(Duration::from_secs(3)).await;
    assert!(second.writes().is_empty(), "who stands by writes nothing");
    (first, second, nodes)
}

/// Takes things away until the second puts them back; gives how long that took.
async fn takeover(world: &World, second: &Replica) -> Duration {
    let began = Instant::now();
    world.delete(Kind::Service, "chat-gateway").await;
    while second.writes().is_empty() {
        assert!(began.elapsed() < 2 * TAKEOVER, "nobody took over");
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_when_the_leader_is_killed() {
    let world = World::new().await;
    let (first, second, _nodes) = two(&world).await;
    first.signal("-KILL");
    let took = takeover(&world, &second).await;
    println!("took over {took:?} after the leader's death");
    assert!(took <= TAKEOVER, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_stopped_for_a_while_writes_no_more() {
    let world = World::new().await;
    let (mut first, second, _nodes) = two(&world).await;
    // In the middle of its work.
    for part in ["auth", "message", "gateway"] {
        world.patch(Kind::Deployment, &format!("chat-{part}"), json!({"spec": {"replicas": 9}})).await;
    }
    first.signal("-STOP");
    let took = takeover(&world, &second).await;
    assert!(took <= TAKEOVER, "{took:?}");
    let since = second.writes().first().unwrap().at;
    first.signal("-CONT");
    world.delete(Kind::Service, "chat-auth").await;
    eventually("the second works", || async { world.get(Kind::Service, "chat-auth").await.is_some() }).await;
    eventually("the first gives up", || {
        let ended = first.process.try_wait().unwrap().is_some();
        async move { ended }
    })
    .await;
    let late: Vec<_> = first.writes().into_iter().filter(|call| call.at >= since).collect();
    assert!(late.is_empty(), "two wrote at a time: {late:?}");
    assert_eq!(holder(&world).await.as_deref(), Some("second"));
}
