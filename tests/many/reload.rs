//! What a reload brings, what waits for a restart, and what is refused because it would end protection.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;

use dockgate::clients::{Identity, Lookup, Rules};
use dockgate::config::{Endpoint, Policies, PolicyId, Reloaded, Settings, Snapshot, UNMAPPED};
use proptest::prelude::*;

use super::{decide, errors, good, load, snapshot};

/// Reloads what was started with one text by another.
fn reload(started: &Settings, text: &str) -> Result<Reloaded, Vec<String>> {
    reload_with(&[], started, text)
}

fn reload_with(
    env: &[(&str, &str)],
    started: &Settings,
    text: &str,
) -> Result<Reloaded, Vec<String>> {
    let reloaded = started.reload(None, &snapshot(env, text), good(env, text).seen);
    reloaded.map_err(errors)
}

/// The policies whose new DRY_RUN waits for a restart.
fn waits(reloaded: &Reloaded) -> Vec<&str> {
    let sentences = reloaded.needs_restart.iter();
    let names = sentences.filter_map(|one| one.strip_prefix("policies."));
    let names = names.filter_map(|one| one.split_once(".DRY_RUN changed: restart dockgate "));
    names.map(|(name, _)| name).collect()
}

#[test]
fn a_reload_is_all_or_nothing_and_never_gives_up_protection() {
    let text = "policies:\n  a: {PING: 1}\n  b: {INFO: 1}\n  dry: {DRY_RUN: 1}\n\
                clients:\n- {from: 10.0.0.1, policy: a}\n- {from: 10.0.0.2, policy: b}\n\
                - {from: 10.0.0.3, policy: dry}\nendpoints: [{listen: \"tcp://[::]:1\"}]\n";
    let started = good(&[], text);
    let id = |name: &str| started.policies.id(name).expect("a name");

    // What is gone refuses all, and a new one takes no ID over.
    let new = reload(
        &started,
        "policies: {c: {EVENTS: 1}, b: {VERSION: 1}}\nclients: [{from: 10.0.0.2, policy: b}, {from: 10.0.0.1, policy: c}]",
    )
    .expect("it can be used");
    assert_eq!(waits(&new), [""; 0]);
    assert!(new.policies.get(id("a")).is_none());
    let b = new.policies.get(id("b")).expect("still there");
    assert_eq!(decide(b, "GET /version"), Ok("VERSION".to_owned()));
    assert!(decide(b, "GET /info").is_err());
    let c = new.policies.id("c").expect("a name");
    assert!(![id("a"), id("b"), id("dry")].contains(&c));
    // And once more, over the hole.
    let again = started
        .reload(Some(&new), &snapshot(&[], text), started.seen.clone())
        .expect("it can be used");
    assert_eq!(again.policies.id("a"), Some(id("a")));
    assert!(again.policies.get(id("a")).is_some());
    assert!(again.policies.get(c).is_none());
    // It came back without protection, which it had not for want of being there.
    assert_eq!(waits(&again), ["dry"]);
    let dry = again.policies.get(id("dry")).expect("a policy");
    assert!(decide(dry, "GET /info").is_err());

    // What was unprotected stays so or protects; what protected goes on to.
    let same = reload(&started, text).expect("it can be used");
    assert_eq!(same.needs_restart, [""; 0]);
    let dry = same.policies.get(id("dry")).expect("a policy");
    assert!(decide(dry, "GET /info").is_ok());
    let swapped = text
        .replace("{DRY_RUN: 1}", "{}")
        .replace("{PING: 1}", "{DRY_RUN: 1}");
    let swapped = reload(&started, &swapped).expect("it can be used");
    assert_eq!(waits(&swapped), ["a"]);
    for name in ["a", "dry"] {
        let policy = swapped.policies.get(id(name)).expect("a policy");
        assert!(decide(policy, "GET /info").is_err(), "{name}");
        assert_eq!(policy.alarm(), None);
    }
}

#[test]
fn a_reload_with_a_mistake_brings_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dockgate.yml");
    let path = file.to_str().expect("a plain path");
    let env: Snapshot = [("CONFIG_FILE", path)].into_iter().collect();
    let write = |text: &[u8]| fs::write(&file, text).expect("written");
    write(b"policies: {default: {PING: 1}}");
    let started = Settings::load(&env).expect("it starts");
    let look = || started.look(&env, &started.seen);
    for bad in [
        "",
        "\n",
        "policies:",
        "policies: {default: {PNG: 1}}",
        "policies: {default: {PING: 1}}\nx: 1",
        "policies: {default: {PROFILE: /nowhere}}",
    ] {
        write(bad.as_bytes());
        let result = started.reload(None, &env, look());
        assert!(result.is_err_and(|all| !errors(all).is_empty()), "{bad}");
    }
    write(&[b'#'; 2 << 20]);
    let told = started.reload(None, &env, look()).map_err(errors).err();
    assert!(told.is_some_and(|all| all[0].contains("larger than 1 MiB")));
    fs::remove_file(&file).expect("removed");
    assert!(started.reload(None, &env, look()).is_err());
    std::os::unix::fs::symlink("nowhere", &file).expect("a link");
    assert!(started.reload(None, &env, look()).is_err());
}

/// What is compiled is what a look saw, whatever is on the disk by then.
#[test]
fn a_profile_is_what_a_look_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let [of_file, of_environment] = ["a", "b"].map(|name| folder.path().join(name));
    let [named, own] = [&of_file, &of_environment].map(|path| path.to_str().expect("plain"));
    let write = |path: &str| {
        for file in [&of_file, &of_environment] {
            fs::write(file, format!("GET {path}\n")).expect("written");
        }
    };
    let text = format!(
        "policies: {{a: {{PROFILE: {named}}}}}\nendpoints: [{{listen: \"tcp://[::]:1\", policy: a}}]"
    );
    let env = snapshot(&[("PROFILE", own)], &text);
    write("/info");
    let started = Settings::load(&env).expect("it starts");
    let decided = |reloaded: &Reloaded| {
        let id = reloaded.policies.id("a").expect("a name");
        let a = reloaded.policies.get(id).expect("a policy");
        let both = [a, reloaded.policies.default()];
        both.map(|policy| ["GET /info", "GET /version"].map(|line| decide(policy, line).is_ok()))
    };
    let old = started.look(&env, &started.seen);
    assert_eq!(old, started.seen);
    write("/version");
    let new = started.look(&env, &old);
    assert_ne!(new, old);
    write(".*");
    let reload = |look| started.reload(None, &env, look).expect("it can be used");
    assert_eq!(decided(&reload(old)), [[true, false]; 2]);
    assert_eq!(decided(&reload(new)), [[false, true]; 2]);
}

#[test]
fn the_policy_of_an_endpoint_is_no_address() {
    let text = "policies: {a: {PING: 1}, b: {INFO: 1}}\nendpoints:\n\
                - {listen: \"tcp://[::]:1\", policy: a}\n\
                - {listen: unix:///x, policy: b}\n";
    let started = good(&[], text);
    for (from, to, policies, sentences) in [
        ("policy: a", "policy: b", ["b", "b"], &[][..]),
        ("policy: a", "policy: none", ["none", "b"], &[]),
        (", policy: a", "", ["default", "b"], &[]),
        (
            "- {listen: \"tcp://[::]:1\", policy: a}\n- {listen: unix:///x, policy: b}",
            "- {listen: unix:///x, policy: a}\n- {listen: \"tcp://[::]:1\", policy: b}",
            ["b", "a"],
            &[],
        ),
        (
            "unix:///x, policy: b",
            "unix:///x, policy: a, mode: 0600",
            ["a", "a"],
            &["the mode of endpoint unix:///x changed: restart dockgate to apply it"],
        ),
        (
            "[::]:1\", policy: a",
            "[::]:2\", policy: none",
            ["a", "b"],
            &[
                "endpoint tcp://[::]:1 was removed: restart dockgate to close it; until then, it \
                 keeps policy a",
                "endpoint tcp://[::]:2 was added: restart dockgate to listen there",
            ],
        ),
    ] {
        let new = text.replace(from, to);
        assert_ne!(new, text);
        let new = reload(&started, &new).expect("it can be used");
        let listen = |all: &[Endpoint]| -> Vec<String> {
            all.iter().map(|one| one.listen.to_string()).collect()
        };
        assert_eq!(listen(&new.endpoints), listen(&started.endpoints), "{to}");
        let named = |one: &Endpoint| new.policies.name(one.policy).to_owned();
        let named: Vec<String> = new.endpoints.iter().map(named).collect();
        assert_eq!(named, policies, "{to}");
        assert_eq!(new.needs_restart, sentences, "{to}");
    }
    // Nor is it where nothing says where to listen, or now something does.
    let started = good(&[], "policies: {default: {}, a: {PING: 1}}");
    let listed = "policies: {a: {PING: 1}}\nendpoints: [{listen: \"tcp://[::]:2375\", policy: a}]";
    let new = reload(&started, listed).expect("it can be used");
    assert_eq!(new.needs_restart, [""; 0]);
    assert_eq!(new.policies.name(new.endpoints[0].policy), "a");
    // What is gone is not there by another name.
    let gone = "policies: {b: {INFO: 1}}\nendpoints: [{listen: unix:///x, policy: b}]";
    let new = reload(&good(&[], text), gone).expect("it can be used");
    assert!(new.policies.get(new.endpoints[0].policy).is_none());
}

/// Nobody gets a policy that denies nothing who had one that denies something.
#[test]
fn a_reload_gives_an_unprotecting_policy_to_nobody() {
    let top = "policies: {a: {PING: 1}, b: {INFO: 1}, dry: {DRY_RUN: 1}}\n\
               endpoints:\n- {listen: \"tcp://[::]:1\", policy: a}\n- {listen: unix:///x, policy: dry}\n\
               clients:\n";
    let rule = |(who, policy): &(&str, &str)| match who.parse::<u32>() {
        Ok(id) => format!("- {{user: {id}, policy: {policy}}}\n"),
        Err(_) => format!("- {{from: {who}, policy: {policy}}}\n"),
    };
    let text =
        |rules: &[(&str, &str)]| top.to_owned() + &rules.iter().map(rule).collect::<String>();
    const OLD: &[(&str, &str)] = &[
        ("10.0.0.1", "a"),
        ("10.0.0.0/8", "dry"),
        ("1000", "b"),
        ("fd00::/8", "none"),
    ];
    let started = good(&[], &text(OLD));
    let told = |new: &[(&str, &str)]| match reload(&started, &text(new)) {
        Ok(_) => Vec::new(),
        Err(told) => told,
    };
    let guard = [OLD[0], OLD[1], OLD[2], OLD[3]];
    for (why, new) in [
        ("the same", guard.to_vec()),
        (
            "another that protects",
            vec![("10.0.0.1", "b"), OLD[1], OLD[2], ("fd00::/8", "a")],
        ),
        (
            "more that protect",
            vec![
                ("10.0.0.2", "a"),
                OLD[0],
                OLD[1],
                ("1", "none"),
                OLD[2],
                OLD[3],
            ],
        ),
        ("fewer that do not", vec![OLD[0], OLD[2], OLD[3]]),
        (
            "it protects now",
            vec![OLD[0], ("10.0.0.0/8", "a"), OLD[2], OLD[3]],
        ),
        ("in another order", vec![OLD[3], OLD[2], OLD[0], OLD[1]]),
    ] {
        assert_eq!(told(&new), [""; 0], "{why}");
    }
    let more = "denies nothing (DRY_RUN: 1), to more clients; restart dockgate to apply the change";
    let rule_told = |index: usize, line: usize| {
        format!("CONFIG_DATA:{line}: clients[{index}] could extend policy dry, which {more}")
    };
    let endpoint = format!("the endpoint unix:///x could extend policy dry, which {more}");
    for (why, new, expected) in [
        (
            "one more",
            vec![OLD[0], OLD[1], OLD[2], OLD[3], ("fe80::/16", "dry")],
            vec![rule_told(4, 10)],
        ),
        (
            "one that protected",
            vec![("10.0.0.1", "dry"), OLD[1], OLD[2], OLD[3]],
            vec![rule_told(0, 6), rule_told(1, 7), endpoint.clone()],
        ),
        (
            "a wider one",
            vec![OLD[0], ("10.0.0.0/7", "dry"), OLD[2], OLD[3]],
            vec![rule_told(1, 7)],
        ),
        (
            "the guard is behind it",
            vec![OLD[1], OLD[0], OLD[2], OLD[3]],
            vec![rule_told(0, 6)],
        ),
        (
            "the guard is gone",
            vec![OLD[1], OLD[2], OLD[3]],
            vec![rule_told(0, 6), endpoint.clone()],
        ),
        (
            "the guard is narrower",
            vec![("10.0.0.1/32", "a"), OLD[1], OLD[2], OLD[3]],
            vec![rule_told(1, 7), endpoint.clone()],
        ),
        (
            "so that it is the endpoint's",
            vec![OLD[0], OLD[1], OLD[3]],
            vec![endpoint.clone()],
        ),
    ] {
        assert_eq!(told(&new), expected, "{why}");
    }
    // By the endpoint itself.
    let moved = text(OLD).replace("[::]:1\", policy: a", "[::]:1\", policy: dry");
    let told = reload(&started, &moved).map(|_| ()).expect_err("refused");
    assert_eq!(
        told,
        [format!(
            "the endpoint tcp://[::]:1 could extend policy dry, which {more}"
        )]
    );
    // What is to protect may; once it does, nobody is given the other one again.
    let guarded = text(OLD).replace("unix:///x, policy: dry", "unix:///x, policy: none");
    let guarded = reload(&started, &guarded).expect("it can be used");
    let back = started.reload(
        Some(&guarded),
        &snapshot(&[], &text(OLD)),
        started.seen.clone(),
    );
    assert_eq!(
        back.map_err(errors).map(|_| ()).expect_err("refused"),
        [endpoint]
    );
}

/// `default`, by the variables of the environment.
#[test]
fn a_reload_gives_a_policy_that_learns_to_nobody() {
    let text = "policies: {a: {PING: 1}}\nclients: [{from: 10.0.0.1, policy: a}]\n";
    for (variable, why) in [("LEARN", "LEARN=1"), ("DRY_RUN", "DRY_RUN=1")] {
        let env = [(variable, "1")];
        let started = good(&env, text);
        assert!(reload_with(&env, &started, text).is_ok());
        let told = reload_with(
            &env,
            &started,
            "policies: {a: {PING: 1, INFO: 1}}\nclients: [{from: 10.0.0.2, policy: a}]\n",
        );
        assert_eq!(
            told.map(|_| ()).expect_err("refused"),
            [format!(
                "the endpoint tcp://[::]:2375 could extend policy default, which denies nothing \
                 ({why}), to more clients; restart dockgate to apply the change"
            )]
        );
        let told = reload_with(
            &env,
            &started,
            &text.replace("policy: a", "policy: default"),
        );
        assert_eq!(told.map(|_| ()).expect_err("refused").len(), 2);
        assert!(
            load(&env, "policies: {default: {}}")
                .is_err_and(|told| { told[0].contains("policies.default cannot be used with") })
        );
    }
}

/// A client rule, and an endpoint's policy.
type Entry = (usize, &'static str);

/// Two address lists or users, of which one is in the other, and one that is neither.
const WHO: [&str; 5] = [
    "from: 10.0.0.1",
    "from: 10.0.0.0/8",
    "from: 11.0.0.1",
    "user: 1000",
    "group: 1000",
];

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let policy = prop::sample::select(vec!["a", "none", "dry"]);
    prop::collection::vec((0..WHO.len(), policy), 0..5)
}

fn text(rules: &[Entry], endpoints: [&str; 2]) -> String {
    let [tcp, unix] = endpoints;
    let mut text = format!(
        "policies: {{a: {{}}, dry: {{DRY_RUN: 1}}}}\n\
         endpoints:\n- {{listen: \"tcp://[::]:1\", policy: {tcp}}}\n\
         - {{listen: unix:///x, policy: {unix}}}\n"
    );
    if !rules.is_empty() {
        text.push_str("clients:\n");
    }
    for (who, policy) in rules {
        text.push_str(&format!("- {{{}, policy: {policy}}}\n", WHO[*who]));
    }
    text
}

/// Whether each of some clients has a policy that denies nothing.
fn unprotected(policies: &Policies, rules: &Rules<PolicyId>, endpoints: &[Endpoint]) -> Vec<bool> {
    let addresses = ["10.0.0.1", "10.0.0.2", "11.0.0.1", "12.0.0.1"];
    let addresses = addresses.map(|one| (0, one.parse().expect("an address")));
    let processes = [(1000, 1), (1000, 1000), (1, 1000), (1, 1)];
    let processes = processes.map(|(user, group)| {
        let identity = Identity::process(Some(user), Some(vec![group]), &UNMAPPED);
        (1, identity)
    });
    let clients = addresses.into_iter().chain(processes);
    let names = HashMap::<String, Vec<IpAddr>>::new();
    let has = |(endpoint, client): (usize, Identity)| {
        let policy = match rules.lookup(&client, &names) {
            Lookup::Decided { policy, .. } => *policy,
            Lookup::NoRule => endpoints[endpoint].policy,
            Lookup::Unknown { .. } => unreachable!("no names"),
        };
        let policy = policies.get(policy);
        policy.is_some_and(|policy| policy.alarm().is_some())
    };
    clients.map(has).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever changes.
    #[test]
    fn no_client_loses_protection(
        old in entries(),
        more in entries(),
        kept in prop::collection::vec(0..8_u8, 5),
        endpoints in prop::sample::subsequence(vec!["a", "dry", "none"], 2),
        is_swapped: bool,
    ) {
        let first = [endpoints[0], endpoints[1]];
        let second = if is_swapped { [first[1], first[0]] } else { first };
        let mut new = Vec::new();
        let mut more = more.into_iter();
        for (entry, kept) in old.iter().zip(kept) {
            match kept {
                0 => {}
                1 => new.extend(more.next()),
                2 => new.extend(more.next().into_iter().chain([*entry])),
                3 => new.insert(0, *entry),
                _ => new.push(*entry),
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("dockgate.yml");
        let write = |text: String| fs::write(&file, text).expect("written");
        let path = file.to_str().expect("a plain path");
        let env: Snapshot = [("CONFIG_FILE", path)].into_iter().collect();
        write(text(&old, first));
        let started = Settings::load(&env).expect("it starts");
        let before = unprotected(&started.policies, &started.rules, &started.endpoints);
        write(text(&new, second));
        if let Ok(new) = started.reload(None, &env, started.look(&env, &started.seen)) {
            let after = unprotected(&new.policies, &new.rules, &new.endpoints);
            for (before, after) in before.into_iter().zip(after) {
                prop_assert!(before || !after);
            }
        }
        // What does not change is not refused.
        prop_assert!(started.reload(None, &env, started.seen.clone()).is_ok());
    }
}
