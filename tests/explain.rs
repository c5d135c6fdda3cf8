//! `explain` with a body: the verdict that the proxy would give, what would be forwarded, and what a
//! verdict depends on that is not known.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;

const CREATE: &str = "/v1.41/containers/create?name=web";
const ID: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

/// What is granted, and where the engine would be.
struct Bench {
    folder: TempDir,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        Bench { folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// An engine that has this, and nothing else.
    fn engine(&self, has: &'static [(&'static str, &'static str)]) {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || serve(stream, has));
            }
        });
    }

    /// Explains a request with this on stdin.
    fn explain(&self, env: &[(&str, &str)], args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dockgate"))
            .arg("explain")
            .args(args)
            .env_clear()
            .env("SOCKET_PATH", self.socket())
            .envs([("CONTAINERS", "1"), ("EXEC", "1"), ("POST", "1")])
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        // It need not read all of it.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin);
        let ran = child.wait_with_output().expect("its output");
        Ran {
            code: ran.status.code().expect("an exit code"),
            out: String::from_utf8(ran.stdout).expect("UTF-8"),
            err: String::from_utf8(ran.stderr).expect("UTF-8"),
        }
    }

    /// The same of a create under `DENY_ROOT`.
    fn create(&self, body: &str) -> Ran {
        let args = ["POST", CREATE, "--body", "-"];
        self.explain(DENY_ROOT, &args, body.as_bytes())
    }
}

const DENY_ROOT: &[(&str, &str)] = &[("DENY_ROOT", "1")];

fn serve(mut stream: UnixStream, has: &[(&str, &str)]) {
    let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
    while let Some(Ok(line)) = lines.next() {
        let path = line.split(' ').nth(1).expect("a path").to_owned();
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let found = has.iter().find(|(own, _)| *own == path);
        let (status, body) = match found {
            Some((_, body)) => (200, *body),
            None => (404, r#"{"message":"No such thing"}"#),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_body_is_judged_and_what_is_forwarded_is_shown() {
    let bench = Bench::new();
    for (body, code, out) in [
        (
            r#"{"Image":"a","HostConfig":{}}"#,
            0,
            "allowed by CONTAINERS; DENY_ROOT does not refuse it\nforwarded unchanged\n",
        ),
        (
            r#" {"image":"a","Frob":null,"hostconfig":{"memory":7}} "#,
            0,
            "allowed by CONTAINERS; DENY_ROOT does not refuse it\n\
             forwarded with these changes:\n- Frob: null\n",
        ),
        (
            r#"{"Image":"a"}"#,
            0,
            "allowed by CONTAINERS; DENY_ROOT does not refuse it\n\
             forwarded with these changes:\n+ HostConfig: {}\n",
        ),
        (
            r#"{"HostConfig":{"Privileged":true}}"#,
            1,
            "denied: POST /containers/create is not allowed: DENY_ROOT: HostConfig.Privileged true \
             reaches the host's devices, the kernel\n",
        ),
        (
            r#"{"a":1,"A":2}"#,
            1,
            "denied: POST /containers/create is not allowed: DENY_ROOT cannot judge it: A: duplicate key \
             (case is ignored in field names)\n",
        ),
    ] {
        let ran = bench.create(body);
        assert_eq!((ran.out.as_str(), ran.code), (out, code), "{body}");
        assert_eq!(ran.err, "");
    }
    let limited = [
        ("DENY_ROOT", "1"),
        ("BIND_FROM", "/srv/ci"),
        ("MEMORY_MAX", "1g"),
    ];
    let args = ["POST", CREATE, "--body", "-"];
    for (bind, code, out) in [
        (
            "/srv/ci",
            0,
            "allowed by CONTAINERS; DENY_ROOT and the limits do not refuse it\n\
             forwarded with these changes:\n+ HostConfig.Memory: 1073741824\n",
        ),
        (
            "/etc",
            1,
            "denied: POST /containers/create is not allowed: HostConfig.Binds[0]: /etc is not allowed: \
             BIND_FROM has /srv/ci\n",
        ),
    ] {
        let body = format!(r#"{{"HostConfig":{{"Binds":["{bind}:/x"]}}}}"#);
        let ran = bench.explain(&limited, &args, body.as_bytes());
        assert_eq!((ran.out.as_str(), ran.code), (out, code));
    }
    let not_json = bench.create("{");
    let why = "DENY_ROOT cannot judge it: the body is not valid JSON: ";
    assert!(
        not_json.code == 1 && not_json.out.contains(why),
        "{}",
        not_json.out
    );
    // The engine takes no body for `{}`, or refuses it by itself.
    let empty = bench.create("");
    assert!(
        empty.code == 0 && empty.out.ends_with("\nforwarded unchanged\n"),
        "{}",
        empty.out
    );
    let mut large = vec![b' '; 4 << 20];
    large.extend(b"{}");
    let large = bench.explain(DENY_ROOT, &["POST", CREATE, "--body", "-"], &large);
    let told = "denied: the request body is larger than 4 MiB, and it is judged as a whole\n";
    assert_eq!((large.code, large.out.as_str()), (1, told));
}

#[test]
fn a_body_is_read_from_a_file_and_where_no_term_reads_it_it_is_streamed() {
    let bench = Bench::new();
    let file = bench.folder.path().join("web.json");
    std::fs::write(&file, r#"{"HostConfig":{"Privileged":true}}"#).expect("a file");
    let args = [
        "POST",
        CREATE,
        "--body",
        file.to_str().expect("a plain path"),
    ];
    let streamed = bench.explain(&[], &args, b"");
    let out = "allowed by CONTAINERS\nforwarded unchanged\n";
    assert_eq!((streamed.code, streamed.out.as_str()), (0, out));
    assert_eq!(bench.explain(DENY_ROOT, &args, b"").code, 1);
    let dry = bench.explain(&[("DENY_ROOT", "1"), ("DRY_RUN", "1")], &args, b"");
    assert!(
        dry.code == 1 && dry.out.starts_with("would deny: POST "),
        "{}",
        dry.out
    );
    // A rule that depends on a body has it.
    let start = ["POST", "/containers/x/start", "--body", args[3]];
    let start = bench.explain(&[("CONTAINERS", "0"), ("ALLOW_START", "1")], &start, b"");
    assert!(
        start.code == 1 && start.out.starts_with("denied: "),
        "{}",
        start.out
    );
    let missing = bench.explain(&[], &["POST", CREATE, "--body", "/no/such"], b"");
    assert_eq!((missing.code, missing.out.as_str()), (2, ""));
    assert!(
        missing.err.starts_with("dockgate: cannot read /no/such: "),
        "{}",
        missing.err
    );
}

#[test]
fn without_a_body_it_says_that_one_decides() {
    let bench = Bench::new();
    let env = [("DENY_ROOT", "1"), ("BIND_FROM", "/srv/ci, /data:ro")];
    let ran = bench.explain(&env, &["POST", CREATE], b"");
    let out = "undecided: allowed by CONTAINERS, unless DENY_ROOT or the limits refuse its body; use \
               --body FILE\nterms in force:\n";
    assert!(ran.code == 3 && ran.out.starts_with(out), "{}", ran.out);
    let rows: Vec<Vec<&str>> = ran
        .out
        .lines()
        .skip(2)
        .map(|row| row.split("  ").collect())
        .collect();
    for row in [
        ["DENY_ROOT", "1"],
        ["BIND_FROM", "/srv/ci, /data:ro"],
        ["CAP_ADD", "none"],
    ] {
        let same = |own: &Vec<&str>| {
            let mut own = own
                .iter()
                .map(|cell| cell.trim())
                .filter(|cell| !cell.is_empty());
            own.by_ref().eq(row)
        };
        assert!(rows.iter().any(same), "{row:?} {}", ran.out);
    }
    let ran = bench.explain(&[("BIND_FROM", "/srv/ci")], &["POST", CREATE], b"");
    let out = "undecided: allowed by CONTAINERS, unless the limits refuse its body; use --body FILE\n\
               terms in force:\n  BIND_FROM  /srv/ci\n";
    assert_eq!((ran.code, ran.out.as_str()), (3, out));
    let data = "policies:\n  ci: { ALLOW_CREATE: 1, DENY_ROOT: 1 }\n";
    let env = [("CONFIG_DATA", data)];
    let ran = bench.explain(&env, &["--policy", "ci", "POST", CREATE], b"");
    let told =
        "unless DENY_ROOT refuses its body (policies.ci in CONFIG_DATA:2); use --body FILE\n";
    assert!(ran.code == 3 && ran.out.contains(told), "{}", ran.out);
}

#[test]
fn the_engine_is_asked_what_a_verdict_depends_on() {
    let bench = Bench::new();
    let web = format!(
        "{}{ID}{}",
        r#"{"Id":""#, r#"","HostConfig":{},"Mounts":[]}"#
    );
    let full = format!("/containers/{ID}/json");
    let (web, full): (&str, &str) = (web.leak(), full.leak());
    bench.engine(
        [
            ("/containers/web/json", web),
            ("/containers/json?all=1", "[]"),
            (full, web),
            (
                "/containers/root/json",
                r#"{"Id":"0000000000000000000000000000000000000000000000000000000000000000","HostConfig":{"Privileged":true},"Mounts":[]}"#,
            ),
        ]
        .to_vec()
        .leak(),
    );
    let ran = bench.create(r#"{"HostConfig":{"VolumesFrom":["web:ro"]}}"#);
    let out = format!(
        "allowed by CONTAINERS; DENY_ROOT does not refuse it\nforwarded with these changes:\n\
         - HostConfig.VolumesFrom[0]: \"web:ro\"\n+ HostConfig.VolumesFrom[0]: \"{ID}:ro\"\n"
    );
    assert_eq!((ran.code, ran.out, ran.err.as_str()), (0, out, ""));
    let args = ["POST", "/containers/web/exec", "--body", "-"];
    let ran = bench.explain(DENY_ROOT, &args, br#"{"Cmd":["id"]}"#);
    let out = format!("\n- POST /containers/web/exec\n+ POST /containers/{ID}/exec\n");
    assert!(ran.code == 0 && ran.out.ends_with(&out), "{}", ran.out);
    let args = ["POST", "/containers/root/attach"];
    let ran = bench.explain(DENY_ROOT, &args, b"");
    let told = "denied: POST /containers/root/attach is not allowed: DENY_ROOT: container root: ";
    assert!(ran.code == 1 && ran.out.starts_with(told), "{}", ran.out);
    let ran = bench.explain(DENY_ROOT, &["POST", "/containers/none/attach"], b"");
    let out = "undecided: dockgate answers 404, as what it names does not exist: No such thing\n";
    assert_eq!((ran.code, ran.out.as_str()), (3, out));
}

#[test]
fn an_engine_that_cannot_be_reached_leaves_it_undecided() {
    let bench = Bench::new();
    let ran =
        bench.create(r#"{"HostConfig":{"VolumesFrom":["web"],"NetworkMode":"container:db"}}"#);
    let socket = bench.socket();
    let out = format!(
        "undecided: allowed by CONTAINERS, unless DENY_ROOT refuses what the engine answers: the engine's \
         socket {} does not exist: mount it into the container, or set SOCKET_PATH to its path\n\
         the engine would be asked for:\n  GET /containers/db/json\n  GET /containers/web/json\n",
        socket.display()
    );
    assert_eq!((ran.code, ran.out), (3, out));
    // What is refused whatever it says needs no answer.
    let ran = bench.create(r#"{"HostConfig":{"VolumesFrom":["web"],"Privileged":true}}"#);
    assert_eq!(ran.code, 1, "{}", ran.out);
}

#[test]
fn rules_judge_what_would_be_forwarded() {
    let bench = Bench::new();
    let rule = r#"has(body.Image) && client.address.startsWith("172.20.") : "only web""#;
    let env = [
        ("RULE_WEB", rule),
        ("RULE_WEB_ON", "POST /containers/create"),
    ];
    let args = ["POST", CREATE, "--client", "172.20.0.5", "--body", "-"];
    let ran = bench.explain(&env, &args, br#"{"Image":"a","HostConfig":{}}"#);
    let out = "allowed by CONTAINERS; RULE_WEB does not refuse it\nforwarded unchanged\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, out));
    let ran = bench.explain(&env, &args, b"{}");
    assert!(
        ran.code == 1 && ran.out.ends_with(": RULE_WEB: only web\n"),
        "{}",
        ran.out
    );
    // Who asks decides.
    let open = "undecided: allowed by CONTAINERS, unless RULE_WEB refuses its client; use --client \
                ADDRESS or --client unix:UID[:GID,...]\n";
    let args = ["POST", CREATE, "--body", "-"];
    for body in [r#"{"Image":"a"}"#, "{}"] {
        let ran = bench.explain(&env, &args, body.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (3, open));
    }
    for rule in ["has(client.address)", "!has(client.address)"] {
        let ran = bench.explain(&[("RULE_WEB", rule)], &args, b"{}");
        assert_eq!((ran.code, ran.out.as_str()), (3, open), "{rule}");
    }
    let two = [("RULE_WEB", "has(client.address)"), ("RULE_NO", "false")];
    let ran = bench.explain(&two, &args, b"{}");
    assert_eq!(ran.code, 1, "{}", ran.out);
    let ran = bench.explain(&env, &["POST", CREATE], b"");
    let out = format!(
        "undecided: allowed by CONTAINERS, unless RULE_WEB refuses its body; use --body FILE\n\
         terms in force:\n  RULE_WEB  {}\n",
        rule.replace(" : \"only web\"", " (only web)")
    );
    assert_eq!((ran.code, ran.out), (3, out));
}

/// The Dockerfile may stand behind more than is ever judged as a whole.
#[test]
fn a_long_archive_is_read_to_its_end() {
    let bench = Bench::new();
    bench.engine(&[]);
    let archive = [
        tar("data", &vec![b'x'; 5 << 20]),
        tar("Dockerfile", b"FROM quay.io/x:1\n"),
        vec![0; 1024],
    ]
    .concat();
    let file = bench.folder.path().join("context.tar");
    std::fs::write(&file, &archive).expect("a file");
    for (from, stdin) in [("-", &*archive), (file.to_str().expect("UTF-8"), b"")] {
        let args = ["POST", "/build", "--body", from];
        for (images, code, told) in [
            (
                "quay.io/*",
                0,
                "the limits do not refuse it\nforwarded unchanged\n",
            ),
            ("docker.io/*", 1, "quay.io/x:1"),
        ] {
            let env = [("BUILD", "1"), ("IMAGE_FROM", images)];
            let ran = bench.explain(&env, &args, stdin);
            let told = ran.out.contains(told);
            assert!(ran.code == code && told, "{from} {}{}", ran.out, ran.err);
        }
    }
}

/// A file in an archive.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut file = [&header[..], content].concat();
    file.resize(file.len().next_multiple_of(512), 0);
    file
}

#[test]
fn what_mutators_change_is_shown() {
    let bench = Bench::new();
    let env = [
        ("ADD_LABELS", "team=ci"),
        ("REMAP_IMAGE", "nginx=mirror.lan/nginx"),
    ];
    let args = ["POST", CREATE, "--body", "-"];
    let body = br#"{"Image":"nginx","Labels":{"a.b":"1"}}"#;
    let ran = bench.explain(&env, &args, body);
    let out = "allowed by CONTAINERS; a gate or mutator does not refuse it\nforwarded with these changes:\n";
    assert!(ran.code == 0 && ran.out.starts_with(out), "{}", ran.out);
    for line in [
        "- Image: \"nginx\"",
        "+ Image: \"mirror.lan/nginx:latest\"",
        "+ Labels.team: \"ci\"",
    ] {
        assert!(
            ran.out.lines().any(|own| own == line),
            "{line}: {}",
            ran.out
        );
    }
    assert!(!ran.out.contains("a.b"), "{}", ran.out);
    let ran = bench.explain(&env, &args, b"");
    let added = "changes:\n+ Labels: {\"team\":\"ci\"}\n";
    assert!(ran.code == 0 && ran.out.ends_with(added), "{}", ran.out);
    let ran = bench.explain(&env, &args[..2], b"");
    let told = "terms in force:\n  mutator  ";
    assert!(ran.code == 3 && ran.out.contains(told), "{}", ran.out);
}

#[test]
fn a_request_for_an_old_version_is_explained_as_it_is_forwarded() {
    let bench = Bench::new();
    let env = [("API_VERSION_MIN", "1.24")];
    let old = ["POST", "/v1.24/containers/create?platform=x"];
    let unknown = bench.explain(&env, &old, b"");
    assert_eq!(unknown.code, 3, "{}", unknown.out);
    let told = "undecided: API_VERSION_MIN is set, and the engine does not say which versions it accepts: ";
    assert!(unknown.out.starts_with(told), "{}", unknown.out);
    bench.engine(&[
        (
            "/version",
            r#"{"ApiVersion":"1.52","MinAPIVersion":"1.44"}"#,
        ),
        ("/info", r#"{"CgroupVersion":"2"}"#),
    ]);
    let with_body = [&old[..], &["--body", "-"]].concat();
    let raised = bench.explain(&env, &with_body, br#"{"Image":"busybox"}"#);
    assert_eq!(raised.code, 0, "{} {}", raised.out, raised.err);
    for part in [
        "- POST /v1.24/containers/create?platform=x\n",
        "+ POST /v1.44/containers/create\n",
        "shareable",
    ] {
        assert!(raised.out.contains(part), "{part}: {}", raised.out);
    }
    let same = bench.explain(&env, &["GET", "/v1.44/containers/json"], b"");
    assert_eq!((same.code, &*same.out), (0, "allowed by CONTAINERS\n"));
    let version = bench.explain(&env, &["GET", "/version"], b"");
    assert_eq!(
        (version.code, &*version.out),
        (0, "allowed by VERSION\nforwarded unchanged\n")
    );
}
