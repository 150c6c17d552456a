//! `aetherconnect users`: the users of an instance, on a cluster or on a laptop.

mod password;
pub(crate) mod place;
mod text;

use aether_auth::admin::{Account, Answer, Request};
use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use self::{password::PasswordArgs, place::Place};
use crate::{
    Exit,
    output::{OutputArgs, Paint, Progress},
    place::PlaceArgs,
};

/// The users of an instance: make, list, disable, enable, reset a password
///
/// The instance is one on a cluster (its auth service does the work; you need the right to run a program in its pods),
/// or with --data-dir one of `aetherconnect run`, whether it runs or not.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect users list --instance chat -n team-a
  aetherconnect users disable ada --instance chat
  aetherconnect users list --data-dir ~/.local/share/aetherconnect/chat")]
pub(crate) struct UsersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(CreateArgs),
    List(ListArgs),
    Disable(DisableArgs),
    Enable(EnableArgs),
    ResetPassword(ResetArgs),
}

/// Make a user; the password is generated and printed once, or read from standard input
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect users create --email ada@example.com --username ada --first-name Ada --last-name Lovelace
  pass show ada | aetherconnect users create … --password-stdin --instance chat -n team-a")]
struct CreateArgs {
    /// E-mail address
    #[arg(long)]
    email: String,
    /// User name, 3 to 32 characters
    #[arg(long)]
    username: String,
    /// Given name
    #[arg(long)]
    first_name: String,
    /// Family name
    #[arg(long)]
    last_name: String,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// List all users, with their live sessions
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect users list --instance chat -n team-a
  aetherconnect users list --data-dir ./data -o json")]
struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Let a user not log in any more, and end all sessions everywhere within a second
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect users disable ada --instance chat -n team-a
  aetherconnect users disable ada@example.com --data-dir ./data")]
struct DisableArgs {
    #[command(flatten)]
    one: OneArgs,
}

/// Let a disabled user log in again
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect users enable ada --instance chat -n team-a")]
struct EnableArgs {
    #[command(flatten)]
    one: OneArgs,
}

/// Set another password, and end all sessions; it is generated and printed once, or read from standard input
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect users reset-password ada --instance chat -n team-a
  pass show ada | aetherconnect users reset-password ada --password-stdin --data-dir ./data")]
struct ResetArgs {
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    one: OneArgs,
}

#[derive(clap::Args)]
struct OneArgs {
    /// E-mail address or user name
    user: String,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) async fn run(args: UsersArgs) -> anyhow::Result<Exit> {
    match args.command {
        Command::Create(args) => create(args).await?,
        Command::List(args) => list(&args).await?,
        Command::Disable(DisableArgs { one }) => {
            let request = Request::Disable { user: one.user.clone() };
            change(&one, request, text::disabled, None).await?;
        }
        Command::Enable(EnableArgs { one }) => {
            let request = Request::Enable { user: one.user.clone() };
            change(&one, request, text::enabled, None).await?;
        }
        Command::ResetPassword(ResetArgs { password, one }) => {
            let (password, generated) = password.get()?;
            let request = Request::ResetPassword { user: one.user.clone(), password: password.clone() };
            change(&one, request, text::reset, generated.then_some(password)).await?;
        }
    }
    Ok(Exit::Well)
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let (password, generated) = args.password.get()?;
    let CreateArgs { email, username, first_name, last_name, .. } = args;
    let request = Request::Create { email, username, first_name, last_name, password: password.clone() };
    show(&args.place, &args.output, request, text::created, generated.then_some(password)).await
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let progress = Progress::start("asking for the users");
    let place = Place::find(&args.place).await?;
    let (mut users, mut after): (Vec<Account>, _) = (Vec::new(), 0);
    loop {
        let Answer::Listed { users: page, next } = ask(&place, &Request::List { after }).await? else {
            bail!("{} gave an answer of another kind: is it of another version?", place.name());
        };
        users.extend(page);
        let Some(next) = next else { break };
        after = next;
        progress.say(format!("asking for the users: {} so far", users.len()));
    }
    drop(progress);
    let paint = Paint::for_stdout();
    args.output.show(&json!({"users": users}), || text::list(&users, paint))
}

type Tell = fn(&Account, bool, usize) -> String;

async fn change(args: &OneArgs, request: Request, tell: Tell, generated: Option<String>) -> anyhow::Result<()> {
    show(&args.place, &args.output, request, tell, generated).await
}

async fn show(
    place: &PlaceArgs,
    output: &OutputArgs,
    request: Request,
    tell: Tell,
    generated: Option<String>,
) -> anyhow::Result<()> {
    let progress = Progress::start("asking the auth service");
    let place = Place::find(place).await?;
    let answer = ask(&place, &request).await?;
    drop(progress);
    let Answer::Done { user, changed, ended_sessions } = answer else {
        bail!("{} gave an answer of another kind: is it of another version?", place.name());
    };
    let mut result = json!({"user": user, "changed": changed, "endedSessions": ended_sessions});
    if let Some(password) = &generated {
        result["password"] = json!(password);
    }
    output.show(&result, || {
        let password = generated.map(|password| format!("Password, shown only now: {password}\n")).unwrap_or_default();
        format!("{}\n{password}", tell(&user, changed, ended_sessions))
    })
}

/// A refusal becomes an error.
async fn ask(place: &Place, request: &Request) -> anyhow::Result<Answer> {
    match place.ask(request).await? {
        Answer::Refused { message, .. } => bail!(message),
        answer => Ok(answer),
    }
}
