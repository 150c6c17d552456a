//! The `aetherconnect` command: a chat backend from a resource file, and what goes with it.

mod cluster;
mod completion;
mod data;
mod doctor;
mod exec;
mod import;
mod logs;
mod output;
mod place;
mod plan;
mod power;
mod rotate;
mod run;
mod status;
mod users;
mod wait;

use std::{ffi::OsStr, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// A real-time chat backend that Kubernetes runs from one custom resource, and a laptop from one command.
#[derive(Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What the program is called in the texts below.
const PROGRAM: &str = "aetherconnect";

#[derive(Subcommand)]
enum Command {
    /// Run a whole chat backend in this process, with embedded stores
    ///
    /// Ports and limits come from the resource; environment variables of the services (API_GATEWAY_PORT,
    /// RATE_LIMIT_MAX, …) override it.
    #[command(after_help = "Examples:
  aetherconnect run                          one for development, at http://localhost:3000
  aetherconnect run -f examples/quickstart.yaml")]
    Run {
        /// An AetherConnect resource; one for development, with its loose limits, when absent
        #[arg(short, long, value_name = "RESOURCE.YAML")]
        file: Option<PathBuf>,
        /// Where data and generated secrets are kept [default: aetherconnect/NAME in the user's data folder]
        #[arg(long, value_name = "DIR", env = "AETHERCONNECT_DATA_DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Show what applying resources would create, change and delete, and change nothing
    ///
    /// By dry runs on the API server. Exits with 0 when nothing would change, with 2 when something would, with 1 on
    /// an error. The operator's defaults (DEFAULT_VERSION, IMAGE_REGISTRY, …) are taken from the environment.
    #[command(after_help = "Examples:
  aetherconnect plan -f examples/quickstart.yaml
  aetherconnect plan -f chat.yaml --offline  what it consists of, as YAML, without a cluster")]
    Plan(plan::Arguments),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Suspend(power::SuspendArgs),
    Resume(power::ResumeArgs),
    RotateKeys(rotate::RotateArgs),
    Users(users::UsersArgs),
    Import(import::ImportArgs),
    Doctor(doctor::DoctorArgs),
    /// Print the custom resource definition
    #[command(after_help = "Examples:
  aetherconnect crds | kubectl apply --server-side -f -")]
    Crds,
    Completion(completion::CompletionArgs),
}

/// How a command ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All is well: 0.
    Well,
    /// Something that it looked at isn't, or would change: 2.
    NotWell,
}

fn main() -> ExitCode {
    let arguments = command(std::env::args_os().next().as_deref()).get_matches();
    let parsed = Arguments::from_arg_matches(&arguments);
    let result = parsed.map_err(|error| error.exit()).and_then(|arguments: Arguments| execute(arguments.command));
    match result {
        Ok(Exit::Well) => ExitCode::SUCCESS,
        Ok(Exit::NotWell) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<Exit> {
    match command {
        // It makes a runtime of its own, once it can tell who it is for.
        Command::Run { file, data_dir } => run::run(file.as_deref(), data_dir).map(|()| Exit::Well),
        Command::Plan(args) => block_on(plan::run(&args)),
        Command::Status(args) => block_on(status::run(args)),
        Command::Logs(args) => block_on(logs::run(args)),
        Command::Suspend(args) => block_on(power::suspend(args)),
        Command::Resume(args) => block_on(power::resume(args)),
        Command::RotateKeys(args) => block_on(rotate::run(args)),
        Command::Users(args) => block_on(users::run(args)),
        Command::Import(args) => block_on(import::run(args)),
        Command::Doctor(args) => block_on(doctor::run(args)),
        Command::Crds => output::print(&aether_operator::api::crd_yaml()?).map(|()| Exit::Well),
        Command::Completion(args) => completion::run(&args).map(|()| Exit::Well),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The command line, by the name that the program was called by: kubectl calls `kubectl-aetherconnect` for
/// `kubectl aetherconnect`.
fn command(called: Option<&OsStr>) -> clap::Command {
    let file = called.map(std::path::Path::new).and_then(|path| path.file_name()).and_then(OsStr::to_str);
    match file {
        Some("kubectl-aetherconnect") => {
            let program = "kubectl aetherconnect";
            renamed(Arguments::command(), program).bin_name(program).display_name(program)
        }
        _ => Arguments::command(),
    }
}

/// The same command with its examples under another name.
fn renamed(command: clap::Command, program: &str) -> clap::Command {
    let examples = command.get_after_help().map(|text| text.to_string().replace(PROGRAM, program));
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.mut_subcommands(|command| renamed(command, program))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            let mut leaves = command.get_subcommands().filter(|c| c.get_name() != "help").peekable();
            if leaves.peek().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                let name = command.get_name();
                assert!(help.contains("aetherconnect ") && help.contains(name), "{name} has no example");
            }
            leaves.for_each(check);
        }
        check(&Arguments::command());
    }

    #[test]
    fn every_command_is_described() {
        let described = include_str!("../../docs/cli.md");
        for command in Arguments::command().get_subcommands() {
            let of =
                |name: &str| described.contains(&format!("| `{name}` ")) || described.contains(&format!("| `{name} "));
            let name = command.get_name();
            match command.get_subcommands().count() {
                0 => assert!(of(name), "{name} is missing in docs/cli.md"),
                _ => command.get_subcommands().for_each(|inner| {
                    let name = format!("{name} {}", inner.get_name());
                    assert!(of(&name), "{name} is missing in docs/cli.md");
                }),
            }
        }
    }

    #[test]
    fn as_a_plugin_of_kubectl_it_calls_itself_so() {
        let mut plugin = command(Some(OsStr::new("/usr/bin/kubectl-aetherconnect")));
        let error = plugin.try_get_matches_from_mut(["kubectl-aetherconnect", "status", "--help"]).unwrap_err();
        let help = error.to_string();
        assert!(help.contains("Usage: kubectl aetherconnect status"), "{help}");
        assert!(help.contains("  kubectl aetherconnect status chat -n team-a"), "{help}");
    }
}
