//! Who imports: pods of auth and message on a cluster, or this process on a laptop.

use std::time::Duration;

use aether_auth::import as users;
use aether_common::Env;
use aether_message::import as rooms;
use anyhow::bail;

use crate::{
    exec::Program,
    place::{PlaceArgs, Target, pod},
    users::place::laptop,
};

/// Longer than any batch takes.
const LIMIT: Duration = Duration::from_secs(120);

/// See the module.
pub(super) enum Stores {
    /// Both stores, in this process.
    Laptop(users::Importer, rooms::Importer),
    /// A program in a pod of each.
    Pods(Box<Program>, Box<Program>),
}

impl Stores {
    /// Finds them.
    pub(super) async fn open(place: &PlaceArgs) -> anyhow::Result<Self> {
        match place.find().await? {
            Target::Laptop(folder) => {
                let database = laptop(&folder)?;
                // As `aetherconnect run` does when it starts.
                database.migrate().await?;
                let url = format!("sqlite://{}", folder.join("message.db").display());
                let messages = rooms::Importer::from_env(&Env::default().with("MONGODB_URL", url)).await?;
                messages.prepare().await?;
                Ok(Self::Laptop(users::Importer::new(&database), messages))
            }
            Target::Instance { cluster, name } => {
                let start = async |component| {
                    let pod = pod(&cluster, &name, component).await?;
                    Program::start(&cluster, &pod, component, "import").await.map(Box::new)
                };
                Ok(Self::Pods(start("auth").await?, start("message").await?))
            }
        }
    }

    /// Asks auth.
    pub(super) async fn auth(&mut self, request: users::Request) -> anyhow::Result<users::Answer> {
        let answer = match self {
            Self::Laptop(importer, _) => importer.answer(request).await,
            Self::Pods(program, _) => program.ask(&request, LIMIT).await?,
        };
        match answer {
            users::Answer::Failed { message } => bail!("auth: {message}; the import may be repeated"),
            answer => Ok(answer),
        }
    }

    /// Asks message.
    pub(super) async fn message(&mut self, request: rooms::Request) -> anyhow::Result<rooms::Answer> {
        let answer = match self {
            Self::Laptop(_, importer) => importer.answer(request).await,
            Self::Pods(_, program) => program.ask(&request, LIMIT).await?,
        };
        match answer {
            rooms::Answer::Failed { message } => bail!("message: {message}; the import may be repeated"),
            answer => Ok(answer),
        }
    }
}
