//! Instances as text. Pure.

use jiff::Timestamp;

use super::view::View;
use crate::output::{Paint, age, table};

fn pods(view: &View) -> String {
    let (ready, desired) = view.pods();
    format!("{ready}/{desired}")
}

fn version(view: &View) -> String {
    let running = view.version.as_deref();
    match (&view.target_version, running) {
        (Some(target), Some(running)) => format!("{running} → {target}"),
        (Some(target), None) => format!("→ {target}"),
        (None, running) => running.unwrap_or("-").to_owned(),
    }
}

fn since(time: Option<&str>, now: Timestamp) -> String {
    let time = time.and_then(|time| time.parse::<Timestamp>().ok());
    time.map_or_else(|| "-".into(), |time| age(now.as_second() - time.as_second()))
}

/// All instances, one a line.
pub(crate) fn list(views: &[View], with_namespace: bool, now: Timestamp, paint: Paint) -> String {
    let head = ["NAMESPACE", "NAME", "READY", "VERSION", "PODS", "URL", "AGE", "TO MEND"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(views.iter().map(|view| {
        let mend = view.to_mend.as_ref();
        let mend = mend.map(|m| m.condition.as_ref().map_or(m.reason.clone(), |c| format!("{c}: {}", m.reason)));
        vec![
            view.namespace.clone(),
            view.name.clone(),
            if view.ready { "yes" } else { "no" }.to_owned(),
            version(view),
            pods(view),
            view.url.clone().unwrap_or_else(|| "-".into()),
            since(view.created_at.as_deref(), now),
            mend.unwrap_or_default(),
        ]
    }));
    let skipped = usize::from(!with_namespace);
    for row in &mut rows {
        row.drain(..skipped);
    }
    table(&rows, |row, column, cell| match (row, column + skipped) {
        (0, _) => paint.bold(cell),
        (_, 2) if cell == "yes" => paint.good(cell),
        (_, 2) => paint.bad(cell),
        (_, 7) => paint.waiting(cell),
        _ => cell.to_owned(),
    })
}

/// One instance.
pub(crate) fn one(view: &View, now: Timestamp, paint: Paint) -> String {
    let ready = if view.ready { paint.good("ready") } else { paint.bad(&format!("not ready ({})", view.reason)) };
    let mut text = format!("{} in {}: {ready}\n", paint.bold(&view.name), view.namespace);
    text += &format!("  version  {}\n", version(view));
    text += &format!("  url      {}\n", view.url.as_deref().unwrap_or("-"));
    text += &format!("  age      {}\n", since(view.created_at.as_deref(), now));
    if !view.components.is_empty() {
        let head = ["COMPONENT", "READY", "IMAGE"].map(str::to_owned).to_vec();
        let rows = view.components.iter().map(|component| {
            let image = component.image.clone().unwrap_or_else(|| "-".into());
            vec![component.name.clone(), format!("{}/{}", component.ready, component.desired), image]
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        text.push('\n');
        text += &table(&rows, |row, column, cell| match (row, column) {
            (0, _) => paint.bold(cell),
            (row, 1) if view.components[row - 1].ready < view.components[row - 1].desired => paint.bad(cell),
            _ => cell.to_owned(),
        });
    }
    let conditions: Vec<_> = view.details().collect();
    if !conditions.is_empty() {
        let head = ["CONDITION", "", "SINCE", "REASON", "MESSAGE"].map(str::to_owned).to_vec();
        let rows = conditions.iter().map(|condition| {
            let since = age(now.as_second() - condition.last_transition_time.0.as_second());
            let mark = if condition.status == "True" { "ok" } else { "no" };
            vec![condition.type_.clone(), mark.into(), since, condition.reason.clone(), condition.message.clone()]
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        text.push('\n');
        text += &table(&rows, |row, column, cell| match (row, column) {
            (0, _) => paint.bold(cell),
            (_, 1) if cell == "ok" => paint.good(cell),
            (_, 1) => paint.bad(cell),
            _ => cell.to_owned(),
        });
    }
    text.push('\n');
    text += &match &view.to_mend {
        None => format!("{}\n", paint.good("Nothing to mend.")),
        Some(mend) => {
            let what = mend.condition.as_ref().unwrap_or(&mend.reason);
            format!("{} {what}: {}\n  {}\n", paint.waiting("To mend first:"), mend.message, mend.hint)
        }
    };
    text
}
