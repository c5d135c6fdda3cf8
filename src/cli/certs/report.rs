//! The output of `dockgate certs`: what was made, and how to use it.

use std::path::Path;
use std::time::SystemTime;

use super::authority::{Authority, Read, Role};
use super::names::Name;
use super::{AUTHORITY, CA, CA_KEY, CERT, KEY, SERVER, Wanted, access, files, parts};
use crate::cli::output::line;
use crate::config::shown_path;

/// A certificate, when it expires, and its names.
pub(super) fn row(one: &Wanted, pem: &str) -> [String; 3] {
    let path = one.folder.join(CERT);
    let until = Read::new(pem).map(|read| date(read.until()));
    let until = format!("until {}", until.unwrap_or_default());
    [shown_path(&path).into_owned(), until, listed(&one.names)]
}

/// What to do with the key of a new CA.
pub(super) fn of_authority(dir: &Path) -> String {
    let key = dir.join(AUTHORITY).join(CA_KEY);
    format!(
        "\nKeep {} secret: it signs certificates of any name.\n\
         Neither dockgate nor clients need it.\n",
        shown_path(&key)
    )
}

fn listed(names: &[Name]) -> String {
    names
        .iter()
        .map(Name::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn date(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// What to set in dockgate, and how to run docker, with what was made.
pub(super) fn usage(dir: &Path, wanted: &[Wanted], authority: &Authority) -> String {
    let mut text = String::new();
    let server = dir.join(SERVER);
    if wanted.iter().any(|one| one.role == Role::Server) {
        text.push_str("\ndockgate, for clients with a certificate of this CA:\n");
        for (variable, value) in [
            ("LISTEN", "tcp://[::]:2376".into()),
            ("TLS_CERT", server.join(CERT)),
            ("TLS_KEY", server.join(KEY)),
            ("TLS_CLIENT_CA", server.join(CA)),
        ] {
            let value = quoted(&value.to_string_lossy());
            line(&mut text, format_args!("  export {variable}={value}"));
        }
    }
    let mut clients = wanted.iter().filter(|one| one.role == Role::Client);
    if let Some(Wanted { folder, names, .. }) = clients.next() {
        let path = |name| quoted(&folder.join(name).to_string_lossy());
        line(
            &mut text,
            format_args!(
                "\ndocker, as {}:\n  \
                 docker --tlsverify --tlscacert {} --tlscert {} --tlskey {} -H {} version",
                listed(names),
                path(CA),
                path(CERT),
                path(KEY),
                quoted(&format!("tcp://{}:2376", address(dir, authority)))
            ),
        );
    }
    text
}

/// A host of the server's certificate that can be connected to.
fn address(dir: &Path, authority: &Authority) -> String {
    let folder = dir.join(SERVER);
    // It may have been given to another user since, who could put anything there.
    let is_own = access::wrong(dir, &parts(&folder)).is_empty();
    let pem = is_own.then(|| files::read(&folder.join(CERT)).ok());
    let names = pem.flatten().and_then(|pem| authority.issued(&pem));
    let hosts = names
        .map(|read| read.names())
        .into_iter()
        .flatten()
        .map(|name| match name {
            Name::Ip(address) if address.is_ipv6() => format!("[{address}]"),
            name => name.to_string(),
        });
    let host = hosts.into_iter().find(|host| !host.starts_with('*'));
    host.unwrap_or_else(|| "localhost".to_owned())
}

/// A word for the shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
