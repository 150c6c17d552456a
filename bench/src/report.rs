//! Figures as they become known, for people and, at the end, for programs.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(self, figure: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::AtLeast(least) => Some(figure >= least),
            Self::AtMost(most) => Some(figure <= most),
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::AtLeast(least) => format!("≥ {}{unit}", number(least)),
            Self::AtMost(most) => format!("≤ {}{unit}", number(most)),
        }
    }
}

/// As figures in ms are.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<Value>,
}

impl Report {
    pub(crate) fn heading(&self, text: &str) {
        println!("\n{text:<66} {:>14}  {:<12}", "figure", "target");
    }

    /// A figure, and what it is to be.
    pub(crate) fn line(&mut self, part: &str, what: &str, figure: f64, unit: &str, target: Target) {
        let met = target.is_met(figure);
        let verdict = match met {
            None => "",
            Some(true) => "pass",
            Some(false) => "MISS",
        };
        println!("{what:<66} {:>14}  {:<12} {verdict}", format!("{}{unit}", number(figure)), target.text(unit));
        let target = target.text("");
        self.lines.push(json!({
            "part": part, "what": what.trim(), "figure": figure, "unit": unit.trim(), "target": target, "met": met,
        }));
    }

    /// Words that explain the figures around them.
    pub(crate) fn note(&self, text: &str) {
        println!("  {text}");
    }

    pub(crate) fn missed(&self) -> usize {
        self.lines.iter().filter(|line| line["met"] == json!(false)).count()
    }

    pub(crate) fn write(&self, path: &Path, about: &Value) -> Result<()> {
        let report = json!({ "about": about, "lines": self.lines });
        Ok(fs::write(path, serde_json::to_string_pretty(&report)?)?)
    }
}

fn number(figure: f64) -> String {
    match figure.abs() {
        large if large >= 100.0 => {
            let digits = format!("{figure:.0}");
            let mut text = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        middle if middle >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        let texts: Vec<_> = [0.5, 12.34, 999.6, 1234.0, 1_234_567.0].map(number).into();
        assert_eq!(texts, ["0.50", "12.3", "1,000", "1,234", "1,234,567"]);
    }
}
