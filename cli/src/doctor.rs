//! `aetherconnect doctor`: looks at everything that an instance needs, and says what to do.

mod checks;
mod findings;
mod needs;

use serde_json::json;

use self::findings::Level;
use crate::{
    Exit,
    cluster::ClusterArgs,
    output::{OutputArgs, Paint, Progress},
};

/// Check the cluster, the operator, your permissions, stores and what the instances need, and say what to do
///
/// Ends with 2 when a finding is an error.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect doctor
  aetherconnect doctor -n team-a -o json
  aetherconnect doctor -A                    the instances of all namespaces")]
pub(crate) struct DoctorArgs {
    /// Look at the instances of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<Exit> {
    let progress = Progress::start("asking the cluster");
    let findings = match args.cluster.connect().await {
        Ok(cluster) => checks::all(&cluster, args.all_namespaces, &progress).await,
        Err(error) => vec![checks::unreachable(&error)],
    };
    drop(progress);
    let paint = Paint::for_stdout();
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let result = json!({"findings": findings, "errors": errors, "warnings": warnings});
    args.output.show(&result, || findings::text(&findings, errors, warnings, paint))?;
    Ok(if errors == 0 { Exit::Well } else { Exit::NotWell })
}
