mod read;
mod shared;

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
        image: Some("ghcr.io/me/web:2".to_owned()),
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
        assert_eq!(wanted.has(&container), Some(has), "{wanted}");
    }
    let other = Container::default();
    let of = |projects, images| Wanted {
        projects,
        images,
        ..none()
    };
    assert_eq!(of(list("*"), None).has(&other), Some(false));
    // An image that is not known is none or this one.
    assert_eq!(of(None, images("web")).has(&other), None);
    assert_eq!(of(list("shop"), images("web")).has(&other), Some(false));
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
    let mut left = Some(known);
    for number in 0..100 {
        let event = Event::Disconnected {
            network: "N".to_owned(),
            container: format!("x{number}"),
        };
        left = left.and_then(|known| known.after(&event, later(3)));
    }
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
