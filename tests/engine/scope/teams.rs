//! Two teams on one engine, each with something of every kind; and all by which something of a team
//! can be told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::talk::{Talk, encoded};

/// How many containers a team has.
const CONTAINERS: usize = 14;
/// Those that run.
const RUNNING: usize = 3;
const BOUND: Duration = Duration::from_secs(90);

/// Something of a team.
#[derive(Clone)]
pub(super) struct Thing {
    /// `containers`, as in paths.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// A volume's is its name.
    pub(super) id: String,
}

/// A team and what it has.
pub(super) struct Team {
    /// In its names, labels, environments, and commands.
    pub(super) word: &'static str,
    /// In the names and labels of its images.
    pub(super) wood: &'static str,
    pub(super) things: Vec<Thing>,
}

/// The path of an inspect.
pub(super) fn inspect(thing: &Thing) -> String {
    let json = match thing.kind {
        "containers" | "images" | "exec" => "/json",
        _ => "",
    };
    format!("GET /{}/{}{json}", thing.kind, thing.id)
}

/// Makes a swarm, what both share, and both teams.
pub(super) fn populate(engine: &mut Talk) -> [Team; 2] {
    engine.must(
        "POST /swarm/init",
        r#"{"ListenAddr":"127.0.0.1","AdvertiseAddr":"127.0.0.1"}"#,
    );
    network(engine, "commons", "bridge", "10.203.0", &json!({}));
    let models = json!({"Name": "models"});
    engine.makes("POST /volumes/create", &models);
    let mut alpha = Team::new(engine, "alpha", "chestnut", 1);
    let mut bravo = Team::new(engine, "bravo", "walnut", 2);
    // Each meets the other where that can happen.
    let guest = bravo.get("containers", "bravo-c2").id.clone();
    let join = json!({ "Container": guest }).to_string();
    engine.must("POST /networks/alpha-net/connect", &join);
    let body = bravo.container(90, json!({"Binds": ["alpha-vol:/v"]}));
    let id = engine.makes("POST /containers/create?name=bravo-guest", &body);
    bravo.add("containers", "bravo-guest", id);
    for team in [&mut alpha, &mut bravo] {
        team.serve(engine);
    }
    for team in [&mut alpha, &mut bravo] {
        team.wait(engine);
    }
    [alpha, bravo]
}

fn network(engine: &mut Talk, name: &str, driver: &str, subnet: &str, labels: &Value) -> String {
    let body = json!({
        "Name": name,
        "Driver": driver,
        "Attachable": driver == "overlay",
        "Labels": labels,
        "IPAM": {"Config": [{"Subnet": format!("{subnet}.0/24")}]},
    });
    engine.makes("POST /networks/create", &body)
}

impl Team {
    fn new(engine: &mut Talk, word: &'static str, wood: &'static str, number: u8) -> Team {
        let mut team = Team {
            word,
            wood,
            things: Vec::new(),
        };
        let subnet = format!("10.{}.0", 203 + number);
        let name = format!("{word}-net");
        let id = network(engine, &name, "bridge", &subnet, &team.labels());
        team.add("networks", &name, id);
        let subnet = format!("10.{}.0", 213 + number);
        let name = format!("{word}-over");
        let id = network(engine, &name, "overlay", &subnet, &team.labels());
        team.add("networks", &name, id);
        let name = format!("{word}-vol");
        let body = json!({"Name": name, "Labels": team.labels()});
        let id = engine.makes("POST /volumes/create", &body);
        team.add("volumes", &name, id);
        team.image(engine);
        for number in 1..=CONTAINERS {
            team.create(engine, number);
        }
        let body = json!({
            "Cmd": ["sh", "-c", format!("exec sleep 600 # {word}")],
            "Env": [format!("{}_EXEC={word}-exec", word.to_uppercase())],
        });
        let exec = engine.makes(&format!("POST /containers/{word}-c1/exec"), &body);
        engine.must(&format!("POST /exec/{exec}/start"), r#"{"Detach":true}"#);
        team.add("exec", "", exec);
        for (kind, data) in [("secrets", "aHVzaA=="), ("configs", "cGxhaW4=")] {
            let name = format!("{word}-{}", kind.trim_end_matches('s'));
            let body = json!({"Name": name, "Data": data, "Labels": team.labels()});
            let id = engine.makes(&format!("POST /{kind}/create"), &body);
            team.add(kind, &name, id);
        }
        team
    }

    /// By the label that a scope is for, by that of what a policy makes, and one of its own.
    pub(super) fn labels(&self) -> Value {
        let word = self.word;
        let by = match word {
            "alpha" => "default",
            other => other,
        };
        json!({
            "team": word,
            "dockgate.created-by": by,
            format!("{word}.note"): format!("{word}-note"),
        })
    }

    /// A container's create.
    pub(super) fn container(&self, number: usize, host: Value) -> Value {
        let word = self.word;
        json!({
            "Image": "busybox",
            "Hostname": format!("{word}-host-{number}"),
            "Domainname": format!("{word}.test"),
            "Env": [format!("{}_TOKEN={word}-hush-{number}", word.to_uppercase())],
            "Cmd": ["sh", "-c", format!("echo {word}-log-{number}; exec sleep 600")],
            "Labels": self.labels(),
            "StopSignal": "SIGKILL",
            "HostConfig": host,
        })
    }

    fn create(&mut self, engine: &mut Talk, number: usize) {
        let word = self.word;
        let name = format!("{word}-c{number}");
        let host = match number {
            9 => json!({"Binds": ["/tmp/planted/bind:/bound"]}),
            1 => json!({
                "NetworkMode": format!("{word}-net"),
                "Binds": [format!("{word}-vol:/v"), "models:/models"],
            }),
            _ => json!({}),
        };
        let mut body = self.container(number, host);
        body["Volumes"] = json!({ "/anonymous": {} });
        if number == 2 {
            let test = format!("true # {word}");
            body["Healthcheck"] = json!({"Test": ["CMD-SHELL", test], "Interval": 2_000_000_000});
        }
        let id = engine.makes(&format!("POST /containers/create?name={name}"), &body);
        if number <= RUNNING {
            engine.must(&format!("POST /containers/{id}/start"), "");
        }
        if number == 1 {
            let join =
                json!({"Container": id, "EndpointConfig": {"Aliases": [format!("{word}-alias")]}});
            engine.must("POST /networks/commons/connect", &join.to_string());
        }
        let made = engine.must(&format!("GET /containers/{id}/json"), "");
        for mount in made["Mounts"].as_array().into_iter().flatten() {
            let volume = mount["Name"].as_str().unwrap_or_default();
            if volume.len() == 64 {
                self.add("volumes", volume, volume.to_owned());
            }
        }
        self.add("containers", &name, id);
    }

    fn image(&mut self, engine: &mut Talk) {
        let wood = self.wood;
        let team = match self.word {
            "alpha" => "alpha",
            _ => wood,
        };
        let by = match self.word {
            "alpha" => "default",
            _ => wood,
        };
        let changes = format!("LABEL team={team} dockgate.image-created-by={by}");
        let made = engine.send(
            &format!(
                "POST /images/create?fromSrc=-&repo={wood}&tag=1&changes={}&changes={}",
                encoded(&changes),
                encoded(&format!("ENV {wood}={wood}-planted")),
            ),
            "Content-Type: application/x-tar\r\n",
            // Another image for each: a file of its name.
            &archive(wood),
        );
        assert_eq!(made.status, 200, "{}", made.body);
        let image = engine.must(&format!("GET /images/{wood}:1/json"), "");
        let id = image["Id"].as_str().expect("an ID").to_owned();
        self.add("images", &format!("{wood}:1"), id);
    }

    fn serve(&mut self, engine: &mut Talk) {
        let word = self.word;
        let file = |name: &str| json!({"Name": name, "UID": "0", "GID": "0", "Mode": 292});
        let secret = self.get("secrets", &format!("{word}-secret"));
        let config = self.get("configs", &format!("{word}-config"));
        let body = json!({
            "Name": format!("{word}-web"),
            "Labels": self.labels(),
            "Mode": {"Replicated": {"Replicas": 1}},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": "busybox",
                    "Labels": self.labels(),
                    "Env": [format!("{}_SERVED={word}-served", word.to_uppercase())],
                    "Command": ["sh", "-c", format!("echo {word}-served; exec sleep 600")],
                    "Secrets": [{"File": file("s"), "SecretID": secret.id, "SecretName": secret.name}],
                    "Configs": [{"File": file("/c"), "ConfigID": config.id, "ConfigName": config.name}],
                },
                "Networks": [{"Target": self.get("networks", &format!("{word}-over")).id}],
            },
        });
        let id = engine.makes("POST /services/create", &body);
        self.add("services", &format!("{word}-web"), id);
    }

    /// Waits until its service runs, and has its task then.
    fn wait(&mut self, engine: &mut Talk) {
        let filters = encoded(&json!({"service": [format!("{}-web", self.word)]}).to_string());
        let begin = Instant::now();
        loop {
            let tasks = engine.must(&format!("GET /tasks?filters={filters}"), "");
            let mut running = tasks.as_array().into_iter().flatten();
            let running = running.find(|task| task["Status"]["State"] == "running");
            if let Some(task) = running {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                self.add("tasks", "", text(&task["ID"]));
                let container = text(&task["Status"]["ContainerStatus"]["ContainerID"]);
                let own = engine.must(&format!("GET /containers/{container}/json"), "");
                let name = text(&own["Name"]);
                self.add("containers", name.trim_start_matches('/'), container);
                return;
            }
            assert!(begin.elapsed() < BOUND, "{tasks}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(super) fn add(&mut self, kind: &'static str, name: &str, id: String) {
        let name = match name {
            "" => id.clone(),
            name => name.to_owned(),
        };
        self.things.push(Thing { kind, name, id });
    }

    #[track_caller]
    pub(super) fn get(&self, kind: &str, name: &str) -> &Thing {
        let mut things = self.things.iter();
        let found = things.find(|thing| thing.kind == kind && thing.name == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// What it has of a kind.
    pub(super) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Thing> {
        self.things.iter().filter(move |thing| thing.kind == kind)
    }

    /// What the engine says of all of it.
    pub(super) fn inspects(&self, engine: &mut Talk) -> Vec<Value> {
        let all = self.things.iter();
        all.map(|thing| engine.must(&inspect(thing), "")).collect()
    }
}

/// All by which something of the second team can be told, and not of the first or of everybody.
pub(super) fn marks(engine: &mut Talk, [alpha, bravo]: &[Team; 2], images: bool) -> Marks {
    let mut told = BTreeSet::new();
    for (thing, inspect) in bravo.things.iter().zip(bravo.inspects(engine)) {
        if thing.kind != "images" || images {
            harvest(&inspect, &mut told);
        }
    }
    let mut others = BTreeSet::new();
    for inspect in alpha.inspects(engine) {
        // Who else is there is none of its business.
        let mut inspect = inspect;
        if let Some(members) = inspect.get_mut("Containers").and_then(Value::as_object_mut) {
            let own: BTreeSet<&str> = alpha.things.iter().map(|thing| &*thing.id).collect();
            members.retain(|id, _| own.contains(&**id));
        }
        harvest(&inspect, &mut others);
    }
    for path in ["nodes", "swarm", "version", "images/busybox/json"] {
        harvest(&engine.must(&format!("GET /{path}"), ""), &mut others);
    }
    for name in ["commons", "bridge", "none", "host", "ingress"] {
        let mut shared = engine.must(&format!("GET /networks/{name}"), "");
        shared["Containers"] = Value::Null;
        harvest(&shared, &mut others);
    }
    if !images {
        for image in bravo.all("images") {
            others.insert(image.id.clone());
            harvest(&engine.must(&inspect(image), ""), &mut others);
        }
    }
    let mut texts: Vec<String> = told.difference(&others).map(|text| short(text)).collect();
    texts.push(bravo.word.to_owned());
    if images {
        texts.push(bravo.wood.to_owned());
    }
    Marks::new(texts)
}

/// Clients know IDs of 64 digits by the first 12.
fn short(text: &str) -> String {
    let text = text.trim_start_matches("sha256:");
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => text[..12].to_owned(),
        false => text.to_lowercase(),
    }
}

/// What of a JSON text is an ID or an address.
fn harvest(value: &Value, told: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != ':') {
                let is_id = |length: usize| {
                    word.len() == length && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
                };
                let is_address = word.parse::<std::net::Ipv4Addr>().is_ok()
                    && !word.starts_with("0.")
                    && !word.starts_with("127.");
                let is_mac = word.len() == 17 && word.matches(':').count() == 5;
                if is_id(64) || (is_id(25) && !word.contains('.')) || is_address || is_mac {
                    told.insert(word.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| harvest(item, told)),
        Value::Object(fields) => {
            for (key, value) in fields {
                harvest(&Value::String(key.clone()), told);
                harvest(value, told);
            }
        }
        _ => {}
    }
}

/// Texts of which none may come out.
pub(super) struct Marks(Vec<String>);

impl Marks {
    /// In lower case.
    pub(super) fn new(mut texts: Vec<String>) -> Marks {
        texts.sort();
        texts.dedup();
        Marks(texts)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that a text has, but for what was asked for.
    pub(super) fn found(&self, text: &str, asked: &str) -> Vec<&str> {
        let mut text = text.to_lowercase();
        if !asked.is_empty() {
            text = text.replace(&asked.to_lowercase(), "");
        }
        let own = self.0.iter().map(String::as_str);
        own.filter(|mark| stands(&text, mark)).collect()
    }
}

/// Whether a text has a mark that is not the beginning of a longer number.
fn stands(text: &str, mark: &str) -> bool {
    let is_address = mark.contains('.');
    text.match_indices(mark).any(|(at, _)| {
        let next = text.as_bytes().get(at + mark.len());
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        !is_address || (!digit(next) && !digit(before))
    })
}

/// A tar archive with one empty file.
fn archive(name: &str) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(b"00000000000");
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.resize(512 * 3, 0);
    archive
}
