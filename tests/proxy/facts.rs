//! What the engine is asked for a request: however much it answers, and of how many containers.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::{Gate, Message};

const EXPORT: &str = "GET /containers/web/export HTTP/1.1\r\nHost: docker\r\n\r\n";

fn id(number: usize) -> String {
    format!("{number:064x}")
}

/// A container that no other has anything to do with, and such labels.
fn inspect(id: &str, labels: &str) -> String {
    format!(
        r#"{{"Id":"{id}","Config":{{"Labels":{{{labels}}}}},"HostConfig":{{"PidMode":""}},"Mounts":[]}}"#
    )
}

/// An engine with such a list of containers, each inspected so.
fn answer(request: &Message, list: &str, inspected: impl Fn(&str) -> String) -> Vec<u8> {
    let path = request.head.line.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        "/containers/web/json" => inspect(&id(0), ""),
        "/containers/json?all=1" => list.to_owned(),
        path => match path
            .strip_prefix("/containers/")
            .and_then(|rest| rest.strip_suffix("/json"))
        {
            Some(id) => inspected(id),
            None => "{}".to_owned(),
        },
    };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[test]
fn what_others_have_as_labels_takes_no_memory() {
    let gate = Gate::open_with(&[("DENY_ROOT", "1")]);
    // More than all clients together may take.
    let label = format!(r#"\"}}],{{\"Id\":\"{}"#, "x".repeat(200));
    let labels = format!(r#""a":"{}""#, label.repeat(20 << 12));
    let listed: Vec<String> = (0..4)
        .map(|at| format!(r#"{{"Id":"{}","Labels":{{{labels}}}}}"#, id(at)))
        .collect();
    let list = format!("[{}]", listed.join(","));
    assert!(list.len() > 64 << 20, "{}", list.len());
    gate.engine
        .serve(move |request| answer(request, &list, |id| inspect(id, &labels)));
    let mut client = gate.sent(EXPORT);
    client.patience(Duration::from_secs(60));
    let response = client.response();
    assert_eq!(response.status(), 200, "{}", response.text());
}

#[test]
fn who_finds_no_room_for_answers_is_told_so() {
    let gate = Gate::open_with(&[("DENY_ROOT", "1")]);
    let label = format!(r#""a":"{}""#, "x".repeat(12 << 20));
    let web = inspect(&id(0), &label);
    gate.engine.serve(move |request| {
        let length = web.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        match request.head.line.contains("/web/json") {
            true => (head + &web).into_bytes(),
            false => answer(request, "[]", |_| String::new()),
        }
    });
    let response = gate.refusal(EXPORT);
    assert_eq!(response.status(), 503);
    let told = "dockgate: the engine's answers about what this client's requests depend on take too \
                much memory; retry later";
    assert!(response.text().contains(told), "{}", response.text());
}

/// Several are asked at a time: each of these waits for another one.
#[test]
fn many_containers_are_asked_side_by_side() {
    let gate = Gate::open_with(&[("DENY_ROOT", "1")]);
    let listed: Vec<String> = (0..40)
        .map(|at| format!(r#"{{"Id":"{}"}}"#, id(at)))
        .collect();
    let list = format!("[{}]", listed.join(","));
    let (most, inside) = (Arc::new(AtomicUsize::new(0)), Mutex::new(0));
    let (met, seen) = (Condvar::new(), Arc::clone(&most));
    gate.engine.serve(move |request| {
        answer(request, &list, |id| {
            let mut now = inside.lock().expect("a lock");
            *now += 1;
            most.fetch_max(*now, SeqCst);
            met.notify_all();
            let all = |_: &mut usize| most.load(SeqCst) < 4;
            let waited = met.wait_timeout_while(now, Duration::from_secs(5), all);
            *waited.expect("a lock").0 -= 1;
            inspect(id, "")
        })
    });
    let response = gate.refusal(EXPORT);
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(seen.load(SeqCst), 4);
}
