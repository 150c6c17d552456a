//! `aether-bench-draw REPORT.json` draws the report's figures beside their targets into `REPORT.svg`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

const WIDTH: f64 = 920.0;
const ROW: f64 = 22.0;
const HEADING: f64 = 34.0;
/// Where bars begin, and where a figure that just meets its target ends.
const LEFT: f64 = 380.0;
const MIDDLE: f64 = 560.0;
/// So many times better or worse than the target fills its side.
const FULL: f64 = 30.0;

fn main() -> Result<()> {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        bail!("usage: aether-bench-draw REPORT.json")
    };
    let drawn = draw_file(&path).with_context(|| format!("cannot draw {}", path.display()))?;
    fs::write(path.with_extension("svg"), drawn)?;
    println!("drawn: {}", path.with_extension("svg").display());
    Ok(())
}

fn draw_file(path: &Path) -> Result<String> {
    let report: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    Ok(draw(&report))
}

/// A figure that has a target.
struct Bar {
    part: String,
    what: String,
    label: String,
    target: String,
    /// How many times better than the target; below 1 it misses.
    score: f64,
}

impl Bar {
    fn read(line: &Value) -> Option<Self> {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let (target, unit, figure) = (text("target"), text("unit"), line["figure"].as_f64()?);
        let (sign, wanted) = target.split_once(' ')?;
        let wanted: f64 = wanted.replace(',', "").parse().ok()?;
        let score = match sign {
            "≥" => figure / wanted,
            "≤" => wanted / figure.max(f64::MIN_POSITIVE),
            _ => return None,
        };
        let space = if unit.is_empty() || unit == "%" { "" } else { " " };
        let label = format!("{}{space}{unit}", short(figure));
        Some(Self { part: text("part"), what: text("what"), label, target, score })
    }
}

fn short(figure: f64) -> String {
    if figure >= 100.0 { format!("{figure:.0}") } else { format!("{}", (figure * 100.0).round() / 100.0) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Bars that end right of the line meet their targets. Both sides are logarithms.
fn draw(report: &Value) -> String {
    let bars: Vec<Bar> = report["lines"].as_array().into_iter().flatten().filter_map(Bar::read).collect();
    let parts = bars.chunk_by(|one, next| one.part == next.part);
    let height = 64.0 + parts.clone().map(|part| HEADING + ROW * part.len() as f64).sum::<f64>() + 16.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text x="16" y="26" font-size="16" font-weight="bold">Figures beside their targets</text>
<text x="16" y="46" fill="#555555">{}. Right of the line: met; a whole side is {FULL} times.</text>
"##,
        escaped(report["about"]["machine"].as_str().unwrap_or_default())
    );
    let mut y = 64.0;
    for part in parts {
        let name = part.first().map(|bar| bar.part.as_str()).unwrap_or_default();
        y += HEADING;
        let _ = writeln!(svg, r#"<text x="16" y="{}" font-weight="bold">{}</text>"#, y - 10.0, escaped(name));
        for bar in part {
            row(&mut svg, bar, y);
            y += ROW;
        }
    }
    let _ = writeln!(svg, r##"<line x1="{MIDDLE}" y1="70" x2="{MIDDLE}" y2="{}" stroke="#222222"/>"##, y + 4.0);
    svg + "</svg>\n"
}

fn row(svg: &mut String, bar: &Bar, y: f64) {
    let side = bar.score.max(f64::MIN_POSITIVE).ln() / FULL.ln();
    let end = MIDDLE + side.clamp(-1.0, 1.0) * (MIDDLE - LEFT);
    let colour = if bar.score >= 1.0 { "#2e7d5b" } else { "#c2571a" };
    let middle = y + ROW / 2.0 + 4.0;
    let _ = write!(
        svg,
        r##"<text x="28" y="{middle}">{}</text>
<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{}" fill="{colour}"/>
<text x="{}" y="{middle}">{} <tspan fill="#555555">({})</tspan></text>
"##,
        escaped(&bar.what),
        end.min(MIDDLE),
        y + 4.0,
        (end - MIDDLE).abs().max(1.0),
        ROW - 8.0,
        MIDDLE + (MIDDLE - LEFT) + 12.0,
        escaped(&bar.label),
        escaped(&bar.target),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_that_meets_its_target_ends_right_of_the_line_and_another_left() {
        let line = |figure: f64, target: &str| json!({"part": "p", "what": "a < b", "figure": figure, "unit": "ms", "target": target});
        let lines = [line(10.0, "≤ 20"), line(40.0, "≤ 20"), line(1500.0, "≥ 3,000"), line(3000.0, "≥ 3,000")];
        let scores: Vec<f64> = lines.iter().filter_map(Bar::read).map(|bar| bar.score).collect();
        assert_eq!(scores, [2.0, 0.5, 0.5, 1.0]);
        let svg = draw(&json!({"about": {"machine": "m"}, "lines": lines}));
        assert_eq!((svg.matches("#2e7d5b").count(), svg.matches("#c2571a").count()), (2, 2));
        assert!(svg.contains("a &lt; b") && svg.contains("1500 ms"), "{svg}");
        assert!(Bar::read(&line(1.0, "")).is_none(), "without a target there is nothing to be beside");
    }

    #[test]
    fn the_drawing_in_the_documentation_is_of_the_figures_beside_it() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.json");
        let kept = fs::read_to_string(docs.with_extension("svg")).expect("there");
        assert!(draw_file(&docs).expect("drawn") == kept, "run `make generate`");
    }
}
