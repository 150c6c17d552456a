//! What people read about the operator is all there.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{fs, path::Path};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// All Rust files below a folder, without tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().unwrap() != "tests" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && path.file_name().unwrap() != "tests.rs" {
            let text = fs::read_to_string(path).unwrap();
            found.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
}

/// The first text in CamelCase after each of these beginnings.
fn reasons(source: &str) -> Vec<String> {
    let beginnings = [
        "Fact::good(",
        "Fact::bad(",
        "Fact::waiting(",
        "Fact::paused(",
        "Problem::new(",
        "Problem::waiting(",
        "problem(",
        "reason: \"",
    ];
    let mut found = Vec::new();
    for beginning in beginnings {
        for (place, _) in source.match_indices(beginning) {
            let rest = &source[place + beginning.len()..];
            let call: String = rest.chars().take(220).collect();
            let text = if beginning.ends_with('"') { call.split('"').next() } else { call.split('"').nth(1) };
            let is_reason = |text: &&str| {
                text.starts_with(|c: char| c.is_ascii_uppercase())
                    && text.len() > 4
                    && text.chars().all(|c| c.is_ascii_alphabetic())
            };
            found.extend(text.filter(is_reason).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_reason_of_a_condition_is_explained() {
    let (operations, mut files) = (read("docs/operations.md"), Vec::new());
    sources(&root().join("operator/src"), &mut files);
    let mut all: Vec<_> = files.iter().flat_map(|source| reasons(source)).collect();
    all.sort();
    all.dedup();
    assert!(all.len() > 25, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|reason| !operations.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "docs/operations.md says nothing of {missing:?}");
}

#[test]
fn every_alert_is_explained() {
    let (operations, alerts) = (read("docs/operations.md"), read("charts/aetherconnect-operator/files/alerts.yaml"));
    let names: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(operations.contains(&format!("`{name}`")), "docs/operations.md says nothing of {name}");
    }
}

/// Metric names in a query.
fn metrics(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| ["aetherconnect_", "grpc_server_", "process_"].iter().any(|start| word.starts_with(start)))
        .collect()
}

#[test]
fn dashboards_and_alerts_ask_for_metrics_that_there_are() {
    let known = format!("{}{}", read("docs/metrics.md"), read("operator/README.md"));
    let files = ["alerts.yaml", "dashboards/instance.json", "dashboards/fleet.json"];
    let mut asked = 0;
    for file in files {
        let text = read(format!("charts/aetherconnect-operator/files/{file}"));
        for name in metrics(&text) {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let is_known = [name, base]
                .iter()
                .any(|name| known.contains(&format!("`{name}`")) || known.contains(&format!("`{name}{{")));
            assert!(is_known, "{file} asks for {name}");
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
}

#[test]
fn documents_lead_to_files_that_there_are() {
    for document in [
        "docs/README.md",
        "docs/production.md",
        "docs/operations.md",
        "docs/security.md",
        "docs/benchmarks.md",
        "README.md",
    ] {
        let text = read(document);
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            let is_local = !link.is_empty() && !link.contains("://");
            assert!(!is_local || folder.join(link).exists(), "{document} leads to {link}");
        }
    }
}
