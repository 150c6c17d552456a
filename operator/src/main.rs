//! `aetherconnect-operator`: runs the operator, or prints the definition of the resource (`crds`).

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("crds") => print!("{}", aether_operator::api::crd_yaml()?),
        other => anyhow::bail!("unknown command {other:?}: try `aetherconnect-operator crds`"),
    }
    Ok(())
}
