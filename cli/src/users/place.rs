//! Who does what is asked for about users: the auth service of a cluster, or this process on a laptop.

use std::{path::PathBuf, time::Duration};

use aether_auth::{
    admin::{Admin, Answer, Request},
    store::Database,
};
use aether_common::Env;

use crate::{
    exec::Program,
    place::{PlaceArgs, Target, pod},
};

const COMPONENT: &str = "auth";
/// Longer than the database and a password's hash may take.
const LIMIT: Duration = Duration::from_secs(30);

/// See the module.
pub(super) enum Place {
    /// The store itself, in this process.
    Laptop(Box<Admin>, PathBuf),
    /// A pod of the auth service.
    Pod {
        /// Its cluster.
        cluster: Box<crate::cluster::Cluster>,
        /// Its name.
        pod: String,
    },
}

impl Place {
    /// Finds it.
    pub(super) async fn find(args: &PlaceArgs) -> anyhow::Result<Self> {
        match args.find().await? {
            Target::Laptop(folder) => {
                let database = laptop(&folder)?;
                // As `aetherconnect run` does when it starts.
                database.migrate().await?;
                Ok(Self::Laptop(Box::new(Admin::new(&database)), folder))
            }
            Target::Instance { cluster, name } => {
                let pod = pod(&cluster, &name, COMPONENT).await?;
                Ok(Self::Pod { cluster, pod })
            }
        }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Laptop(_, folder) => folder.display().to_string(),
            Self::Pod { pod, .. } => format!("pod {pod}"),
        }
    }

    /// Asks for something.
    pub(super) async fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        match self {
            Self::Laptop(admin, _) => {
                // The same way as to a pod, so that a request is the same for both.
                Ok(admin.answer(serde_json::from_str(&serde_json::to_string(request)?)?).await)
            }
            Self::Pod { cluster, pod } => {
                let mut program = Program::start(cluster, pod, COMPONENT, "users").await?;
                program.ask(request, LIMIT).await
            }
        }
    }
}

/// The users of a data directory.
pub(crate) fn laptop(folder: &std::path::Path) -> anyhow::Result<Database> {
    let url = format!("sqlite://{}", folder.join("auth.db").display());
    Ok(Database::from_env(&Env::default().with("DATABASE_URL", url))?)
}
