//! Mounts: `Binds` as the engine takes them apart, `Mounts` by their types, and the options of a
//! local volume, which are those of `mount(2)`.

use super::is_true;
use super::text_of;
use super::{Walk, What};
use crate::api::fields::{Field, Kind, Object, Reach};
use crate::body::json::{Path, Value};

/// Options of a mount that let it reach nothing more than its device does.
const PLAIN_OPTIONS: [&str; 12] = [
    "bind", "rbind", "ro", "rw", "noexec", "nosuid", "nodev", "noatime", "private", "rprivate",
    "relatime", "defaults",
];

impl Walk<'_> {
    /// `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:OPTIONS`.
    pub(super) fn bind(&mut self, field: &Field, value: &Value, text: &str, path: &Path<'_>) {
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        let (source, options) = match *parts {
            // An anonymous volume.
            [target] if target.starts_with('/') => return,
            [source, _] => (source, ""),
            [source, _, options] => (source, options),
            _ => return self.claim(path, value, field.reach, What::Field),
        };
        let read_only = is_read_only(options);
        let what = if source.starts_with('/') {
            read_only_bind(source, read_only)
        } else {
            named(source, read_only)
        };
        self.claim(path, value, field.reach, what);
        // What is mounted in the container would show on the host.
        if options.split(',').any(|option| option.ends_with("shared")) {
            self.claim(path, value, field.reach, What::Field);
        }
    }

    /// `Mounts`, each by its type.
    pub(super) fn mounts(&mut self, kind: &Kind, value: &Value, path: &Path<'_>) {
        let Kind::List(Kind::Object(object)) = kind else {
            return self.misread(value, path);
        };
        self.each(value, path, |walk, item, path| {
            walk.mount(object, item, path);
        });
    }

    fn mount(&mut self, object: &Object, item: &Value, path: &Path<'_>) {
        let source = item.at("Source");
        if source.as_str().is_none() {
            self.misread(source, &path.key("Source"));
        }
        let source = text_of(item, "Source");
        let submounts = is_true(item, "BindOptions.ReadOnlyNonRecursive");
        let read_only = is_true(item, "ReadOnly");
        let kind = text_of(item, "Type");
        let (what, reach) = match (kind, source.is_empty()) {
            ("tmpfs", true) | ("volume", true) => (None, Reach::NONE),
            ("volume", false) => (Some(named(source, read_only)), Reach::HOST_FILES),
            ("bind", _) => {
                let what = read_only_bind(source, read_only && !submounts);
                (Some(what), Reach::HOST_FILES)
            }
            ("image", false) => (Some(What::Image(source.to_owned())), Reach::SUPPLY),
            _ => (Some(What::Field), Reach::HOST_FILES),
        };
        if let Some(what) = what {
            self.claim(path, item, reach, what);
        }
        self.object(object, item, path, &["Source", "Type"]);
    }

    /// The options of a volume. Those of the local driver are `type`, `o` and `device` of a mount.
    pub(super) fn volume_options(&mut self, field: &Field, value: &Value, path: &Path<'_>) {
        let Some(entries) = value.as_object() else {
            return self.misread(value, path);
        };
        let mut rest: Vec<(&str, &Value)> = entries.iter().collect();
        // Keys are exact here: to the engine `O` is another key, which it does not know.
        let of = |key: &str| {
            let mut found = rest.iter().filter(|(own, _)| *own == key);
            found
                .next()
                .and_then(|(_, value)| value.as_str())
                .unwrap_or_default()
        };
        if of("type") == "tmpfs" && is_tmpfs(of("o")) {
            rest.retain(|(key, _)| !["type", "o", "device"].contains(key));
        } else if let Some(paths) = mounted(of("type"), of("o"), of("device")) {
            for (host_path, read_only) in paths {
                let what = read_only_bind(&host_path, read_only);
                self.claim(path, value, field.reach, what);
            }
            rest.retain(|(key, _)| !["type", "o", "device"].contains(key));
        }
        for (key, value) in rest {
            let reach = if field.is_harmless(key) {
                Reach::NONE
            } else {
                field.reach
            };
            let what = What::VolumeOption(key.to_owned());
            self.claim(&path.key(key), value, reach, what);
        }
    }
}

/// Whether these are options of memory alone; its device is a name without a meaning.
fn is_tmpfs(options: &str) -> bool {
    let sizes = ["gid", "mode", "nr_blocks", "nr_inodes", "size", "uid"];
    let plain = |value: &str| {
        value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'%')
    };
    options.split(',').all(|token| match token.split_once('=') {
        Some((key, value)) => sizes.contains(&key) && plain(value),
        None => token.is_empty() || PLAIN_OPTIONS[2..].contains(&token),
    })
}

/// The paths of the host that a local volume mounts, and whether each is only read, if it mounts
/// nothing else: a bind, or an overlay of such. The kernel gets them as they stand.
pub(in crate::body) fn mounted(
    kind: &str,
    options: &str,
    device: &str,
) -> Option<Vec<(String, bool)>> {
    // The kernel reads one page, and forgets what is behind it.
    if options.len() >= 4096 {
        return None;
    }
    let tokens: Vec<&str> = options
        .split(',')
        .filter(|token| !token.is_empty())
        .collect();
    // What is mounted below an `rbind` stays writable.
    let read_only = tokens.contains(&"ro") && !["rw", "rbind"].iter().any(|no| tokens.contains(no));
    let is_clean = |path: &str| path.starts_with('/') && clean(path) == path;
    if kind == "overlay" {
        let mut paths = Vec::new();
        for token in tokens {
            match token.split_once('=') {
                Some(("lowerdir", folders)) => {
                    paths.extend(folders.split(':').map(|path| (path.to_owned(), true)));
                }
                Some(("upperdir" | "workdir", path)) => paths.push((path.to_owned(), false)),
                _ if PLAIN_OPTIONS[2..].contains(&token) => {}
                _ => return None,
            }
        }
        let known = !paths.is_empty() && paths.iter().all(|(path, _)| is_clean(path));
        // A backslash hides a colon or a comma from this, not from the kernel.
        return Some(paths).filter(|_| known && !options.contains('\\'));
    }
    let binds = tokens.iter().any(|token| ["bind", "rbind"].contains(token));
    let plain = tokens.iter().all(|token| PLAIN_OPTIONS.contains(token));
    let fits = ["", "none", "bind"].contains(&kind) && binds && plain && is_clean(device);
    fits.then(|| vec![(device.to_owned(), read_only)])
}

/// A path of the host, if it is one.
pub(super) fn read_only_bind(source: &str, read_only: bool) -> What {
    if !source.starts_with('/') || source.contains('\0') {
        return What::Field;
    }
    let path = clean(source);
    What::HostPath { path, read_only }
}

/// A volume, if it can be one.
fn named(name: &str, read_only: bool) -> What {
    if !is_volume(name) {
        return What::Field;
    }
    let name = name.to_owned();
    What::Volume { name, read_only }
}

/// Whether the local driver would take the name.
pub(in crate::body) fn is_volume(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    first && name.len() > 1 && name.bytes().all(plain)
}

/// Whether the options of a bind say that it is only read. The engine knows `ro` by that name alone.
pub(super) fn is_read_only(options: &str) -> bool {
    let mut options = options.split(',');
    options.clone().any(|option| option == "ro") && !options.any(|option| option == "rw")
}

/// Go's `path.Clean` of an absolute path.
pub(in crate::body) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
