//! The skeleton of the three services' Deployments and Services.

use serde_json::{Value, json};

use super::{CONFIG_HASH, Child, Instance, Kind, pod};
use crate::api::Resources;

/// The user that the services' images run as.
pub const UID: i64 = 65532;

/// What differs between the services.
pub struct Workload<'a> {
    /// `gateway`, `auth` or `message`: also the name of the image and of the container.
    pub component: &'a str,
    /// How many pods, when not suspended.
    pub replicas: i32,
    /// Names and numbers of the container's ports.
    pub ports: Vec<(&'a str, u16)>,
    /// Name of the port that answers `/healthz` and `/readyz`.
    pub probe_port: &'a str,
    /// Environment variables.
    pub env: Vec<Value>,
    /// CPU and memory.
    pub resources: Value,
    /// Hash of the Secrets' contents.
    pub config_hash: &'a str,
}

impl Workload<'_> {
    /// The Deployment.
    pub fn deployment(&self, instance: &Instance<'_>) -> Child {
        let name = instance.child(self.component);
        let selector = instance.selector(self.component);
        let body = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": instance.metadata(&name, self.component),
            "spec": {
                "replicas": instance.scale(self.replicas),
                "revisionHistoryLimit": 3,
                "progressDeadlineSeconds": 300,
                "selector": {"matchLabels": selector},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {
                    "metadata": {
                        "labels": instance.labels(self.component),
                        "annotations": {CONFIG_HASH: self.config_hash},
                    },
                    "spec": self.pod(instance),
                },
            },
        });
        Child { kind: Kind::Deployment, name, body }
    }

    fn pod(&self, instance: &Instance<'_>) -> Value {
        let probe = |path: &str, period: u32, failures: u32| {
            json!({
                "httpGet": {"path": path, "port": self.probe_port},
                "periodSeconds": period,
                "timeoutSeconds": 3,
                "failureThreshold": failures,
            })
        };
        let ports = self.ports.iter().map(|(name, port)| json!({"name": name, "containerPort": port}));
        let mut pod = pod::base(instance, UID);
        // Ports below 1024 are open to any user inside the pod, by a sysctl that the restricted standard allows.
        if self.ports.iter().any(|(_, port)| *port < 1024) {
            pod["securityContext"]["sysctls"] = json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]);
        }
        pod["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": instance.selector(self.component)},
        }]);
        pod["containers"] = json!([{
            "name": self.component,
            "image": instance.image(self.component),
            "imagePullPolicy": instance.spec.image.pull_policy.as_str(),
            "ports": ports.collect::<Vec<_>>(),
            "env": self.env,
            "resources": self.resources,
            "securityContext": pod::container_security(),
            "startupProbe": probe("/healthz", 1, 60),
            "livenessProbe": probe("/healthz", 10, 3),
            "readinessProbe": probe("/readyz", 3, 2),
            // By the kubelet, as the images hold no program that sleeps.
            "lifecycle": {"preStop": {"sleep": {"seconds": pod::PRE_STOP_SECONDS}}},
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }]);
        pod
    }
}

/// A port of a Service; it goes to the container's port of the same name.
pub fn service_port(name: &str, port: u16) -> Value {
    json!({"name": name, "port": port, "targetPort": name})
}

/// A Service in front of a component; `spec` holds what differs.
pub fn service(instance: &Instance<'_>, name: String, component: &str, ports: &[Value], spec: Value) -> Child {
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": instance.metadata(&name, component),
        "spec": {"selector": instance.selector(component), "ports": ports},
    });
    if let (Some(target), Value::Object(more)) = (body["spec"].as_object_mut(), spec) {
        target.extend(more);
    }
    Child { kind: Kind::Service, name, body }
}

/// CPU and memory of a service: as given, or small defaults.
pub fn resources(given: Option<&Resources>, memory_limit: &str) -> Value {
    pod::resources(given, "25m", "48Mi", memory_limit)
}
