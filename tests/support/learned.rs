//! What dockgate printed after learning, read as somebody would who pastes it.

/// The ways to grant what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// The variables, with their values.
    pub(crate) variables: Vec<(String, String)>,
    /// What goes with regex allowlists: where dockgate listens, and for whom.
    pub(crate) reach: Vec<(String, String)>,
    /// The variables of regex allowlists, with their patterns.
    pub(crate) patterns: Vec<(String, String)>,
    /// Methods and patterns of a profile.
    pub(crate) profile: Vec<(String, String)>,
    /// The nearest preset, and what it lacks; empty if there is none.
    pub(crate) preset: Vec<(String, String)>,
    /// What bodies and images are limited to; empty if nothing depended on them.
    pub(crate) limits: Vec<(String, String)>,
    /// What is said besides.
    pub(crate) comments: Vec<String>,
}

impl Learned {
    /// Reads a report.
    pub(crate) fn read(report: &str) -> Learned {
        let mut learned = Learned::default();
        let mut part = 0;
        for line in report.lines() {
            let owned = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
            if line.starts_with('#') {
                let number = line
                    .strip_prefix("# ")
                    .and_then(|line| line.split_once(". "));
                part = number
                    .and_then(|(number, _)| number.parse().ok())
                    .unwrap_or(part);
                learned.comments.push(line.to_owned());
            } else if line == "environment:" {
                // The part says which.
            } else if let Some(entry) = line.strip_prefix("  ") {
                let (name, value) = owned(entry.split_once(": ").expect("a name and a value"));
                match part {
                    1 => learned.variables.push((name, value)),
                    4 => learned.preset.push((name, value)),
                    5 => {
                        let value = value
                            .trim_matches('\'')
                            .replace("''", "'")
                            .replace("$$", "$");
                        learned.limits.push((name, value));
                    }
                    _ => {
                        let value = value
                            .strip_prefix('\'')
                            .and_then(|one| one.strip_suffix('\''));
                        let value = value.expect("single quotes");
                        // Neither may stand there in a compose file.
                        assert!(!value.contains(['\'', '$']), "{line}");
                        let is_pattern = name.starts_with("SP_ALLOW_");
                        let block = if is_pattern {
                            &mut learned.patterns
                        } else {
                            &mut learned.reach
                        };
                        block.push((name, value.to_owned()));
                    }
                }
            } else {
                let rule = line.split_once(' ').expect("a method and a pattern");
                assert!(rule.1.starts_with('/'), "{line}");
                learned.profile.push(owned(rule));
            }
        }
        learned
    }

    /// The variables as an environment.
    pub(crate) fn environment(&self) -> Vec<(&str, &str)> {
        pairs(&self.variables)
    }
}

/// Names and values as an environment.
pub(crate) fn pairs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = pairs.iter();
    pairs.map(|(name, value)| (&**name, &**value)).collect()
}
