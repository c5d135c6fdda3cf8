//! `EXEC_COMMANDS`: the commands that may be executed in a container that runs.

use std::fmt::{self, Display, Formatter};

use super::list::{self, Mistake};
use crate::body::glob::Glob;

/// As the last argument, any number of them.
const REST: &str = "**";

/// What `EXEC_COMMANDS` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands(Vec<Command>);

/// `["/usr/local/bin/check", "*"]`: one wildcard is one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    text: String,
    arguments: Vec<Glob>,
    /// Whether any number of arguments may follow.
    rest: bool,
}

impl Commands {
    /// Reads the list: JSON lists of strings, one a line.
    pub fn parse(text: &str) -> Result<Commands, Vec<Mistake>> {
        if text.trim() == "none" {
            return Ok(Commands(Vec::new()));
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        list::all(lines, Command::parse).map(Commands)
    }

    /// Whether a command is listed, with all its arguments.
    pub fn allows(&self, command: &[&str]) -> bool {
        self.0.iter().any(|own| own.allows(command))
    }
}

impl Command {
    fn parse(line: &str) -> Result<Command, Mistake> {
        let mut arguments: Vec<String> = serde_json::from_str(line).map_err(|_| {
            let help = "use [\"/usr/local/bin/check\", \"*\"], one on each line";
            Mistake::new(line, "is not a JSON list of strings", help)
        })?;
        let rest = arguments.len() > 1 && arguments.last().is_some_and(|last| last == REST);
        if rest {
            arguments.pop();
        }
        match arguments.first().map(String::as_str) {
            None | Some("") => return Err(Mistake::new(line, "has no command", "")),
            Some(first) if first.contains('*') => {
                let help = "name each command";
                return Err(Mistake::new(line, "has a wildcard in its command", help));
            }
            Some(_) => {}
        }
        if arguments.iter().any(|argument| argument == REST) {
            let help = "move it to the end, or use \"*\" for one argument";
            return Err(Mistake::new(
                line,
                "has a \"**\" that is not its last argument",
                help,
            ));
        }
        Ok(Command {
            text: line.to_owned(),
            arguments: arguments.iter().map(|text| Glob::text(text)).collect(),
            rest,
        })
    }

    fn allows(&self, command: &[&str]) -> bool {
        let own = self.arguments.len();
        let fits = own == command.len() || self.rest && own < command.len();
        let mut pairs = self.arguments.iter().zip(command);
        fits && pairs.all(|(own, argument)| own.fits(argument))
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Display for Commands {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list::show(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_listed() {
        let text =
            "[\"/bin/check\", \"*\"]\n\n [\"ls\"]\n[\"git\", \"log\", \"--format=*\", \"**\"]";
        let own = Commands::parse(text).expect("a list");
        for command in [
            &["/bin/check", "a"][..],
            &["/bin/check", ""],
            &["/bin/check", "/a b/c"],
            &["ls"],
            &["git", "log", "--format=%H"],
            &["git", "log", "--format=a/b", "x", "y"],
        ] {
            assert!(own.allows(command), "{command:?}");
        }
        for command in [
            &[][..],
            &["/bin/check"],
            &["/bin/check", "a", "b"],
            &["ls", "-l"],
            &["LS"],
            &["sh", "-c", "ls"],
            &["git", "log"],
            &["git", "gc", "--format=x"],
        ] {
            assert!(!own.allows(command), "{command:?}");
        }
        assert_eq!(
            own.to_string(),
            "[\"/bin/check\", \"*\"], [\"ls\"], [\"git\", \"log\", \"--format=*\", \"**\"]"
        );
        assert!(!Commands::parse("none").expect("a list").allows(&["ls"]));
        for mistake in [
            "ls",
            "[\"ls\"], [\"a\"]",
            "[]",
            "[\"\"]",
            "[\"*\"]",
            "[\"a\",\"**\",\"b\"]",
            "[1]",
            "",
        ] {
            assert_eq!(Commands::parse(mistake).expect_err(mistake).len(), 1);
        }
    }
}
