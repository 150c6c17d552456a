//! Every command that the documentation shows is run by a test, or stands in `tests/documented.json` with the reason why
//! none does. Those of a laptop are run here, those of a cluster by `tests/cluster/suites/commands.mjs`.
use aether_tests::{Laptop, program};
use serde_json::Value;
use sqlx::Connection as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a line of a command begins with where it stands within a sentence.
const PROGRAMS: [&str; 14] = [
    "aetherconnect",
    "aetherconnect-auth",
    "aetherconnect-message",
    "bench/run",
    "cargo",
    "curl",
    "helm",
    "kind",
    "kubectl",
    "make",
    "mongoexport",
    "node",
    "npm",
    "psql",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn list() -> Value {
    serde_json::from_str(&read("tests/documented.json")).unwrap()
}

/// Without its comment, and on one line.
fn plain(command: &str) -> String {
    let command = command.split(" # ").next().unwrap_or_default();
    command.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text within a sentence is a command: a program, perhaps behind variables, and something after it.
fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace().skip_while(|word| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    });
    words.next().is_some_and(|word| PROGRAMS.contains(&word)) && words.next().is_some_and(|word| word != "…")
}

/// The commands of a page: of blocks for a shell, of lines that stand in, and within sentences.
fn commands(text: &str) -> Vec<String> {
    let (mut found, mut fence): (Vec<String>, Option<&str>) = (Vec::new(), None);
    let (mut open, mut sentences) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_none() { Some(language.trim()) } else { None };
            continue;
        }
        let in_block = match fence {
            Some(language) => language == "sh",
            None => line.starts_with("    ") || !open.is_empty(),
        };
        if in_block {
            open += line.trim_end_matches('\\');
            if !line.ends_with('\\') {
                found.push(plain(&std::mem::take(&mut open)));
            }
        } else if fence.is_none() {
            sentences = format!("{sentences}{line} ");
        }
    }
    found.extend(sentences.split('`').skip(1).step_by(2).filter(|text| is_command(text)).map(plain));
    found.retain(|command| !command.is_empty());
    found
}

/// All commands, with the pages that have them.
fn all() -> BTreeMap<String, BTreeSet<String>> {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for file in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        // A test of its own runs each command of the quickstart, as it stands.
        if name.ends_with(".md") && name != "quickstart.md" {
            pages.push(format!("docs/{name}"));
        }
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for page in pages {
        for command in commands(&read(&page)) {
            found.entry(command).or_default().insert(page.clone());
        }
    }
    let within_sentences =
        commands(&read("docs/quickstart.md")).into_iter().filter(|c| c != "make run" && c.contains("make run"));
    found.extend(within_sentences.map(|command| (command, BTreeSet::from(["docs/quickstart.md".to_owned()]))));
    found
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_command_in_the_documentation_is_run_by_a_test_or_listed_with_the_reason_why_not() {
    let (list, found) = (list(), all());
    let mut listed: Vec<String> = texts(&list["laptop"]);
    listed.extend(texts(&list["cluster"]));
    for part in ["elsewhere", "notRun"] {
        listed.extend(list[part].as_object().unwrap().keys().cloned());
    }
    let unique: BTreeSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "a command is listed twice");
    let unlisted: Vec<_> = found.iter().filter(|(command, _)| !unique.contains(command)).collect();
    assert!(unlisted.is_empty(), "not in tests/documented.json: {unlisted:#?}");
    let gone: Vec<_> = listed.iter().filter(|command| !found.contains_key(*command)).collect();
    assert!(gone.is_empty(), "in no page any more: {gone:#?}");
    assert!(found.len() > 40, "{found:#?}");
    for (command, place) in list["elsewhere"].as_object().unwrap() {
        let place = texts(place);
        assert!(read(&place[0]).contains(&place[1]), "{command}: {} has no {}", place[0], place[1]);
    }
    assert!(read("tests/cluster/suites/commands.mjs").contains("documented.json"));
    assert!(read("tests/api/quickstart.rs").contains("docs/quickstart.md"));
}

#[test]
fn every_target_of_make_that_is_shown_is_there() {
    let makefile = read("Makefile");
    for command in all().keys().filter(|command| command.starts_with("make ")) {
        for target in command.split_whitespace().skip(1).filter(|word| !word.contains('=')) {
            assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "{command}");
        }
    }
}

#[test]
fn every_subcommand_that_is_shown_is_there() {
    for command in all().keys().filter_map(|command| command.strip_prefix("aetherconnect ")) {
        let words =
            command.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let words: Vec<_> = words.filter(|word| !word.starts_with('-')).take(2).collect();
        let shown = Command::new(program("aetherconnect")).args(&words).arg("--help").output().unwrap();
        assert!(shown.status.success(), "{command}: {}", String::from_utf8_lossy(&shown.stderr));
    }
}

/// Runs a command as it stands, where the programs are installed.
fn shell(command: &str, folder: &Path, env: &[(&str, &Path)]) -> String {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", command]).current_dir(folder).env("PATH", path).env("HOME", folder);
    let output = shell.envs(env.iter().copied()).output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command}\n{told}{errors}");
    told.into_owned()
}

/// The command of the list that has these words.
fn laptop(words: &str) -> String {
    texts(&list()["laptop"]).into_iter().find(|command| command.contains(words)).unwrap()
}

fn link(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(from, to).unwrap();
}

#[tokio::test]
async fn an_export_is_looked_at_on_a_laptop_as_the_guide_says() {
    let folder = tempfile::tempdir().unwrap();
    link(&program("aetherconnect"), &folder.path().join("bin/aetherconnect"));
    for file in ["users", "rooms", "members", "messages"] {
        let name = format!("{file}.jsonl");
        std::fs::copy(root().join("cli/tests/export").join(&name), folder.path().join(&name)).unwrap();
    }
    drop(Laptop::start(&folder.path().join("data"), &[]));
    let told = shell(&laptop("aetherconnect import"), folder.path(), &[]);
    assert!(told.starts_with("Would import 3 users, 2 rooms and 5 messages"), "{told}");

    // The query of the guide, on a table as TypeORM makes it.
    let Ok(url) = std::env::var("TEST_POSTGRES_URL") else { return };
    let command = laptop("psql");
    let query = command.split('\'').nth(1).unwrap();
    let mut old = sqlx::PgConnection::connect(&url).await.unwrap();
    let hash = "$2b$10$SRbDI5VyGzFIkgwthUrGEeUtXVleRsXM/pxQZmH1/Yf7KhkJm7l5a";
    let table = format!(
        "CREATE TEMPORARY TABLE users (id serial, email varchar, username varchar, \"firstName\" varchar, last_name text, \
         password varchar, roles text DEFAULT 'user', \"isActive\" boolean DEFAULT true, \"createdAt\" timestamp DEFAULT \
         now(), updated_at timestamptz DEFAULT now());
         INSERT INTO users (email, username, \"firstName\", last_name, password) VALUES ('ada@example.com', 'ada', 'Ada', \
         'Love''lace \\ \"x\"', '{hash}'), ('bob@example.com', 'bob', 'Bob', E'B\\u00e4r', '{hash}')"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&mut old).await.unwrap();
    let printed = format!("SELECT row::text FROM ({query}) AS rows (row)");
    let lines: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(printed)).fetch_all(&mut old).await.unwrap();
    std::fs::write(folder.path().join("users.jsonl"), lines.join("\n")).unwrap();
    let told = shell("aetherconnect import --users users.jsonl --data-dir data", folder.path(), &[]);
    assert!(told.starts_with("Imported 2 users"), "{told}");
}

#[test]
fn what_is_installed_is_a_plugin_of_kubectl_and_completes_its_commands() {
    let folder = tempfile::tempdir().unwrap();
    // A build of a release takes ten minutes: what is built already stands for it.
    let release = folder.path().join("target/release/aetherconnect");
    link(&program("aetherconnect"), &release);
    link(Path::new("/bin/true"), &folder.path().join("bin/cargo"));
    let make = format!("cd '{}' && {}", root().display(), laptop("make install"));
    shell(&make, folder.path(), &[("CARGO_TARGET_DIR", &folder.path().join("target"))]);
    let installed = folder.path().join(".local/bin");
    link(&installed.join("aetherconnect"), &folder.path().join("bin/aetherconnect"));
    let script = shell(&laptop("completion"), folder.path(), &[]);
    assert!(script.contains("complete") && script.contains("reset-password"), "{script}");
    // What kubectl runs for its command `aetherconnect`.
    let help = shell(&format!("{}/kubectl-aetherconnect status --help", installed.display()), folder.path(), &[]);
    assert!(help.contains("Usage: kubectl aetherconnect status"), "{help}");
}

/// Names by which programs read variables: what stands behind the calls that do.
fn variables(folder: &str, calls: &[&str]) -> BTreeSet<String> {
    // Tests stand in files of their own, too.
    let is_name = |name: &&str| {
        name.contains('_') && !name.starts_with("TEST_") && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let mut found = BTreeSet::new();
    for text in sources(folder) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for rest in calls.iter().flat_map(|call| code.split(call).skip(1)) {
            let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.extend(name.filter(is_name).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_variable_that_a_program_reads_is_in_its_table_and_every_one_of_the_table_is_read() {
    let calls = [".get(", ".parse(", ".flag(", ".list(", ".secret(", ".text(", "env, ", "std::env::var(", "env = "];
    let table = read("README.md");
    let services = variables("services", &calls);
    assert!(services.len() > 20, "{services:?}");
    for name in &services {
        // Those of OpenTelemetry's own are named there together.
        let known = name.starts_with("OTEL_") || table.contains(&format!("`{name}`"));
        assert!(known, "README.md's table has no {name}");
    }
    let documented = table.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() > 2);
    let code = sources("services").concat();
    let mut count = 0;
    for name in documented.flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)) {
        assert!(code.contains(&format!("\"{name}\"")), "README.md's table has {name}, which no service reads");
        count += 1;
    }
    assert!(count > 30, "{count}");
    let operators = variables("operator/src", &["get(", "or(", "env::var("]);
    let table = read("operator/README.md");
    assert!(operators.len() > 10, "{operators:?}");
    for name in operators {
        assert!(table.contains(&format!("`{name}`")), "operator/README.md's table has no {name}");
    }
    let cli = variables("cli/src", &["env = "]);
    let told = read("docs/cli.md");
    for name in cli {
        assert!(told.contains(&format!("`{name}`")), "docs/cli.md says nothing of {name}");
    }
}

/// All files of a folder and those in it.
fn sources(folder: &str) -> Vec<String> {
    let (mut texts, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                texts.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}
