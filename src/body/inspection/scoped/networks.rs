//! A new network: its options take over no bridge, interface or segment, which may be anybody's.

use super::{Finding, Request, denied};
use crate::api::ObjectKind;
use crate::api::fields::NETWORK_CREATE;
use crate::api::sections::Role;
use crate::body::json::{Object, Value};

pub(super) fn settle(request: &mut Request) -> Finding {
    if request.scoped.kind(Role::Created) != Some(ObjectKind::Network) {
        return Finding::Nothing;
    }
    let network = request.draft.tree();
    if network.at("Ingress").as_bool() == Some(true) {
        return refused("Ingress", "true");
    }
    let options = network.at("Options").as_object();
    for (key, value) in options.into_iter().flat_map(Object::iter) {
        if !is_own(key, value) {
            return refused(&format!("Options[{key:?}]"), &value.shown());
        }
    }
    Finding::Nothing
}

fn is_own(key: &str, value: &Value) -> bool {
    let exact = format!("{key}={}", value.as_str().unwrap_or_default());
    NETWORK_CREATE.field("Options").is_some_and(|field| {
        field.own.contains(&key) || field.is_harmless(key) || field.is_harmless(&exact)
    })
}

fn refused(place: &str, value: &str) -> Finding {
    let why = "may take over what is others'; have the administrator create the network, and list it in \
               SCOPE_SHARED";
    Finding::Refused(denied(place, value, why))
}
