//! The services' plain settings (no secrets, no addresses) as environment variables: the one place where a field of
//! the resource becomes a variable, for the Deployments of a cluster and for `aetherconnect run` alike.

use crate::api::AetherConnectSpec;

/// A variable's name and value.
pub type Setting = (&'static str, String);

/// Settings of the gateway, but for `LOG_LEVEL`.
#[must_use]
pub fn gateway(spec: &AetherConnectSpec) -> Vec<Setting> {
    let gateway = &spec.gateway;
    let mut settings = common(spec);
    settings.push(("API_GATEWAY_PORT", gateway.port.to_string()));
    push(&mut settings, "RATE_LIMIT_MAX", gateway.rate_limit.max);
    push(&mut settings, "RATE_LIMIT_WINDOW_SECONDS", gateway.rate_limit.window_seconds);
    push(&mut settings, "LOGIN_RATE_LIMIT_MAX", gateway.rate_limit.login_max);
    if !gateway.cors.origins.is_empty() {
        settings.push(("FRONTEND_URL", gateway.cors.origins.join(",")));
    }
    if gateway.playground {
        settings.push(("PLAYGROUND_ENABLED", true.to_string()));
    }
    if !gateway.trusted_proxies.is_empty() {
        settings.push(("TRUSTED_PROXIES", gateway.trusted_proxies.join(",")));
    }
    settings
}

/// Settings of the auth service, but for `LOG_LEVEL`.
#[must_use]
pub fn auth(spec: &AetherConnectSpec) -> Vec<Setting> {
    let mut settings = common(spec);
    settings.push(("AUTH_SERVICE_GRPC_PORT", spec.auth.grpc_port.to_string()));
    settings.push(("AUTH_SERVICE_HTTP_PORT", spec.auth.http_port.to_string()));
    settings
}

/// Settings of the message service, but for `LOG_LEVEL`.
#[must_use]
pub fn message(spec: &AetherConnectSpec) -> Vec<Setting> {
    let message = &spec.message;
    let mut settings = common(spec);
    settings.push(("MESSAGE_SERVICE_HTTP_PORT", message.http_port.to_string()));
    settings.push(("MESSAGE_SERVICE_GRPC_PORT", message.grpc_port.to_string()));
    push(&mut settings, "MESSAGE_RATE_LIMIT_PER_MINUTE", message.message_rate_limit_per_minute);
    settings
}

/// Settings of all three services, for one process.
#[must_use]
pub fn all(spec: &AetherConnectSpec) -> Vec<Setting> {
    [gateway(spec), auth(spec), message(spec)].concat()
}

fn common(spec: &AetherConnectSpec) -> Vec<Setting> {
    vec![("AETHERCONNECT_ENV", spec.environment.as_str().to_owned())]
}

fn push(settings: &mut Vec<Setting>, name: &'static str, value: Option<u32>) {
    settings.extend(value.map(|value| (name, value.to_string())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_resource_leaves_open_is_left_to_the_services_defaults() {
        let names: Vec<_> = gateway(&AetherConnectSpec::default()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["AETHERCONNECT_ENV", "API_GATEWAY_PORT"]);
    }

    #[test]
    fn ports_and_limits_become_the_variables_that_deployments_know() {
        let mut spec = AetherConnectSpec::default();
        spec.gateway.port = 8080;
        spec.gateway.rate_limit.max = Some(5);
        spec.gateway.playground = true;
        let settings = all(&spec);
        assert!(settings.contains(&("API_GATEWAY_PORT", "8080".to_owned())));
        assert!(settings.contains(&("RATE_LIMIT_MAX", "5".to_owned())));
        assert!(settings.contains(&("PLAYGROUND_ENABLED", "true".to_owned())));
    }
}
