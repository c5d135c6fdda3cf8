//! Two real engines behind one dockgate: the shared one at its socket, and one on a host of its own,
//! by TLS with certificates on both sides.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::authority::Authority;
use crate::dockgate::{Dockgate, free_address};
use crate::harness::{Engine, Shell};
use crate::wire::Wire;

/// Where the remote engine is, and dockgate from there. No other test uses that network.
const REMOTE: &str = "10.214.77.2";
const HERE: &str = "10.214.77.1";
const LINK: &str = "dgt77";

const FILE: &str = "
engines:
  nas:
    address: \"tcp://{remote}:2376\"
    ca: \"{folder}/ca.pem\"
    cert: \"{folder}/dockgate.pem\"
    key: \"{folder}/dockgate-key.pem\"
policies:
  local: { PING: 1, CONTAINERS: 1, IMAGES: 1, POST: 1 }
  remote:
    ENGINE: nas
    PING: 1
    CONTAINERS: 1
    EXEC: 1
    IMAGES: 1
    POST: 1
  limited:
    ENGINE: nas
    PING: 1
    ALLOW_LIST: 1
    ALLOW_INSPECT: 1
    ALLOW_LOGS: 1
    ALLOW_CREATE: 1
    ALLOW_START: 1
    ALLOW_EXEC: 1
    DENY_ROOT: 1
    SCOPE: 'label:team=ci'
endpoints:
  - { listen: \"tcp://{local_at}\", policy: local }
  - { listen: \"tcp://{remote_at}\", policy: remote }
  - { listen: \"tcp://{limited_at}\", policy: limited }
";

/// An engine on a host of its own.
struct Remote(Engine);

impl Remote {
    fn start(&self) {
        let Remote(engine) = self;
        let file = |name: &str| format!("{}/{name}", engine.directory().to_str().expect("plain"));
        engine.start_with(&[
            "--host",
            "tcp://0.0.0.0:2376",
            "--tlsverify",
            &format!("--tlscacert={}", file("ca.pem")),
            &format!("--tlscert={}", file("engine.pem")),
            &format!("--tlskey={}", file("engine-key.pem")),
        ]);
        let process = engine.process();
        run(&format!(
            "ip link del {LINK} 2>/dev/null || true
             ip link add {LINK} type veth peer name eth77 netns {process}
             ip addr add {HERE}/30 dev {LINK}; ip link set {LINK} up
             nsenter -t {process} -n ip addr add {REMOTE}/30 dev eth77
             nsenter -t {process} -n ip link set eth77 up"
        ));
    }
}

#[track_caller]
fn run(script: &str) {
    let status = Command::new("bash").args(["-euc", script]).status();
    assert!(status.expect("bash runs").success(), "{script}");
}

/// Certificates in a folder, for the remote engine and for dockgate.
fn certificates(folder: &Path) {
    let authority = Authority::new();
    authority.write(folder, "ca");
    authority.signs(REMOTE, None).write(folder, "engine");
    authority.signs("dockgate", None).write(folder, "dockgate");
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn two_engines_one_of_them_by_tls_go_and_come_apart() {
    let local = Engine::shared();
    let remote = Remote(Engine::absent());
    let folder = remote.0.directory();
    certificates(folder);
    remote.start();
    let [local_at, remote_at, limited_at] = [(); 3].map(|()| free_address());
    let file = [
        ("{remote}", REMOTE.to_owned()),
        ("{folder}", folder.to_str().expect("plain").to_owned()),
        ("{local_at}", local_at.to_string()),
        ("{remote_at}", remote_at.to_string()),
        ("{limited_at}", limited_at.to_string()),
    ];
    let file = file.iter().fold(FILE.to_owned(), |text, (place, value)| {
        text.replace(place, value)
    });
    let path = folder.join("dockgate.yml");
    fs::write(&path, file).expect("written");
    let socket = local.socket();
    let environment = [
        ("CONFIG_FILE", path.to_str().expect("plain")),
        ("SOCKET_PATH", socket.to_str().expect("plain")),
    ];
    let dockgate = Dockgate::start(&environment);
    for address in [local_at, remote_at, limited_at] {
        dockgate.listens(&format!("tcp://{address}"));
    }
    let shell = |address, engine: &Engine| Shell::new(format!("tcp://{address}"), &engine.socket());
    let (here, there) = (shell(local_at, &local), shell(remote_at, &remote.0));

    // Each command goes to its engine, and streams and tunnels pass by TLS.
    there.sh("docker run -d --name far --label team=ci busybox sleep 1000");
    there.sh("docker run -d --name private busybox sleep 1000");
    assert_eq!(
        there.sh("docker ps --format '{{.Names}}' | sort"),
        "far\nprivate"
    );
    assert!(!here.sh("docker ps --format '{{.Names}}'").contains("far"));
    assert_eq!(
        there.sh("echo hello | docker exec -i far sh -c 'cat; echo end'"),
        "hello\nend"
    );
    let sum = "head -c 20000000 /dev/zero | tee >(md5sum >$T/sent) | docker exec -i far md5sum >$T/got; \
               cmp $T/sent $T/got";
    there.sh(sum);
    assert_eq!(there.sh("docker save busybox | docker load | wc -l"), "1");

    // A scope and DENY_ROOT go by what that engine says.
    let limited = shell(limited_at, &remote.0);
    assert_eq!(limited.sh("docker ps --format '{{.Names}}'"), "far");
    assert_eq!(limited.run("docker inspect private").code, 1);
    assert_eq!(limited.sh("docker exec far echo in"), "in");
    let denied = limited.run("docker create --privileged busybox");
    assert!(denied.stderr.contains("DENY_ROOT"), "{denied:?}");
    let strong = "docker run -d -v /:/host --label team=ci --name strong busybox sleep 1000";
    there.sh(strong);
    let denied = limited.run("docker exec strong true");
    assert!(denied.stderr.contains("DENY_ROOT"), "{denied:?}");

    // It goes: its clients are told which one, and the others do not notice.
    let mut kept_here = Wire::tcp(local_at);
    let mut kept_there = Wire::tcp(remote_at);
    let ask = |client: &mut Wire| {
        client.patience(Duration::from_secs(30));
        client.send("GET /containers/json HTTP/1.1\r\nHost: docker\r\n\r\n");
        client.response()
    };
    assert_eq!(ask(&mut kept_here).status(), 200);
    assert_eq!(ask(&mut kept_there).status(), 200);
    let mut stream =
        here.stream("docker run --rm --name $N busybox sh -c 'while sleep 0.2; do echo on; done'");
    assert_eq!(stream.line(), "on");
    assert!(healthcheck(&environment).0);
    remote.0.stop();
    let lost = ask(&mut kept_there);
    let which = format!("the engine nas at tcp://{REMOTE}:2376");
    assert!([503, 504].contains(&lost.status()), "{}", lost.text());
    assert!(lost.text().contains(&which), "{}", lost.text());
    let (is_healthy, told) = healthcheck(&environment);
    assert!(!is_healthy && told.contains(&which), "{told}");
    assert_eq!(ask(&mut kept_here).status(), 200);
    stream.until("on");

    // It comes back, with the same dockgate.
    remote.start();
    there.sh("docker start far");
    let names = |text: String| text.contains("/far");
    assert!(names(ask(&mut kept_there).text()));
    assert!(!names(ask(&mut kept_here).text()));
    assert_eq!(limited.sh("docker exec far echo again"), "again");
    assert!(healthcheck(&environment).0);
    stream.until("on");
    here.sh("docker rm -f $N");
    let log = dockgate.log();
    assert!(log.contains(&which), "{log}");
}

/// What the health check says, with the variables that the server has.
fn healthcheck(environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Dockgate::command(environment);
    let ran = command
        .arg("healthcheck")
        .output()
        .expect("the binary starts");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    (ran.status.success(), told)
}
