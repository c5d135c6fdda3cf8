//! Two teams on one engine, and a policy with a `SCOPE` for each: neither sees or touches what is the
//! other's.

mod crawl;
mod races;
mod redaction;
mod table;
mod talk;
mod teams;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::harness::{Engine, Gate};
use crawl::{Events, crawl, sees_own, work};
use talk::{Talk, To};
use teams::{Marks, Team, marks, populate};

/// Everything that a section grants.
const ALL: &str = "AUTH BUILD COMMIT CONFIGS CONTAINERS DISTRIBUTION EVENTS EXEC IMAGES INFO NETWORKS NODES PLUGINS \
                   POST SECRETS SERVICES SESSION SWARM SYSTEM TASKS VOLUMES";
const SHARED: &str = "SCOPE_SHARED=network:commons,volume:models,image:busybox*";
/// The scopes that team alpha's things are in, and of team bravo's none is.
const SCOPES: [&str; 4] = [
    "SCOPE=label:team=alpha",
    "SCOPE=created",
    "SCOPE=name:alpha-*",
    "SCOPE=label:team=alpha SCOPE_IMAGES=1",
];

/// One engine and one population for all of it: making them takes longest.
#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn teams_do_not_see_each_other() {
    let engine = Engine::in_memory();
    let mut direct = Talk::new(To::Engine(engine.socket()));
    let begin = Instant::now();
    let teams = populate(&mut direct);
    let mut wrong = Vec::new();
    let proofs: [(&str, Proof); 4] = [
        ("crawler", nothing_foreign_is_seen),
        ("table", outside_is_as_absent),
        ("redaction", redaction::judge),
        ("races", nothing_foreign_is_raced),
    ];
    println!("two teams after {:?}", begin.elapsed());
    let only = env::var("DOCKGATE_TEST_PROOF");
    for (name, proof) in proofs {
        if only.as_deref().is_ok_and(|only| only != name) {
            continue;
        }
        let begin = Instant::now();
        wrong.extend(proof(&engine, &mut direct, &teams));
        println!("{name}: {:?}", begin.elapsed());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a policy, on an engine with two teams.
type Proof = fn(&Engine, &mut Talk, &[Team; 2]) -> Vec<String>;

/// What is outside is answered as what does not exist.
fn outside_is_as_absent(engine: &Engine, direct: &mut Talk, teams: &[Team; 2]) -> Vec<String> {
    let scope = format!("{ALL} SCOPE=label:team=alpha SCOPE_IMAGES=1 {SHARED}");
    let gate = Gate::before(&engine.socket(), &scope);
    let marks = marks(direct, teams, true);
    table::judge(gate.address, direct, teams, &marks)
}

/// Nothing is done to something that took a name in the last moment.
fn nothing_foreign_is_raced(engine: &Engine, direct: &mut Talk, teams: &[Team; 2]) -> Vec<String> {
    let socket = engine.socket();
    // Without a scope, much is.
    let open = Gate::before(&socket, ALL);
    let done = races::run(100, open.address, &socket, direct, teams);
    println!("no scope: {} acts on something foreign", done.len());
    assert!(!done.is_empty(), "the races find nothing");
    let scope = format!("{ALL} SCOPE=label:team=alpha {SHARED}");
    let gate = Gate::before(&socket, &scope);
    let mut wrong = races::run(2000, gate.address, &socket, direct, teams);
    wrong.extend(races::volumes(gate.address, &socket, direct, teams));
    wrong
}

/// No answer and no event has anything of the other team; and without a scope, hundreds do.
fn nothing_foreign_is_seen(engine: &Engine, direct: &mut Talk, teams: &[Team; 2]) -> Vec<String> {
    let all = marks(direct, teams, true);
    let open = Gate::before(&engine.socket(), ALL);
    let found = crawl(open.address, teams, &all, |_| true);
    let leaks: usize = found.leaks.values().map(Vec::len).sum();
    println!(
        "no scope: {} of {} requests tell {leaks} times of {} marks",
        found.leaks.len(),
        found.requests,
        all.len()
    );
    assert!(found.leaks.len() > 200, "the crawler finds nothing");
    let mut wrong = Vec::new();
    for scope in SCOPES {
        let images = scope.contains("SCOPE_IMAGES");
        let marks = marks(direct, teams, images);
        wrong.extend(crawl_as(engine, direct, teams, scope, &marks));
    }
    wrong
}

/// What came out under a scope.
fn crawl_as(
    engine: &Engine,
    direct: &mut Talk,
    teams: &[Team; 2],
    scope: &str,
    marks: &Marks,
) -> Vec<String> {
    let begin = Instant::now();
    let gate = Gate::before(&engine.socket(), &format!("{ALL} {scope} {SHARED}"));
    let events = Events::listen(&To::Gate(gate.address));
    let mut wrong: Vec<String> = events.lack("200 OK").into_iter().collect();
    let is_over = AtomicBool::new(false);
    // What is in scope is decided in one place: the other scopes try what has objects in it.
    let wanted = match scope == SCOPES[0] {
        true => |_: &str| true,
        false => redaction::is_json,
    };
    let found = thread::scope(|threads| {
        threads.spawn(|| {
            let mut direct = Talk::new(To::Engine(engine.socket()));
            while !is_over.load(Ordering::Relaxed) {
                work(&mut direct, &teams[1]);
            }
        });
        let found = crawl(gate.address, teams, marks, wanted);
        is_over.store(true, Ordering::Relaxed);
        found
    });
    sees_own(gate.address, &teams[0], scope.contains("SCOPE_IMAGES"));
    work(direct, &teams[0]);
    for seen in [
        "alpha-passing",
        "exec_start: [redacted by dockgate]",
        "\"destroy\"",
    ] {
        wrong.extend(events.lack(seen));
    }
    let told = events.text();
    for line in told
        .lines()
        .filter(|line| !marks.found(line, "").is_empty())
    {
        wrong.push(format!("{scope}: event {line}"));
    }
    for (request, marks) in &found.leaks {
        wrong.push(format!("{scope}: {request}: {}", marks.join(" ")));
    }
    println!(
        "{scope}: {} requests, {:?}",
        found.requests,
        begin.elapsed()
    );
    wrong
}
