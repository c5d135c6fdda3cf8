//! What holds for a running dockgate as long as it runs, whatever its files say by now: what is in its
//! environment.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::{engine, written};
use crate::config::dialect::cetusguard::{RuleLines, addresses};
use crate::config::dialect::mikesir87;
use crate::config::file::{Chosen, Origin};
use crate::config::snapshot::Snapshot;
use crate::config::sources;
use crate::config::table::Values;

/// What the environment alone says of a dockgate that has files.
#[derive(Debug)]
pub struct Lasting {
    /// Where its files are.
    pub origin: Origin,
    /// The engine's socket.
    pub engine: PathBuf,
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
        let mut values = Values::read(&written(environment, &mut untold), &mut untold);
        if RuleLines::active(environment) {
            let in_container = environment.is_of_process_1();
            addresses::take(environment, &mut values, in_container, &mut untold);
        }
        let engine = engine(&values)?.clone();
        let why = sources::unprotected(environment, &mut untold);
        Some(Lasting {
            origin,
            engine,
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
        let lasting = of(&[file, ("SP_SOCKETPATH", "/x.sock"), ("DRY_RUN", "1")]).unwrap();
        assert_eq!(lasting.origin, Origin::File("/nowhere/dockgate.yml".into()));
        assert_eq!(lasting.engine, PathBuf::from("/x.sock"));
        assert!(lasting.alarm.unwrap().contains("DRY_RUN"));
        assert!(of(&[file]).unwrap().alarm.is_none());
        let lasting = of(&[file, ("FORWARDING_SOCKET_PATH", "/y.sock")]).unwrap();
        assert_eq!(lasting.engine, PathBuf::from("/y.sock"));
        let of_client = ("DOCKER_HOST", "unix:///z.sock");
        for (level, engine) in [
            ("CETUSGUARD_LOG_LEVEL", "/z.sock"),
            ("LOG_LEVEL", "/var/run/docker.sock"),
        ] {
            let lasting = of(&[file, of_client, (level, "7")]);
            assert_eq!(
                lasting.map(|one| one.engine),
                Some(engine.into()),
                "{level}"
            );
        }
        for none in [
            &[][..],
            &[("CONFIG_FILE", "")],
            &[file, ("SOCKET_PATH", "x")],
            &[file, ("CONFIG_DIR", "/etc")],
        ] {
            assert!(of(none).is_none(), "{none:?}");
        }
    }
}
