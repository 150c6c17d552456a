//! The `aetherconnect` command: a chat backend from a resource file, and what goes with it.

mod data;
mod plan;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// A real-time chat backend that Kubernetes runs from one custom resource, and a laptop from one command.
#[derive(Parser)]
#[command(name = "aetherconnect", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole chat backend in this process, with embedded stores.
    ///
    /// Ports and limits come from the resource; environment variables of the services (API_GATEWAY_PORT,
    /// RATE_LIMIT_MAX, …) override it.
    Run {
        /// An AetherConnect resource; one for development, with its loose limits, when absent.
        #[arg(short, long, value_name = "RESOURCE.YAML")]
        file: Option<PathBuf>,
        /// Where data and generated secrets are kept [default: aetherconnect/NAME in the user's data folder].
        #[arg(long, value_name = "DIR", env = "AETHERCONNECT_DATA_DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Show what applying resources would create, change and delete, and change nothing.
    ///
    /// By dry runs on the API server. Exits with 0 when nothing would change, with 2 when something would, with 1 on
    /// an error. The operator's defaults (DEFAULT_VERSION, IMAGE_REGISTRY, …) are taken from the environment.
    Plan(plan::Arguments),
    /// Print the custom resource definition.
    Crds,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { file, data_dir } => run::run(file.as_deref(), data_dir).map(|()| ExitCode::SUCCESS),
        Command::Plan(arguments) => block_on(plan::run(&arguments)),
        Command::Crds => crds().map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn crds() -> anyhow::Result<()> {
    print!("{}", serde_yaml::to_string(&aether_operator::api::crd())?);
    Ok(())
}
