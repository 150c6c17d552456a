//! Certificates of the three services, which cert-manager issues, and how pods use them.

use serde_json::{Value, json};

use super::{Child, Instance, Kind, pod::var};

/// Where a pod finds its certificate.
const DIR: &str = "/etc/aetherconnect/tls";

/// One for each service, when TLS is wanted.
pub fn build(instance: &Instance<'_>) -> Vec<Child> {
    let Some(tls) = &instance.spec.tls else {
        return Vec::new();
    };
    let certificates = instance.services().into_iter().map(|service| {
        let (name, secret) = (instance.child(service.name), secret(instance, service.name));
        // By these the others call it; the gateway only shows who it is.
        let hosts = [name.clone(), instance.child(&format!("{}-peers", service.name))];
        let names = hosts.iter().flat_map(|host| [host.clone(), format!("{host}.{}.svc", instance.namespace)]);
        let body = json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": instance.metadata(&name, service.name),
            "spec": {
                "secretName": secret,
                // With these the operator learns of a renewal.
                "secretTemplate": {"labels": instance.labels(service.name)},
                "dnsNames": names.collect::<Vec<_>>(),
                "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                "issuerRef": {"group": "cert-manager.io", "kind": tls.issuer_ref.kind.as_str(), "name": tls.issuer_ref.name},
            },
        });
        Child { kind: Kind::Certificate, name, body }
    });
    certificates.collect()
}

/// Name of the Secret with a service's certificate.
pub fn secret(instance: &Instance<'_>, service: &str) -> String {
    instance.child(&format!("{service}-tls"))
}

/// `https` when the services speak TLS.
pub fn scheme(instance: &Instance<'_>) -> &'static str {
    if instance.spec.tls.is_some() { "https" } else { "http" }
}

/// The variables by which a service finds its certificate and the CA.
pub fn env(instance: &Instance<'_>, service: &str) -> Vec<Value> {
    if instance.spec.tls.is_none() {
        return Vec::new();
    }
    let file = |name: &str| format!("{DIR}/{name}");
    let mut env = vec![
        var("TLS_CERT_FILE", file("tls.crt")),
        var("TLS_KEY_FILE", file("tls.key")),
        var("TLS_CA_FILE", file("ca.crt")),
    ];
    if service != "gateway" {
        env.push(var("TLS_CLIENT_CA_FILE", file("ca.crt")));
    }
    env
}

/// Mounts a service's certificate into a pod.
pub fn mount(instance: &Instance<'_>, service: &str, pod: &mut Value) {
    if instance.spec.tls.is_some() {
        super::pod::mount_secret(pod, &secret(instance, service), "tls", DIR, None);
    }
}
