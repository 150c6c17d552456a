//! `docs/quickstart.md`: every command in it is run, and what it says comes of them does.
use aether_tests::{free_port, program};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Says that a block is over, in what the shell prints.
const OVER: &str = "--- over";

/// A block of commands, and what it is said to print: lines in which … stands for anything.
struct Step {
    commands: String,
    output: String,
}

fn steps(port: u16) -> Vec<Step> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/quickstart.md")).unwrap();
    let text = text.replace("localhost:3000", &format!("localhost:{port}"));
    let mut steps = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let (commands, rest) = block.split_once("```\n").unwrap();
        let output = rest.strip_prefix("```text\n").map_or("", |output| output.split_once("```\n").unwrap().0);
        steps.push(Step { commands: commands.to_owned(), output: output.to_owned() });
    }
    steps
}

/// Whether the lines, each with … for anything, come in this order among others.
fn assert_told(step: &Step, printed: &str) {
    let mut rest = printed;
    for line in step.output.lines() {
        for part in line.split('…').filter(|part| !part.is_empty()) {
            let at = rest.find(part);
            assert!(at.is_some(), "after\n{}there is no {part:?} in its place in:\n{printed}", step.commands);
            rest = &rest[at.unwrap() + part.len()..];
        }
    }
}

/// The environment of somebody who has just built it: `make run` needs no cargo then, and its data is its own.
fn environment(command: &mut Command, home: &Path, port: u16) {
    let bin = home.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    if !bin.join("cargo").exists() {
        std::os::unix::fs::symlink("/bin/true", bin.join("cargo")).unwrap();
    }
    let target = program("aetherconnect").parent().unwrap().parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", bin.display())).env("CARGO_TARGET_DIR", target).current_dir(ROOT);
    command.env("API_GATEWAY_PORT", port.to_string()).env("AETHER_URL", format!("http://localhost:{port}"));
    for name in ["METRICS_PORT", "AUTH_SERVICE_GRPC_PORT", "AUTH_SERVICE_HTTP_PORT"] {
        command.env(name, "0");
    }
    command.env("MESSAGE_SERVICE_GRPC_PORT", "0").env("MESSAGE_SERVICE_HTTP_PORT", "0");
    command.env("AETHERCONNECT_DATA_DIR", home.join("data")).env("LOG_LEVEL", "error");
}

/// `make run` in its own terminal; ended with all that it started.
struct Terminal {
    child: Child,
    /// Kept open: who prints to nobody fails.
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The group: make, and what it runs. It may have ended already.
        let _ = Command::new("kill").args(["-INT", "--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

fn start(step: &Step, home: &Path, port: u16) -> Terminal {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("bash");
    command.arg("-ec").arg(&step.commands).stdout(Stdio::piped()).process_group(0);
    environment(&mut command, home, port);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut terminal = Terminal { child, lines };
    let mut printed = String::new();
    while let Some(line) = terminal.lines.next() {
        let line = line.unwrap();
        printed = format!("{printed}{line}\n");
        if line.contains("Ctrl-C") {
            assert_told(step, &printed);
            return terminal;
        }
    }
    panic!("make run ended: {printed}");
}

#[test]
fn every_command_of_the_quickstart_does_what_it_says() {
    let (home, port) = (tempfile::tempdir().unwrap(), free_port());
    let steps = steps(port);
    assert!(steps.len() > 5 && steps.iter().filter(|step| !step.output.is_empty()).count() > 4, "the page has changed");
    let _backend = start(&steps[0], home.path(), port);
    // One shell for the rest, as in a second terminal.
    let script: String = steps[1..].iter().map(|step| format!("{}echo; echo '{OVER}'\n", step.commands)).collect();
    let output = home.path().join("output");
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).stdout(File::create(&output).unwrap());
    environment(&mut command, home.path(), port);
    let status = command.status().unwrap();
    let printed = std::fs::read_to_string(output).unwrap();
    assert!(status.success(), "{status} after:\n{printed}");
    for (step, printed) in steps[1..].iter().zip(printed.split(OVER)) {
        assert_told(step, printed);
    }
}
