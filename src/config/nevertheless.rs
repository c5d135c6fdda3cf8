//! What `REDACT` hides in answers, and a client can learn nevertheless: from a shell in a container, from
//! what a program prints, from an image. This asks the policy, so it holds for every dialect.

use super::diagnostics::Diagnostic;
use super::sources::ConfiguredPolicy;
use crate::api::fields::Disclosed;
use crate::api::sections::ACTIONS;
use crate::policy::Notation;

/// Actions that bring out by another way what `REDACT` hides in answers, and of what.
const BESIDE: [(&str, Disclosed); 16] = [
    ("EXEC", {
        let inside = Disclosed::ENV
            .with(Disclosed::COMMANDS)
            .with(Disclosed::MOUNTS);
        let inside = inside.with(Disclosed::CONFIGS).with(Disclosed::NETWORK);
        inside.with(Disclosed::HOST)
    }),
    ("ATTACH", Disclosed::ENV.with(Disclosed::COMMANDS)),
    // What programs print, and with `details` labels and variables.
    ("LOGS", PRINTED),
    ("SERVICE_LOGS", PRINTED),
    ("TASK_LOGS", PRINTED),
    // Programs write their variables to files, and configs are files.
    ("ARCHIVE", Disclosed::ENV.with(Disclosed::CONFIGS)),
    ("EXPORT", Disclosed::ENV.with(Disclosed::CONFIGS)),
    // An image has what a container has.
    ("COMMIT", OF_IMAGES),
    ("SAVE", OF_IMAGES),
    ("PUSH", OF_IMAGES),
    ("BUILD", OF_IMAGES.with(Disclosed::HOST)),
    (
        "CREATE",
        OF_IMAGES.with(Disclosed::NETWORK).with(Disclosed::HOST),
    ),
    ("NETWORK_CONNECT", Disclosed::NETWORK),
    ("SERVICE_CREATE", OF_IMAGES.with(Disclosed::CONFIGS)),
    ("SERVICE_UPDATE", OF_IMAGES.with(Disclosed::CONFIGS)),
    ("PLUGIN_PUSH", Disclosed::ENV.with(Disclosed::COMMANDS)),
];
const PRINTED: Disclosed = Disclosed::ENV
    .with(Disclosed::COMMANDS)
    .with(Disclosed::LABELS);
const OF_IMAGES: Disclosed = PRINTED;

impl ConfiguredPolicy {
    /// Warns about what `REDACT` hides in answers while a client can learn it by another way.
    pub(super) fn told_nevertheless(&self) -> Option<Diagnostic> {
        let redaction = self.sources.shown.redaction.as_ref()?;
        let open = BESIDE
            .iter()
            .filter(|(name, what)| redaction.concerns(*what) && self.reaches(name));
        let open: Vec<&(&str, Disclosed)> = open.collect();
        let hidden = Disclosed::NAMES.iter().filter(|(_, what)| {
            redaction.concerns(*what) && open.iter().any(|(_, other)| other.meets(*what))
        });
        let told = hidden.map(|(name, what)| {
            let by = open.iter().filter(|(_, other)| other.meets(*what));
            let by: Vec<&str> = by.map(|(action, _)| *action).collect();
            format!("{name} ({})", by.join(", "))
        });
        let told: Vec<String> = told.collect();
        let denies = ACTIONS
            .iter()
            .filter(|action| open.iter().any(|(name, _)| *name == action.name))
            .map(|action| self.notation().set(action.deny, 1));
        let between = match self.notation() {
            Notation::Environment => " ",
            Notation::File => ", ",
        };
        let denies = denies.collect::<Vec<String>>().join(between);
        let problem = format!(
            "a client can learn by other actions what REDACT hides: {}",
            told.join("; ")
        );
        let help = format!("set {denies}");
        (!told.is_empty()).then(|| Diagnostic::warning("REDACT", problem, help))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Settings;

    #[test]
    fn what_is_told_nevertheless_is_warned_about() {
        let told = |env: &[(&str, &str)]| -> Vec<String> {
            let settings = Settings::load(&env.iter().copied().collect()).unwrap();
            let warnings = settings.warnings.iter();
            let own = warnings.filter(|one| one.variable == "REDACT");
            own.map(ToString::to_string).collect()
        };
        let logs = [
            ("ALLOW_LIST", "1"),
            ("ALLOW_LOGS", "1"),
            ("REDACT", "env, network, labels:x"),
        ];
        assert_eq!(
            told(&logs),
            [
                "a client can learn by other actions what REDACT hides: env (LOGS); labels (LOGS); \
                 set DENY_LOGS=1"
            ]
        );
        let exec = [
            ("ALLOW_EXEC", "1"),
            ("ALLOW_SAVE", "1"),
            ("REDACT", "env, host"),
        ];
        assert_eq!(
            told(&exec),
            [
                "a client can learn by other actions what REDACT hides: env (EXEC, SAVE); \
                 host (EXEC); set DENY_EXEC=1 DENY_SAVE=1"
            ]
        );
        for env in [
            &[("ALLOW_LOGS", "1"), ("REDACT", "network, host")][..],
            &[("ALLOW_INSPECT", "1"), ("REDACT", "env")],
            &[("ALLOW_EXEC", "1")],
            &[("CONTAINERS", "1"), ("REDACT", "tokens")],
        ] {
            assert!(told(env).is_empty(), "{env:?}: {:?}", told(env));
        }
    }
}
