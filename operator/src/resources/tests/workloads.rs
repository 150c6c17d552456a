//! How many pods there are, and what a person may change of them.

use super::*;

#[test]
fn an_autoscaler_decides_on_the_number_of_pods_and_suspension_still_stops_them() {
    let yaml =
        |suspend: bool| format!("{{suspend: {suspend}, message: {{autoscaling: {{minReplicas: 2, maxReplicas: 9}}}}}}");
    with(&yaml(false), |instance| {
        let children = Children::of(instance);
        assert_eq!(find(&children, Kind::Deployment, "chat-message")["spec"].get("replicas"), None);
        let scaler = find(&children, Kind::HorizontalPodAutoscaler, "chat-message");
        assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], "chat-message");
        assert_eq!((&scaler["spec"]["minReplicas"], &scaler["spec"]["maxReplicas"]), (&json!(2), &json!(9)));
        assert_eq!(scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    });
    with(&yaml(true), |instance| {
        let message = find(&Children::of(instance), Kind::Deployment, "chat-message");
        assert_eq!(message["spec"]["replicas"], 0);
    });
}

#[test]
fn only_services_that_can_spare_a_pod_have_a_disruption_budget() {
    let yaml = "{gateway: {replicas: 2}, message: {replicas: 5, autoscaling: {maxReplicas: 5}}, auth: {autoscaling: {minReplicas: 3, maxReplicas: 4}}}";
    with(yaml, |instance| {
        let budgets: Vec<_> = disruption::build(instance).into_iter().map(|child| child.name).collect();
        assert_eq!(budgets, ["chat-auth", "chat-gateway"]);
    });
    with("{}", |instance| assert!(disruption::build(instance).is_empty()));
}

const TEMPLATE: &str = "
auth:
  podTemplate:
    metadata: {labels: {team: a, app.kubernetes.io/component: hijacked}, annotations: {note: b}}
    spec:
      nodeSelector: {disk: fast}
      tolerations: [{key: dedicated, operator: Exists}]
      securityContext: {fsGroup: null}
      volumes: [{name: extra, emptyDir: {}}]
      containers:
        - {name: auth, env: [{name: X, value: y}], ports: [{containerPort: 7777}], volumeMounts: [{name: extra, mountPath: /extra}]}
        - {name: sidecar, image: side/car}
";

#[test]
fn a_pod_template_is_merged_into_the_pods_but_not_into_their_selector() {
    with(TEMPLATE, |instance| {
        let template = find(&Children::of(instance), Kind::Deployment, "chat-auth")["spec"]["template"].clone();
        assert_eq!(template["metadata"]["labels"]["team"], "a");
        assert_eq!(template["metadata"]["labels"]["app.kubernetes.io/component"], "auth");
        assert_eq!(template["metadata"]["annotations"]["note"], "b");
        let pod = &template["spec"];
        assert_eq!(pod["nodeSelector"], json!({"disk": "fast"}));
        assert_eq!(pod["securityContext"].get("fsGroup"), None);
        assert_eq!(pod["containers"][0]["image"].as_str(), Some(instance.image("auth").as_str()));
        assert!(pod["containers"][0]["env"].as_array().unwrap().contains(&json!({"name": "X", "value": "y"})));
        assert_eq!(pod["containers"][1], json!({"name": "sidecar", "image": "side/car"}));
    });
}

#[test]
fn a_pod_template_reaches_the_migration_without_what_would_never_end() {
    with(TEMPLATE, |instance| {
        let job = migration::build(instance).body;
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(job["spec"]["template"]["metadata"]["annotations"]["note"], "b");
        assert_eq!(pod["tolerations"][0]["key"], "dedicated");
        assert_eq!(pod["restartPolicy"], "Never");
        let (auth, others) = (&pod["initContainers"][0], pod["containers"].as_array().unwrap());
        assert_eq!(auth["args"], json!(["migrate"]));
        assert!(auth["env"].as_array().unwrap().contains(&json!({"name": "X", "value": "y"})));
        assert_eq!(auth["volumeMounts"][0]["mountPath"], "/extra");
        assert_eq!(auth.get("ports"), None);
        assert_eq!((others.len(), &others[0]["name"]), (1, &json!("message")));
    });
}

#[test]
fn every_pod_gets_the_priority_class_and_services_the_drain_time() {
    with("{priorityClassName: high, drainSeconds: 90}", |instance| {
        for child in Children::of(instance).all() {
            let Some(pod) = child.body.pointer("/spec/template/spec") else { continue };
            assert_eq!(pod["priorityClassName"], "high", "{}", child.name);
            assert_eq!(pod["terminationGracePeriodSeconds"], 100, "{}", child.name);
        }
    });
}
