//! Waiting for an instance to get where it is wanted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use jiff::SignedDuration;

use crate::{
    cluster::{Cluster, ClusterArgs},
    output::{OutputArgs, Progress},
    status::view::View,
};

/// How often the instance is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whether to wait, and how long.
#[derive(clap::Args)]
pub(crate) struct WaitArgs {
    /// Come back only when it is done
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait at most
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// What every command takes that changes one instance.
#[derive(clap::Args)]
pub(crate) struct ChangeArgs {
    /// The instance
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `90s`, `10m` or `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.filter(|time| !time.is_zero()).ok_or_else(|| "use a time such as 90s, 10m or 1h30m".to_owned())
}

/// Looks at an instance until it is as wanted.
pub(crate) async fn until(
    cluster: &Cluster,
    name: &str,
    limit: Duration,
    progress: &Progress,
    doing: &str,
    is_done: impl Fn(&View) -> bool,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let view = View::new(&cluster.instance(name).await?, &BTreeMap::new());
        if is_done(&view) {
            return Ok(());
        }
        let (ready, desired) = view.pods();
        progress.say(format!("{doing}: {ready}/{desired} pods are ready; {}", view.message));
        if started.elapsed() >= limit {
            let told = view.to_mend.map(|mend| format!("{}; {}", mend.message, mend.hint));
            bail!("not done after {}: {}", seconds(limit), told.context("the operator says nothing")?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A limit as it is told.
pub(crate) fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let read = |text| duration(text).map(|time| time.as_secs());
        assert_eq!([read("90s"), read("10m"), read("1h30m")], [Ok(90), Ok(600), Ok(5400)]);
        for bad in ["", "ten", "-5m", "0s"] {
            assert!(duration(bad).is_err_and(|mend| mend.contains("10m")), "{bad}");
        }
    }
}
