//! A model of the engine's router and of what the variables are to grant, written down from what
//! the engine does and what the README promises: nothing of it comes from `src/` or
//! `sections.toml`, so that it can be held against both.

use std::sync::LazyLock;

/// A route that some engine has, or had.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) method: &'static str,
    /// With its placeholders: `/containers/{id}/start`.
    pub(crate) path: &'static str,
    /// The variable that governs it, or `NONE`.
    pub(crate) section: &'static str,
    /// Whether the engine switches protocols there.
    pub(crate) switches: bool,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(&'static str),
    /// `[^/]+`
    Segment,
    /// `.*`: slashes too, and nothing at all.
    Run,
}

/// All routes, of all versions.
pub(crate) static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rows = include_str!("../conformance/docker-api.tsv")
        .lines()
        .skip(1);
    rows.map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        Row {
            method: columns[0],
            path: columns[1],
            section: columns[2],
            switches: matches!(columns[5], "hijack" | "upgrade"),
            parts: parts(columns[1]),
        }
    })
    .collect()
});

/// Swarm's objects, checkpoints and profiles have names of one segment; all others span segments.
fn parts(path: &'static str) -> Vec<Part> {
    let one = [
        "/services/",
        "/nodes/",
        "/tasks/",
        "/secrets/",
        "/configs/",
        "/debug/",
    ];
    let one = one.iter().any(|prefix| path.starts_with(prefix)) || path.contains("{checkpoint}");
    let mut parts = Vec::new();
    for piece in path.split_inclusive(['{', '}']) {
        match piece.strip_suffix('}') {
            Some(_) => parts.push(if one { Part::Segment } else { Part::Run }),
            None => parts.push(Part::Text(piece.trim_end_matches('{'))),
        }
    }
    parts
}

impl Row {
    /// Whether a path without a version is this route's.
    pub(crate) fn fits(&self, path: &[u8]) -> bool {
        fits(&self.parts, path)
    }
}

fn fits(parts: &[Part], path: &[u8]) -> bool {
    let Some((part, parts)) = parts.split_first() else {
        return path.is_empty();
    };
    let run = |least: usize, stops: &[u8]| {
        let longest = path.iter().position(|byte| stops.contains(byte));
        (least..=longest.unwrap_or(path.len())).any(|n| fits(parts, &path[n..]))
    };
    match part {
        Part::Text(text) => path
            .strip_prefix(text.as_bytes())
            .is_some_and(|path| fits(parts, path)),
        Part::Segment => run(1, b"/"),
        Part::Run => run(0, b"\n"),
    }
}

/// What becomes of a request target before it is routed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// 400, or no path at all.
    Not,
    /// 301: cleaning changes the path.
    Moved,
    /// The path that is routed.
    Path(Vec<u8>),
}

/// What Go's URL parser and the router's cleaning make of a request target.
pub(crate) fn served(target: &[u8]) -> Served {
    if !target.starts_with(b"/") || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Served::Not;
    }
    let sent = target.split(|byte| *byte == b'?').next().unwrap_or(target);
    match decoded(sent) {
        None => Served::Not,
        Some(path) if cleaned(&path) != path => Served::Moved,
        Some(path) => Served::Path(path),
    }
}

fn decoded(sent: &[u8]) -> Option<Vec<u8>> {
    let mut pieces = sent.split(|byte| *byte == b'%');
    let mut path = pieces.next()?.to_vec();
    for piece in pieces {
        let digits = piece
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        path.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        path.extend(&piece[2..]);
    }
    Some(path)
}

/// Go's `path.Clean` of a rooted path, with its trailing slash kept.
fn cleaned(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = [b"/", &segments.join(&b'/')[..]].concat();
    if path.ends_with(b"/") && !segments.is_empty() {
        clean.push(b'/');
    }
    clean
}

/// What follows `/v[0-9.]+`, if that is how a path begins.
pub(crate) fn without_version(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_prefix(b"/v")?;
    let version = rest
        .iter()
        .take_while(|byte| b"0123456789.".contains(byte))
        .count();
    let path = &rest[version..];
    (version > 0 && path.starts_with(b"/")).then_some(path)
}

/// Every route that some engine takes this path for. Which of them wins is a matter of versions
/// and of the order in which they are registered.
pub(crate) fn routes(method: &str, path: &[u8]) -> Vec<&'static Row> {
    let versioned = without_version(path);
    ROWS.iter()
        .filter(|row| row.method == method)
        .filter(|row| row.fits(path) || versioned.is_some_and(|path| row.fits(path)))
        .collect()
}

/// A request, as far as what is granted depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) row: &'static Row,
    pub(crate) query: &'a str,
    /// What the body's length is, if it is given.
    pub(crate) length: Option<u64>,
}

impl Asked<'_> {
    /// Whether the variables that are `on` grant it.
    pub(crate) fn is_granted(&self, on: impl Fn(&str) -> bool) -> bool {
        // Every engine answers 200 to OPTIONS, and does nothing.
        let harmless = self.row.path == "/{path}";
        harmless || self.by_section(&on) || self.by_action(&on)
    }

    /// By a section, with POST if it writes, and what else it needs.
    pub(crate) fn by_section(&self, on: impl Fn(&str) -> bool) -> bool {
        let reads = matches!(self.row.method, "GET" | "HEAD");
        let also = match self.row.path {
            "/containers/{id}/exec" => on("EXEC"),
            "/containers/{id}/attach/ws" => on("POST"),
            _ => true,
        };
        on(self.row.section) && (reads || on("POST")) && also
    }

    fn by_action(&self, on: impl Fn(&str) -> bool) -> bool {
        match (self.row.method, self.row.path) {
            ("POST", "/containers/{id}/start") => {
                let key = |key: &[u8]| {
                    let key = decoded(key);
                    let key = key.as_deref();
                    key == Some(b"checkpoint") || key == Some(b"checkpoint-dir")
                };
                let pairs = self.query.split(['&', ';']);
                let mut valued = pairs.filter_map(|pair| pair.split_once('='));
                let harmful = valued.any(|(name, value)| !value.is_empty() && key(name.as_bytes()));
                on("ALLOW_START") && self.length.is_some_and(|length| length <= 7) && !harmful
            }
            ("POST", "/containers/{id}/stop") => on("ALLOW_STOP") || on("ALLOW_RESTARTS"),
            ("POST", "/containers/{id}/restart" | "/containers/{id}/kill") => on("ALLOW_RESTARTS"),
            _ => false,
        }
    }
}

/// Every variable that grants something, and whether it does when it is not set.
pub(crate) const VARIABLES: [(&str, bool); 27] = [
    ("AUTH", false),
    ("BUILD", false),
    ("COMMIT", false),
    ("CONFIGS", false),
    ("CONTAINERS", false),
    ("DISTRIBUTION", false),
    ("EVENTS", true),
    ("EXEC", false),
    ("GRPC", false),
    ("IMAGES", false),
    ("INFO", false),
    ("NETWORKS", false),
    ("NODES", false),
    ("PING", true),
    ("PLUGINS", false),
    ("SECRETS", false),
    ("SERVICES", false),
    ("SESSION", false),
    ("SWARM", false),
    ("SYSTEM", false),
    ("TASKS", false),
    ("VERSION", true),
    ("VOLUMES", false),
    ("POST", false),
    ("ALLOW_START", false),
    ("ALLOW_STOP", false),
    ("ALLOW_RESTARTS", false),
];
