//! The data directory of `aetherconnect run`: databases and generated secrets, for its owner's eyes only.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aether_common::tokens::SHORTEST_SECRET;
use anyhow::{Context as _, bail};
use rand::RngExt as _;

/// An open data directory. No other process can open it until this one ends.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens the directory, making it where it isn't there yet.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let lock = private_file(&path.join("lock"), OpenOptions::new().create(true).truncate(false))?;
        if lock.try_lock().is_err() {
            bail!("{} is in use by another `aetherconnect run`; stop it or choose another --data-dir", path.display());
        }
        Ok(Self { path, _lock: lock })
    }

    /// `aetherconnect/NAME` in `XDG_DATA_HOME`, or in `.local/share` of the home directory.
    pub(crate) fn default_path(name: &str) -> anyhow::Result<PathBuf> {
        let base = match (env::var_os("XDG_DATA_HOME"), env::var_os("HOME")) {
            (Some(data), _) if !data.is_empty() => PathBuf::from(data),
            (_, Some(home)) if !home.is_empty() => Path::new(&home).join(".local/share"),
            _ => bail!("HOME is not set; say where data belongs with --data-dir"),
        };
        Ok(base.join("aetherconnect").join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The URL of an embedded database, whose file is made here so that nobody else may read it.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path.join(name);
        private_file(&path, OpenOptions::new().create(true).truncate(false))?;
        Ok(format!("sqlite://{}", path.display()))
    }

    /// A secret of 256 random bits, made when it is first asked for and the same ever after.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(secret) if secret.trim().len() >= SHORTEST_SECRET => return Ok(secret.trim().to_owned()),
            Ok(_) => bail!("{} holds no secret of {SHORTEST_SECRET} bytes; delete it to get a new one", path.display()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
        let bytes: [u8; 32] = rand::rng().random();
        let secret: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        // Written aside and renamed, so that a crash leaves no half a secret.
        let draft = self.path.join(format!("{name}.new"));
        let mut file = private_file(&draft, OpenOptions::new().create(true).truncate(true))?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(secret)
    }
}

fn private_file(path: &Path, options: &mut OpenOptions) -> anyhow::Result<File> {
    options.write(true).mode(0o600).open(path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_stays_the_same_and_is_readable_by_its_owner_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("chat");
        let first = DataDir::open(path.clone()).unwrap().secret("jwt-secret").unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(DataDir::open(path.clone()).unwrap().secret("jwt-secret").unwrap(), first);
        assert_eq!(fs::metadata(path.join("jwt-secret")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_database_is_readable_by_its_owner_alone_wherever_it_lies() {
        let temporary = tempfile::tempdir().unwrap();
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).unwrap();
        DataDir::open(temporary.path().to_owned()).unwrap().database("auth.db").unwrap();
        assert_eq!(fs::metadata(temporary.path().join("auth.db")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_emptied_secret_is_named_by_its_file() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("jwt-secret"), "").unwrap();
        let error = DataDir::open(temporary.path().to_owned()).unwrap().secret("jwt-secret").unwrap_err().to_string();
        assert!(error.contains("jwt-secret") && error.contains("delete it"), "{error}");
    }

    #[test]
    fn a_directory_in_use_is_refused_with_what_to_do() {
        let temporary = tempfile::tempdir().unwrap();
        let _first = DataDir::open(temporary.path().to_owned()).unwrap();
        let error = DataDir::open(temporary.path().to_owned()).err().unwrap().to_string();
        assert!(error.contains("choose another --data-dir"), "{error}");
    }
}
