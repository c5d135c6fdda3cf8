//! Addresses that several containers share, and those that none has for itself.

use super::*;

#[test]
fn no_chain_of_containers_is_too_long_and_no_circle_is_everywhere() {
    let start = Instant::now();
    let gone = "0".repeat(64);
    let mut all = vec![listed("a", "web", "net", ""), listed("b", "db", "net", "")];
    let created = |id: &str, mode: &str| {
        let one = listed(id, id, &format!("container:{mode}"), "");
        one.replace("\"Image\"", "\"State\":\"created\",\"Image\"")
    };
    all.push(created("c0", "a"));
    all.extend((1..2_000).map(|at| created(&format!("c{at}"), &format!("c{}", at - 1))));
    // Circles, and what leads to one.
    all.extend(
        [("d", "e"), ("e", "d"), ("f", "e"), ("g", "g")].map(|(id, mode)| created(id, mode)),
    );
    // What it ran with is removed: its addresses with it.
    all.push(
        listed("h", "orphan", &format!("container:{gone}"), "")
            .replace("\"Image\"", "\"State\":\"running\",\"Image\""),
    );
    let listing = listing(&[("a", 5), ("b", 6)], &all);
    let known = known(
        listing,
        &mut History::default(),
        0,
        start + Duration::from_secs(1),
    );
    let of = |address| known.whose(at(address), &arrival(start, 0, u64::MAX));
    assert_eq!(names(&of("10.1.0.6")), Some(vec!["db"]));
    assert_eq!(names(&of("10.1.0.5")).map(|all| all.len()), Some(2_001));
}

#[test]
fn an_address_is_of_all_that_share_it() {
    let start = Instant::now();
    let ci = r#""team":"ci""#;
    let shared = |more: &[String]| {
        let mut all = vec![listed("a", "web", "net", ci), listed("b", "db", "net", "")];
        all.extend_from_slice(more);
        let listing = listing(&[("a", 5), ("b", 6)], &all);
        let known = known(
            listing,
            &mut History::default(),
            0,
            start + Duration::from_secs(1),
        );
        let of = |address| known.whose(at(address), &arrival(start, 0, u64::MAX));
        (of("10.1.0.5"), of("10.1.0.6"))
    };
    let sidecar = listed("s", "sidecar", "container:a", "");
    let (web, db) = shared(std::slice::from_ref(&sidecar));
    assert_eq!(names(&web), Some(vec!["sidecar", "web"]));
    assert_eq!(names(&db), Some(vec!["db"]));
    // Over another one.
    let (web, _) = shared(&[sidecar, listed("t", "third", "container:s", "")]);
    assert_eq!(names(&web), Some(vec!["sidecar", "third", "web"]));
    // By a name, which may have been any container's when it was started.
    let named = |name: &str, state: &str| {
        let named = listed("n", "named", &format!("container:{name}"), "");
        named.replace("\"Image\"", &format!("\"State\":\"{state}\",\"Image\""))
    };
    for (name, state, with_web, with_db) in [
        ("web", "running", true, true),
        ("gone", "running", true, true),
        ("web", "created", true, false),
        ("web", "exited", true, false),
        ("gone", "created", false, false),
        ("n", "running", true, true),
    ] {
        let (web, db) = shared(&[named(name, state)]);
        let has = |seen, name| names(seen).map(|all| (all.contains(&"named"), all.contains(&name)));
        assert_eq!(has(&web, "web"), Some((with_web, true)), "{name} {state}");
        assert_eq!(has(&db, "db"), Some((with_db, true)), "{name} {state}");
    }
}

#[test]
fn tasks_of_other_nodes_have_addresses_and_the_ingress_matches_nobody() {
    let start = Instant::now();
    let task = |state: &str| {
        format!(
            r#"{{"ID":"t","CreatedAt":"1970-01-01T00:00:03Z","Spec":{{"ContainerSpec":{{"Image":"busybox","Labels":{{"team":"ci"}}}}}},
                "Status":{{"State":"{state}","ContainerStatus":{{"ContainerID":"far"}}}},
                "NetworksAttachments":[{{"Network":{{"ID":"N"}},"Addresses":["10.1.0.9/16"]}}]}}"#
        )
    };
    let ingress = r#"{"Id":"I","Driver":"overlay","Ingress":true,"IPAM":{"Config":[{"Subnet":"10.3.0.0/16"}]},
        "Containers":{"b":{"EndpointID":"i","IPv4Address":"10.3.0.4/16","IPv6Address":""}}}"#;
    for (state, has) in [
        ("running", true),
        ("starting", true),
        ("shutdown", false),
        ("failed", false),
    ] {
        let own = serde_json::from_str(OWN).expect("an inspect");
        let ingress = serde_json::from_str(ingress).expect("a network");
        let task = serde_json::from_str(&task(state)).expect("a task");
        let listing = Listing::of(
            Some(&own),
            vec![network(&[]), ingress],
            Vec::new(),
            vec![task],
        );
        let known = known(
            listing,
            &mut History::default(),
            0,
            start + Duration::from_secs(1),
        );
        let seen = |heard| known.whose(at("10.1.0.9"), &arrival(start, 0, heard));
        let label = match seen(4_000_000_000) {
            Seen::These(all) => all[0].label("team").map(str::to_owned),
            _ => None,
        };
        assert_eq!(label.as_deref(), has.then_some("ci"), "{state}");
        if has {
            assert_eq!(seen(2_000_000_000), Seen::Unknown(Why::Moved));
        }
        let seen = known.whose(at("10.3.0.4"), &arrival(start, 0, u64::MAX));
        assert_eq!(seen, Seen::Nobody);
    }
}
