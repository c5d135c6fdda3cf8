//! `dockgate certs`: a CA, and certificates for dockgate and its clients, as the docker CLI expects
//! them.

mod access;
mod authority;
mod files;
mod names;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use rcgen::KeyPair;

use super::output::{aligned, complain, print};
use super::{FAILED, WRONG_USAGE};
use crate::config::{Snapshot, shown_path};
use access::Kind;
use authority::{Authority, Read, Role, new_key, read_key, unique};
use files::{Stage, failed, is_there};
use names::Name;

const AUTHORITY: &str = "ca";
const SERVER: &str = "server";
const CLIENTS: &str = "clients";

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
const CERT: &str = "cert.pem";
const KEY: &str = "key.pem";

/// The client of a new CA, if none is named.
const CLIENT: &str = "client";

pub(super) fn command() -> Command {
    let several = |name: &'static str, parse: fn(&str) -> Result<Name, String>| {
        let arg = Arg::new(name).long(name).value_name("NAME").num_args(1..);
        arg.action(ArgAction::Append).value_parser(parse)
    };
    let dir = Arg::new("dir")
        .value_name("DIR")
        .help("Folder for the CA and the certificates")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .value_hint(ValueHint::DirPath);
    let host = several("host", Name::host).help(
        "Names and addresses of this machine, besides localhost\n\
         [default: its own name]",
    );
    let client = several("client", Name::client)
        .help("Clients, each with a certificate\n[default for a new CA: client]");
    let renew = Arg::new("renew")
        .long("renew")
        .action(ArgAction::SetTrue)
        .help("Replace certificates, named or all; CA and keys stay");
    Command::new("certs")
        .about("Make or renew a CA and certificates for TLS")
        .override_usage("dockgate certs DIR [--host NAME...] [--client NAME...] [--renew]")
        .args([dir, host, client, renew])
        .after_help(
            "The first run makes a CA, the server's certificate and those of clients. Later\n\
             runs add clients, or renew. Without --renew, no file is replaced. The CA\n\
             expires after 10 years, a certificate after 2.\n\n\
             Exit codes:\n  \
             0  made or renewed\n  \
             1  failed, or already there\n\n\
             Examples:\n  \
             dockgate certs /etc/dockgate/certs --host nas.lan 192.168.1.5 --client ci\n  \
             dockgate certs /etc/dockgate/certs --client laptop\n  \
             dockgate certs /etc/dockgate/certs --renew",
        )
}

pub(super) fn run(matches: &ArgMatches, _: &Snapshot) -> u8 {
    let Some(dir) = matches.get_one::<PathBuf>("dir") else {
        return WRONG_USAGE;
    };
    let names = |option| matches.get_many(option).into_iter().flatten().cloned();
    let asked = Asked {
        hosts: distinct(names("host")),
        clients: distinct(names("client")),
        renew: matches.get_flag("renew"),
    };
    match asked.make(dir) {
        Ok(report) => print(&report),
        Err(problems) => {
            problems.lines().for_each(|problem| complain(&problem));
            FAILED
        }
    }
}

fn distinct(names: impl Iterator<Item = Name>) -> Vec<Name> {
    names.fold(Vec::new(), |mut names, name| {
        if !names.contains(&name) {
            names.push(name);
        }
        names
    })
}

/// What the command line asks for.
struct Asked {
    hosts: Vec<Name>,
    clients: Vec<Name>,
    renew: bool,
}

/// A certificate to make or renew.
struct Wanted {
    folder: PathBuf,
    role: Role,
    /// None for those of the server's certificate that is renewed.
    names: Vec<Name>,
}

impl Wanted {
    fn server(dir: &Path, hosts: Vec<Name>) -> Wanted {
        Wanted {
            folder: dir.join(SERVER),
            role: Role::Server,
            names: with_loopback(hosts),
        }
    }

    /// The server's certificate that is there, of the same names.
    fn same_server(dir: &Path) -> Wanted {
        Wanted {
            folder: dir.join(SERVER),
            role: Role::Server,
            names: Vec::new(),
        }
    }

    fn client(dir: &Path, name: Name) -> Wanted {
        Wanted {
            folder: dir.join(CLIENTS).join(name.to_string()),
            role: Role::Client,
            names: vec![name],
        }
    }

    /// The key that is there. A renewed certificate keeps it, so that both fit at any time, and rules of
    /// fingerprints still match. Nothing is signed for it that was neither asked for nor signed
    /// before: a client's own files, under the name of another client, must not be renewed.
    fn renew(&mut self, authority: &Authority) -> Result<KeyPair, String> {
        let cert = authority.issued(&files::read(&self.folder.join(CERT))?);
        let key = read_key(&files::read(&self.folder.join(KEY))?);
        let fits = |cert: &Read, key: &KeyPair| {
            let is_named = self.role == Role::Server || cert.names() == self.names;
            is_named && cert.is_of(self.role) && cert.is_for(key)
        };
        let pair = cert.zip(key).filter(|(cert, key)| fits(cert, key));
        let Some((cert, key)) = pair else {
            let folder = shown_path(&self.folder);
            return Err(format!(
                "{folder} was not made by dockgate certs with this CA; remove it, and make it without \
                 --renew"
            ));
        };
        if self.names.is_empty() {
            self.names = with_loopback(cert.names());
        }
        Ok(key)
    }
}

/// What is used of a certificate's folder.
fn parts(folder: &Path) -> [(PathBuf, Kind); 3] {
    [
        (folder.to_owned(), Kind::Folder),
        (folder.join(CERT), Kind::Certificate),
        (folder.join(KEY), Kind::Key),
    ]
}

fn with_loopback(hosts: Vec<Name>) -> Vec<Name> {
    distinct(hosts.into_iter().chain(Name::loopback()))
}

impl Asked {
    /// Makes all that is asked for, or nothing, and says how to use it.
    fn make(self, dir: &Path) -> Result<String, String> {
        let renew = self.renew;
        let dir = files::open(dir, !renew)?;
        let ca = dir.join(AUTHORITY);
        let is_new = !is_there(&ca);
        let mut wanted = match is_new {
            true => self.first(&dir)?,
            false => self.further(&dir)?,
        };
        let (ca_pem, ca_key) = match is_new {
            true => Authority::make().map_err(unsigned)?,
            false => (files::read(&ca.join(CA))?, files::read(&ca.join(CA_KEY))?),
        };
        let authority = Authority::read(&ca_pem, &ca_key).ok_or_else(|| {
            let ca = shown_path(&ca);
            format!("{ca} is not a CA of dockgate certs; use another folder")
        })?;
        if authority.until() <= SystemTime::now() {
            return Err(format!(
                "the CA in {} has expired; make another one in another folder, for dockgate and \
                 all clients",
                shown_path(&ca)
            ));
        }

        let mut stage = Stage::new(dir.join(format!(".new-{}", unique().map_err(unsigned)?)))?;
        if is_new {
            stage.folder(ca, &[(CA, &ca_pem), (CA_KEY, &ca_key)])?;
        }
        let mut rows = Vec::new();
        for one in &mut wanted {
            let key = match renew {
                true => one.renew(&authority)?,
                false => new_key().map_err(unsigned)?,
            };
            let pem = authority.sign(one.role, &one.names, &key);
            let pem = pem.map_err(unsigned)?;
            rows.push(report::row(one, &pem));
            match renew {
                true => stage.file(one.folder.join(CERT), &pem)?,
                false => {
                    let key = key.serialize_pem();
                    let files = [(CA, &*ca_pem), (CERT, &*pem), (KEY, &*key)];
                    stage.folder(one.folder.clone(), &files)?;
                }
            }
        }
        stage.publish()?;
        let mut text = aligned(&rows);
        if is_new {
            text += &report::of_authority(&dir);
        }
        if !renew {
            text += &report::usage(&dir, &wanted, &authority);
        }
        Ok(text)
    }

    /// What a new CA signs.
    fn first(self, dir: &Path) -> Result<Vec<Wanted>, String> {
        let shown = shown_path(dir);
        if self.renew {
            return Err(format!("{shown} has no CA to renew with; omit --renew"));
        }
        let mut wrong = access::wrong(dir, &[]);
        let old = [SERVER, CLIENTS].map(|name| dir.join(name));
        wrong.extend(old.iter().filter(|old| is_there(old)).map(|old| {
            let old = shown_path(old);
            format!("{old} exists without {AUTHORITY}; put that CA back, or use another folder")
        }));
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let clients = match self.clients.is_empty() {
            true => vec![Name::client(CLIENT)?],
            false => self.clients,
        };
        let hosts = match self.hosts.is_empty() {
            true => Name::loopback()
                .into_iter()
                .chain(Name::machine())
                .collect(),
            false => self.hosts,
        };
        let clients = clients.into_iter().map(|name| Wanted::client(dir, name));
        Ok([Wanted::server(dir, hosts)]
            .into_iter()
            .chain(clients)
            .collect())
    }

    /// What an existing CA signs: what is named, or all to renew.
    fn further(&self, dir: &Path) -> Result<Vec<Wanted>, String> {
        let shown = shown_path(dir);
        let all = self.hosts.is_empty() && self.clients.is_empty();
        if all && !self.renew {
            return Err(format!(
                "{shown} already has a CA; name what to add with --client, or use --renew"
            ));
        }
        let mut wanted = Vec::new();
        if !self.hosts.is_empty() {
            wanted.push(Wanted::server(dir, self.hosts.clone()));
        } else if all && is_there(&dir.join(SERVER)) {
            wanted.push(Wanted::same_server(dir));
        }
        let clients = match all {
            true => clients(dir)?,
            false => self.clients.clone(),
        };
        wanted.extend(clients.into_iter().map(|name| Wanted::client(dir, name)));
        let mut wrong = access::wrong(dir, &self.used(dir, &wanted));
        let misnamed = wanted
            .iter()
            .filter(|one| is_there(&one.folder) != self.renew);
        wrong.extend(misnamed.map(|Wanted { folder, .. }| match self.renew {
            true => format!("{} is missing; omit --renew to make it", shown_path(folder)),
            false => format!(
                "{} already exists; use --renew to replace its certificate, or remove it to get a \
                 new key as well",
                shown_path(folder)
            ),
        }));
        match wanted.is_empty() {
            _ if !wrong.is_empty() => Err(wrong.join("\n")),
            true => Err(format!("{shown} has no certificate to renew")),
            false => Ok(wanted),
        }
    }

    /// What an existing CA needs to sign these.
    fn used(&self, dir: &Path, wanted: &[Wanted]) -> Vec<(PathBuf, Kind)> {
        let (ca, clients) = (dir.join(AUTHORITY), dir.join(CLIENTS));
        let mut used = vec![
            (clients, Kind::Folder),
            (ca.clone(), Kind::Folder),
            (ca.join(CA), Kind::Certificate),
            (ca.join(CA_KEY), Kind::Key),
        ];
        if self.renew {
            used.extend(wanted.iter().flat_map(|one| parts(&one.folder)));
        }
        used
    }
}

fn unsigned(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}

/// The clients that have a folder.
fn clients(dir: &Path) -> Result<Vec<Name>, String> {
    let folder = dir.join(CLIENTS);
    if !folder.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let mut clients = Vec::new();
    for entry in failed(&folder, fs::read_dir(&folder))? {
        let name = failed(&folder, entry)?.file_name();
        clients.extend(name.to_str().and_then(|name| Name::client(name).ok()));
    }
    clients.sort_by_key(Name::to_string);
    Ok(clients)
}
