//! All that a request mounts: paths of the host, volumes, and what other containers have mounted.

use crate::api::Target;
use crate::api::query::has_value;
use crate::body::draft::{Act, Draft};
use crate::body::json::{Object, Path, Value};
use crate::body::reach::{clean, is_volume, mounted};

/// One thing to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A clean path of the host.
    Path(String),
    /// A volume, by a name that stands for itself in a path.
    Volume(String),
    /// An image, or a volume of a cluster.
    Named(String),
    /// All that a container has mounted, by such a name.
    MountsOf(String),
    /// What may be anything, whatever it looks like: options of a mount are not all known, and a
    /// path is not the engine's.
    Unclear(String),
}

/// A source, and where it stands.
pub(super) type Found = (String, Source);

/// What a request mounts.
pub(super) fn of_request(draft: &Draft) -> Vec<Found> {
    match draft.act() {
        Act::CreateContainer => of_host_config(draft.tree(), "HostConfig."),
        Act::StartContainer => {
            let mut found = of_host_config(draft.tree(), "");
            found.extend(of_host_config(draft.tree(), "HostConfig."));
            found
        }
        Act::CreateService | Act::UpdateService => {
            let mut found = of_mounts(draft.tree(), "TaskTemplate.ContainerSpec.Mounts[]");
            found.extend(of_plugin_task(draft.tree()));
            found
        }
        Act::CreateVolume => {
            let tree = draft.tree();
            let (driver, options) = (tree.at("Driver"), tree.at("DriverOpts"));
            let sources = of_volume(driver, options);
            let place = |source| ("DriverOpts".to_owned(), source);
            sources.into_iter().map(place).collect()
        }
        Act::Build => of_build(draft.target()),
        // Its settings are paths of the host, which it mounts as soon as it runs.
        Act::PullPlugin | Act::SetUpPlugin => {
            let what = "what it mounts".to_owned();
            vec![("the plugin".to_owned(), Source::Unclear(what))]
        }
        _ => Vec::new(),
    }
}

/// A service can be a plugin too.
fn of_plugin_task(tree: &Value) -> Option<Found> {
    const SPEC: &str = "TaskTemplate.PluginSpec";
    let is_plugin = tree.at("TaskTemplate.Runtime").as_str() == Some("plugin");
    (is_plugin || *tree.at(SPEC) != Value::Null).then(|| {
        let what = "what a plugin mounts".to_owned();
        (SPEC.to_owned(), Source::Unclear(what))
    })
}

/// What a build mounts: Podman's takes volumes, and folders of the host as contexts.
fn of_build(target: &Target) -> Vec<Found> {
    let query = target.query().unwrap_or_default();
    let keys = ["volume", "additionalbuildcontexts"].into_iter();
    let keys = keys.filter(|key| has_value(query, key));
    keys.map(|key| {
        let what = "a volume of the build".to_owned();
        (format!("the parameter {key}"), Source::Unclear(what))
    })
    .collect()
}

/// What a container has mounted, by its inspect. Nothing if that does not say it.
pub(super) fn of_container(inspect: &Value) -> Option<Vec<Source>> {
    let mounts = inspect.at("Mounts");
    if *mounts != Value::Null && mounts.as_list().is_none() {
        return None;
    }
    let sources = mounts.items().iter().filter_map(|mount| {
        Some(match text(mount, "Type") {
            "tmpfs" => return None,
            "volume" => volume(text(mount, "Name")),
            kind => of_kind(kind, text(mount, "Source")),
        })
    });
    Some(sources.collect())
}

fn of_host_config(tree: &Value, within: &str) -> Vec<Found> {
    let mut found = Vec::new();
    // It has all volumes that have none, be they in `Binds`, in `Volumes` or in the image.
    let driver = format!("{within}VolumeDriver");
    let own = plugin_volume(text(tree, &driver));
    found.extend(own.map(|source| (driver, source)));
    let mut add = |path: &Path<'_>, source| found.push((path.to_string(), source));
    tree.each(&format!("{within}Binds[]"), &mut |path, bind| {
        let bind = bind.as_str().unwrap_or_default();
        match bind.split_once(':') {
            Some((source, _)) if source.starts_with('/') => add(path, of_kind("bind", source)),
            Some((source, _)) => add(path, volume(source)),
            // An anonymous volume.
            None if bind.starts_with('/') => {}
            None => add(path, Source::Unclear(bind.to_owned())),
        }
    });
    tree.each(&format!("{within}VolumesFrom[]"), &mut |path, from| {
        let text = from.as_str().unwrap_or_default();
        let name = text.split(':').next().unwrap_or_default();
        match is_container(name) {
            true => add(path, Source::MountsOf(name.to_owned())),
            false => add(path, Source::Unclear(text.to_owned())),
        }
    });
    found.extend(of_mounts(tree, &format!("{within}Mounts[]")));
    found
}

fn of_mounts(tree: &Value, places: &str) -> Vec<Found> {
    let mut found = Vec::new();
    tree.each(places, &mut |path, mount| {
        let source = text(mount, "Source");
        let own = match text(mount, "Type") {
            "tmpfs" => None,
            // An anonymous volume.
            "volume" if source.is_empty() => None,
            "volume" => Some(volume(source)),
            kind => Some(of_kind(kind, source)),
        };
        let driver = mount.at("VolumeOptions.DriverConfig");
        let of_driver = of_volume(driver.at("Name"), driver.at("Options"));
        let all = own.into_iter().chain(of_driver);
        found.extend(all.map(|source| (path.to_string(), source)));
    });
    found
}

/// What a new volume mounts. One of the local driver is a mount with `type`, `o` and `device`;
/// drivers of plugins do with their options what they like.
fn of_volume(driver: &Value, options: &Value) -> Vec<Source> {
    let empty = Object::default();
    let options = options.as_object().unwrap_or(&empty);
    if let Some(source) = plugin_volume(driver.as_str().unwrap_or_default()) {
        return vec![source];
    }
    let of = |key: &str| options.get(key).and_then(Value::as_str).unwrap_or_default();
    let (kind, flags, device) = (of("type"), of("o"), of("device"));
    if kind.is_empty() && flags.is_empty() && device.is_empty() || is_tmpfs(kind, flags) {
        return Vec::new();
    }
    match mounted(kind, flags, device) {
        Some(paths) => paths
            .into_iter()
            .map(|(path, _)| Source::Path(path))
            .collect(),
        None => vec![Source::Unclear(device.to_owned())],
    }
}

/// A volume of another driver than the engine's own.
fn plugin_volume(driver: &str) -> Option<Source> {
    let is_plugin = !["", "local"].contains(&driver);
    is_plugin.then(|| Source::Unclear(format!("a volume of {driver}")))
}

/// Whether a volume is memory alone: with `bind`, the kernel forgets the type.
fn is_tmpfs(kind: &str, flags: &str) -> bool {
    const KEYS: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];
    const WORDS: [&str; 7] = ["", "ro", "rw", "noexec", "nosuid", "nodev", "noatime"];
    let plain = |option: &str| match option.split_once('=') {
        Some((key, _)) => KEYS.contains(&key),
        None => WORDS.contains(&option),
    };
    kind == "tmpfs" && flags.split(',').all(plain)
}

/// What a mount of this kind mounts, other than a volume.
fn of_kind(kind: &str, source: &str) -> Source {
    let is_path = source.starts_with('/');
    match kind {
        "bind" if is_path && !source.contains('\0') => Source::Path(clean(source)),
        "image" | "cluster" if !is_path => Source::Named(source.to_owned()),
        _ => Source::Unclear(source.to_owned()),
    }
}

fn volume(name: &str) -> Source {
    match is_volume(name) && name.len() <= LONGEST {
        true => Source::Volume(name.to_owned()),
        false => Source::Unclear(name.to_owned()),
    }
}

/// Longer names are no file's, and the engine's are files.
const LONGEST: usize = 255;

/// Whether a name, or the beginning of an ID, can be a container's.
fn is_container(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    first && name.len() <= LONGEST && name.bytes().all(plain)
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.at(field).as_str().unwrap_or_default()
}
