//! The clients of other policies, which a policy's own clients must not become.

use crate::body::inspection::Others;
use crate::clients::containers::Wanted;
use crate::clients::{Rules, Who};
use crate::config::{ConfiguredPolicy, Endpoint, LabelLists, Listen, Policies, PolicyId};
use crate::proxy::own_container;

/// By what clients are known for which not this policy holds. `container` is what the settings call
/// dockgate's own, and `prefix` what labels begin with that make lists.
pub(crate) fn others(
    id: PolicyId,
    policies: &Policies,
    rules: &Rules<PolicyId>,
    endpoints: &[Endpoint],
    container: Option<&str>,
    prefix: Option<&str>,
) -> Others {
    let of_others = rules.iter().filter(|rule| rule.policy != id);
    let lists = of_others.filter_map(|rule| match &rule.who {
        Who::From(list) => Some(list),
        Who::User(_) | Who::Group(_) | Who::Container(_) | Who::Certificate(_) => None,
    });
    let lists: Vec<_> = lists.collect();
    let own = rules.iter().filter(|rule| rule.policy == id);
    let own = own.filter_map(|rule| match &rule.who {
        Who::From(list) => Some(list.networks()),
        Who::User(_) | Who::Group(_) | Who::Container(_) | Who::Certificate(_) => None,
    });
    // Who is in no rule has the policy of the endpoint, which any container may call.
    let strangers = endpoints.iter().any(|endpoint| {
        let called = match &endpoint.listen {
            Listen::Tcp { addr, .. } => !addr.ip().is_loopback() && !own_container::is_apart(),
            Listen::Unix(_) => false,
        };
        let policy = policies.get(endpoint.policy);
        called && endpoint.policy != id && policy.is_some_and(ConfiguredPolicy::gives_control)
    });
    let mut all = (rules.iter().map(|rule| rule.policy))
        .chain(endpoints.iter().map(|endpoint| endpoint.policy));
    let own_container = || own_container::id().or_else(|| container.map(str::to_owned));
    let named = container;
    let container = (prefix.is_some() || all.any(|other| other != id)).then(own_container);
    let wanted = rules.iter().filter(|rule| rule.policy != id);
    let wanted = wanted.filter_map(|rule| match &rule.who {
        Who::Container(wanted) => Some(&**wanted),
        Who::From(_) | Who::User(_) | Who::Group(_) | Who::Certificate(_) => None,
    });
    let wanted: Vec<&Wanted> = wanted.collect();
    // Its name stays its own, since it is found by that.
    let is_met = container.is_some();
    let own_name = || named.filter(|_| is_met).map(str::to_owned);
    let hosts_of_others = lists.iter().flat_map(|list| list.hosts.clone());
    let by_names = rules.containers().filter_map(|one| one.names.clone());
    Others {
        kept_names: by_names.collect(),
        kept_hosts: rules.hosts().map(str::to_owned).chain(own_name()).collect(),
        names: wanted.iter().filter_map(|one| one.names.clone()).collect(),
        images: wanted.iter().filter_map(|one| one.taken_images()).collect(),
        labels: wanted.iter().flat_map(|one| one.taken_labels()).collect(),
        granting: prefix.map(LabelLists::stem),
        networks: lists.iter().flat_map(|list| list.networks()).collect(),
        hosts: hosts_of_others.chain(own_name()).collect(),
        container: container.flatten(),
        own: own.flatten().collect(),
        strangers,
    }
}
