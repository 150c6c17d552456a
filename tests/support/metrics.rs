//! What a service tells at `/metrics`, taken apart.

use std::collections::{BTreeMap, BTreeSet};

/// Every metric by name.
#[derive(Debug, Clone, Default)]
pub struct Metrics(pub BTreeMap<String, Metric>);

/// One metric.
#[derive(Debug, Clone, Default)]
pub struct Metric {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it says of itself.
    pub help: String,
    /// Labels, as text, and values. Of a histogram only the number of observations.
    pub samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Takes Prometheus's text format apart; panics where it is none.
    pub fn parse(text: &str) -> Self {
        let mut all = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                help.clone_into(&mut all.0.entry(name.to_owned()).or_default().help);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                kind.clone_into(&mut all.0.entry(name.to_owned()).or_default().kind);
            } else {
                all.sample(line);
            }
        }
        all
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line} is no sample"));
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let family = of_histogram.filter(|family| self.0.get(*family).is_some_and(|m| m.kind == "histogram"));
        if family.is_some() && !name.ends_with("_count") {
            return;
        }
        let metric = self.0.get_mut(family.unwrap_or(name)).unwrap_or_else(|| panic!("{line} has no type"));
        metric.samples.insert(labels.trim_end_matches('}').to_owned(), value.parse().unwrap());
    }

    /// The sum of a metric's values whose labels hold all of these, such as `route="/health"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let samples = self.0.get(name).into_iter().flat_map(|metric| &metric.samples);
        samples.filter(|(have, _)| labels.iter().all(|label| have.contains(label))).map(|(_, value)| value).sum()
    }

    /// Each metric with each set of labels that it has.
    pub fn series(&self) -> BTreeSet<(String, String)> {
        let each =
            self.0.iter().flat_map(|(name, metric)| metric.samples.keys().map(|labels| (name.clone(), labels.clone())));
        each.collect()
    }
}

impl Metric {
    /// The names of its labels.
    pub fn labels(&self) -> BTreeSet<String> {
        let pairs = self.samples.keys().flat_map(|labels| labels.split("\",")).filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap().0.to_owned()).collect()
    }
}
