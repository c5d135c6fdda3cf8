//! The compose files that people copy: what `dockgate check` says about their environments.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{CALLS, decide, dockgate, of, settings};

/// The environment of the service `dockgate` in a compose file.
fn environment(compose: &str) -> Vec<(&str, &str)> {
    let (_, after) = compose.split_once("\n  dockgate:\n").expect("the service");
    let (_, after) = after
        .split_once("\n    environment:\n")
        .expect("its environment");
    let lines = after.lines().map_while(|line| line.strip_prefix("      "));
    let lines = lines.map(|line| line.split(" #").next().unwrap_or(line));
    let env = lines.filter_map(|line| line.split_once(": "));
    env.map(|(name, value)| (name, value.trim_matches('"')))
        .collect()
}

/// Every compose file in `examples/compose`, as `dockgate check` sees its environment.
#[test]
fn the_compose_examples_start() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/compose");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("examples") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue; // configuration of programs
        }
        let text = fs::read_to_string(&path).expect("a compose file");
        // docker-compose 1.29 knows no contents of configs, and the README calls it by this name.
        assert!(!text.contains("configs:"), "{}", path.display());
        assert!(text.contains("\n    container_name: dockgate\n"), "{text}");
        let mounts = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- ./"));
        let files = mounts.filter_map(|mount| mount.split(':').next());
        let read = |file| fs::read_to_string(Path::new(folder).join(file)).expect(file);
        let whole = files.map(read).fold(text.clone(), |all, one| all + &one);
        let env = environment(&text);
        let (code, out, err) = dockgate(&["check"], &env);
        assert_eq!((code, err.as_str()), (0, ""), "{}", path.display());
        let warnings = out.lines().filter(|line| line.starts_with("warning: "));
        let others = warnings.filter(|line| !line.contains("root on the host"));
        assert_eq!(others.count(), 0, "{}: {out}", path.display());
        // Nobody else reaches dockgate.
        let network = ["\n    internal: true", "\n    network_mode: none"];
        assert!(network.iter().any(|line| text.contains(line)), "{text}");
        let address = [
            "dockgate:2375",
            "HOST: dockgate",
            "endpoint=unix:///run/dockgate/",
        ];
        assert!(
            address.iter().any(|address| whole.contains(address)),
            "{whole}"
        );
        names.insert(
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
        // The program does what it is for, but for what the example takes away.
        let preset = env
            .iter()
            .find(|(name, _)| *name == "PRESET")
            .map_or("autoheal", |one| one.1);
        let policy = settings(&env).policies.into_default();
        let lines = of(CALLS, preset).lines().map(str::trim);
        for call in lines.filter(|line| !line.is_empty()) {
            if let Err(remedy) = decide(&policy, call) {
                assert!(
                    remedy.starts_with("DENY_"),
                    "{}: {call}: {remedy}",
                    path.display()
                );
            }
        }
    }
    assert!(names.len() >= 10, "{names:?}");
}

/// Those of the page on creating containers, which has them as they are. None of them lets a client
/// become root, and dockgate has nothing to warn about.
#[test]
fn the_examples_without_root_are_on_the_page_and_start() {
    let here = |path: &str| format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(here(path)).expect(path);
    let page = read("docs/creating-containers.md");
    let shown = |text: &str| {
        assert!(page.contains(&format!("```yaml\n{text}```\n")), "{text}");
    };
    for name in ["portainer", "gitlab-runner", "devcontainer", "agent"] {
        let text = read(&format!("examples/no-root/{name}.yml"));
        shown(&text);
        for line in [
            "container_name: dockgate",
            "user: \"65534:65534\"",
            "read_only: true",
            "cap_drop: [ALL]",
            "no-new-privileges:true",
        ] {
            assert!(
                text.contains(&format!("    {line}")) || text.contains(line),
                "{name}: {line}"
            );
        }
        let network = ["\n    internal: true", "\n    network_mode: none"];
        assert!(network.iter().any(|line| text.contains(line)), "{text}");
        let env = environment(&text).into_iter().map(|(variable, value)| {
            let file = value.strip_prefix("/etc/dockgate/");
            let file = file.map(|file| format!("examples/no-root/dockgate/{file}"));
            if let Some(file) = &file {
                shown(&read(file));
            }
            (variable, file.map_or(value.to_owned(), |file| here(&file)))
        });
        let env: Vec<(&str, String)> = env.collect();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, &**value)).collect();
        let (code, out, err) = dockgate(&["check"], &env);
        assert_eq!((code, err.as_str()), (0, ""), "{name}");
        assert!(!out.contains("warning: "), "{name}: {out}");
        assert!(out.contains("DENY_ROOT"), "{name}: {out}");
    }
    let files = fs::read_dir(here("examples/no-root")).expect("examples");
    assert_eq!(files.count(), 5);
}
