//! Logins beside the bare hash, and what others notice while they saturate the service.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use serde_json::json;

use crate::{
    Bench, api, client,
    report::{Report, Target},
    search,
    servers::{self, PASSWORD, Stack},
};

const CONNECTIONS: usize = 8;
const BETWEEN_PROFILES: Duration = Duration::from_millis(50);

/// Prints the hashes a CPU-second of this process, by the parameters of the auth service.
pub(crate) fn hash_for(seconds: f64) -> Result<()> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|e| anyhow!("{e}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (end, mut count) = (Instant::now() + Duration::from_secs_f64(seconds), 0);
    let before = servers::cpu_of(std::process::id())?;
    while Instant::now() < end {
        argon2.hash_password(PASSWORD.as_bytes()).map_err(|e| anyhow!("{e}"))?;
        count += 1;
    }
    println!("{}", f64::from(count) / (servers::cpu_of(std::process::id())? - before));
    Ok(())
}

pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (seconds, repeats) = if bench.quick { (3.0, 1) } else { (10.0, 3) };
    report.heading("Logins a CPU-second, over all processes");
    let stack = Stack::start(&bench.binaries)?;
    let (_, token) = stack.register("login")?;
    let body = json!({ "email": "login@example.com", "password": PASSWORD }).to_string();
    let login = [api::request("POST", "/api/auth/login", "", Some(&body), true).into_bytes()];
    let profile = api::request("GET", "/api/auth/profile", &token, None, true).into_bytes();
    client::repeat(stack.port, &login, CONNECTIONS, Duration::from_millis(500))?;
    let (mut raw, mut logins, mut wall, mut p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repeats {
        raw.push(raw_rate(seconds / 3.0)?);
        let before = (Instant::now(), stack.cpu()?);
        let (done, latencies) = client::meanwhile(stack.port, &profile, BETWEEN_PROFILES, || {
            client::repeat(stack.port, &login, CONNECTIONS, Duration::from_secs_f64(seconds))
        })?;
        logins.push(done as f64 / (stack.cpu()? - before.1));
        wall.push(done as f64 / before.0.elapsed().as_secs_f64());
        p99.push(latencies.value_at_quantile(0.99) as f64 / 1000.0);
    }
    let (raw, logins) = (search::median(raw), search::median(logins));
    report.line("logins", "Argon2id alone", raw, "", Target::None);
    report.line("logins", "logins", logins, "", Target::None);
    report.line("logins", "    times Argon2id alone", logins / raw, "", Target::AtLeast(0.9));
    report.line("logins", "    logins a second", search::median(wall), "", Target::None);
    report.line("logins", "p99 of profile meanwhile", search::median(p99), " ms", Target::AtMost(50.0));
    Ok(())
}

fn raw_rate(seconds: f64) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--hash-for", &seconds.to_string()]);
    let output = servers::pinned(&command).output()?;
    ensure!(output.status.success(), "--hash-for: {}", output.status);
    String::from_utf8(output.stdout)?.trim().parse().context("a rate")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_parameters_are_those_of_the_auth_service() {
        let parameters = "Params::new(19 * 1024, 2, 1, None)";
        let auth = include_str!("../../services/auth/src/passwords.rs");
        assert!(auth.contains(parameters) && include_str!("logins.rs").matches(parameters).count() == 2);
    }
}
