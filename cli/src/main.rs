//! The `aetherconnect` command: a chat backend from a resource file, and what goes with it.

mod data;
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
    /// Print the custom resource definition.
    Crds,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { file, data_dir } => run::run(file.as_deref(), data_dir),
        Command::Crds => crds(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn crds() -> anyhow::Result<()> {
    print!("{}", serde_yaml::to_string(&aether_operator::api::crd())?);
    Ok(())
}
