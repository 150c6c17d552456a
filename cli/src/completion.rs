//! `aetherconnect completion`: scripts by which shells complete the command.

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use crate::{Arguments, PROGRAM, output::print};

/// Print a script by which a shell completes commands and options
#[derive(clap::Args)]
#[command(after_help = "Examples:
  source <(aetherconnect completion bash)
  aetherconnect completion zsh > ~/.zfunc/_aetherconnect
  aetherconnect completion fish > ~/.config/fish/completions/aetherconnect.fish")]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Supported,
}

#[derive(Clone, Copy, ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

/// Runs the command.
pub(crate) fn run(args: &CompletionArgs) -> anyhow::Result<()> {
    let shell = match args.shell {
        Supported::Bash => Shell::Bash,
        Supported::Zsh => Shell::Zsh,
        Supported::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), PROGRAM, &mut script);
    print(&String::from_utf8(script)?)
}
