//! Folders and files that another user could change, or that lead elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use rustix::process::geteuid;

use crate::harness::Certs;

#[test]
fn a_folder_that_others_write_to_is_refused() {
    let certs = Certs::new();
    fs::create_dir(&certs.dir).expect("a folder");
    let mode = |mode| fs::set_permissions(&certs.dir, Permissions::from_mode(mode));
    for open in [0o777, 0o1777, 0o770, 0o702] {
        mode(open).expect("a mode");
        certs.refuses(&[], &["other users can write to DIR; run chmod go-w"]);
    }
    mode(0o755).expect("a mode");
    if geteuid().is_root() {
        chown(&certs.dir, Some(65534), None).expect("another owner");
        certs.refuses(&[], &["DIR belongs to user 65534, and this runs as user 0"]);
        chown(&certs.dir, Some(0), None).expect("its owner");
    }
    certs.run(&[]).expect("certificates");
}

/// Another user could have put them there, or could change what is in them.
#[test]
fn what_is_below_the_folder_is_as_closed() {
    let certs = Certs::made(&["--client", "ci"]);
    let mode = |path: &str, mode| {
        let path = certs.dir.join(path);
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    };
    for folder in ["ca", "clients", "clients/ci", "server"] {
        let told = format!("other users can write to DIR/{folder}; run chmod go-w on it");
        for open in [0o777, 0o1777, 0o720, 0o702] {
            mode(folder, open);
            certs.refuses(&["--renew"], &[&told]);
            if !["clients/ci", "server"].contains(&folder) {
                certs.refuses(&["--client", "new"], &[&told]);
            }
        }
        mode(folder, 0o755);
    }
    for file in ["ca/ca.pem", "clients/ci/cert.pem", "server/cert.pem"] {
        mode(file, 0o664);
        let told = format!("other users can write to DIR/{file}; run chmod go-w on it");
        certs.refuses(&["--renew"], &[&told]);
        mode(file, 0o644);
    }
    for key in ["ca/ca-key.pem", "clients/ci/key.pem", "server/key.pem"] {
        let told = format!("other users have access to DIR/{key}; run chmod go= on it");
        for open in [0o666, 0o640, 0o604, 0o601] {
            mode(key, open);
            certs.refuses(&["--renew"], &[&told]);
        }
        mode(key, 0o400);
    }
    certs.run(&["--renew"]).expect("renewed");

    // All at once, together with names that are wrong.
    mode("", 0o777);
    mode("clients", 0o777);
    mode("ca/ca-key.pem", 0o666);
    certs.refuses(
        &["--client", "ci"],
        &[
            "other users can write to DIR; run chmod go-w on it",
            "other users can write to DIR/clients; run chmod go-w on it",
            "other users have access to DIR/ca/ca-key.pem; run chmod go= on it, and make another",
            "DIR/clients/ci already exists",
        ],
    );
}

/// A link leads to where a certificate would be replaced that is not of this folder.
#[test]
fn links_are_not_followed() {
    let certs = Certs::made(&["--client", "ci"]);
    let other = Certs::made(&["--client", "zed"]);
    // Even one of the same CA.
    let out = other.client("zed");
    for file in ["cert.pem", "key.pem"] {
        fs::copy(certs.client("ci").join(file), out.join(file)).expect("a copy");
    }
    let before = other.files();
    symlink(&out, certs.client("zed")).expect("a link");
    let told = "DIR/clients/zed is a link; replace it with a folder of its own";
    certs.refuses(&["--renew", "--client", "zed"], &[told]);
    certs.refuses(&["--renew"], &[told]);
    fs::remove_file(certs.client("zed")).expect("removed");

    for (path, expected) in [
        ("ca", "folder"),
        ("server", "folder"),
        ("clients", "folder"),
        ("clients/ci", "folder"),
        ("ca/ca.pem", "file"),
        ("ca/ca-key.pem", "file"),
        ("server/cert.pem", "file"),
        ("server/key.pem", "file"),
    ] {
        let (link, moved) = (certs.dir.join(path), certs.dir.join("moved"));
        fs::rename(&link, &moved).expect("moved");
        let told = format!("DIR/{path} is a link; replace it with a {expected} of its own");
        for target in [&*moved, Path::new("/nowhere")] {
            symlink(target, &link).expect("a link");
            certs.refuses(&["--renew"], &[&told]);
            fs::remove_file(&link).expect("removed");
        }
        // A file in the place of a folder, or the other way round.
        match expected {
            "file" => fs::create_dir(&link).expect("a folder"),
            _ => fs::write(&link, "").expect("a file"),
        }
        let told = format!("DIR/{path} is not a {expected}; move it away");
        certs.refuses(&["--renew"], &[&told]);
        let removed = fs::remove_dir(&link).or_else(|_| fs::remove_file(&link));
        removed.expect("removed");
        fs::rename(&moved, &link).expect("moved back");
    }
    certs.run(&["--renew"]).expect("renewed");
    assert!(before == other.files(), "changed by a link");
}

/// The user would get a certificate that it can't read, and could have put there anything.
#[test]
fn what_belongs_to_another_user_is_refused() {
    if !geteuid().is_root() {
        return;
    }
    let certs = Certs::made(&["--host", "nas.lan", "--client", "ci"]);
    let give = |path: &str, user| {
        chown(certs.dir.join(path), Some(user), None).expect("another owner");
    };
    let told = |path: &str| {
        format!(
            "DIR/{path} belongs to user 65534, and the folder for all certificates to user 0; run \
             chown -R 0 on it, and give it back afterwards if that user needs it"
        )
    };
    for path in [
        "ca",
        "ca/ca-key.pem",
        "ca/ca.pem",
        "clients",
        "clients/ci",
        "clients/ci/cert.pem",
        "clients/ci/key.pem",
        "server",
        "server/key.pem",
    ] {
        give(path, 65534);
        certs.refuses(&["--renew"], &[&told(path)]);
        give(path, 0);
    }
    for path in [
        "server",
        "clients/ci",
        "clients/ci/cert.pem",
        "clients/ci/key.pem",
    ] {
        give(path, 65534);
    }
    // Once for all that is in a folder.
    certs.refuses(&["--renew"], &[&told("server"), &told("clients/ci")]);

    // A client can be added nevertheless. What is in the folder of another user is not read.
    fs::remove_file(certs.dir.join("server/cert.pem")).expect("removed");
    symlink("/dev/zero", certs.dir.join("server/cert.pem")).expect("a link");
    let text = certs.run(&["--client", "new"]).expect("a client");
    assert!(text.contains("-H tcp://localhost:2376 version"), "{text}");

    // The folder's owner is the one that matters.
    give("", 65534);
    certs.refuses(
        &["--client", "bot"],
        &[
            "DIR belongs to user 65534, and this runs as user 0; run it as its owner",
            "DIR/clients belongs to user 0, and the folder for all certificates to user 65534",
            "DIR/ca belongs to user 0, and the folder for all certificates to user 65534",
        ],
    );
}
