//! What holds for a running dockgate as long as it runs, whatever its files say by now: what is in its
//! environment.

use std::ffi::OsStr;

use crate::config::dialect::mikesir87;
use crate::config::file::{Chosen, Origin};
use crate::config::snapshot::Snapshot;
use crate::config::sources;

/// What the environment alone says of a dockgate that has files.
#[derive(Debug)]
pub struct Lasting {
    /// Where its files are.
    pub origin: Origin,
    /// What has to be said loudly, if the environment's policy denies nothing.
    pub alarm: Option<String>,
}

/// Where an environment has its files, if it has any and says so in one way only.
pub fn origin_of<'a>(get: impl Fn(&str) -> Option<&'a OsStr>) -> Option<Origin> {
    let Chosen { origin, conflict } = Chosen::of(get, mikesir87::FOLDER.as_ref());
    origin.filter(|_| conflict.is_none())
}

impl Lasting {
    /// Reads no file. `None`: there are no files, or the environment says nothing that is of use.
    pub fn of(environment: &Snapshot) -> Option<Lasting> {
        let origin = origin_of(|name| environment.get(name))?;
        // Who starts with these is told of mistakes.
        let mut untold = Vec::new();
        let why = sources::unprotected(environment, &mut untold);
        Some(Lasting {
            origin,
            alarm: why.map(|why| why.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_may_be_broken_but_not_the_environment() {
        let of = |variables: &[(&str, &str)]| Lasting::of(&variables.iter().copied().collect());
        let file = ("CONFIG_FILE", "/nowhere/dockgate.yml");
        let lasting = of(&[file, ("DRY_RUN", "1")]).unwrap();
        assert_eq!(lasting.origin, Origin::File("/nowhere/dockgate.yml".into()));
        assert!(lasting.alarm.unwrap().contains("DRY_RUN"));
        assert!(of(&[file]).unwrap().alarm.is_none());
        for none in [
            &[][..],
            &[("CONFIG_FILE", "")],
            &[file, ("CONFIG_DIR", "/etc")],
        ] {
            assert!(of(none).is_none(), "{none:?}");
        }
    }
}
