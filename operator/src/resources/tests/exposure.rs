//! Who may talk to whom, and how the gateway is reached.

use super::*;

/// (from, to, port) for each pair of components that the policies let talk, seen from both ends.
fn arrows(instance: &Instance<'_>) -> (Vec<String>, Vec<String>) {
    let (mut ingress, mut egress) = (Vec::new(), Vec::new());
    for child in network::build(instance) {
        let spec = &child.body["spec"];
        let component = |selector: &Value| {
            selector.pointer("/matchLabels/app.kubernetes.io~1component").unwrap().as_str().unwrap().to_owned()
        };
        let here = component(&spec["podSelector"]);
        for (direction, peers, arrows) in [("ingress", "from", &mut ingress), ("egress", "to", &mut egress)] {
            for rule in spec[direction].as_array().unwrap() {
                for peer in rule[peers].as_array().into_iter().flatten().filter(|peer| peer["podSelector"].is_object())
                {
                    for port in rule["ports"].as_array().unwrap() {
                        let (there, port) = (component(&peer["podSelector"]), &port["port"]);
                        let (from, to) = if direction == "ingress" { (&there, &here) } else { (&here, &there) };
                        arrows.push(format!("{from} -> {to}:{port}"));
                    }
                }
            }
        }
    }
    ingress.sort();
    egress.sort();
    (ingress, egress)
}

#[test]
fn the_policies_allow_the_arrows_of_the_picture_and_both_ends_agree() {
    let (ingress, egress) = with("{}", arrows);
    assert_eq!(ingress, egress);
    assert_eq!(
        ingress,
        [
            "auth -> postgres:5432",
            "auth -> redis:6379",
            "gateway -> auth:50001",
            "gateway -> message:3001",
            "gateway -> message:50002",
            "message -> auth:50001",
            "message -> mongodb:27017",
            "message -> redis:6379",
            "migration -> mongodb:27017",
            "migration -> postgres:5432",
        ]
    );
}

#[test]
fn clients_reach_the_gateway_only_and_metrics_are_for_those_who_are_named() {
    let open = |yaml: &str| {
        with(yaml, |instance| {
            let policies = network::build(instance);
            let rules = policies.iter().flat_map(|child| child.body["spec"]["ingress"].as_array().unwrap().clone());
            let outside = rules.filter(|rule| rule["from"].pointer("/0/podSelector").is_none());
            outside.map(|rule| format!("{} from {}", rule["ports"][0]["port"], rule["from"])).collect::<Vec<_>>()
        })
    };
    assert_eq!(open("{}"), ["3000 from null"]);
    let all = r#"[{"namespaceSelector":{}}]"#;
    let monitored = [format!("9090 from {all}"), format!("3002 from {all}"), format!("3001 from {all}")];
    assert_eq!(open("{monitoring: {enabled: true}}")[1..], monitored);
    let narrowed = open("{networkPolicy: {clients: [{ipBlock: {cidr: 10.0.0.0/8}}]}}");
    assert_eq!(narrowed, [r#"3000 from [{"ipBlock":{"cidr":"10.0.0.0/8"}}]"#]);
    assert!(open("{networkPolicy: {enabled: false}}").is_empty());
}

#[test]
fn stores_of_others_are_reached_on_their_ports_and_names_are_looked_up() {
    let yaml = "{postgres: {external: {secretRef: {name: pg}}}, redis: {disabled: true}}";
    with(yaml, |instance| {
        let mut instance = instance.clone();
        instance.store_ports.postgres = vec![6432];
        let children = Children::of(&instance);
        let auth = find(&children, Kind::NetworkPolicy, "chat-auth");
        let dns = json!([{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]);
        assert_eq!(auth["spec"]["egress"], json!([{"ports": [{"protocol": "TCP", "port": 6432}]}, {"ports": dns}]));
    });
}

#[test]
fn an_ingress_keeps_websockets_open_and_lets_cert_manager_make_the_certificate() {
    let yaml = "{gateway: {ingress: {host: chat.example, tls: {issuerRef: {name: le}}, annotations: {a: b}}}}";
    with(yaml, |instance| {
        let ingress = find(&Children::of(instance), Kind::Ingress, "chat-gateway");
        let annotations = &ingress["metadata"]["annotations"];
        assert_eq!(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"], "3600");
        assert_eq!((&annotations["cert-manager.io/issuer"], &annotations["a"]), (&json!("le"), &json!("b")));
        assert_eq!(ingress["spec"]["tls"], json!([{"hosts": ["chat.example"], "secretName": "chat-gateway-tls"}]));
        assert_eq!(ingress::url(instance.spec.gateway.ingress.as_ref().unwrap()), "https://chat.example");
    });
}

#[test]
fn a_route_has_no_time_limit_and_tells_the_url() {
    let yaml = "{gateway: {port: 80, gatewayApi: {parentRefs: [{name: public, sectionName: https}], hostnames: ['*.a.example', b.example]}}}";
    with(yaml, |instance| {
        let route = find(&Children::of(instance), Kind::HTTPRoute, "chat-gateway");
        assert_eq!(route["spec"]["parentRefs"], json!([{"name": "public", "sectionName": "https"}]));
        assert_eq!(route["spec"]["rules"][0]["timeouts"]["request"], "0s");
        assert_eq!(route["spec"]["rules"][0]["backendRefs"], json!([{"name": "chat-gateway", "port": 80}]));
        let url = route::url(instance.spec.gateway.gateway_api.as_ref().unwrap());
        assert_eq!(url.as_deref(), Some("https://b.example"));
    });
}

#[test]
fn with_tls_services_call_each_other_by_https_and_probes_follow() {
    with("{tls: {issuerRef: {name: internal}}}", |instance| {
        let children = Children::of(instance);
        let names = find(&children, Kind::Certificate, "chat-auth")["spec"]["dnsNames"].clone();
        assert_eq!(names, json!(["chat-auth", "chat-auth.team.svc", "chat-auth-peers", "chat-auth-peers.team.svc"]));
        for (service, scheme, client_ca) in
            [("auth", "HTTPS", true), ("message", "HTTPS", true), ("gateway", "HTTP", false)]
        {
            let pod = &find(&children, Kind::Deployment, &format!("chat-{service}"))["spec"]["template"]["spec"];
            assert_eq!(pod["containers"][0]["readinessProbe"]["httpGet"]["scheme"], scheme);
            assert_eq!(pod["volumes"][0]["secret"]["secretName"], format!("chat-{service}-tls"));
            let env = pod["containers"][0]["env"].as_array().unwrap();
            let has = |name: &str| env.iter().any(|var| var["name"] == name);
            assert!(has("TLS_CERT_FILE") && has("TLS_KEY_FILE") && has("TLS_CA_FILE"));
            assert_eq!(has("TLS_CLIENT_CA_FILE"), client_ca, "clients of the gateway have no certificate");
        }
    });
}
