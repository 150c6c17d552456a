//! What `doctor` finds, and how it is shown. Pure.

use serde::Serialize;

use crate::output::Paint;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// All is well.
    Ok,
    /// It works, but not all of it, or not for ever.
    Warning,
    /// Something doesn't work.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: String,
    pub(crate) level: Level,
    /// What was found, and what it means.
    pub(crate) meaning: String,
    /// What to do; nothing where all is well.
    pub(crate) to_do: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Ok, meaning: meaning.into(), to_do: None }
    }

    pub(crate) fn warning(check: impl Into<String>, meaning: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { level: Level::Warning, to_do: Some(to_do.into()), ..Self::ok(check, meaning) }
    }

    pub(crate) fn error(check: impl Into<String>, meaning: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { level: Level::Error, to_do: Some(to_do.into()), ..Self::ok(check, meaning) }
    }
}

/// All findings and their sum.
pub(crate) fn text(findings: &[Finding], errors: usize, warnings: usize, paint: Paint) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.level {
            Level::Ok => paint.good("ok      "),
            Level::Warning => paint.waiting("warning "),
            Level::Error => paint.bad("error   "),
        };
        text += &format!("{mark} {}: {}\n", paint.bold(&finding.check), finding.meaning);
        if let Some(to_do) = &finding.to_do {
            text += &format!("         → {to_do}\n");
        }
    }
    let number = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    text + &match (errors, warnings) {
        (0, 0) => format!("{}\n", paint.good("All is well.")),
        _ => format!("{}, {}.\n", number(errors, "error"), number(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_say_what_to_do_and_are_counted() {
        let findings = [Finding::ok("cluster", "v1.34"), Finding::error("operator", "there is none", "install it")];
        let told = text(&findings, 1, 0, Paint::none());
        assert_eq!(
            told,
            "ok       cluster: v1.34\nerror    operator: there is none\n         → install it\n1 error, 0 warnings.\n"
        );
        assert!(text(&findings[..1], 0, 0, Paint::none()).ends_with("All is well.\n"));
    }
}
