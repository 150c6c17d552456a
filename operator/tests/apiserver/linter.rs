//! What kube-score says of the chart, and of all that the operator makes for the examples.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use aether_operator::{api::parse_all, config::Defaults, reconcile::plan};
use serde::Deserialize;
use serde_json::Value;

use crate::chart;

/// What it finds and is meant so.
const WAIVERS: [Waiver; 6] = [
    Waiver {
        check: "container-image-pull-policy",
        kind: "",
        of: &[],
        why: "a released tag never changes, and `Always` would have every start wait for the registry",
    },
    Waiver {
        check: "container-ephemeral-storage-request-and-limit",
        kind: "",
        of: &[],
        why: "root file systems are read-only, and of logs the kubelet keeps a bounded part",
    },
    Waiver {
        check: "deployment-replicas",
        kind: "Deployment",
        of: &[
            "the chart with defaults",
            "the chart with a list of namespaces",
            "quickstart.yaml",
            "gateway-api.yaml",
            "air-gapped.yaml",
            "two-tenants.yaml 0",
        ],
        why: "the operator is needed for changes only; and these examples show something else, or are for a laptop",
    },
    Waiver {
        check: "service-type",
        kind: "Service",
        of: &["quickstart.yaml"],
        why: "the local cluster of `make up` has no other way in",
    },
    Waiver {
        check: "container-security-context-user-group-id",
        kind: "StatefulSet",
        of: &[],
        why: "the stores' official images have their user, 999",
    },
    Waiver {
        check: "pod-probes-identical",
        kind: "StatefulSet",
        of: &[],
        why: "the same question with another patience: a minute until a store is started again, 9 s until it gets no calls",
    },
];

#[derive(Debug)]
struct Waiver {
    check: &'static str,
    /// Of all kinds when empty.
    kind: &'static str,
    /// How the names of what was looked over begin; everything when empty.
    of: &'static [&'static str],
    why: &'static str,
}

impl Waiver {
    fn waives(&self, check: &str, kind: &str, what: &str) -> bool {
        let is_meant = self.of.is_empty() || self.of.iter().any(|start| what.starts_with(start));
        self.check == check && (self.kind.is_empty() || self.kind == kind) && is_meant
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Something to look over at once: objects of one namespace.
fn subjects() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (what, values) in chart::VALUES {
        let objects: Vec<_> = chart::render(values).iter().map(|object| format!("---\n{object}\n")).collect();
        all.insert(format!("the chart with {what}"), objects.concat());
    }
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let resources = parse_all(&fs::read_to_string(&path).unwrap()).unwrap();
            assert!(!resources.is_empty(), "{}", path.display());
            for (number, resource) in resources.iter().enumerate() {
                let children = plan::render(resource, &Defaults::default()).unwrap();
                all.insert(format!("{} {number}", path.file_name().unwrap().to_str().unwrap()), children);
            }
        }
    }
    assert!(all.len() > 8, "{:?}", all.keys());
    all
}

#[derive(Deserialize)]
struct Scored {
    type_meta: Value,
    object_meta: Value,
    checks: Vec<Checked>,
}

#[derive(Deserialize)]
struct Checked {
    check: Value,
    grade: u8,
    skipped: bool,
    comments: Option<Vec<Value>>,
}

fn score(program: &str, yaml: &str) -> Vec<Scored> {
    // Without the annotations by which objects waive checks themselves: reasons stand here.
    let arguments =
        ["score", "-o", "json", "--kubernetes-version", "v1.34", "--disable-ignore-checks-annotations", "-"];
    let mut child = Command::new(program)
        .args(arguments)
        .args(["--enable-optional-test", "container-seccomp-profile"])
        // Throttling would only make what is busy slower; memory is limited, which the check goes on to look for.
        .arg("--ignore-container-cpu-limit")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn whatever_the_linter_finds_in_the_chart_or_in_the_examples_children_is_explained() {
    let program = Command::new(root().join("tests/tools/get-kube-score")).output().unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
    let program = String::from_utf8(program.stdout).unwrap();
    let (mut unexplained, mut idle) = (BTreeSet::new(), Vec::from_iter(&WAIVERS));
    for (what, yaml) in subjects() {
        let scored = score(program.trim(), &yaml);
        assert!(scored.len() > 2, "{what}: only {} objects were looked at", scored.len());
        for object in scored {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (text(&object.type_meta["kind"]), text(&object.object_meta["name"]));
            for checked in object.checks.iter().filter(|checked| checked.grade < 10 && !checked.skipped) {
                let check = text(&checked.check["id"]);
                if WAIVERS.iter().any(|waiver| waiver.waives(&check, &kind, &what)) {
                    idle.retain(|waiver| !waiver.waives(&check, &kind, &what));
                    continue;
                }
                for said in checked.comments.iter().flatten() {
                    let (path, summary) = (text(&said["path"]), text(&said["summary"]));
                    unexplained.insert(format!("{what}: {kind} {name}: {check}: {path} {summary}\n"));
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.into_iter().collect::<String>());
    for Waiver { check, why, .. } in &WAIVERS {
        println!("{check}: {why}");
    }
    assert!(idle.is_empty(), "these waivers are for nothing: {idle:#?}");
}
