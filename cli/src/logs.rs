//! `aetherconnect logs`: what all pods of an instance say, in one stream.

mod line;
mod pods;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures::{AsyncBufReadExt as _, TryStreamExt as _, future::join_all};
use jiff::Timestamp;
use kube::api::LogParams;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use self::{
    line::{Line, Source},
    pods::{Pods, Started},
};
use crate::{
    Exit,
    cluster::ClusterArgs,
    output::{Format, OutputArgs, Paint, Progress, print},
    wait::duration,
};

/// How many lines are shown where neither their number nor their time is given.
const FEW: usize = 1000;
/// How often new pods are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Show what all pods of an instance say, in one stream
///
/// Each line begins with component and pod; structured lines are put in words. --output json gives a line of JSON each,
/// with what the service wrote as it was.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  aetherconnect logs chat -n team-a -f
  aetherconnect logs chat --component auth --since 10m
  aetherconnect logs chat --tail 50 -o json")]
pub(crate) struct LogsArgs {
    /// The instance
    name: String,
    /// Of one component only: gateway, auth, message, postgres, mongodb, redis or migration
    #[arg(short, long, value_name = "NAME")]
    component: Option<String>,
    /// Go on with what is said from now on, by new pods too
    #[arg(short, long)]
    follow: bool,
    /// What was said since then, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,
    /// The last lines of all pods together [default: 1000, or all with --since]
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) async fn run(args: LogsArgs) -> anyhow::Result<Exit> {
    let progress = Progress::start("reading the logs");
    let cluster = args.cluster.connect().await?;
    cluster.instance(&args.name).await?;
    let pods = Pods::new(&cluster, &args.name, args.component.clone());
    let started = pods.started().await?;
    if started.is_empty() && !args.follow {
        return Err(pods.nothing().await);
    }
    let tail = args.tail.or(args.since.is_none().then_some(FEW));
    let begun = Timestamp::now();
    let (mut lines, notes) = history(&pods, &started, args.since, tail).await;
    let seen = seen(&started, &lines, args.since.and_then(|since| begun.checked_sub(since).ok()));
    in_order(&mut lines, tail);
    drop(progress);
    notes.iter().for_each(|note| eprintln!("{note}"));
    let show = show(args.output.format);
    lines.iter().try_for_each(&show)?;
    if args.follow {
        follow(&pods, &seen, &show).await?;
    }
    // Some said nothing because they could not be asked.
    Ok(if notes.is_empty() { Exit::Well } else { Exit::NotWell })
}

fn show(format: Format) -> impl Fn(&Line) -> anyhow::Result<()> {
    let paint = Paint::for_stdout();
    move |line| match format {
        Format::Json => print(&format!("{}\n", line.json())),
        Format::Text => print(&format!("{}\n", line.text(paint))),
    }
}

/// What was said until now, pod by pod, and whose log can't be read.
async fn history(
    pods: &Pods,
    started: &[Started],
    since: Option<Duration>,
    tail: Option<usize>,
) -> (Vec<Line>, Vec<String>) {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let read = started.iter().map(|Started { source, .. }| async move {
        let params = LogParams {
            container: Some(source.container.clone()),
            since_seconds: since.map(|since| number(since.as_secs().max(1))),
            tail_lines: tail.map(|tail| number(tail as u64)),
            timestamps: true,
            ..LogParams::default()
        };
        let text = pods.api.logs(&source.pod, &params).await;
        let text = text.map_err(|error| format!("the log of {} can't be read: {}", source.pod, brief(&error)))?;
        Ok(text.lines().map(|line| Line::parse(source, line)).collect::<Vec<_>>())
    });
    let (mut lines, mut notes) = (Vec::new(), Vec::new());
    for read in join_all(read).await {
        match read {
            Ok(read) => lines.extend(read),
            Err(note) => notes.push(note),
        }
    }
    (lines, notes)
}

/// By time, each pod's own order kept, and the last of them.
fn in_order(lines: &mut Vec<Line>, tail: Option<usize>) {
    // A line without a time belongs to the one before it.
    let mut last = None;
    let mut keyed: Vec<_> = lines
        .drain(..)
        .map(|line| {
            last = line.at.or(last);
            (last, line)
        })
        .collect();
    keyed.sort_by_key(|(at, _)| *at);
    let skipped = tail.map_or(0, |tail| keyed.len().saturating_sub(tail));
    lines.extend(keyed.into_iter().skip(skipped).map(|(_, line)| line));
}

/// Where each life of a container has been read to; absent where nothing was said yet.
type Seen = HashMap<(Source, i32), Timestamp>;

fn seen(started: &[Started], lines: &[Line], since: Option<Timestamp>) -> Seen {
    let last = |source: &Source| lines.iter().rev().filter(|line| line.source == *source).find_map(|line| line.at);
    let of = |s: &Started| Some(((s.source.clone(), s.restarts), last(&s.source).or(since)?));
    started.iter().filter_map(of).collect()
}

fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Shows lines as they come, and looks for new pods.
async fn follow(pods: &Pods, seen: &Seen, show: impl Fn(&Line) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (mut seen, mut active) = (seen.clone(), HashSet::new());
    let (sender, mut lines) = mpsc::channel(256);
    let mut readers = JoinSet::new();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_told = false;
    loop {
        tokio::select! {
            Some(line) = lines.recv() => show(&line)?,
            Some(Ok((id, last))) = readers.join_next() => {
                active.remove(&id);
                seen.insert(id, last);
            }
            _ = ticks.tick() => match pods.started().await {
                Ok(started) => {
                    is_told = false;
                    for container in started {
                        let id = (container.source.clone(), container.restarts);
                        let is_over = seen.contains_key(&id) && !container.runs;
                        if !is_over && active.insert(id.clone()) {
                            let since = seen.get(&id).copied();
                            readers.spawn(read(pods.api.clone(), id, since, sender.clone()));
                        }
                    }
                }
                // The cluster may come back; until then once is enough.
                Err(error) if !is_told => {
                    is_told = true;
                    eprintln!("{error:#}; trying again");
                }
                Err(_) => {}
            },
        }
    }
}

/// Reads one life of a container to its end; tells how far it came.
async fn read(
    api: kube::Api<k8s_openapi::api::core::v1::Pod>,
    id: (Source, i32),
    since: Option<Timestamp>,
    lines: mpsc::Sender<Line>,
) -> ((Source, i32), Timestamp) {
    let source = &id.0;
    let mut last = since.unwrap_or(Timestamp::UNIX_EPOCH);
    let params = LogParams {
        container: Some(source.container.clone()),
        follow: true,
        since_time: since,
        timestamps: true,
        ..LogParams::default()
    };
    if let Ok(stream) = api.log_stream(&source.pod, &params).await {
        let mut stream = stream.lines();
        while let Ok(Some(text)) = stream.try_next().await {
            let line = Line::parse(source, &text);
            // The cluster goes back to the whole second.
            if line.at.is_some_and(|at| at <= last) {
                continue;
            }
            last = line.at.unwrap_or(last);
            if lines.send(line).await.is_err() {
                break;
            }
        }
    }
    (id, last)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(pod: &str) -> Source {
        Source { component: "auth".into(), pod: pod.into(), container: "auth".into() }
    }

    fn lines(pod: &str, texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::parse(&source(pod), text)).collect()
    }

    #[test]
    fn lines_of_several_pods_come_in_the_order_of_time_and_the_last_are_kept() {
        let mut all = lines("a", &["2026-01-01T00:00:01Z one", "trace of one", "2026-01-01T00:00:04Z four"]);
        all.extend(lines("b", &["2026-01-01T00:00:02Z two", "2026-01-01T00:00:03Z three"]));
        let mut last = all.clone();
        in_order(&mut all, None);
        let told = |lines: &[Line]| lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>().join(",");
        assert_eq!(told(&all), "one,trace of one,two,three,four");
        in_order(&mut last, Some(2));
        assert_eq!(told(&last), "three,four");
    }

    #[test]
    fn following_goes_on_where_each_pod_was_read_to() {
        let started = ["a", "b"].map(|pod| Started { source: source(pod), restarts: 1, runs: true });
        let read = lines("a", &["2026-01-01T00:00:01Z one", "no time"]);
        let seen = seen(&started, &read, None);
        assert_eq!(seen[&(source("a"), 1)], "2026-01-01T00:00:01Z".parse().unwrap());
        assert!(!seen.contains_key(&(source("b"), 1)), "it is read from its beginning");
    }
}
