//! The skeleton of the three services' Deployments and Services.

use serde_json::{Value, json};

use super::{CONFIG_HASH, Child, Instance, Kind, Service, certificate, connection, pod};
use crate::api::{Resources, Store};

/// The user that the services' images run as.
pub const UID: i64 = 65532;

/// What differs between the services.
pub struct Workload<'a> {
    /// What it has in common with the others.
    pub service: Service<'a>,
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
    /// The stores that it uses.
    pub stores: &'a [Store],
}

impl Workload<'_> {
    /// The Deployment.
    pub fn deployment(&self, instance: &Instance<'_>) -> Child {
        let component = self.service.name;
        let name = instance.child(component);
        let selector = instance.selector(component);
        let mut body = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": instance.metadata(&name, component),
            "spec": {
                "replicas": instance.scale(self.service.replicas),
                "revisionHistoryLimit": 3,
                "progressDeadlineSeconds": 300,
                "selector": {"matchLabels": selector},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {
                    "metadata": {
                        "labels": instance.labels(component),
                        "annotations": {CONFIG_HASH: self.config_hash},
                    },
                    "spec": self.pod(instance),
                },
            },
        });
        if let (Some(_), false, Some(spec)) =
            (self.service.autoscaling, instance.spec.suspend, body["spec"].as_object_mut())
        {
            // The autoscaler's.
            spec.remove("replicas");
        }
        if let Some(template) = self.service.pod_template {
            pod::customize(&mut body["spec"]["template"], template);
        }
        Child { kind: Kind::Deployment, name, body }
    }

    fn pod(&self, instance: &Instance<'_>) -> Value {
        let component = self.service.name;
        // All ports of auth and message speak TLS, when they do.
        let scheme = if component == "gateway" { "HTTP" } else { &certificate::scheme(instance).to_uppercase() };
        let probe = |path: &str, period: u32, failures: u32| {
            json!({
                "httpGet": {"path": path, "port": self.probe_port, "scheme": scheme},
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
        let labels = json!({"matchLabels": instance.selector(component)});
        let spread = |key: &str| json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": labels});
        pod["topologySpreadConstraints"] =
            json!([spread("kubernetes.io/hostname"), spread("topology.kubernetes.io/zone")]);
        let apart = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": labels});
        pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] =
            json!([{"weight": 100, "podAffinityTerm": apart}]);
        pod["containers"] = json!([{
            "name": component,
            "image": instance.image(component),
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
        certificate::mount(instance, component, &mut pod);
        connection::mount(instance, self.stores, &mut pod);
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
