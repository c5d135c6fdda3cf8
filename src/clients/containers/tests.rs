use std::time::{Duration, Instant};

use super::*;

const OWN: &str = r#"{"Id":"own","HostConfig":{"NetworkMode":"net"},"NetworkSettings":{"Networks":
    {"net":{"NetworkID":"N","IPAddress":"10.1.0.2","Gateway":"10.1.0.1","GlobalIPv6Address":"fd01::2"}}}}"#;

fn listed(id: &str, name: &str, mode: &str, labels: &str) -> String {
    format!(
        r#"{{"Id":"{id}","Names":["/{name}"],"Image":"busybox","Labels":{{{labels}}},
            "HostConfig":{{"NetworkMode":"{mode}"}},"NetworkSettings":{{"Networks":{{}}}}}}"#
    )
}

/// A network with these containers: their IDs, and the last numbers of their addresses.
fn network(held: &[(&str, u8)]) -> Network {
    let held = held.iter().map(|(id, at)| {
        format!(
            r#""{id}":{{"EndpointID":"e-{id}-{at}","IPv4Address":"10.1.0.{at}/16","IPv6Address":"fd01::{at}/64"}}"#
        )
    });
    let held = held.collect::<Vec<_>>().join(",");
    let network = format!(
        r#"{{"Id":"N","Driver":"bridge","IPAM":{{"Config":[{{"Subnet":"10.1.0.0/16"}},{{"Subnet":"fd01::/64"}}]}},
            "Containers":{{{held}}}}}"#
    );
    serde_json::from_str(&network).expect("a network")
}

fn listing(held: &[(&str, u8)], listed: &[String]) -> Listing {
    let own = serde_json::from_str(OWN).expect("an inspect");
    let listed = listed
        .iter()
        .map(|one| serde_json::from_str(one).expect("a container"));
    Listing::of(
        Some(&own),
        vec![network(held)],
        listed.collect(),
        Vec::new(),
    )
}

fn two() -> Listing {
    listing(
        &[("a", 5), ("b", 6), ("gone", 7)],
        &[
            listed("a", "web-1", "net", r#""team":"ci""#),
            listed("b", "db", "net", ""),
        ],
    )
}

fn at(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

/// A connection that was accepted so long after a time.
fn arrival(start: Instant, seconds: u64, heard: u64) -> Arrival {
    Arrival {
        accepted: start + Duration::from_secs(seconds),
        heard,
        local: Some(at("10.1.0.2")),
    }
}

fn names(seen: &Seen) -> Option<Vec<&str>> {
    match seen {
        Seen::These(all) => {
            let mut names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            Some(names)
        }
        _ => None,
    }
}

fn known(mut listing: Listing, history: &mut History, now: u64, began: Instant) -> Known {
    history.date(&mut listing, now);
    Known::new(listing, began)
}

use std::net::IpAddr;

#[test]
fn all_that_is_said_of_a_container_has_to_hold() {
    let container = Container {
        id: "a".to_owned(),
        name: "shop-web-1".to_owned(),
        image: "ghcr.io/me/web:2".to_owned(),
        labels: [
            ("team", "ci"),
            ("empty", ""),
            (PROJECT, "shop"),
            (SERVICE, "web"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
    };
    let label = |text| Label::parse(text).expect("a label");
    let list = |text| Some(Names::parse_some(text).expect("names"));
    let images = |text| Some(Images::parse(text).expect("images"));
    let none = Wanted::default;
    for (wanted, has) in [
        (
            Wanted {
                labels: vec![label("team=ci")],
                ..none()
            },
            true,
        ),
        (
            Wanted {
                labels: vec![label("team")],
                ..none()
            },
            true,
        ),
        (
            Wanted {
                labels: vec![label("team=c")],
                ..none()
            },
            false,
        ),
        (
            Wanted {
                labels: vec![label("Team=ci")],
                ..none()
            },
            false,
        ),
        (
            Wanted {
                labels: vec![label("team=ci"), label("x")],
                ..none()
            },
            false,
        ),
        // An empty one counts as none: it may have been written in.
        (
            Wanted {
                labels: vec![label("empty")],
                ..none()
            },
            false,
        ),
        (
            Wanted {
                names: list("shop-*"),
                ..none()
            },
            true,
        ),
        (
            Wanted {
                names: list("web,shop-web-"),
                ..none()
            },
            false,
        ),
        (
            Wanted {
                names: list("shop"),
                ..none()
            },
            false,
        ),
        (
            Wanted {
                projects: list("other,shop"),
                ..none()
            },
            true,
        ),
        (
            Wanted {
                services: list("web"),
                projects: list("shop"),
                ..none()
            },
            true,
        ),
        (
            Wanted {
                services: list("web"),
                projects: list("other"),
                ..none()
            },
            false,
        ),
        (
            Wanted {
                images: images("ghcr.io/me/*"),
                ..none()
            },
            true,
        ),
        (
            Wanted {
                images: images("ghcr.io/me/web:1"),
                ..none()
            },
            false,
        ),
        (
            Wanted {
                images: images("web"),
                ..none()
            },
            false,
        ),
    ] {
        assert_eq!(wanted.has(&container), has, "{wanted}");
    }
    let other = Container::default();
    assert!(
        !Wanted {
            projects: list("*"),
            ..none()
        }
        .has(&other)
    );
    for text in ["", "=x", "key=", "a\nb=c"] {
        assert_eq!(Label::parse(text), None, "{text}");
    }
}

#[test]
fn a_list_decides_for_connections_before_it_and_no_others() {
    let start = Instant::now();
    let began = start + Duration::from_secs(10);
    let known = known(two(), &mut History::default(), 0, began);
    for (address, accepted, seen) in [
        ("10.1.0.5", 9, Some("web-1")),
        ("fd01::5", 9, Some("web-1")),
        ("10.1.0.6", 9, Some("db")),
        ("10.1.0.5", 10, None),
        ("10.1.0.5", 11, None),
    ] {
        let found = known.whose(at(address), &arrival(start, accepted, u64::MAX));
        assert_eq!(
            names(&found),
            seen.map(|name| vec![name]),
            "{address} {accepted}"
        );
        if seen.is_none() {
            let accepted = start + Duration::from_secs(accepted);
            assert_eq!(found, Seen::Unknown(Why::Unasked(accepted)));
        }
    }
    // In the list of the network and not in that of containers, or in neither.
    for address in ["10.1.0.7", "10.1.0.99"] {
        let found = known.whose(at(address), &arrival(start, 9, u64::MAX));
        assert_eq!(found, Seen::Unknown(Why::Unheld), "{address}");
    }
}

#[test]
fn what_is_no_container_by_its_kind_waits_for_no_list() {
    let start = Instant::now();
    let mut listing = two();
    History::default().date(&mut listing, 0);
    let known = Known::new(listing, start);
    let late = arrival(start, 100, u64::MAX);
    for address in ["10.2.0.5", "192.0.2.7", "fd02::1", "127.0.0.1", "::1"] {
        assert_eq!(known.whose(at(address), &late), Seen::Nobody, "{address}");
    }
    assert_eq!(
        known.whose(at("fe80::1"), &late),
        Seen::Unknown(Why::LinkLocal)
    );
    // By an address that is not known as dockgate's, a network may have been joined meanwhile.
    let elsewhere = Arrival {
        local: Some(at("10.2.0.2")),
        ..late
    };
    assert!(matches!(
        known.whose(at("10.2.0.5"), &elsewhere),
        Seen::Unknown(Why::Unasked(_))
    ));
}

#[test]
fn a_gateway_is_one_by_its_network_alone_and_not_by_an_old_list() {
    let start = Instant::now();
    let began = start + Duration::from_secs(1);
    // Whoever creates a container says what its gateway is.
    let invented = r#"{"Id":"c","State":"created","NetworkSettings":{"Networks":
        {"net":{"NetworkID":"N","Gateway":"10.1.0.77"}}}}"#;
    let known = known(
        listing(&[], &[invented.to_owned()]),
        &mut History::default(),
        0,
        began,
    );
    let early = arrival(start, 0, u64::MAX);
    assert_eq!(known.whose(at("10.1.0.1"), &early), Seen::Nobody);
    let unheld = Seen::Unknown(Why::Unheld);
    assert_eq!(known.whose(at("10.1.0.77"), &early), unheld);
    let late = arrival(start, 2, u64::MAX);
    for address in ["10.1.0.1", "10.1.0.77"] {
        let unasked = Seen::Unknown(Why::Unasked(late.accepted));
        assert_eq!(known.whose(at(address), &late), unasked, "{address}");
    }
    // One of a network is within its subnet, or it is none.
    let other = r#"{"Id":"O","IPAM":{"Config":[{"Subnet":"10.4.0.0/16","Gateway":"10.1.0.5"},
        {"Subnet":"10.5.0.0/16","Gateway":"10.5.0.9"}]}}"#;
    let other = serde_json::from_str(other).expect("a network");
    let mut listing = Listing::of(None, vec![network(&[]), other], Vec::new(), Vec::new());
    History::default().date(&mut listing, 0);
    let known = Known::new(listing, began);
    let unheld = Seen::Unknown(Why::Unheld);
    assert_eq!(known.whose(at("10.1.0.5"), &early), unheld);
    assert_eq!(known.whose(at("10.5.0.9"), &early), Seen::Nobody);
}

#[test]
fn a_connection_is_not_of_who_got_the_address_later() {
    const SECOND: u64 = 1_000_000_000;
    let start = Instant::now();
    let mut history = History::default();
    let later = |seconds| start + Duration::from_secs(seconds);
    let _ = known(two(), &mut history, 10 * SECOND, later(10));
    let swap = |container: &str, seconds: u64| Event::Connected {
        network: "N".to_owned(),
        container: container.to_owned(),
        at: seconds * SECOND,
    };
    // At 20 s, `c` gets the address that `a` had.
    history.hear(&Event::Disconnected {
        network: "N".to_owned(),
        container: "a".to_owned(),
    });
    history.hear(&swap("c", 20));
    let after = || {
        listing(
            &[("c", 5), ("b", 6)],
            &[listed("c", "new", "net", ""), listed("b", "db", "net", "")],
        )
    };
    let known_then = known(after(), &mut history, 21 * SECOND, later(21));
    for (heard, seen) in [(15, None), (19, None), (20, Some(vec!["new"]))] {
        let found = known_then.whose(at("10.1.0.5"), &arrival(start, 20, heard * SECOND));
        assert_eq!(names(&found), seen, "{heard}");
    }
    assert_eq!(
        known_then.whose(at("10.1.0.5"), &arrival(start, 20, 15 * SECOND)),
        Seen::Unknown(Why::Moved)
    );
    // The other one was there all the time.
    let found = known_then.whose(at("10.1.0.6"), &arrival(start, 20, 5 * SECOND));
    assert_eq!(names(&found), Some(vec!["db"]));
    // Without an event, it is there since the list, until the event comes late.
    let late = || listing(&[("d", 8)], &[listed("d", "late", "net", "")]);
    let before = known(late(), &mut history, 31 * SECOND, later(31));
    let early = arrival(start, 30, 30 * SECOND);
    assert_eq!(
        before.whose(at("10.1.0.8"), &early),
        Seen::Unknown(Why::Moved)
    );
    history.hear(&swap("d", 29));
    let changed = before
        .after(&swap("d", 29), later(32))
        .expect("networks stay");
    assert_eq!(
        changed.whose(at("10.1.0.8"), &early),
        Seen::Unknown(Why::Unasked(later(32)))
    );
    let again = known(late(), &mut history, 33 * SECOND, later(33));
    assert_eq!(
        names(&again.whose(at("10.1.0.8"), &early)),
        Some(vec!["late"])
    );
}

#[test]
fn events_void_what_they_are_about() {
    let start = Instant::now();
    let connected = |container: &str, network: &str| Event::Connected {
        network: network.to_owned(),
        container: container.to_owned(),
        at: 7,
    };
    let disconnected = |container: &str| Event::Disconnected {
        network: "N".to_owned(),
        container: container.to_owned(),
    };
    let (both, one) = ([Some(true), Some(true)], [Some(false), Some(true)]);
    for (event, decided) in [
        (Event::Other, both),
        (Event::Networks, both),
        (Event::Changed("a".to_owned()), one),
        (Event::Changed("x".to_owned()), both),
        (disconnected("a"), one),
        (disconnected("x"), both),
        // Whoever comes later has not made an earlier connection.
        (connected("x", "N"), both),
        (connected("a", "N"), both),
        (connected("x", "M"), both),
        (connected("own", "M"), [None, None]),
        (Event::Unread, [None, None]),
        (disconnected("own"), [None, None]),
    ] {
        let known = known(
            two(),
            &mut History::default(),
            0,
            start + Duration::from_secs(1),
        );
        let after = known.after(&event, start + Duration::from_secs(2));
        let is_decided = ["10.1.0.5", "10.1.0.6"].map(|address| {
            let seen = after
                .as_ref()?
                .whose(at(address), &arrival(start, 0, u64::MAX));
            Some(names(&seen).is_some())
        });
        assert_eq!(is_decided, decided, "{event:?}");
    }
}

#[test]
fn who_connects_voids_only_what_nobody_has_in_that_network() {
    let start = Instant::now();
    let later = |seconds| start + Duration::from_secs(seconds);
    let connected = |container: &str, network: &str| Event::Connected {
        network: network.to_owned(),
        container: container.to_owned(),
        at: 7,
    };
    let early = arrival(start, 0, u64::MAX);
    let mut flooded = Some(known(two(), &mut History::default(), 0, later(1)));
    for number in 0..100 {
        let event = connected(&format!("x{number}"), "N");
        flooded = flooded.and_then(|known| known.after(&event, later(2)));
    }
    let known = flooded.expect("its networks stay");
    assert_eq!(
        names(&known.whose(at("10.1.0.5"), &early)),
        Some(vec!["web-1"])
    );
    let unasked = Seen::Unknown(Why::Unasked(later(2)));
    // Nobody's, and one of whom nothing else is known.
    for address in ["10.1.0.99", "fd01::99", "10.1.0.7"] {
        assert_eq!(known.whose(at(address), &early), unasked, "{address}");
    }
    // Who is gone again got none of them.
    let left = (0..100).fold(Some(known), |known, number| {
        let event = Event::Disconnected {
            network: "N".to_owned(),
            container: format!("x{number}"),
        };
        known?.after(&event, later(3))
    });
    let left = left.expect("its networks stay");
    let unheld = Seen::Unknown(Why::Unheld);
    assert_eq!(left.whose(at("10.1.0.99"), &early), unheld);
}

#[test]
fn an_endpoint_of_which_no_event_tells_is_as_old_as_its_containers_start() {
    const SECOND: u64 = 1_000_000_000;
    let start = Instant::now();
    let began = start + Duration::from_secs(30);
    let list = |name: &str| {
        let mut network = network(&[("a", 5)]);
        network.name = name.to_owned();
        let listed = serde_json::from_str(&listed("a", "web", "overlay", "")).expect("one");
        Listing::of(None, vec![network], vec![listed], Vec::new())
    };
    let connect = Event::Connected {
        network: "overlay".to_owned(),
        container: "a".to_owned(),
        at: 10 * SECOND,
    };
    let disconnect = Event::Disconnected {
        network: "other".to_owned(),
        container: "a".to_owned(),
    };
    for (network, events, since) in [
        ("docker_gwbridge", vec![&connect], 10),
        ("net", vec![&connect], 20),
        ("docker_gwbridge", vec![], 20),
        // It may have got it just now.
        ("docker_gwbridge", vec![&connect, &disconnect], 20),
    ] {
        let mut history = History::default();
        let _ = known(listing(&[], &[]), &mut history, 5 * SECOND, start);
        for event in &events {
            history.hear(event);
        }
        let known = known(list(network), &mut history, 20 * SECOND, began);
        for (heard, has) in [(since, true), (since - 1, false)] {
            let found = known.whose(at("10.1.0.5"), &arrival(start, 0, heard * SECOND));
            assert_eq!(names(&found).is_some(), has, "{network} {events:?} {heard}");
        }
    }
}

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

#[test]
fn events_are_read_as_the_engine_writes_them() {
    let connect = r#"{"Type":"network","Action":"connect","Actor":{"ID":"N","Attributes":{"container":"a","name":"net","type":"bridge"}},"scope":"local","time":1,"timeNano":1000000007}"#;
    let rename = r#"{"status":"rename","id":"a","from":"x","Type":"container","Action":"rename","Actor":{"ID":"a","Attributes":{"name":"y"}},"time":1,"timeNano":5}"#;
    let connected = Event::Connected {
        network: "N".to_owned(),
        container: "a".to_owned(),
        at: 1_000_000_007,
    };
    assert_eq!(
        Event::read(connect.as_bytes()),
        Some((connected, 1_000_000_007))
    );
    let changed = Event::Changed("a".to_owned());
    assert_eq!(Event::read(rename.as_bytes()), Some((changed, 5)));
    // One that is too long says at its beginning what it is about.
    let id = "0a".repeat(32);
    let begun = |action: &str, id: &str| {
        let line = format!(
            r#"{{"status":"{action}","id":"{id}","from":"x","Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"a":"xx"#
        );
        Event::begun(line.as_bytes())
    };
    assert_eq!(begun("create", &id), Event::Other);
    assert_eq!(begun("die", &id), Event::Changed(id.clone()));
    for (action, id) in [("start", &*id), ("die", "a"), ("die", "")] {
        assert_eq!(begun(action, id), Event::Unread, "{action} {id}");
    }
    // A label comes after it.
    let other = r#"{"Actor":{"ID":"a","Attributes":{"Actor":{"ID":"#;
    assert_eq!(Event::begun(other.as_bytes()), Event::Unread);
    for none in ["", "{}", "[]", "{\"Type\":1}"] {
        assert_eq!(Event::read(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn only_those_keep_labels_whose_addresses_may_count() {
    let long = format!(r#""a":"{}","team":"ci""#, "x".repeat(70_000));
    let all = [
        listed("a", "held", "net", r#""team":"ci""#),
        listed("b", "long", "net", &long),
        listed("c", "sharer", "container:a", r#""team":"ci""#),
        listed("d", "created", "net", r#""team":"ci""#),
        r#"{"Id":"e","Labels":null}"#.to_owned(),
    ];
    let list = format!("[{}]", all.join(","));
    let held = ["a", "b"].map(str::to_owned).into();
    let read = read_listed(list.as_bytes(), &held).expect("a list");
    let kept: Vec<_> = (read.iter())
        .map(|one| (one.labels.all.contains_key("team"), one.labels.is_cut))
        .collect();
    let none = (false, false);
    assert_eq!(
        kept,
        [(true, false), (false, true), (true, false), none, none]
    );
    for wrong in ["", "{}", "[{}]", "[] []", r#"[{"Id":"a","Labels":7}]"#] {
        assert!(read_listed(wrong.as_bytes(), &held).is_err(), "{wrong}");
    }
}
