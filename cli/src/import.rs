//! `aetherconnect import`: users, rooms and messages of an earlier backend.

mod fields;
mod people;
mod read;
mod records;
mod source;
mod stores;
mod write;

use std::path::PathBuf;

use anyhow::{bail, ensure};
use serde_json::json;

use self::{
    people::People,
    read::{Export, Problem},
    stores::Stores,
    write::{Counts, write},
};
use crate::{
    Exit,
    output::{Format, OutputArgs, Progress},
    place::PlaceArgs,
};

/// Problems that are printed; JSON has them all.
const PRINTED: usize = 20;

/// Import users, rooms and messages of an earlier backend
///
/// Files have one JSON object a line, as PostgreSQL's `row_to_json` and MongoDB's `mongoexport` write them;
/// docs/migration.md has the commands. All is looked at before anything is changed. What was imported is known again,
/// so that an import may be repeated. Passwords stay valid. The instance is one on a cluster, or with --data-dir one of
/// `aetherconnect run`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect import --users users.jsonl --rooms rooms.jsonl --messages messages.jsonl --dry-run --instance chat
  aetherconnect import --users users.jsonl --data-dir ~/.local/share/aetherconnect/chat
  mongoexport … | aetherconnect import --messages - --instance chat -n team-a")]
pub(crate) struct ImportArgs {
    /// Users, or - for standard input
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Rooms, with or without their members
    #[arg(long, value_name = "FILE")]
    rooms: Option<PathBuf>,
    /// Members of rooms, where they are not in the rooms' file
    #[arg(long, value_name = "FILE", requires = "rooms")]
    members: Option<PathBuf>,
    /// Messages, in any order
    #[arg(long, value_name = "FILE")]
    messages: Option<PathBuf>,
    /// Keep messages of people who are no users any more, under their names and the id 0
    #[arg(long)]
    former_users: bool,
    /// Look at everything, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) async fn run(args: ImportArgs) -> anyhow::Result<Exit> {
    let files = [&args.users, &args.rooms, &args.members, &args.messages];
    let files: Vec<_> = files.into_iter().flatten().collect();
    ensure!(!files.is_empty(), "there is nothing to import: give --users, --rooms or --messages");
    let piped = files.iter().filter(|path| path.as_os_str() == "-").count();
    ensure!(piped <= 1, "standard input can be one of the files only: write the others to disk");

    let progress = Progress::start("reading");
    let mut export = Export::read(&args, &progress).await?;
    export.seat_members();
    refuse(&args, &export.problems)?;
    progress.say("looking at the instance");
    let mut stores = Stores::open(&args.place).await?;
    let mut people = People::find(&export, &mut stores).await?;
    people.check(&mut export, args.former_users);
    refuse(&args, &export.problems)?;

    let looked = write(&mut export, &mut stores, &mut people, &progress, true).await?;
    refuse(&args, &export.problems)?;
    let counts = match args.dry_run {
        true => looked,
        false => write(&mut export, &mut stores, &mut people, &progress, false).await?,
    };
    drop(progress);
    if !args.dry_run {
        refuse_rest(&args, &export.problems, &counts)?;
    }
    args.output.show(&result(&args, &export, &counts), || text(&args, &export, &counts))?;
    Ok(Exit::Well)
}

/// Ends where a line can't be imported.
fn refuse(args: &ImportArgs, problems: &[Problem]) -> anyhow::Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    tell(args, problems)?;
    bail!("{} can't be imported as it is, and nothing was changed", lines(problems.len()))
}

/// The same when others were imported: somebody wrote here meanwhile.
fn refuse_rest(args: &ImportArgs, problems: &[Problem], counts: &Counts) -> anyhow::Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    tell(args, problems)?;
    bail!(
        "{} can't be imported; {} users, {} rooms and {} messages were, and the import may be repeated",
        lines(problems.len()),
        counts.users.made,
        counts.rooms.made,
        counts.messages.made
    )
}

fn lines(n: usize) -> String {
    if n == 1 { "one field of a line".to_owned() } else { format!("{n} fields of lines") }
}

fn tell(args: &ImportArgs, problems: &[Problem]) -> anyhow::Result<()> {
    if args.output.format == Format::Json {
        return args.output.show(&json!({"problems": problems}), String::new);
    }
    for Problem { file, line, field, mend } in problems.iter().take(PRINTED) {
        eprintln!("{file}:{line}: {field} {mend}");
    }
    if problems.len() > PRINTED {
        eprintln!("… and {} more, which --output json tells, too", problems.len() - PRINTED);
    }
    Ok(())
}

fn result(args: &ImportArgs, export: &Export, counts: &Counts) -> serde_json::Value {
    json!({
        "dryRun": args.dry_run,
        "users": {"made": counts.users.made, "there": counts.users.there, "withoutPassword": counts.without_password},
        "rooms": {"made": counts.rooms.made, "there": counts.rooms.there, "members": counts.members},
        "messages": {"made": counts.messages.made, "there": counts.messages.there, "deleted": export.deleted},
    })
}

fn text(args: &ImportArgs, export: &Export, counts: &Counts) -> String {
    let verb = if args.dry_run { "Would import" } else { "Imported" };
    let (users, rooms, messages) = (&counts.users, &counts.rooms, &counts.messages);
    let mut text = format!("{verb} {} users, {} rooms and {} messages.\n", users.made, rooms.made, messages.made);
    if users.there + rooms.there + messages.there > 0 {
        text +=
            &format!("Here already: {} users, {} rooms and {} messages.\n", users.there, rooms.there, messages.there);
    }
    if export.deleted > 0 {
        text += &format!("{} messages were deleted, and left out.\n", export.deleted);
    }
    if counts.without_password > 0 {
        text += &format!(
            "{} users have no password: `aetherconnect users reset-password` sets one.\n",
            counts.without_password
        );
    }
    text
}
