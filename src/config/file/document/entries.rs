//! The entries of `endpoints` and `clients`.

use super::super::tree::{Entry, Node, Value};
use super::path;
use super::{Keys, Part};
use crate::clients::{AllowFrom, Mistaken, Who};
use crate::config::UNMAPPED;
use crate::config::file::{ClientSpec, EndpointSpec, NONE, Written};
use crate::policy::printable;

const ENDPOINT: Keys = Keys {
    known: &["listen", "mode", "policy"],
    later: &["tls", "engine"],
};
const CLIENT: Keys = Keys {
    known: &["from", "user", "group", "container", "policy"],
    later: &["certificate"],
};

impl Part<'_> {
    pub(super) fn endpoint(&mut self, line: usize, what: &str, entries: Vec<Entry>) {
        let (mut listen, mut mode, mut policy) = (None, None, None);
        let mut has_listen = false;
        for Entry { key, line, value } in entries {
            if !self.knows(&ENDPOINT, what, &key, line) {
                continue;
            }
            let path = path(what, &key);
            match &*key {
                "listen" => {
                    has_listen = true;
                    listen = self.scalar(value, &path, "add one entry for each address");
                }
                "mode" => mode = self.scalar(value, &path, "use an octal mode such as \"0660\""),
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
        let place = self.place(line);
        self.document.endpoints.push(EndpointSpec {
            listen,
            mode,
            policy,
            place,
        });
    }

    pub(super) fn client(&mut self, line: usize, what: &str, entries: Vec<Entry>) {
        // Of which the last one counts no more than the first: two are a mistake.
        let (mut who, mut kinds, mut policy) = (None, Vec::new(), None);
        let (mut has_policy, mut is_later) = (false, false);
        for Entry { key, line, value } in entries {
            if !self.knows(&CLIENT, what, &key, line) {
                is_later = true;
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
        if kinds.is_empty() && !is_later {
            let problem = format!("{what} has no from, user, group or container");
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
