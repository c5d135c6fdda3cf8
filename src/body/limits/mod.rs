//! Limits: variables that say what a body may ask for.
//!
//! A limit that is set restricts, with or without `DENY_ROOT`. One that is not set says nothing
//! about what a body asks for: then `DENY_ROOT` decides by the reach of each claim. So to set one
//! under `DENY_ROOT` opens what it lists, and to set one without it never allows more.
//!
//! Fails closed: what is not known of a claim is refused by each limit that is set and could be about
//! it. What only the engine knows is a [`Fact`](super::facts::Fact); as long as it was not asked, that is refused too.
//!
//! `CAP_ADD`, `DEVICES`, `NAMESPACES`, `SECURITY`, `RUNTIMES` and `NETWORKS_JOINED` are about what
//! has reach, besides what everyone has: the default capabilities, `runc`, the default bridge. The
//! lists of drivers and of kernel parameters are whole: what they do not list is refused, however
//! harmless, except that a body may leave the choice to the engine.

mod capabilities;
mod ceilings;
mod commands;
mod defaults;
mod devices;
mod entry;
mod excess;
mod images;
mod judge;
mod list;
mod names;
mod namespaces;
mod paths;
mod ports;
mod queries;
mod required;
mod roots;
mod ruling;
mod security;
#[cfg(test)]
pub(super) mod tests;
mod users;
mod versions;

use std::fmt::Display;

use crate::api::fields::{Body, Kind};
pub use capabilities::Capabilities;
pub use ceilings::Ceiling;
pub use commands::Commands;
pub use devices::Devices;
pub use entry::Entry;
pub use excess::Excess;
pub use images::{ImageFrom, TagAs};
pub(super) use judge::distinct;
pub use list::Mistake;

pub(in crate::body) use list::some;
pub use names::Names;
pub(in crate::body) use names::name;
pub use namespaces::Namespaces;
pub use paths::BindFrom;
pub use ports::Publish;
pub use required::Required;
pub use ruling::Ruling;
pub use security::Security;
pub use users::RunAs;

/// A variable, and what it lists if it is set.
#[derive(Clone, Debug)]
pub struct Limit<T> {
    /// Its name.
    pub variable: &'static str,
    /// What it lists.
    pub entries: Option<T>,
}

impl<T: Display> Limit<T> {
    /// A field that it does not allow, by its value as JSON. Without one, it is missing.
    fn excess(&self, place: &str, json: Option<&str>) -> Excess {
        Excess::new(place, json, self.into())
    }
}

macro_rules! limits {
    ($($field:ident: $type:ty = $variable:literal, $parse:expr;)*) => {
        /// All limits of a policy.
        #[derive(Clone, Debug)]
        pub struct Limits {
            /// `DENY_ROOT`: what has reach is refused, unless a limit lists it.
            pub deny_root: bool,
            $(
                #[doc = concat!("`", $variable, "`")]
                pub $field: Limit<$type>,
            )*
        }

        impl Limits {
            /// The names of all.
            pub const VARIABLES: &[&str] = &[$($variable),*];

            /// Reads the limits that are set, or finds all that is wrong with them.
            pub fn read<'a>(
                deny_root: bool,
                value: impl Fn(&str) -> Option<&'a str>,
            ) -> Result<Limits, Vec<(&'static str, Mistake)>> {
                let mut mistakes: Vec<(&'static str, Mistake)> = Vec::new();
                let limits = Limits {
                    deny_root,
                    $($field: {
                        let parse: fn(&str) -> Result<$type, Vec<Mistake>> = $parse;
                        let entries = match value($variable).map(parse) {
                            Some(Ok(entries)) => Some(entries),
                            Some(Err(wrong)) => {
                                mistakes.extend(wrong.into_iter().map(|one| ($variable, one)));
                                None
                            }
                            None => None,
                        };
                        Limit { variable: $variable, entries }
                    },)*
                };
                match mistakes.is_empty() {
                    true => Ok(limits),
                    false => Err(mistakes),
                }
            }

            /// Each limit that is set, with what it lists.
            pub fn set(&self) -> Vec<(&'static str, String)> {
                let mut set = Vec::new();
                $(if let Some(entries) = &self.$field.entries {
                    set.push(($variable, entries.to_string()));
                })*
                set
            }
        }
    };
}

limits! {
    bind_from: BindFrom = "BIND_FROM", BindFrom::parse;
    volumes_named: Names = "VOLUMES_NAMED", Names::parse;
    image_from: ImageFrom = "IMAGE_FROM", ImageFrom::parse;
    tag_as: TagAs = "TAG_AS", TagAs::parse;
    cap_add: Capabilities = "CAP_ADD", Capabilities::parse;
    devices: Devices = "DEVICES", Devices::parse;
    namespaces: Namespaces = "NAMESPACES", Namespaces::parse;
    security: Security = "SECURITY", Security::parse;
    runtimes: Names = "RUNTIMES", Names::parse;
    log_drivers: Names = "LOG_DRIVERS", Names::parse_some;
    volume_drivers: Names = "VOLUME_DRIVERS", Names::parse;
    network_drivers: Names = "NETWORK_DRIVERS", Names::parse;
    networks_joined: Names = "NETWORKS_JOINED", Names::parse;
    sysctls: Names = "SYSCTLS", Names::parse;
    publish: Publish = "PUBLISH", Publish::parse;
    run_as: RunAs = "RUN_AS", RunAs::parse;
    exec_commands: Commands = "EXEC_COMMANDS", Commands::parse;
    memory_max: Ceiling = "MEMORY_MAX", Ceiling::memory;
    cpus_max: Ceiling = "CPUS_MAX", Ceiling::cpus;
    pids_max: Ceiling = "PIDS_MAX", Ceiling::pids;
    require: Required = "REQUIRE", Required::parse;
}

/// What a body makes or changes, as far as limits tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A container.
    Create,
    /// A container that exists.
    Update,
    /// A command in a container that runs.
    Exec,
    /// A service.
    Service,
    /// A volume.
    Volume,
    /// All else.
    Other,
}

impl Subject {
    fn of(body: &Body) -> Subject {
        let name = match body.root.kind {
            Kind::Object(object) => object.name,
            _ => "",
        };
        match name {
            "ContainerCreate" => Subject::Create,
            "ContainerUpdate" => Subject::Update,
            "ExecCreate" => Subject::Exec,
            "ServiceSpec" => Subject::Service,
            "VolumeCreate" => Subject::Volume,
            _ => Subject::Other,
        }
    }
}
