//! Writes the manual page and the completions for bash, fish and zsh into a folder:
//! `cargo run --example manual -- FOLDER`.
//!
//! They are made of the same definition as `--help`. The program itself does not make them: that
//! would add 173 KB and three crates to a binary that mostly runs in an image without a shell.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap_complete::aot::{Bash, Fish, Zsh};
use clap_complete::generate_to;
use clap_mangen::Man;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("usage: manual FOLDER"))?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("dockgate.1"), page()?)?;
    completions(&folder)
}

/// `dockgate.bash`, `dockgate.fish` and `_dockgate`.
fn completions(folder: &Path) -> io::Result<()> {
    let mut command = dockgate::cli::command();
    generate_to(Bash, &mut command, "dockgate", folder)?;
    generate_to(Fish, &mut command, "dockgate", folder)?;
    generate_to(Zsh, &mut command, "dockgate", folder)?;
    Ok(())
}

/// One page with every command and variable, as roff.
fn page() -> io::Result<Vec<u8>> {
    let mut command = dockgate::cli::command().disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend(b".SH COMMANDS\n");
    for command in command.get_subcommands_mut() {
        page.extend(format!(".SS {}\n", command.get_name()).bytes());
        page.extend(verbatim(&command.render_help().to_string()).bytes());
    }
    // Behind the examples, the long help has the variables.
    let help = command.get_after_long_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let (examples, variables) = help.split_once("\n\n").unwrap_or(("", &help));
    page.extend(b".SH ENVIRONMENT\n");
    page.extend(verbatim(variables).bytes());
    page.extend(b".SH EXAMPLES\n");
    page.extend(verbatim(examples.trim_start_matches("Examples:\n")).bytes());
    Ok(page)
}

/// Text as it is: lines stay lines, and nothing in it is a request.
fn verbatim(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = escaped.lines().map(|line| match line.chars().next() {
        Some('.' | '\'') => format!("\\&{line}\n"),
        _ => format!("{line}\n"),
    });
    format!(".nf\n{}.fi\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_variable() {
        let page = String::from_utf8(page().expect("a page")).expect("text");
        for command in dockgate::cli::command().get_subcommands() {
            let title = format!("\n.SS {}\n", command.get_name());
            assert!(page.contains(&title), "{title}");
        }
        for part in [
            "\n  CONTAINERS=0 ",
            "\n  SP_ALLOWFROM=",
            "\\-\\-version",
            "\n.TH dockgate 1 ",
        ] {
            assert!(format!("\n{page}").contains(part), "{part}\n{page}");
        }
        assert_eq!(
            verbatim(".a\n'b\\c\n-d"),
            ".nf\n\\&.a\n\\&'b\\ec\n\\-d\n.fi\n"
        );
    }

    #[test]
    fn completions_know_every_command() {
        let folder = tempfile::tempdir().expect("a folder");
        completions(folder.path()).expect("completions");
        for file in ["dockgate.bash", "dockgate.fish", "_dockgate"] {
            let script = fs::read_to_string(folder.path().join(file)).expect("a script");
            for command in dockgate::cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{file}\n{script}");
            }
            // That fish is not given the values of arguments is clap_complete's.
            let has_values = script.contains("DELETE") && script.contains("traefik-swarm");
            assert_eq!(has_values, file != "dockgate.fish", "{file}\n{script}");
        }
    }
}
