//! Lists of single containers: `socket-proxy.allow.get=/version` and `socket-proxy.allow.bindmountfrom=/srv`
//! as labels of a client's container, as wollomatic/socket-proxy reads them.
//!
//! A container with such a label has its own list and nothing else that is granted. What is denied, limited
//! or hidden by the policy `default` is so for each list as well. **A mistake leaves nothing of the list**: a
//! pattern that is left out grants less, but a folder that is left out limits less.
//!
//! Labels are somebody's input, so all of it is bounded: how many count, how long they are together, and what
//! they are compiled to.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::ops::Bound;

use super::Regexes;
use super::flags::METHODS;
use crate::body::limits::{BindFrom, Limits};
use crate::clients::containers::{Container, Seen, Why};
use crate::config::becoming::{BECOMES, CONNECTS, Does, is_held, who_can};
use crate::config::diagnostics::Unfit;
use crate::config::engines::Engine;
use crate::config::sources::{ConfiguredPolicy, Sources};
use crate::config::table::Values;
use crate::config::{Diagnostic, Endpoint, Listen, Policies, Snapshot};
use crate::policy::printable;

/// The variable that makes labels count.
const NAME: &str = "SP_PROXYCONTAINERNAME";
/// The same as a flag.
const FLAG: &str = "proxycontainername";
/// What a list's policy is called.
const POLICY: &str = "labels";
/// A container may have so many such labels.
const MOST: usize = 64;
/// Their keys and values may have so many bytes together.
const LONGEST: usize = 16 << 10;
/// The size limit of the compiled patterns of one method.
pub(super) const SIZE_LIMIT: usize = 128 << 10;
/// The label for the folders that may be mounted.
const FOLDERS: &str = "bindmountfrom";

/// What the labels begin with that make lists.
///
/// # Errors
/// It is not as wollomatic/socket-proxy takes it.
pub(in crate::config) fn prefix(text: &str) -> Result<String, Unfit> {
    let part = |part: &str| {
        let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(fit)
    };
    match text.split(['.', '-']).all(part) {
        true if text.split('.').next() == Some("dockgate") => Err(Unfit::new(
            "begins like the labels that only dockgate sets",
            "use another prefix, or my.dockgate",
        )),
        true => Ok(text.to_owned()),
        false => Err(Unfit::new(
            "is not a prefix of labels",
            "use lower-case letters and digits, with single dots or hyphens between them",
        )),
    }
}

/// Whether labels grant.
pub(super) fn are_read(snapshot: &Snapshot) -> bool {
    let by_flag = snapshot.flag(FLAG).next_back();
    let name = by_flag.or_else(|| snapshot.get(NAME));
    name.is_some_and(|name| name != OsStr::new(""))
}

/// The same, as the settings have it.
pub(in crate::config) fn grant(values: &Values) -> bool {
    let name = values.sp_proxycontainername.get();
    name.is_some_and(|name| !name.is_empty())
}

/// What the author of these settings may overlook.
pub(in crate::config) fn compare(
    values: &Values,
    endpoints: &[Endpoint],
    policies: &Policies,
    engine: &Engine,
) -> Vec<Diagnostic> {
    let prefix = &values.sp_dockerlabelprefix.by;
    if !grant(values) {
        let idle = prefix.iter().map(|by| {
            let problem = format!("{by} is ignored without {NAME}");
            Diagnostic::warning(by, problem, "set that too, or remove it")
        });
        return idle.collect();
    }
    let by = values.sp_proxycontainername.by.as_deref().unwrap_or(NAME);
    let is_tcp = |one: &Endpoint| matches!(one.listen, Listen::Tcp { .. });
    if !endpoints.iter().any(is_tcp) {
        let problem = format!("{by} is ignored: clients of Unix sockets have no labels");
        let help = "listen on a TCP address, or remove it";
        return vec![Diagnostic::warning(by, problem, help)];
    }
    if engine.address.is_remote() {
        let problem = format!(
            "{by}: {engine} at {} is on another host, whose containers are not the clients here",
            engine.address
        );
        let help = "set SOCKET_PATH to the socket of this host's engine, or remove it";
        return vec![Diagnostic::error(by, problem, help)];
    }
    let does: Vec<Does> = BECOMES.into_iter().chain([CONNECTS]).collect();
    let free = policies.iter().map(|(_, one)| one);
    let free = free.filter(|one| !is_held(one));
    let warning = who_can(free, &does).map(|who| {
        let problem =
            format!("labels grant ({by}), and clients can take a container's list: {who}");
        Diagnostic::warning(by, problem, "set DENY_ROOT or SCOPE there")
    });
    warning.into_iter().collect()
}

/// The labels of a container that make its list; `None` if they are too many.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labels(Option<BTreeMap<String, String>>);

/// Their keys.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.iter().flatten().map(|(key, _)| printable(key));
        f.write_str(&keys.collect::<Vec<_>>().join(", "))
    }
}

/// Whether a client's container has a list.
#[derive(Debug)]
pub enum OwnList {
    /// It has none.
    None,
    /// It has one.
    By {
        /// The labels that make it.
        labels: Labels,
        /// The container, as messages call it.
        container: String,
    },
    /// That cannot be said.
    Unknown(Why),
}

/// The lists that labels make: what is common to all of them.
#[derive(Debug)]
pub struct LabelLists {
    /// `socket-proxy.allow`.
    stem: String,
    /// What holds besides each list.
    base: Sources,
    /// Whether dockgate keeps labels to itself.
    reserves: bool,
}

impl LabelLists {
    /// Lists by labels that begin so, for which holds what restricts the policy `default`.
    pub fn new(prefix: &str, default: &ConfiguredPolicy) -> LabelLists {
        LabelLists {
            stem: LabelLists::stem(prefix),
            base: default.sources.restrictions(),
            reserves: default.reserves,
        }
    }

    /// What labels begin with, up to the dot before what they allow.
    pub fn stem(prefix: &str) -> String {
        format!("{prefix}.allow")
    }

    /// Whether the containers at an address have a list: all of them the same one, or none has any.
    pub fn of(&self, seen: Seen) -> OwnList {
        let all = match seen {
            Seen::Nobody => return OwnList::None,
            Seen::Unknown(why) => return OwnList::Unknown(why),
            Seen::These(all) => all,
        };
        let Some((first, rest)) = all.split_first() else {
            return OwnList::None;
        };
        let own = self.labels(first);
        if let Some(other) = rest.iter().find(|other| self.labels(other) != own) {
            return OwnList::Unknown(Why::Differ(first.shown(), other.shown()));
        }
        own.map_or(OwnList::None, |labels| OwnList::By {
            labels,
            container: first.shown(),
        })
    }

    /// The labels that make a container's list, if it has one of its own.
    fn labels(&self, container: &Container) -> Option<Labels> {
        let from = (Bound::Included(self.stem.as_str()), Bound::Unbounded);
        let all = container.labels.range::<str, _>(from);
        let all = all.take_while(|(key, _)| key.starts_with(&self.stem));
        let own = all.filter(|(key, _)| key[self.stem.len()..].starts_with('.'));
        // An empty one counts as none.
        let own = own.filter(|(_, value)| !value.is_empty());
        let size = own.clone().map(|(key, value)| key.len() + value.len());
        own.clone().next()?;
        if own.clone().count() > MOST || size.sum::<usize>() > LONGEST {
            return Some(Labels(None));
        }
        let mark = container.labels.get_key_value(&self.stem);
        let kept = own.chain(mark);
        let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
        Some(Labels(Some(kept.collect())))
    }

    /// The policy of a list, which takes a while. `None`: it allows nothing, for the errors among the
    /// diagnostics.
    pub fn compile(
        &self,
        labels: &Labels,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<ConfiguredPolicy> {
        let before = diagnostics.len();
        let mut sources = self.base.restrictions();
        sources.regexes = Regexes {
            active: true,
            of_labels: Some(format!("{}.", self.stem)),
            ..Regexes::default()
        };
        let Some(labels) = &labels.0 else {
            let problem = format!(
                "the labels {}.* are more than {MOST}, or too long",
                self.stem
            );
            diagnostics.push(Diagnostic::error(&self.stem, problem, "use fewer patterns"));
            return None;
        };
        for (label, value) in labels {
            self.add(&mut sources, label, value, diagnostics);
        }
        if diagnostics[before..].iter().any(Diagnostic::is_error) {
            return None;
        }
        sources.compile(POLICY, None, self.reserves, diagnostics)
    }

    /// Adds what a label says.
    fn add(
        &self,
        sources: &mut Sources,
        label: &str,
        value: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let shown = printable(label);
        let rest = label[self.stem.len()..].strip_prefix('.');
        let Some(rest) = rest else {
            let problem =
                format!("the label {shown} says that the others are not its container's own");
            let help = "remove it if you have created the container yourself";
            diagnostics.push(Diagnostic::error(label, problem, help));
            return;
        };
        let name = rest.split_once('.').map_or(rest, |(name, _)| name);
        let mut methods = METHODS.into_iter();
        match methods.find(|method| method.eq_ignore_ascii_case(name)) {
            Some(method) => sources.regexes.add_label(label, method, value, diagnostics),
            None if rest == FOLDERS => mount_from(sources, label, value, diagnostics),
            None => {
                let problem = format!("the label {shown} is neither for a method nor {FOLDERS}");
                let help = format!("use one like {}.get", self.stem);
                diagnostics.push(Diagnostic::error(label, problem, help));
            }
        }
    }
}

/// Limits from where may be mounted: to folders within those of the policy, if it has any.
fn mount_from(sources: &mut Sources, label: &str, value: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut wrong = |problem: String, help: &str| {
        diagnostics.push(Diagnostic::error(label, problem, help));
    };
    let shown = printable(label);
    let folders = match BindFrom::folders(value) {
        Ok(folders) => folders,
        Err(all) => {
            all.iter()
                .for_each(|one| wrong(format!("{shown}: {one}"), ""));
            return;
        }
    };
    let unlimited = || Limits::read(sources.deny_root, |_| None).ok();
    let Some(mut limits) = sources.limits.clone().or_else(unlimited) else {
        return wrong(format!("{shown} cannot be held to"), "");
    };
    let own = limits.bind_from.entries.as_ref();
    if own.is_none() && sources.deny_root {
        let problem = format!(
            "{shown}: DENY_ROOT denies all folders of the host, and a label can only narrow what holds for all"
        );
        return wrong(problem, "set BIND_FROM to the folders that lists may name");
    }
    if let Some(beyond) = own.and_then(|own| own.beyond(&folders)) {
        let problem = format!(
            "{shown}: {beyond} is not within the folders of BIND_FROM or SP_ALLOWBINDMOUNTFROM"
        );
        return wrong(problem, "use folders within it");
    }
    limits.bind_from.entries = Some(folders);
    sources.limits = Some(limits);
}

#[cfg(test)]
mod tests;
