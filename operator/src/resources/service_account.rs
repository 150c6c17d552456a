//! The account that all pods of an instance run under. It may do nothing, and no pod gets a token of it.

use serde_json::json;

use super::{Child, Instance, Kind};

/// The ServiceAccount.
pub fn build(instance: &Instance<'_>) -> Child {
    let body = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": instance.metadata(instance.name, "account"),
        "automountServiceAccountToken": false,
    });
    Child { kind: Kind::ServiceAccount, name: instance.name.to_owned(), body }
}
