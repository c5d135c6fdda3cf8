//! What was learned from real clients on a real engine is what they need, and a dry run lets them
//! work.

use rustix::process::Signal;

use crate::harness::Gate;
use crate::learned::{Learned, pairs};

const WORK: &str = "docker run -d --name $N busybox sh -c 'echo up; sleep 600' \
                    && docker ps -f name=$N && docker exec $N echo hi && docker stop -t 0 $N \
                    && docker logs $N && docker rm $N";

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_learned_policy_is_enough_and_no_more() {
    for learning in Gate::each("LEARN") {
        let before = learning.sh(WORK);
        let learned = learned(&learning);
        let variables = learned.environment().into_iter();
        let variables: Vec<String> = variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let variables = variables.join(" ");
        assert!(!variables.contains("POST"), "{variables}");

        let gate = Gate::new(&variables);
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&gate.sh(WORK)), lines(&before), "{variables}");
        assert!(!gate.log().contains("denied"), "{}", gate.log());
        for (command, remedy) in [
            (
                "docker volume ls",
                "GET /volumes is not allowed: set ALLOW_VOLUME_LIST=1, or VOLUMES=1",
            ),
            (
                "docker pause x",
                "set ALLOW_PAUSE=1, or CONTAINERS=1 and POST=1",
            ),
        ] {
            gate.refused(command, 1, remedy);
        }
    }
}

/// What it learned, once it is asked to print that.
fn learned(learning: &Gate) -> Learned {
    learning.dockgate().signal(Signal::USR1);
    learning
        .dockgate()
        .line(|line| line == "# End of what was learned.");
    let log = learning.log();
    let report = log.find("# Learned from ").expect("a report");
    let report = log[report..]
        .split_inclusive("# End of what was learned.")
        .next();
    Learned::read(report.expect("its end"))
}

/// Variables as a gate takes them: without blanks.
fn given<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let given = variables
        .into_iter()
        .map(|(name, value)| format!("{name}={value} "));
    given.collect::<String>().replace(", ", ",")
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn learned_limits_are_enough_and_no_more() {
    const LIMITED: &str = "docker run -d --name $N -v /usr/share:/x:ro -v $N-cache:/y --cap-add NET_ADMIN \
                           busybox sleep 600 && docker exec $N id -u \
                           && docker run --rm --volumes-from $N busybox echo hi \
                           && docker rm -f -v $N && docker volume rm $N-cache";
    let learning = Gate::new("LEARN");
    let before = learning.sh(LIMITED);
    let learned = learned(&learning);
    let limits = given(pairs(&learned.limits));
    assert_eq!(
        limits,
        "DENY_ROOT=1 BIND_FROM=/usr/share:ro CAP_ADD=NET_ADMIN \
         IMAGE_FROM=docker.io/library/busybox:latest "
    );
    let gate = Gate::new(&(given(learned.environment()) + &limits));
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(&gate.sh(LIMITED)), lines(&before), "{limits}");
    assert!(!gate.log().contains("denied"), "{}", gate.log());
    for (command, why) in [
        (
            "docker run --rm -v /etc:/x busybox true",
            "/etc is not allowed: BIND_FROM has /usr/share:ro",
        ),
        (
            "docker run --rm --privileged busybox true",
            "HostConfig.Privileged",
        ),
    ] {
        let run = gate.run(command);
        assert!(
            run.code != 0 && run.stderr.contains(why),
            "{command}\n{run:?}"
        );
    }
}

#[test]
#[ignore = "needs a real Docker Engine: run scripts/test"]
fn a_dry_run_lets_clients_work_and_tells() {
    for gate in Gate::each("DRY_RUN") {
        assert_eq!(gate.sh("echo x | docker run -i --rm busybox cat"), "x");
        for told in [
            "would deny: POST /containers/create is not allowed: set ALLOW_CREATE=1, or",
            "/attach is not allowed: set ALLOW_ATTACH=1, or",
        ] {
            gate.dockgate().line(|line| line.contains(told));
        }
    }
}
