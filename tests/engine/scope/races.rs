//! Names that change hands between dockgate's look and the engine's act: the other team renames,
//! removes and makes again under load, and nothing is ever done to what is its own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crawl::Events;
use super::talk::{Talk, To};
use super::teams::Team;

/// For all rounds: fewer are run on a machine that is busy.
const BOUND: Duration = Duration::from_secs(45);
/// Fewer prove nothing.
const FEWEST: usize = 200;
const CLIENTS: usize = 2;
/// How often a name changes hands until other containers are made.
const TURNS: usize = 200;

/// What a client does to whatever has a name.
const ACTS: &[(&str, &str)] = &[
    ("POST /containers/raced/kill?signal=WINCH", ""),
    ("POST /containers/raced/exec", r#"{"Cmd":["true"]}"#),
    ("POST /containers/raced/rename?name=NEW", ""),
    ("POST /containers/raced/update", r#"{"CpuShares":512}"#),
    (
        "POST /networks/alpha-net/connect",
        r#"{"Container":"raced"}"#,
    ),
    (
        "POST /networks/alpha-net/disconnect",
        r#"{"Container":"raced","Force":true}"#,
    ),
    ("POST /containers/raced/pause", ""),
    ("POST /containers/raced/unpause", ""),
    ("GET /containers/raced/archive?path=/etc/hostname", ""),
    ("POST /containers/raced/start", ""),
    ("POST /containers/raced/stop?t=0", ""),
    (
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"VolumesFrom":["raced"]}}"#,
    ),
    (
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"container:raced"}}"#,
    ),
    (
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"raced"}}"#,
    ),
    (
        "POST /networks/raced/connect",
        r#"{"Container":"alpha-c5"}"#,
    ),
    (
        "POST /networks/raced/disconnect",
        r#"{"Container":"alpha-c5","Force":true}"#,
    ),
    ("DELETE /networks/raced", ""),
    ("DELETE /containers/raced?force=1", ""),
    ("GET /containers/raced/json", ""),
    ("GET /networks/raced", ""),
];
/// Where the container is removed.
const REMOVES: usize = 17;

/// Runs so many rounds; what was done to something foreign.
pub(super) fn run(
    all: usize,
    address: SocketAddr,
    socket: &Path,
    direct: &mut Talk,
    teams: &[Team; 2],
) -> Vec<String> {
    let begin = Instant::now();
    let events = Events::listen(&To::Engine(socket.into()));
    let rounds = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    // How often the name has changed hands: each act meets another change.
    let changes = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let say = |what: String| wrong.lock().expect("no panic").push(what);
    let foreign = thread::scope(|threads| {
        let swapping = threads.spawn(|| {
            let mut engine = Talk::new(To::Engine(socket.into()));
            let mut foreign = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                swap(&mut engine, teams, &mut foreign, &changes, &say);
            }
            foreign
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (rounds, changes, say) = (&rounds, &changes, &say);
                threads.spawn(move || {
                    let mut gate = Talk::new(To::Gate(address));
                    let mut met = 0;
                    loop {
                        let round = rounds.fetch_add(1, Ordering::Relaxed);
                        if round >= all || begin.elapsed() > BOUND {
                            return;
                        }
                        while changes.load(Ordering::Relaxed) == met && begin.elapsed() < BOUND {
                            thread::yield_now();
                        }
                        met = changes.load(Ordering::Relaxed);
                        // What is removed takes long to be made again.
                        let act = match round % ACTS.len() {
                            REMOVES if !(round / ACTS.len()).is_multiple_of(8) => 0,
                            act => act,
                        };
                        let (line, body) = ACTS[act];
                        let line = line.replace("NEW", &format!("alpha-raced-{round}"));
                        let answer = gate.ask(&line, body);
                        if answer.body.contains("bravo") {
                            say(format!("{line} tells {}", answer.body));
                        }
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().expect("no panic");
        }
        is_over.store(true, Ordering::Relaxed);
        swapping.join().expect("no panic")
    });
    let rounds = rounds.into_inner().min(all);
    println!(
        "races: {rounds} rounds in {:?}, {} foreign things",
        begin.elapsed(),
        foreign.len()
    );
    assert!(rounds >= all.min(FEWEST), "only {rounds} rounds");
    let mut wrong = wrong.into_inner().expect("no panic");
    // The last that is done, which comes last.
    direct.must("POST /volumes/create", r#"{"Name":"races-are-over"}"#);
    let lack = events.lack("races-are-over");
    assert_eq!(lack, None);
    wrong.extend(touched(&events.text(), &foreign));
    wrong
}

/// Gives the name to one's own and the other's in turn, in both ways: by a rename, and by another that
/// is made; and takes it away.
fn swap(
    engine: &mut Talk,
    [alpha, bravo]: &[Team; 2],
    foreign: &mut BTreeSet<String>,
    changes: &AtomicUsize,
    say: &impl Fn(String),
) {
    let mut mine = None;
    let mut theirs = None;
    let mut networks: Vec<String> = Vec::new();
    for (team, place) in [(alpha, &mut mine), (bravo, &mut theirs)] {
        let name = format!("{}-waiting", team.word);
        let body = team.container(60, json!({}));
        let made = engine.ask(
            &format!("POST /containers/create?name={name}"),
            &body.to_string(),
        );
        let made = made.json();
        *place = made["Id"].as_str().map(str::to_owned);
    }
    let (Some(mine), Some(theirs)) = (mine, theirs) else {
        return;
    };
    foreign.insert(theirs.clone());
    engine.ask(&format!("POST /containers/{theirs}/start"), "");
    engine.ask(&format!("POST /containers/{mine}/start"), "");
    for turn in 0..TURNS {
        let (away, there, word) = match turn % 2 {
            0 => (&theirs, &mine, "bravo"),
            _ => (&mine, &theirs, "alpha"),
        };
        engine.ask(
            &format!("POST /containers/{away}/rename?name={word}-waiting"),
            "",
        );
        let named = format!("POST /containers/{there}/rename?name=raced");
        if engine.ask(&named, "").status == 404 {
            break;
        }
        changes.fetch_add(1, Ordering::Relaxed);
        if turn % 8 > 0 {
            continue;
        }
        // This takes longer than a rename. Two networks may have one name; so only one is there.
        for network in networks.drain(..) {
            free(engine, &network);
        }
        let team = [alpha, bravo][turn / 8 % 2];
        let body = json!({"Name": "raced", "Labels": team.labels()});
        let made = engine
            .ask("POST /networks/create", &body.to_string())
            .json();
        if let Some(id) = made["Id"].as_str() {
            networks.push(id.to_owned());
            if turn / 8 % 2 == 1 {
                foreign.insert(id.to_owned());
            }
        }
    }
    for network in networks {
        free(engine, &network);
    }
    let removed = engine.ask(&format!("DELETE /containers/{theirs}?force=1"), "");
    if removed.status != 204 {
        say(format!("{theirs} was not there: {}", removed.body));
    }
    engine.ask(&format!("DELETE /containers/{mine}?force=1"), "");
}

/// Removes a network, and whoever joined before.
fn free(engine: &mut Talk, network: &str) {
    let left = engine.ask(&format!("GET /networks/{network}"), "").json();
    for (id, _) in left["Containers"].as_object().into_iter().flatten() {
        let body = json!({"Container": id, "Force": true}).to_string();
        engine.ask(&format!("POST /networks/{network}/disconnect"), &body);
    }
    engine.ask(&format!("DELETE /networks/{network}"), "");
}

/// What the engine's events say was done to something foreign that the other team does not do itself:
/// it creates, starts, renames among its own names, and kills and removes in the end.
fn touched(events: &str, foreign: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in events.lines().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).expect("an event");
        let (actor, action) = (
            &event["Actor"],
            event["Action"].as_str().unwrap_or_default(),
        );
        let id = actor["ID"].as_str().unwrap_or_default();
        let attributes = &actor["Attributes"];
        let guest = attributes["container"].as_str().unwrap_or_default();
        let is_foreign = foreign.contains(id);
        seen += usize::from(is_foreign);
        let is_done = match event["Type"].as_str() {
            Some("container") if is_foreign => match action {
                "create" | "start" | "die" | "destroy" => false,
                "kill" => attributes["signal"] != "9",
                "rename" => attributes["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with("alpha")),
                _ => true,
            },
            // Nobody of the other team's joins these, nor anybody else the foreign ones.
            Some("network") if matches!(action, "connect" | "disconnect") => {
                is_foreign || (foreign.contains(guest) && attributes["name"] != "bridge")
            }
            _ => false,
        };
        if is_done {
            wrong.push(format!("raced: {line}"));
        }
    }
    assert!(seen > 10, "the events say nothing of what is foreign");
    wrong
}

/// A volume has nothing but its name. What is asked for while the name changes hands may meet either;
/// what is asked for when it has long been the other's, nothing.
pub(super) fn volumes(
    address: SocketAddr,
    socket: &Path,
    direct: &mut Talk,
    [alpha, bravo]: &[Team; 2],
) -> Vec<String> {
    const TRIES: usize = 150;
    // Even: the name is alpha's. Odd: it is bravo's. Half way in between, nobody can tell.
    let state = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let mut wrong = Vec::new();
    let (mut met, mut all) = (0, 0);
    let make = |engine: &mut Talk, team: &Team| {
        let body = json!({"Name": "raced-volume", "Labels": team.labels()});
        engine.ask("POST /volumes/create", &body.to_string());
    };
    make(direct, alpha);
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut engine = Talk::new(To::Engine(socket.into()));
            while !is_over.load(Ordering::Relaxed) {
                state.fetch_add(1, Ordering::SeqCst);
                engine.ask("DELETE /volumes/raced-volume?force=1", "");
                make(&mut engine, bravo);
                state.fetch_add(1, Ordering::SeqCst);
                // Somebody may have mounted it, so that it stays; it is one's own then.
                thread::sleep(Duration::from_millis(6));
                state.fetch_add(1, Ordering::SeqCst);
                engine.ask("DELETE /volumes/raced-volume?force=1", "");
                make(&mut engine, alpha);
                state.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(3));
            }
        });
        let mut gate = Talk::new(To::Gate(address));
        let begin = Instant::now();
        while all < TRIES && begin.elapsed() < BOUND / 3 {
            let before = state.load(Ordering::SeqCst);
            let removed = gate.ask("DELETE /volumes/raced-volume", "");
            let after = state.load(Ordering::SeqCst);
            all += 1;
            let is_foreign = before % 4 == 2 && after == before;
            if removed.status == 204 && is_foreign {
                wrong.push("a volume was removed that had long been foreign".to_owned());
            }
            met += usize::from(is_foreign);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    println!("races: a volume's name was tried {all} times, {met} of them while it was foreign");
    assert!(
        met > 0,
        "the name was never foreign for as long as a request takes"
    );
    direct.ask("DELETE /volumes/raced-volume?force=1", "");
    wrong
}
