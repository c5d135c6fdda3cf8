use super::*;

const ONE_OF_MANY: u32 = 65534;
/// What the kernel shows where there is nobody.
const NOBODY: u32 = u32::MAX;

fn process(user: u32, groups: &[u32]) -> Identity {
    let unmapped = Unmapped::new(None, None);
    Identity::process(Some(user), Some(groups.to_vec()), &unmapped)
}

fn from(list: &str, policy: &'static str) -> Rule<&'static str> {
    let who = Who::From(AllowFrom::new(list));
    Rule { who, policy }
}

fn names(known: &[(&str, &[&str])]) -> HashMap<String, Vec<IpAddr>> {
    let addresses = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect();
    let known = known.iter();
    known
        .map(|(host, list)| ((*host).to_owned(), addresses(list)))
        .collect()
}

#[test]
fn the_first_rule_that_matches_is_the_one() {
    let rules: Rules<_> = [
        from("10.0.0.1", "one"),
        from("10.0.0.0/24,fd00::/8", "net"),
        from("traefik", "traefik"),
        from("10.0.0.0/8", "wide"),
        Rule {
            who: Who::User(1000),
            policy: "user",
        },
        Rule {
            who: Who::Group(100),
            policy: "group",
        },
        Rule {
            who: Who::User(0),
            policy: "root",
        },
    ]
    .into_iter()
    .collect();
    let names = names(&[("traefik", &["10.1.0.7", "::ffff:10.1.0.8", "fe80::7"])]);
    for (client, policy) in [
        ("10.0.0.1", Some("one")),
        ("::ffff:10.0.0.1", Some("one")),
        ("[::ffff:10.0.0.1]", Some("one")),
        ("10.0.0.2", Some("net")),
        ("fd12::1", Some("net")),
        ("10.1.0.7", Some("traefik")),
        ("::ffff:10.1.0.7", Some("traefik")),
        ("10.1.0.8", Some("traefik")),
        ("fe80::7", Some("traefik")),
        ("fe80::7%eth0", Some("traefik")),
        ("10.1.0.9", Some("wide")),
        ("11.0.0.1", None),
        ("::10.0.0.1", None),
        ("127.0.0.1", None),
    ] {
        let client_is: Identity = client.parse().unwrap();
        let found = match rules.lookup(&client_is, &names) {
            Lookup::Decided { policy, .. } => Some(*policy),
            Lookup::NoRule => None,
            Lookup::Unknown { .. } => panic!("{client}"),
        };
        assert_eq!(found, policy, "{client}");
    }
    for (user, groups, policy) in [
        (1000, &[][..], Some("user")),
        (1000, &[100], Some("user")),
        (1001, &[5, 100], Some("group")),
        (0, &[100], Some("group")),
        (0, &[0], Some("root")),
        (100, &[1000], None),
        (1001, &[], None),
    ] {
        let client = process(user, groups);
        let found = match rules.lookup(&client, &names) {
            Lookup::Decided { policy, .. } => Some(*policy),
            Lookup::NoRule => None,
            Lookup::Unknown { .. } => panic!("{client:?}"),
        };
        assert_eq!(found, policy, "{client:?}");
    }
    assert_eq!(rules.hosts().collect::<Vec<_>>(), ["traefik"]);
}

#[test]
fn what_cannot_be_decided_does_not_fall_through() {
    let rules: Rules<_> = [
        from("10.0.0.1", "one"),
        from("10.0.1.0/24,web,db,api", "hosts"),
        Rule {
            who: Who::User(7),
            policy: "user",
        },
        from("0.0.0.0/0", "all"),
    ]
    .into_iter()
    .collect();
    let unknown = |hosts: &[&'static str]| Lookup::Unknown {
        rule: 1,
        on: Unknown::Hosts(hosts.to_vec()),
    };
    let decided = |rule, policy| Lookup::Decided { rule, policy };
    let (web, db) = (&["10.9.0.1"][..], &["10.9.0.2"][..]);
    for (known, client, found) in [
        (&[][..], "10.0.0.1", decided(0, &"one")),
        (&[], "10.0.1.9", decided(1, &"hosts")),
        (&[], "10.9.0.1", unknown(&["web", "db", "api"])),
        (&[("web", web)], "10.9.0.1", decided(1, &"hosts")),
        (&[("web", web)], "10.9.0.2", unknown(&["db", "api"])),
        (&[("db", db)], "10.9.0.2", decided(1, &"hosts")),
        (&[("db", db)], "10.9.0.1", unknown(&["web", "api"])),
        // A name without an address is not one of which nobody is.
        (
            &[("web", web), ("db", db), ("api", &[])],
            "10.9.0.3",
            unknown(&["api"]),
        ),
        (
            &[("web", web), ("db", db), ("api", db)],
            "10.9.0.3",
            decided(3, &"all"),
        ),
    ] {
        let client: Identity = client.parse().unwrap();
        assert_eq!(
            rules.lookup(&client, &names(known)),
            found,
            "{known:?} {client:?}"
        );
    }
    // Which names there are is nothing to a Unix socket's clients.
    let user = process(7, &[]);
    assert_eq!(rules.lookup(&user, &names(&[])), decided(2, &"user"));
    let other = process(8, &[]);
    assert_eq!(rules.lookup(&other, &names(&[])), Lookup::NoRule);
}

#[test]
fn what_the_kernel_does_not_tell_does_not_fall_through() {
    let rules: Rules<_> = [
        Who::User(7),
        Who::Group(8),
        Who::User(9),
        Who::From(AllowFrom::new("0.0.0.0/0")),
    ]
    .map(|who| Rule { who, policy: () })
    .into_iter()
    .collect();
    let decided = |rule| Lookup::Decided { rule, policy: &() };
    let unknown = |rule, on| Lookup::Unknown { rule, on };
    let (none, other) = (Some(vec![]), Some(vec![1, 2]));
    for (user, groups, found) in [
        (Some(7), None, decided(0)),
        (Some(8), Some(vec![1, 8]), decided(1)),
        (Some(8), None, unknown(1, Unknown::Groups)),
        (Some(9), None, unknown(1, Unknown::Groups)),
        (Some(9), none.clone(), decided(2)),
        (Some(1), none, Lookup::NoRule),
        (None, other.clone(), unknown(0, Unknown::User)),
        (None, None, unknown(0, Unknown::User)),
        (Some(NOBODY), other, unknown(0, Unknown::User)),
    ] {
        let client = Identity::process(user, groups, &Unmapped::new(None, None));
        assert_eq!(rules.lookup(&client, &names(&[])), found, "{client:?}");
    }
    // Clients by TCP have neither.
    assert_eq!(
        rules.lookup(&"10.0.0.1".parse().unwrap(), &names(&[])),
        decided(3)
    );
}

#[test]
fn an_id_that_stands_for_many_is_none() {
    let unmapped = Unmapped::new(Some(5), Some(6));
    let found = |user, group| {
        let rules: Rules<_> = [Who::User(user), Who::Group(group)]
            .map(|who| Rule { who, policy: () })
            .into_iter()
            .collect();
        let client = Identity::process(Some(user), Some(vec![group, 1]), &unmapped);
        match rules.lookup(&client, &names(&[])) {
            Lookup::Decided { rule, .. } => Some(rule),
            Lookup::NoRule => None,
            Lookup::Unknown { .. } => panic!("{client:?}"),
        }
    };
    assert_eq!(found(ONE_OF_MANY, ONE_OF_MANY), None);
    assert_eq!(found(5, 6), None);
    // A user's is not a group's.
    assert_eq!(found(6, 6), Some(0));
    assert_eq!(found(5, 5), Some(1));
    assert_eq!(found(ONE_OF_MANY, 1), Some(1), "the others count");
}

#[test]
fn addresses_are_read_in_any_of_their_forms() {
    for (text, address) in [
        ("172.20.0.5", Some("172.20.0.5")),
        ("::ffff:172.20.0.5", Some("172.20.0.5")),
        ("fd00::5", Some("fd00::5")),
        ("[fd00::5]", Some("fd00::5")),
        ("fe80::5%eth0", Some("fe80::5")),
        ("[fe80::5%2]", Some("fe80::5")),
        ("fe80::5%", None),
        ("10.0.0.1%eth0", None),
        ("[10.0.0.1]", None),
        ("[fd00::5", None),
        ("fd00::5]", None),
        ("10.0.0.1:80", None),
        ("10.0.0.0/8", None),
        ("traefik", None),
        ("", None),
    ] {
        let known = address.map(|address| Identity::at(address.parse().unwrap()));
        assert_eq!(text.parse().ok(), known, "{text}");
    }
}
