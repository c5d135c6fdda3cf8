//! Every verb on every kind of object: inside the scope, outside it, and absent. What is outside is
//! answered as what is absent, and is afterwards what it was.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::crawl::WEBSOCKET;
use super::talk::{Answer, Talk, To};
use super::teams::{Marks, Team, Thing, inspect};

/// A request on something of a kind, whose name stands where `{}` is.
struct Row(&'static str, &'static str, &'static str);

const fn row(kind: &'static str, line: &'static str, body: &'static str) -> Row {
    Row(kind, line, body)
}

/// In an order in which something inside lives until the last.
const VERBS: &[Row] = &[
    row("containers", "GET /containers/{}/json", ""),
    row("containers", "GET /containers/{}/logs?stdout=1", ""),
    row("containers", "GET /containers/{}/top", ""),
    row("containers", "GET /containers/{}/changes", ""),
    row("containers", "GET /containers/{}/export", ""),
    row(
        "containers",
        "GET /containers/{}/archive?path=/etc/hostname",
        "",
    ),
    row(
        "containers",
        "HEAD /containers/{}/archive?path=/etc/hostname",
        "",
    ),
    row("containers", "PUT /containers/{}/archive?path=/tmp", ""),
    row(
        "containers",
        "GET /containers/{}/stats?stream=0&one-shot=1",
        "",
    ),
    row("containers", "GET /containers/{}/attach/ws?stream=1", ""),
    row(
        "containers",
        "POST /containers/{}/attach?stream=1&stdout=1",
        "",
    ),
    row("containers", "POST /containers/{}/resize?h=20&w=40", ""),
    row(
        "containers",
        "POST /containers/{}/exec",
        r#"{"Cmd":["touch","/taken"]}"#,
    ),
    row(
        "containers",
        "POST /containers/{}/update",
        r#"{"CpuShares":512}"#,
    ),
    row("containers", "POST /commit?container={}&repo=taken", ""),
    row(
        "containers",
        "POST /networks/alpha-net/connect",
        r#"{"Container":"{}"}"#,
    ),
    row(
        "containers",
        "POST /networks/alpha-net/disconnect",
        r#"{"Container":"{}","Force":true}"#,
    ),
    row(
        "containers",
        "POST /networks/commons/connect",
        r#"{"Container":"{}"}"#,
    ),
    row(
        "containers",
        "POST /networks/commons/disconnect",
        r#"{"Container":"{}","Force":true}"#,
    ),
    row(
        "containers",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"container:{}"}}"#,
    ),
    row(
        "containers",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"PidMode":"container:{}"}}"#,
    ),
    row(
        "containers",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"IpcMode":"container:{}"}}"#,
    ),
    row(
        "containers",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"VolumesFrom":["{}"]}}"#,
    ),
    row(
        "containers",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"VolumesFrom":["{}:ro"]}}"#,
    ),
    row(
        "containers",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"Links":["{}:it"]}}"#,
    ),
    row(
        "containers",
        "POST /containers/{}/rename?name=alpha-taken",
        "",
    ),
    row("containers", "POST /containers/{}/pause", ""),
    row("containers", "POST /containers/{}/unpause", ""),
    row("containers", "POST /containers/{}/restart?t=0", ""),
    row("containers", "POST /containers/{}/stop?t=0", ""),
    row("containers", "POST /containers/{}/wait", ""),
    row("containers", "POST /containers/{}/start", ""),
    row("containers", "POST /containers/{}/kill", ""),
    row("containers", "DELETE /containers/{}?force=1&v=1", ""),
    row("exec", "GET /exec/{}/json", ""),
    row("exec", "POST /exec/{}/resize?h=20&w=40", ""),
    row("exec", "POST /exec/{}/start", r#"{"Detach":true}"#),
    row("networks", "GET /networks/{}", ""),
    row("networks", "GET /networks/{}?verbose=1", ""),
    row(
        "networks",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"{}"}}"#,
    ),
    row(
        "networks",
        "POST /containers/create",
        r#"{"Image":"busybox","HostConfig":{"NetworkMode":"alpha-net"},"NetworkingConfig":{"EndpointsConfig":{"{}":null}}}"#,
    ),
    row(
        "networks",
        "POST /networks/{}/connect",
        r#"{"Container":"alpha-c3"}"#,
    ),
    row(
        "networks",
        "POST /networks/{}/disconnect",
        r#"{"Container":"alpha-c3","Force":true}"#,
    ),
    row("networks", "DELETE /networks/{}", ""),
    row("volumes", "GET /volumes/{}", ""),
    row("volumes", "PUT /volumes/{}?version=1", "{}"),
    row("volumes", "DELETE /volumes/{}", ""),
    row("volumes", "DELETE /volumes/{}?force=1", ""),
    row("services", "GET /services/{}", ""),
    row("services", "GET /services/{}?insertDefaults=1", ""),
    row("services", "GET /services/{}/logs?stdout=1", ""),
    row(
        "services",
        "POST /services/{}/update?version=1",
        r#"{"Name":"alpha-s","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}"#,
    ),
    row("services", "DELETE /services/{}", ""),
    row("tasks", "GET /tasks/{}", ""),
    row("tasks", "GET /tasks/{}/logs?stdout=1", ""),
    row("secrets", "GET /secrets/{}", ""),
    row(
        "secrets",
        "POST /secrets/{}/update?version=1",
        r#"{"Name":"alpha-victim"}"#,
    ),
    row(
        "secrets",
        "POST /services/create",
        r#"{"Name":"alpha-by","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Secrets":[{"SecretID":"{}","SecretName":"alpha-secret","File":{"Name":"s","UID":"0","GID":"0","Mode":292}}]}}}"#,
    ),
    row("secrets", "DELETE /secrets/{}", ""),
    row("configs", "GET /configs/{}", ""),
    row(
        "configs",
        "POST /configs/{}/update?version=1",
        r#"{"Name":"alpha-victim"}"#,
    ),
    row(
        "configs",
        "POST /services/create",
        r#"{"Name":"alpha-by","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Configs":[{"ConfigID":"{}","ConfigName":"alpha-config","File":{"Name":"s","UID":"0","GID":"0","Mode":292}}]}}}"#,
    ),
    row("configs", "DELETE /configs/{}", ""),
    row("images", "GET /images/{}/json", ""),
    row("images", "GET /images/{}/history", ""),
    row("images", "GET /images/{}/get", ""),
    row("images", "GET /images/get?names={}", ""),
    row("images", "POST /images/{}/push", ""),
    row("images", "POST /images/{}/tag?repo=chestnut&tag=taken", ""),
    row(
        "images",
        "POST /containers/create",
        r#"{"Image":"{}","Cmd":["x"]}"#,
    ),
    row("images", "DELETE /images/{}", ""),
];

/// Names that are taken outside, and what takes them.
const TAKEN: &[(&str, &str)] = &[
    (
        "POST /containers/create?name=bravo-c1",
        r#"{"Image":"busybox"}"#,
    ),
    (
        "POST /containers/create?name=%2Fbravo-c1",
        r#"{"Image":"busybox"}"#,
    ),
    ("POST /containers/alpha-c3/rename?name=bravo-c1", ""),
    ("POST /volumes/create", r#"{"Name":"bravo-vol"}"#),
    (
        "POST /services/create",
        r#"{"Name":"bravo-web","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}"#,
    ),
    (
        "POST /secrets/create",
        r#"{"Name":"bravo-secret","Data":"eA=="}"#,
    ),
    (
        "POST /configs/create",
        r#"{"Name":"bravo-config","Data":"eA=="}"#,
    ),
    (
        "POST /containers/create?name=alpha-thief",
        r#"{"Image":"busybox","HostConfig":{"Binds":["bravo-vol:/v"]}}"#,
    ),
    (
        "POST /containers/create?name=alpha-thief",
        r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"volume","Source":"bravo-vol","Target":"/v"}]}}"#,
    ),
    (
        "POST /services/create",
        r#"{"Name":"alpha-thief","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Mounts":[{"Type":"volume","Source":"bravo-vol","Target":"/v"}]}}}"#,
    ),
];

/// What is shared may be used, but not changed: by none of these.
const SHARED: &[(&str, &str)] = &[
    ("DELETE /networks/commons", ""),
    ("DELETE /volumes/models", ""),
    ("DELETE /volumes/models?force=1", ""),
];

/// Tries all of them under a scope that has alpha's things, and returns what is wrong.
pub(super) fn judge(
    address: SocketAddr,
    direct: &mut Talk,
    teams: &[Team; 2],
    marks: &Marks,
) -> Vec<String> {
    let mut gate = Talk::new(To::Gate(address));
    let mut wrong = Vec::new();
    let mut table = format!(
        "{:9} {:6} {:7} {:6}  verb\n",
        "kind", "inside", "outside", "absent"
    );
    let before = settled(direct, &teams[1]);
    let victims = victims(direct, &teams[0]);
    for Row(kind, line, body) in VERBS {
        let victim = victims.iter().find(|thing| thing.kind == *kind);
        let victim = victim.expect("one of each");
        let mut outside = Vec::new();
        let mut absent = Vec::new();
        for form in forms(&teams[1], kind) {
            let other = nobodys(&form);
            let foreign = tried(&mut gate, line, body, &form);
            let none = tried(&mut gate, line, body, &other);
            let shown = masked(&foreign, &form);
            if shown != masked(&none, &other) {
                wrong.push(format!(
                    "{line} {body} {form} differs from {other}:\n{shown}\n{}",
                    masked(&none, &other)
                ));
            }
            let found = [
                marks.found(&foreign.head, &form),
                marks.found(&foreign.body, &form),
            ];
            let found = found.concat();
            if !found.is_empty() {
                wrong.push(format!("{line} {form} tells {}: {shown}", found.join(" ")));
            }
            // As the engine says it, unless a policy has it refused for everybody.
            let engine = tried(direct, line, body, &other);
            // References have a status of their own in each version, and some are looked for at start.
            let words = |answer: &Answer| {
                let text = answer.json()["message"].to_string();
                (answer.status, text.replace("dockgate: ", ""))
            };
            let is_reference = line.ends_with("/create") || line.ends_with("connect");
            if none.status != 403 && !is_reference && words(&none) != words(&engine) {
                wrong.push(format!(
                    "{line} {body} {other}:\n{:?}\n{:?}, says the engine",
                    words(&none),
                    words(&engine)
                ));
            }
            // To force the removal of what is not there is no mistake.
            if is_made(foreign.status) && !line.starts_with("DELETE /volumes/{}?force") {
                wrong.push(format!("{line} {body} {form} is done: {}", foreign.status));
            }
            outside.push(foreign.status);
            absent.push(none.status);
        }
        let inside = tried(&mut gate, line, body, &victim.id);
        if matches!(inside.status, 403 | 404) && !inside.body.contains("page not found") {
            let said = &inside.body;
            wrong.push(format!("{line} {body} inside: {} {said}", inside.status));
        }
        clean(direct, line, &inside);
        outside.dedup();
        absent.dedup();
        let _ = writeln!(
            table,
            "{kind:9} {:<6} {:7} {:6}  {line} {body}",
            inside.status,
            shown(&outside),
            shown(&absent),
        );
    }
    for (line, body) in TAKEN {
        let answer = gate.ask(line, body);
        let _ = writeln!(
            table,
            "taken: {} {line} {body} {}",
            answer.status,
            answer.body.trim()
        );
        if !(400..500).contains(&answer.status) {
            wrong.push(format!("{line} {body}: {}{}", answer.head, answer.body));
        }
        let asked = [
            "bravo-c1",
            "bravo-vol",
            "bravo-web",
            "bravo-secret",
            "bravo-config",
        ];
        let asked = asked
            .iter()
            .find(|name| format!("{line}{body}").contains(**name));
        let found = marks.found(&answer.body, asked.copied().unwrap_or_default());
        if !found.is_empty() {
            wrong.push(format!(
                "{line} {body} tells {}: {}",
                found.join(" "),
                answer.body
            ));
        }
    }
    for (line, body) in SHARED {
        let answer = gate.ask(line, body);
        let _ = writeln!(
            table,
            "shared: {} {line} {}",
            answer.status,
            answer.body.trim()
        );
        if answer.status != 403 || !answer.body.contains("SCOPE_SHARED") {
            wrong.push(format!("{line}: {}{}", answer.head, answer.body));
        }
    }
    println!("{table}");
    let after = settled(direct, &teams[1]);
    for ((thing, before), after) in teams[1].things.iter().zip(before).zip(after) {
        if before != after {
            wrong.push(format!(
                "{} {} became\n{after}\nfrom\n{before}",
                thing.kind, thing.name
            ));
        }
    }
    wrong
}

/// Something was done or shown.
fn is_made(status: u16) -> bool {
    (101..400).contains(&status)
}

fn shown(statuses: &[u16]) -> String {
    let texts: Vec<String> = statuses.iter().map(u16::to_string).collect();
    texts.join(",")
}

fn tried(talk: &mut Talk, line: &str, body: &str, name: &str) -> Answer {
    let line = line.replace("{}", name);
    match line.split_once(name) {
        Some(("PUT /containers/", _)) => {
            talk.send(&line, "Content-Type: application/x-tar\r\n", &[0; 1024])
        }
        // What would not end becomes a tunnel, which is left.
        Some((_, "/attach/ws?stream=1")) => talk.send(&line, WEBSOCKET, b""),
        Some((_, "/attach?stream=1&stdout=1")) => {
            talk.send(&line, "Connection: Upgrade\r\nUpgrade: tcp\r\n", b"")
        }
        _ => talk.ask(&line, &body.replace("{}", name)),
    }
}

/// With a short name in place of its own, and of a file no more than its beginning.
fn masked(answer: &Answer, name: &str) -> String {
    let text = format!("{}\n{}", answer.head, answer.body)
        .replace(name.trim_start_matches("sha256:"), "NAME");
    text.chars().take(600).collect::<String>().replace('\0', "")
}

/// The ways to name something of the other team.
fn forms(team: &Team, kind: &str) -> Vec<String> {
    let thing = match kind {
        "containers" => team.get(kind, &format!("{}-c1", team.word)),
        kind => team.all(kind).next().expect("one of each"),
    };
    let hex = thing.id.trim_start_matches("sha256:");
    let mut forms = vec![thing.name.clone()];
    for form in [thing.id.as_str(), hex, &hex[..hex.len().min(12)]] {
        if kind != "volumes" && !forms.iter().any(|other| other == form) {
            forms.push(form.to_owned());
        }
    }
    if kind == "volumes" {
        // One without a name.
        let anonymous = team.all(kind).last().expect("one of each");
        forms.push(anonymous.id.clone());
    }
    forms
}

/// A name of the same form that nothing has.
fn nobodys(form: &str) -> String {
    let (prefix, rest) = match form.split_once("sha256:") {
        Some((_, rest)) => ("sha256:", rest),
        None => ("", form),
    };
    let other: String = match rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => rest.chars().rev().collect(),
        false => format!("z{}", &rest[1..]),
    };
    format!("{prefix}{other}")
}

/// One of each kind inside, which does not live long.
fn victims(direct: &mut Talk, team: &Team) -> Vec<Thing> {
    let labels = team.labels();
    let mut victims = Vec::new();
    let mut add = |kind: &'static str, id: String| {
        let name = id.clone();
        victims.push(Thing { kind, name, id });
    };
    let body = team.container(50, json!({}));
    let id = direct.makes("POST /containers/create?name=alpha-victim", &body);
    direct.must(&format!("POST /containers/{id}/start"), "");
    add("containers", id);
    // Its commands go with it.
    let exec = json!({"Cmd": ["sleep", "60"], "Tty": true});
    let exec = direct.makes("POST /containers/alpha-c1/exec", &exec);
    direct.must(
        &format!("POST /exec/{exec}/start"),
        r#"{"Detach":true,"Tty":true}"#,
    );
    add("exec", exec);
    let named = json!({"Name": "alpha-victim", "Labels": labels});
    add("networks", direct.makes("POST /networks/create", &named));
    add("volumes", direct.makes("POST /volumes/create", &named));
    let data = json!({"Name": "alpha-victim", "Data": "eA==", "Labels": labels});
    add("secrets", direct.makes("POST /secrets/create", &data));
    add("configs", direct.makes("POST /configs/create", &data));
    let service = json!({
        "Name": "alpha-victim",
        "Labels": labels,
        "Mode": {"Replicated": {"Replicas": 0}},
        "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}},
    });
    add("services", direct.makes("POST /services/create", &service));
    add(
        "tasks",
        team.all("tasks").next().expect("a task").id.clone(),
    );
    direct.must("POST /images/chestnut:1/tag?repo=chestnut&tag=victim", "");
    add("images", "chestnut:victim".to_owned());
    victims
}

/// Removes what a row made inside.
fn clean(direct: &mut Talk, line: &str, made: &Answer) {
    let kind = line
        .strip_prefix("POST /")
        .and_then(|rest| rest.strip_suffix("/create"));
    let made = made.json();
    let id = ["Id", "ID"].iter().find_map(|key| made[key].as_str());
    if let (Some(kind), Some(id)) = (kind, id) {
        direct.ask(&format!("DELETE /{kind}/{id}"), "");
    }
}

/// What is said of all that a team has, without what changes by itself.
fn settled(direct: &mut Talk, team: &Team) -> Vec<Value> {
    let all = team.things.iter();
    let mut all: Vec<Value> = all
        .map(|thing| direct.ask(&inspect(thing), "").json())
        .collect();
    for inspect in &mut all {
        if let Some(state) = inspect.get_mut("State").and_then(Value::as_object_mut) {
            state.remove("Health");
        }
        // A check of its health is an exec.
        if inspect["Config"]["Healthcheck"].is_object()
            && let Some(inspect) = inspect.as_object_mut()
        {
            inspect.remove("ExecIDs");
        }
        // In whatever order the engine has them.
        if let Some(mounts) = inspect.get_mut("Mounts").and_then(Value::as_array_mut) {
            mounts.sort_by_key(Value::to_string);
        }
    }
    all
}
