//! The docker CLI and OpenSSL over TLS, with certificates that `dockgate certs` has made.

use crate::dockgate::{Dockgate, free_address};
use crate::harness::{Engine, Shell};

/// A dockgate that speaks TLS and asks for certificates, and a shell in whose `$T` these are; `docker`
/// goes through it with `$HOST`.
struct Secure {
    dockgate: Dockgate,
    shell: Shell,
    host: String,
    /// The command that was printed for the client.
    printed: String,
}

impl Secure {
    fn start(more: &[(&str, &str)]) -> Secure {
        let (engine, address) = (Engine::shared(), free_address());
        let shell = engine.shell();
        let program = env!("CARGO_BIN_EXE_dockgate");
        let host = address.ip();
        let printed = shell.sh(&format!(
            "umask 077; {program} certs $T/made --host {host} --client ci && cp $T/made/clients/ci/* $T"
        ));
        let socket = engine.socket().display().to_string();
        let exported = |name: &str| {
            let lines = printed.lines().map(str::trim);
            let mut values = lines.filter_map(|line| {
                line.strip_prefix("export ")?
                    .strip_prefix(name)?
                    .strip_prefix('=')
            });
            values.next().expect(name).to_owned()
        };
        let [cert, key, ca] = ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"].map(exported);
        let listen = format!("tcp://{address}");
        let printed = printed
            .lines()
            .find(|line| line.starts_with("  docker "))
            .expect("a command")
            .replace(":2376", &format!(":{}", address.port()));
        let own = [
            ("LISTEN", listen.as_str()),
            ("SOCKET_PATH", &socket),
            ("TLS_CERT", &cert),
            ("TLS_KEY", &key),
            ("TLS_CLIENT_CA", &ca),
            ("CONTAINERS", "1"),
            ("EXEC", "1"),
            ("IMAGES", "1"),
            ("POST", "1"),
        ];
        let dockgate = Dockgate::start(&[&own, more].concat());
        dockgate.listens(&listen);
        Secure {
            dockgate,
            shell,
            host: address.to_string(),
            printed,
        }
    }

    /// A script whose docker commands use TLS.
    fn script(&self, script: &str) -> String {
        let host = &self.host;
        format!(
            "export DOCKER_HOST=tcp://{host} DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$T \
             ADDRESS={host}\n{script}"
        )
    }

    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.shell.sh(&self.script(script))
    }

    /// What a script that must fail says.
    #[track_caller]
    fn fails(&self, script: &str) -> String {
        let run = self.shell.run(&self.script(script));
        assert_ne!(run.code, 0, "{run:?}");
        run.stderr
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn the_docker_cli_works_with_tlsverify() {
    let gate = Secure::start(&[]);
    assert_eq!(gate.sh("docker run --rm --name $N busybox echo hi"), "hi");
    // Streams in both directions, and the end of stdin as a half-close.
    let sum = "docker run --rm -i busybox sha256sum | cut -c1-64";
    let whole = gate.sh(&format!("head -c 20000000 /dev/zero | {sum}"));
    assert_eq!(
        whole,
        gate.sh("head -c 20000000 /dev/zero | sha256sum | cut -c1-64")
    );
    let saved = gate.sh("docker save busybox | tar t | grep -c .");
    assert!(saved.parse::<u32>().is_ok_and(|files| files > 1), "{saved}");
    let printed = &gate.printed;
    gate.sh(&format!(
        "unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_HOST\n{printed}"
    ));
    gate.dockgate
        .line(|line| line.contains(" cert=ci allowed by "));
    // Without a certificate, and without TLS.
    let none = "unset DOCKER_CERT_PATH; docker --tlsverify --tlscacert $T/ca.pem";
    let said = gate.fails(&format!("{none} --tlscert '' --tlskey '' version"));
    assert!(
        said.contains("certificate required") || said.contains("bad certificate"),
        "{said}"
    );
    gate.dockgate
        .line(|line| line.contains("denied: the client has shown no certificate"));
    let said = gate.fails("unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH; docker version");
    assert!(
        said.contains("this endpoint uses TLS: use https://"),
        "{said}"
    );
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn openssl_agrees_with_what_is_offered() {
    let gate = Secure::start(&[]);
    let client = "openssl s_client -connect $ADDRESS -CAfile $T/ca.pem -verify_return_error \
                  -cert $T/cert.pem -key $T/key.pem";
    let ping = "printf 'GET /_ping HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n'";
    for version in ["-tls1_2", "-tls1_3"] {
        let said = gate.sh(&format!(
            "{ping} | {client} {version} -alpn h2,http/1.1 -ign_eof 2>&1"
        ));
        for wanted in [
            "Verify return code: 0 (ok)",
            "ALPN protocol: http/1.1",
            "HTTP/1.1 200 OK",
        ] {
            assert!(said.contains(wanted), "{version}: {wanted}\n{said}");
        }
        assert!(
            said.contains("CN") && said.contains("dockgate CA"),
            "{said}"
        );
        assert!(!said.contains("Early data was accepted"), "{said}");
    }
    for version in ["-tls1", "-tls1_1"] {
        gate.fails(&format!("{client} {version} </dev/null"));
    }
    // Nothing of the old connection goes on in a new one.
    let said = gate.sh(&format!(
        "{ping} | {client} -tls1_2 -sess_out $T/session -ign_eof >/dev/null 2>&1 || true\n\
         [ ! -s $T/session ] || {{ {ping} | {client} -tls1_2 -sess_in $T/session -ign_eof 2>&1; }}"
    ));
    assert!(!said.contains("Reused, "), "{said}");
}
