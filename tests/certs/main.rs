//! `dockgate certs`: what it writes, what it never touches, and whether both sides of TLS accept it.

mod access;
mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode, EncodePem, pem::LineEnding};
use x509_cert::ext::pkix::{BasicConstraints as Constraints, ExtendedKeyUsage, KeyUsage};

use harness::{Certs, greet};

const DAY: u64 = 24 * 60 * 60;

#[test]
fn the_first_run_makes_all_that_tls_needs() {
    let certs = Certs::made(&["--host", "nas.lan", "FD00::5", "--client", "ci", "bot"]);
    let expected = [
        ("ca", &["ca-key.pem", "ca.pem"][..]),
        ("clients", &[]),
        ("clients/bot", &["ca.pem", "cert.pem", "key.pem"]),
        ("clients/ci", &["ca.pem", "cert.pem", "key.pem"]),
        ("server", &["ca.pem", "cert.pem", "key.pem"]),
    ];
    let expected = expected.into_iter().flat_map(|(folder, files)| {
        let files = files
            .iter()
            .map(move |file| (format!("{folder}/{file}"), 0o600));
        [(folder.to_owned(), 0o700)].into_iter().chain(files)
    });
    let files = certs.files().into_iter();
    let modes: BTreeMap<String, u32> = files.map(|(path, (mode, _))| (path, mode)).collect();
    assert_eq!(modes, expected.collect());
    let dir = certs.dir.metadata().expect("a folder");
    assert_eq!(dir.permissions().mode() & 0o7777, 0o700);

    for host in ["nas.lan", "fd00::5", "localhost", "127.0.0.1", "::1"] {
        for client in ["ci", "bot"] {
            assert_eq!(certs.greets(host, &certs.client(client)), Ok(()), "{host}");
        }
    }
    let (server, ci) = (certs.dir.join("server"), certs.client("ci"));
    let other = Certs::made(&[]);
    assert!(certs.greets("other.lan", &ci).is_err());
    assert!(certs.greets("localhost", &server).is_err(), "not a client");
    assert!(greet(&ci, "ci", &ci).is_err(), "not a server");
    let (ours, theirs) = (certs.dir.clone(), other.client("client"));
    assert!(certs.greets("localhost", &theirs).is_err(), "another CA");
    fs::copy(ours.join("ca/ca.pem"), theirs.join("ca.pem")).expect("a copy");
    assert!(certs.greets("localhost", &theirs).is_err(), "another CA");
}

#[test]
fn certificates_say_what_they_are_for_and_until_when() {
    let certs = Certs::made(&["--host", "nas.lan", "--client", "ci.example"]);
    for (path, common, days, usage, is_ca) in [
        ("ca/ca.pem", "dockgate CA ", 3650, None, true),
        ("server/cert.pem", "nas.lan", 730, Some(1), false),
        (
            "clients/ci.example/cert.pem",
            "ci.example",
            730,
            Some(2),
            false,
        ),
    ] {
        let certificate = certs.certificate(path);
        let certificate = certificate.tbs_certificate();
        let subject = certificate.subject().to_string();
        assert!(subject.starts_with(&format!("CN={common}")), "{subject}");
        let validity = certificate.validity();
        let left = validity.not_after.to_system_time();
        let left = left.duration_since(SystemTime::now()).expect("a future");
        assert!(left <= Duration::from_secs(days * DAY), "{left:?}");
        assert!(left > Duration::from_secs(days * DAY - 600), "{left:?}");
        let begun = validity.not_before.to_system_time();
        assert!(begun < SystemTime::now() - Duration::from_secs(3000));

        let (_, constraints) = certificate
            .get_extension::<Constraints>()
            .expect("DER")
            .expect("constraints");
        let expected = Constraints {
            ca: is_ca,
            path_len_constraint: is_ca.then_some(0),
        };
        assert_eq!(constraints, expected, "{path}");
        let extended = certificate
            .get_extension::<ExtendedKeyUsage>()
            .expect("DER");
        let extended = extended.map(|(_, usage)| usage.0.iter().map(ToString::to_string).collect());
        let expected = usage.map(|last| vec![format!("1.3.6.1.5.5.7.3.{last}")]);
        assert_eq!(extended, expected, "{path}");
        let (is_critical, usage) = certificate
            .get_extension::<KeyUsage>()
            .expect("DER")
            .expect("usages");
        assert!(is_critical && usage.key_cert_sign() == is_ca, "{path}");
        assert!(usage.digital_signature() != is_ca, "{path}");
    }
}

/// Where there is an OpenSSL, it agrees: it is strict about extensions that rustls doesn't look at.
#[test]
fn openssl_verifies_the_chain() {
    let certs = Certs::made(&["--host", "nas.lan", "--client", "ci"]);
    certs.run(&["--renew"]).expect("renewed");
    for (purpose, path, named) in [
        (
            "sslserver",
            "server/cert.pem",
            ["-verify_hostname", "nas.lan"],
        ),
        ("sslserver", "server/cert.pem", ["-verify_ip", "::1"]),
        (
            "sslclient",
            "clients/ci/cert.pem",
            ["-verify_hostname", "ci"],
        ),
    ] {
        let verified = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"])
            .arg(certs.dir.join("ca/ca.pem"))
            .args(named)
            .arg(certs.dir.join(path))
            .output();
        // It may be missing.
        if let Ok(verified) = verified {
            assert!(verified.status.success(), "{verified:?}");
        }
    }
}

#[test]
fn nothing_that_exists_is_replaced() {
    let certs = Certs::made(&["--client", "ci"]);
    let ci = "DIR/clients/ci already exists; use --renew";
    certs.refuses(
        &[],
        &["DIR already has a CA; name what to add with --client, or use --renew"],
    );
    certs.refuses(&["--client", "ci"], &[ci]);
    certs.refuses(
        &["--host", "nas", "--client", "new", "ci"],
        &["DIR/server already exists; use --renew", ci],
    );
    // A name that leads elsewhere is in use as well.
    symlink("/nowhere", certs.client("link")).expect("a link");
    certs.refuses(
        &["--client", "new", "link"],
        &["DIR/clients/link already exists; use --renew"],
    );
    certs.refuses(
        &["--renew", "--client", "ci", "new"],
        &["DIR/clients/new is missing; omit --renew to make it"],
    );
    fs::remove_dir_all(certs.dir.join("ca")).expect("removed");
    certs.refuses(
        &["--client", "new"],
        &[
            "DIR/server exists without ca; put that CA back",
            "DIR/clients exists without ca; put that CA back",
        ],
    );
    certs.refuses(&["--renew"], &["DIR has no CA to renew with"]);
}

#[test]
fn renewing_what_is_not_there_makes_no_folder() {
    let certs = Certs::new();
    let (code, error) = certs.run(&["--renew"]).expect_err("nothing to renew");
    assert_eq!(code, 1, "{error}");
    assert!(!certs.dir.exists());
}

#[test]
fn a_client_is_added_with_the_same_ca() {
    let certs = Certs::made(&["--host", "nas.lan"]);
    let before = certs.files();
    // Named twice, it is made once.
    let text = certs.run(&["--client", "laptop", "--client", "laptop"]);
    assert!(
        text.expect("a client")
            .contains("-H tcp://nas.lan:2376 version")
    );
    assert_eq!(certs.greets("nas.lan", &certs.client("laptop")), Ok(()));
    assert_eq!(certs.greets("nas.lan", &certs.client("client")), Ok(()));
    let mut after = certs.files();
    after.retain(|path, _| !path.starts_with("clients/laptop"));
    assert_eq!(before, after);
}

#[test]
fn renewing_keeps_the_ca_the_keys_and_the_names() {
    let certs = Certs::made(&["--host", "nas.lan", "fd00::5", "--client", "ci", "bot"]);
    let changed = |args: &[&str]| {
        let before = certs.files();
        certs.run(args).expect("renewed");
        let after = certs.files().into_iter();
        let changed = after.filter(|(path, file)| before.get(path) != Some(file));
        changed
            .map(|(path, (mode, _))| (path, mode))
            .collect::<Vec<_>>()
    };
    let cert = |folder: &str| (format!("{folder}/cert.pem"), 0o600);
    let old = Certs::new();
    fs::create_dir(&old.dir).expect("a folder");
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        fs::copy(certs.client("ci").join(file), old.dir.join(file)).expect("a copy");
    }
    let serial = |path| {
        certs
            .certificate(path)
            .tbs_certificate()
            .serial_number()
            .clone()
    };
    let first = serial("server/cert.pem");

    let all = [cert("clients/bot"), cert("clients/ci"), cert("server")];
    assert_eq!(changed(&["--renew"]), all);
    assert_ne!(serial("server/cert.pem"), first);
    assert_eq!(certs.greets("fd00::5", &old.dir), Ok(()), "an old client");
    assert_eq!(certs.greets("nas.lan", &certs.client("bot")), Ok(()));

    assert_eq!(
        changed(&["--renew", "--client", "bot"]),
        [cert("clients/bot")]
    );
    assert_eq!(changed(&["--renew", "--host", "new.lan"]), [cert("server")]);
    assert_eq!(certs.greets("new.lan", &certs.client("ci")), Ok(()));
    assert!(certs.greets("nas.lan", &certs.client("ci")).is_err());

    // For a new key, its folder is removed.
    let key = certs.read("clients/ci/key.pem");
    fs::remove_dir_all(certs.client("ci")).expect("removed");
    certs.run(&["--client", "ci"]).expect("made anew");
    assert_ne!(certs.read("clients/ci/key.pem"), key);
}

/// It could be a certificate that someone put there on purpose, from a public CA for example.
#[test]
fn what_others_made_is_not_renewed() {
    let (certs, other) = (Certs::made(&[]), Certs::made(&[]));
    for file in ["cert.pem", "key.pem"] {
        let path = |certs: &Certs| certs.dir.join("server").join(file);
        fs::copy(path(&other), path(&certs)).expect("a copy");
    }
    certs.refuses(
        &["--renew"],
        &["DIR/server was not made by dockgate certs with this CA"],
    );
    // The CA's certificate and key are of two CAs.
    let key = |certs: &Certs| certs.dir.join("ca/ca-key.pem");
    fs::copy(key(&other), key(&certs)).expect("a copy");
    certs.refuses(
        &["--client", "ci"],
        &["DIR/ca is not a CA of dockgate certs"],
    );
}

/// The name of the CA is public, so anyone can write it into a certificate. What it says must not
/// become something that the CA says.
#[test]
fn names_that_the_ca_did_not_sign_are_neither_renewed_nor_shown() {
    let certs = Certs::made(&["--host", "nas.lan"]);
    let mut issuer = CertificateParams::default();
    let ca = certs.certificate("ca/ca.pem");
    let name = ca.tbs_certificate().subject().common_name();
    let name = name.expect("a name").expect("one name");
    issuer.distinguished_name = DistinguishedName::new();
    issuer
        .distinguished_name
        .push(DnType::CommonName, &*name.value());
    let issuer = Issuer::new(issuer, KeyPair::generate().expect("a key"));
    let forged = CertificateParams::new(["bank.example".to_owned()]).expect("a name");
    let key = KeyPair::from_pem(&certs.read("server/key.pem")).expect("a key");
    let forged = forged.signed_by(&key, &issuer).expect("a certificate");
    fs::write(certs.dir.join("server/cert.pem"), forged.pem()).expect("written");
    let certificate = certs.certificate("server/cert.pem");
    let issuer = certificate.tbs_certificate().issuer();
    assert_eq!(issuer, ca.tbs_certificate().subject());

    let told = "DIR/server was not made by dockgate certs with this CA";
    certs.refuses(&["--renew"], &[told]);
    certs.refuses(&["--renew", "--host", "nas.lan"], &[told]);
    let text = certs.run(&["--client", "ci"]).expect("a client");
    assert!(text.contains("-H tcp://localhost:2376 version"), "{text}");

    // What it did sign says something else now.
    certs.run(&["--renew", "--client", "ci"]).expect("renewed");
    let path = certs.client("ci").join("cert.pem");
    let mut der = certs.certificate("clients/ci/cert.pem").to_der();
    let der = der.as_mut().expect("DER");
    let at = der.windows(2).position(|bytes| bytes == b"ci");
    der[at.expect("its name")..][..2].copy_from_slice(b"it");
    let changed = Certificate::from_der(der).expect("a certificate");
    fs::write(&path, changed.to_pem(LineEnding::LF).expect("PEM")).expect("written");
    let told = "DIR/clients/ci was not made by dockgate certs with this CA";
    certs.refuses(&["--renew", "--client", "ci"], &[told]);
}

/// All of these are signed by the CA, but not for what they would be renewed as.
#[test]
fn a_certificate_is_renewed_only_as_what_it_is() {
    let certs = Certs::made(&["--client", "ci", "admin"]);
    for (from, to, files) in [
        ("clients/ci", "clients/admin", &["cert.pem", "key.pem"][..]),
        ("clients/ci", "server", &["cert.pem", "key.pem"]),
        ("server", "clients/admin", &["cert.pem", "key.pem"]),
        ("clients/ci", "clients/admin", &["key.pem"]),
        ("clients/ci", "server", &["key.pem"]),
    ] {
        let before = files.iter().map(|file| {
            let path = certs.dir.join(to).join(file);
            let before = fs::read(&path).expect("a file");
            fs::copy(certs.dir.join(from).join(file), &path).expect("a copy");
            (path, before)
        });
        let before: Vec<_> = before.collect();
        let told = format!("DIR/{to} was not made by dockgate certs with this CA");
        certs.refuses(&["--renew"], &[&told]);
        for (path, text) in before {
            fs::write(path, text).expect("put back");
        }
    }
    certs.run(&["--renew"]).expect("renewed");
}

#[test]
fn an_expired_ca_signs_nothing_and_one_that_ends_soon_nothing_longer() {
    let certs = Certs::made(&[]);
    let replace = |until| {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "dockgate CA 1");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.not_after = until;
        let ca = params.self_signed(&key).expect("a CA").pem();
        fs::write(certs.dir.join("ca/ca.pem"), ca).expect("written");
        fs::write(certs.dir.join("ca/ca-key.pem"), key.serialize_pem()).expect("written");
    };
    replace(date_time_ymd(2020, 1, 1));
    certs.refuses(&["--client", "ci"], &["the CA in DIR/ca has expired"]);

    let soon = SystemTime::now() + Duration::from_secs(DAY);
    let since = soon.duration_since(SystemTime::UNIX_EPOCH).expect("a time");
    let since = Duration::from_secs(since.as_secs());
    replace(date_time_ymd(1970, 1, 1) + since);
    certs.run(&["--client", "ci"]).expect("a client");
    let certificate = certs.certificate("clients/ci/cert.pem");
    let until = certificate.tbs_certificate().validity().not_after;
    assert_eq!(until.to_unix_duration(), since);
}

#[test]
fn a_file_is_not_taken_for_a_folder() {
    let certs = Certs::new();
    fs::write(&certs.dir, "").expect("a file");
    certs.refuses(&[], &["DIR: File exists (os error 17); use another folder"]);
    certs.refuses(&["--renew"], &["DIR has no CA to renew with"]);
    assert_eq!(fs::read(&certs.dir).expect("a file"), b"");
    let certs = Certs::made(&[]);
    fs::remove_dir_all(certs.dir.join("clients")).expect("removed");
    fs::write(certs.dir.join("clients"), "").expect("a file");
    certs.refuses(&["--client", "ci"], &["DIR/clients is not a folder"]);
}

#[test]
fn of_several_at_once_one_makes_everything() {
    let certs = Certs::new();
    let started = (0..4).map(|_| {
        let mut command = certs.command(&[]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program runs")
    });
    let started: Vec<_> = started.collect();
    let ended = started
        .into_iter()
        .map(|mut one| one.wait().expect("its end"));
    assert_eq!(ended.filter(ExitStatus::success).count(), 1);
    assert_eq!(certs.greets("localhost", &certs.client("client")), Ok(()));
    assert_eq!(certs.files().len(), 12, "{:?}", certs.files().keys());
}

/// The shell gets each path as one word, whatever is in it.
#[test]
fn the_output_works_as_printed() {
    let certs = Certs::named("it's $HOME; a \"b\"\\");
    let text = certs
        .run(&["--host", "*.lan", "fd00::5"])
        .expect("certificates");
    let lines = text.lines().filter(|line| line.starts_with("  "));
    let lines: Vec<&str> = lines.collect();
    let script = format!(
        "docker() {{ printf '%s\\n' \"$@\"; }}\n{}\n\
         printf '%s\\n' \"$LISTEN\" \"$TLS_CERT\" \"$TLS_KEY\" \"$TLS_CLIENT_CA\"",
        lines.join("\n")
    );
    let ran = Command::new("sh").args(["-euc", &script]).output();
    let words = String::from_utf8(ran.expect("a shell").stdout).expect("UTF-8");
    let expected = "\
        --tlsverify\n--tlscacert\nDIR/clients/client/ca.pem\n--tlscert\nDIR/clients/client/cert.pem\n\
        --tlskey\nDIR/clients/client/key.pem\n-H\ntcp://[fd00::5]:2376\nversion\n\
        tcp://[::]:2376\nDIR/server/cert.pem\nDIR/server/key.pem\nDIR/server/ca.pem\n";
    let dir = certs.dir.to_str().expect("UTF-8");
    assert_eq!(words, expected.replace("DIR", dir));

    // On one line, or not at all.
    let certs = Certs::named("two\nlines");
    let (_, error) = certs.run(&[]).expect_err("not printable");
    assert!(error.contains("two\\nlines\" is not UTF-8, or has control characters"));
}

#[test]
fn wrong_names_are_wrong_usage() {
    let certs = Certs::new();
    for args in [
        ["--client", "../ci"],
        ["--client", "Ci"],
        ["--host", "nas:2376"],
        ["--host", "0.0.0.0"],
    ] {
        assert_eq!(certs.run(&args).expect_err("wrong usage").0, 2);
    }
    assert!(!certs.dir.exists());
}
