//! The entries of `engines`, `endpoints` and `clients`.

use super::super::tree::{Entry, Node, Value};
use super::names;
use super::path;
use super::{Keys, Part};
use crate::clients::{AllowFrom, CertificateRule, Mistaken, NotOne, Who};
use crate::config::UNMAPPED;
use crate::config::file::{ClientSpec, DEFAULT, EndpointSpec, EngineSpec, NONE, TlsSpec, Written};
use crate::policy::printable;

const ENDPOINT: Keys = &["listen", "mode", "policy", "tls", "engine"];
const ENGINE: Keys = &["address", "ca", "cert", "key"];
const TLS: Keys = &["cert", "key", "client_ca", "client_auth"];
const CERTIFICATE: Keys = &["common_name", "san", "fingerprint"];
const CLIENT: Keys = &[
    "from",
    "user",
    "group",
    "container",
    "certificate",
    "policy",
];

const ADDRESS: &str = "add address: tcp://HOST:PORT or address: unix:///PATH";

impl Part<'_> {
    pub(super) fn endpoint(&mut self, line: usize, what: &str, entries: Vec<Entry>) {
        let (mut listen, mut mode, mut policy, mut engine) = (None, None, None, None);
        let (mut has_listen, mut tls, mut has_tls) = (false, None, None);
        for Entry { key, line, value } in entries {
            if !self.knows(ENDPOINT, what, &key, line) {
                continue;
            }
            let path = path(what, &key);
            match &*key {
                "listen" => {
                    has_listen = true;
                    listen = self.scalar(value, &path, "add one entry for each address");
                }
                "mode" => mode = self.scalar(value, &path, "use an octal mode such as \"0660\""),
                "engine" => engine = self.scalar(value, &path, "use the name of one engine"),
                "tls" => {
                    has_tls = Some(line);
                    tls = self.tls(line, &path, value);
                }
                _ => policy = self.scalar(value, &path, "use the name of one policy"),
            }
        }
        if !has_listen {
            let help = "add listen: tcp://ADDRESS:PORT or listen: unix:///PATH";
            self.mistake(line, what, format!("{what} has no listen"), help);
        }
        let Some(listen) = listen else {
            return;
        };
        if listen.text.contains(',') {
            let path = path(what, "listen");
            let problem = format!("{path} must be one address");
            let help = "add one entry for each address";
            self.mistake(listen.place.line, &path, problem, help);
            return;
        }
        if let Some(mode) = (mode.as_ref()).filter(|_| listen.text.starts_with("tcp://")) {
            let path = path(what, "mode");
            let problem = format!("{path} applies to Unix sockets only");
            self.mistake(mode.place.line, &path, problem, "remove it");
        }
        if let Some(line) = has_tls.filter(|_| listen.text.starts_with("unix://")) {
            let path = path(what, "tls");
            let problem = format!("{path} applies to TCP addresses only");
            self.mistake(line, &path, problem, "remove it");
        }
        let place = self.place(line);
        self.document.endpoints.push(EndpointSpec {
            listen,
            mode,
            policy,
            engine,
            tls,
            place,
        });
    }

    /// One engine: an address alone, or with the files that TLS takes.
    pub(super) fn engine(&mut self, Entry { key, line, value }: Entry) {
        let what = path("engines", &key);
        let unfit = names::unfit("engine", &key).or_else(|| {
            let problem = format!("the engine name {key} stands for the one at SOCKET_PATH");
            let is_reserved = key.eq_ignore_ascii_case(DEFAULT);
            is_reserved.then(|| (problem, "use another name, or set SOCKET_PATH".to_owned()))
        });
        let is_name = unfit.is_none();
        if let Some((problem, help)) = unfit {
            self.mistake(line, &what, problem, help);
        }
        let place = self.place(line);
        let (mut address, mut ca, mut cert, mut private) = (None, None, None, None);
        match value.value {
            Value::Map(entries) => {
                let mut has_address = false;
                for Entry { key, line, value } in entries {
                    if !self.knows(ENGINE, &what, &key, line) {
                        continue;
                    }
                    let path = path(&what, &key);
                    has_address |= key == "address";
                    let help = match &*key {
                        "address" => ADDRESS,
                        _ => "use the path of one file",
                    };
                    let written = self.scalar(value, &path, help);
                    match &*key {
                        "address" => address = written,
                        "ca" => ca = written,
                        "cert" => cert = written,
                        _ => private = written,
                    }
                }
                if !has_address {
                    self.mistake(line, &what, format!("{what} has no address"), ADDRESS);
                }
            }
            _ => address = self.scalar(value, &what, ADDRESS),
        }
        if let Some(address) = address.filter(|_| is_name) {
            self.document.engines.push(EngineSpec {
                name: key,
                place,
                address,
                ca,
                cert,
                key: private,
            });
        }
    }

    /// The files of TLS. Without all that it takes it is a mistake, not an endpoint without TLS.
    fn tls(&mut self, line: usize, what: &str, node: Node) -> Option<TlsSpec> {
        let help = "use { cert: FILE, key: FILE }";
        let entries = self.map(node, what, help)?;
        let (mut given, mut all) = (Vec::new(), [None, None, None, None]);
        for Entry { key, line, value } in entries {
            let Some(at) = TLS.iter().position(|known| *known == key) else {
                self.knows(TLS, what, &key, line);
                continue;
            };
            let path = path(what, &key);
            let help = match at {
                3 => "use required or optional",
                _ => "use the path of a PEM file",
            };
            let written = self.scalar(value, &path, help);
            if let Some(Written { text, place }) =
                (written.as_ref()).filter(|one| one.text.is_empty())
            {
                let (line, _) = (place.line, text);
                self.mistake(line, &path, format!("{path} is empty"), help);
            } else {
                all[at] = written;
            }
            given.push(at);
        }
        for (at, key) in TLS.iter().enumerate().take(2) {
            if !given.contains(&at) {
                let help = format!("add {key}: and the path of a PEM file");
                self.mistake(line, what, format!("{what} has no {key}"), help);
            }
        }
        let [cert, key, client_ca, client_auth] = all;
        if let Some(auth) = (client_auth.as_ref()).filter(|_| !given.contains(&2)) {
            let path = path(what, "client_auth");
            let problem =
                format!("{path} has no client_ca, with which certificates could be verified");
            self.mistake(
                auth.place.line,
                &path,
                problem,
                "add client_ca, or remove it",
            );
        }
        Some(TlsSpec {
            cert: cert?,
            key: key?,
            client_ca,
            client_auth,
        })
    }

    pub(super) fn client(&mut self, line: usize, what: &str, entries: Vec<Entry>) {
        // Of which the last one counts no more than the first: two are a mistake.
        let (mut who, mut kinds, mut policy) = (None, Vec::new(), None);
        let (mut has_policy, mut is_unknown) = (false, false);
        for Entry { key, line, value } in entries {
            if !self.knows(CLIENT, what, &key, line) {
                is_unknown = true;
                continue;
            }
            let path = path(what, &key);
            match &*key {
                "policy" => {
                    has_policy = true;
                    policy = self.scalar(value, &path, "use the name of one policy");
                    continue;
                }
                "from" => who = self.from(value, &path).map(Who::From),
                "user" => who = self.id(value, &path, &UNMAPPED.users).map(Who::User),
                "certificate" => {
                    who = self.certificate(line, &path, value).map(Who::Certificate);
                }
                "container" => {
                    let wanted = self.container(value, &path);
                    who = wanted.map(|wanted| Who::Container(Box::new(wanted)));
                }
                _ => who = self.id(value, &path, &UNMAPPED.groups).map(Who::Group),
            }
            kinds.push(key);
        }
        if kinds.len() > 1 {
            let problem = format!("{what} has {}", kinds.join(" and "));
            self.mistake(line, what, problem, "use one of them in each rule");
            return;
        }
        if kinds.is_empty() && !is_unknown {
            let problem = format!("{what} has no from, user, group, container or certificate");
            let help = "add one of them; for all other clients, set policy in endpoints";
            self.mistake(line, what, problem, help);
        }
        if !has_policy {
            let help = format!("add policy: NAME, or policy: {NONE} to refuse these clients");
            self.mistake(line, what, format!("{what} has no policy"), help);
        }
        if let (Some(who), Some(policy)) = (who, policy) {
            let place = self.place(line);
            self.document
                .clients
                .push(ClientSpec { who, policy, place });
        }
    }

    /// What a certificate has to be like.
    fn certificate(&mut self, line: usize, what: &str, node: Node) -> Option<CertificateRule> {
        const HELP: &str = "use common_name, san or fingerprint";
        let (mut rule, mut fits) = (CertificateRule::default(), true);
        let entries = self.map(node, what, HELP)?;
        if entries.is_empty() {
            self.mistake(line, what, format!("{what} is empty"), HELP);
            return None;
        }
        for Entry { key, line, value } in entries {
            if !self.knows(CERTIFICATE, what, &key, line) {
                fits = false;
                continue;
            }
            let path = path(what, &key);
            let Some(Written { text, place }) = self.scalar(value, &path, "use one name") else {
                fits = false;
                continue;
            };
            let read = match &*key {
                "common_name" if text.is_empty() || text.contains('*') => {
                    Err(NotOne("names are compared as they are: use the whole name"))
                }
                "common_name" => {
                    rule.common_name = Some(text.clone());
                    Ok(())
                }
                "san" => text.parse().map(|san| rule.san = Some(san)),
                _ => text.parse().map(|key| rule.fingerprint = Some(key)),
            };
            if let Err(NotOne(help)) = read {
                fits = false;
                let problem = format!("{path}: {} matches no certificate", printable(&text));
                self.mistake(place.line, &path, problem, help);
            }
        }
        fits.then_some(rule)
    }

    /// A list of addresses, networks and host names, or one of them.
    fn from(&mut self, node: Node, what: &str) -> Option<AllowFrom> {
        let items = match node.value {
            Value::List(items) if items.is_empty() => {
                let problem = format!("{what} is empty");
                let help = "add an address, a network or a host name";
                self.mistake(node.line, what, problem, help);
                return None;
            }
            Value::List(items) => items,
            value => vec![Node { value, ..node }],
        };
        let mut texts = Vec::new();
        let count = items.len();
        for item in items {
            let help = "use an address, a network such as 172.20.0.0/16, or a host name";
            let Some(Written { text, place }) = self.scalar(item, what, help) else {
                continue;
            };
            match from_problem(&text) {
                Some((problem, help)) => {
                    let problem = format!("{what}: {} {problem}", printable(&text));
                    self.mistake(place.line, what, problem, help);
                }
                None => texts.push(text),
            }
        }
        (texts.len() == count).then(|| AllowFrom::new(&texts.join(",")))
    }

    /// The number of a user or group that is not `unmapped`.
    fn id(&mut self, node: Node, what: &str, unmapped: &[u32]) -> Option<u32> {
        let help = "use a number, with one rule for each";
        let Written { text, place } = self.scalar(node, what, help)?;
        let is_plain = text == "0" || !text.starts_with('0');
        let is_plain = is_plain && text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse::<u32>().ok().filter(|_| is_plain);
        // The last number is the kernel's for none.
        match id.filter(|id| *id != u32::MAX) {
            Some(id) if unmapped.contains(&id) => {
                let problem = format!(
                    "{what} is {id}, which stands for every user and group that is not \
                     mapped, and never matches"
                );
                let help = "use the ID that the client has on dockgate's side";
                self.mistake(place.line, what, problem, help);
            }
            Some(id) => return Some(id),
            None => {
                let problem = format!("{what} must be a decimal ID, not {}", printable(&text));
                let help = "use the number that `id` shows for it; names differ between containers";
                self.mistake(place.line, what, problem, help);
            }
        }
        None
    }
}

/// Why an item of `from` does not match what it seems to, and what to do.
fn from_problem(item: &str) -> Option<(&'static str, &'static str)> {
    if item.contains(',') {
        return Some(("has a comma", "use a list: [A, B]"));
    }
    let list = AllowFrom::new(item);
    if list.nobody.is_empty() {
        return list.mistaken().map(mistake);
    }
    let without_zone = item.split('%').next().unwrap_or_default();
    let is_zoned = item.contains('%') && AllowFrom::new(without_zone).nobody.is_empty();
    Some(match item {
        "*" => (
            "does not match all clients",
            "use 0.0.0.0/0 for IPv4, and ::/0 for IPv6",
        ),
        _ if item.trim() != item => ("has a blank at its end", "remove it"),
        _ if is_zoned => (
            "has a zone, and addresses are compared without it",
            "remove % and what follows it",
        ),
        _ => (
            "is not an address, a network or a host name",
            "use for instance 172.20.0.5, 172.20.0.0/16, fd00::/8 or traefik",
        ),
    })
}

fn mistake(what: Mistaken) -> (&'static str, &'static str) {
    match what {
        Mistaken::Unspecified => (
            "is the address of no client",
            "use 0.0.0.0/0 for all IPv4 addresses, and ::/0 for all IPv6 addresses",
        ),
        Mistaken::Compatible => (
            "is the address of no client",
            "use the form 172.20.0.5, or 172.20.0.0/16 for a network",
        ),
        Mistaken::Mapped => (
            "does not match IPv4 clients, because its prefix is shorter than 96",
            "use the form 172.20.0.0/16",
        ),
    }
}
