//! Dockerfiles, with the images that they use or why they are refused.

use super::*;

fn args(text: &str) -> BuildArgs {
    let pairs = text.split_ascii_whitespace();
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (pair.to_owned(), None),
        })
        .collect()
}

fn shown(contents: Result<Contents, Refusal>) -> String {
    match contents {
        Ok(contents) => {
            let values = contents.images.iter().map(|claim| claim.value.as_str());
            values.collect::<Vec<&str>>().join(" ")
        }
        Err(refusal) => refusal.to_string(),
    }
}

fn of(text: &str) -> String {
    shown(contents(text.as_bytes(), &BuildArgs::new()))
}

#[test]
fn images_are_found_wherever_they_are_used() {
    for (text, expected) in [
        ("FROM a", "a"),
        ("from  a:1@sha256:b\t as x\n", "a:1@sha256:b"),
        ("\u{feff}FROM a", "a"),
        (
            "# syntax=x\n# escape=\\\n\n  # c\n\u{a0} FrOm a\r\nRUN b\r\n",
            "a",
        ),
        ("FROM --platform=linux/amd64 a", "a"),
        ("FROM scratch\nCOPY x /", ""),
        ("FROM a\nFROM b\nFROM a", "a b a"),
        ("FROM \\\na \\\n# comment\n\nAS x\nCOPY --from=b c /", "a b"),
        (
            "FROM a AS x\nFROM x\nCOPY --from=x y z\nCOPY --from=0 y z",
            "a",
        ),
        ("FROM a AS X\nFROM b\nCOPY --from=x y z", "a b"),
        // A stage's name is known behind it alone.
        ("FROM a AS b\nCOPY --from=b y z", "a b"),
        ("FROM a AS a\nFROM a", "a"),
        ("FROM a\nCOPY --chown=1:1 --from=evil/x y z", "a evil/x"),
        ("FROM a\nCOPY --from= y z\nCOPY y --from=b", "a"),
        ("FROM a\nCOPY [\"x\", \"y\"]\nADD é /", "a"),
        ("FROM a\nONBUILD COPY --from=b y z\nONBUILD RUN x", "a b"),
        ("FROM a AS b\nFROM c\nONBUILD COPY --from=b y z", "a c b"),
        ("FROM a\nONBUILD COPY --from=0 y z", "a"),
        (
            "FROM a\nRUN echo \\\n FROM b \\\n  # more \\\n && echo \\\nFROM c\nCMD x",
            "a",
        ),
        // An indented comment ends the instruction for some versions.
        ("FROM a\nRUN x && \\\n    # why\n    y", "a"),
        (
            "FROM a\nRUN x && \\\n\t# why\n    y\nCOPY --from=b / /",
            "a b",
        ),
        ("FROM a\nRUN x \\\n  # y\nFROM b", "a b"),
        (
            "FROM a AS x\nRUN x \\\n  # y\nFROM b AS z\nFROM x\nCOPY --from=z / /",
            "a z b",
        ),
        (
            "FROM a\nRUN apk add \\\n  # y\n  curl \\\n  # FROM b\n  git",
            "a",
        ),
        (
            "FROM a\nRUN x\n  # y\nCOPY --from=b / /\nONBUILD RUN x \\\n # y\n COPY --from=c / /",
            "a b c",
        ),
        // Stages in upper case.
        ("FROM a AS Builder\nFROM b\nCOPY --from=Builder / /", "a b"),
        (
            "FROM a AS builder\nFROM BUILDER\nCOPY --from=Builder / /",
            "a",
        ),
        ("FROM a AS b\nFROM B:1\nCOPY --from=B/c / /", "a B:1 B/c"),
        // No here-documents.
        (
            "FROM a\nRUN echo $((1<<3)) $(( 1 << 3 )) && cat <<< x; y=$((x<<2))",
            "a",
        ),
        (
            "FROM a\nRUN python -c \"print(1<<2)\" && echo \"1 << 2\"",
            "a",
        ),
        ("FROM a\nRUN x \\", "a"),
        ("FROM a\nLABEL a=\"\\\nFROM b\"", "a"),
        (
            "FROM a\nENV A=b\nARG C\nUSER 1\nWORKDIR /\nEXPOSE 1\nSHELL [\"x\"]\nSTOPSIGNAL 1\nHEALTHCHECK --interval=1s CMD x\nMAINTAINER é\nVOLUME /x\nENTRYPOINT x",
            "a",
        ),
        ("", ""),
    ] {
        assert_eq!(of(text), expected, "{text:?}");
    }
    let claims = contents(b"\n\nFROM a", &BuildArgs::new())
        .expect("images")
        .images;
    assert_eq!(claims[0].path, "Dockerfile line 3");
    assert_eq!(claims[0].what, What::Image("a".to_owned()));
}

#[test]
fn variables_are_those_of_the_build() {
    for (text, given, expected) in [
        ("ARG A=x\nFROM $A", "", "x"),
        ("ARG A=x\nFROM ${A}:1", "A=y", "y:1"),
        ("ARG A=x\nFROM b:$A-slim", "", "b:x-slim"),
        ("ARG A\nFROM b:${A:-latest}", "", "b:latest"),
        ("ARG A\nFROM b:${A:-latest}", "A", "b:latest"),
        ("ARG A\nFROM b:${A:-latest}", "A=2", "b:2"),
        ("ARG A=\nFROM b${A:-c}", "", "bc"),
        ("FROM b:${A:-latest}", "A=2", "b:latest"),
        ("ARG A=1 B=2\nFROM a:$A\nFROM b:$B", "", "a:1 b:2"),
        ("ARG A=\"x\"\nFROM b:${A}", "", "b:x"),
        ("ARG A='x' B=\"y z\" C\nFROM $A", "", "x"),
        ("ARG A=\"x\"\nFROM ${A:-y}", "A=z", "z"),
        ("ARG A=\"\"\nFROM ${A:-y}", "", "y"),
        // What an image or a stage sets counts for nothing.
        ("ARG A=x\nFROM $A\nARG A=y\nENV A=z\nFROM $A", "", "x x"),
        ("ARG A=s\nFROM b AS s\nFROM $A", "", "b"),
    ] {
        assert_eq!(
            shown(contents(text.as_bytes(), &args(given))),
            expected,
            "{text:?} {given}"
        );
    }
    let unclear = "has a variable without a plain value";
    for (text, given) in [
        ("FROM $A", "A=x"),
        ("ARG A\nFROM $A", ""),
        ("ARG A=x\nFROM $A", "A"),
        ("ARG A=\"$B\"\nFROM ${A:-y}", ""),
        ("ARG A=\"x y\"\nFROM $A", "A=y"),
        ("ARG A=\"x\"\"y\"\nFROM $A", ""),
        ("ARG B=x\nARG A=$B\nFROM ${A:-y}", ""),
        ("ARG A=x\nFROM ${A", ""),
        ("ARG A=x\nFROM ${A:+y}", ""),
        ("ARG A=x\nFROM ${A-y}", ""),
        ("ARG A=x\nFROM ${A%x}", ""),
        ("ARG A=x\nFROM $1", ""),
        ("ARG A=x\nFROM b$", ""),
        ("FROM ${A:-$B}", ""),
    ] {
        let found = shown(contents(text.as_bytes(), &args(given)));
        assert!(found.ends_with(unclear), "{text:?} {given}: {found}");
    }
}

#[test]
fn what_versions_read_differently_is_refused() {
    for (text, why) in [
        (
            "# escape=`\nFROM a",
            "line 1: sets another escape character",
        ),
        (
            "FROM a\n  #Escape = ` ",
            "line 2: sets another escape character",
        ),
        (
            "FROM a\nRUN x \\\\\nFROM b",
            "line 2: ends with two backslashes, which versions read differently",
        ),
        (
            "FROM a\nRUN x \\\n  # y\nRUN --mount=from=b z",
            "line 4: has an option of RUN, which needs BuildKit",
        ),
        // Letters that some take for others, so that the instruction is known after all.
        (
            "FROM a\nRUN x \\\n  # y\nWOR\u{212a}DIR / \\\n  # y\nFROM b",
            "line 4: has other characters than ASCII",
        ),
        (
            "FROM a\nRUN cat <<EOF\nFROM b\nEOF",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN x 3<<-\"CMD x\"\nFROM b AS c\nCMD x",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN ${x:-(}<<CMD",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN a\u{a0}<<CMD",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN $((1<<2)) <${x:-<}CMD",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN $((1<<2)) ${x:-<}<CMD",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN x $y<<CMD",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nCOPY <<EOF /x\nFROM b AS evil\nEOF",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nONBUILD RUN <<EOF\nx\nEOF",
            "line 2: has a here-document, which needs BuildKit",
        ),
        (
            "FROM a\nRUN --mount=type=bind,from=b x",
            "line 2: has an option of RUN, which needs BuildKit",
        ),
        (
            "FROM a\nONBUILD RUN --mount=from=b x",
            "line 2: has an option of RUN, which needs BuildKit",
        ),
        (
            "FROM a\nCOPY --from b x y",
            "line 2: has an option that versions read differently",
        ),
        (
            "FROM a\nCOPY --link --from=b x y",
            "line 2: has an option that versions read differently",
        ),
        (
            "FROM a\nCOPY --fr\\om=b x y",
            "line 2: has an option that versions read differently",
        ),
        (
            "FROM a\nCOPY --from=\"b\" x y",
            "line 2: has an option that versions read differently",
        ),
        (
            "FROM a\nCOPY -- --from=b x y",
            "line 2: has an option that versions read differently",
        ),
        (
            "FROM a\nCOPY --from=b --from=c x y",
            "line 2: has an unknown option of COPY",
        ),
        (
            "FROM a\nCOPY --from=$b x y",
            "line 2: has an unknown option of COPY",
        ),
        (
            "FROM a\nCOPY --exclude=b x y",
            "line 2: has an unknown option of COPY",
        ),
        (
            "FROM a\nADD --from=b x y",
            "line 2: has an unknown option of ADD",
        ),
        (
            "FROM a\nCOPY --from=0 x y",
            "line 2: has the number of a stage that is not complete",
        ),
        (
            "FROM a\nFROM b\nCOPY --from=-1 x y",
            "line 3: has the number of a stage that is not complete",
        ),
        (
            "FROM a AS x\nFROM b AS x",
            "line 2: has an invalid name of a stage, or one twice",
        ),
        (
            "FROM a AS 1x",
            "line 1: has an invalid name of a stage, or one twice",
        ),
        (
            "FROM a AS x/y",
            "line 1: has an invalid name of a stage, or one twice",
        ),
        ("FROM", "line 1: must be FROM IMAGE or FROM IMAGE AS STAGE"),
        (
            "FROM a b",
            "line 1: must be FROM IMAGE or FROM IMAGE AS STAGE",
        ),
        ("FROM a aſ b", "line 1: has other characters than ASCII"),
        ("FROM --x=y a", "line 1: has an unknown option of FROM"),
        ("FROM \"a\"", "line 1: has quotes or a backslash in FROM"),
        ("FROM a\\b", "line 1: has quotes or a backslash in FROM"),
        (
            "RUN x\nFROM a",
            "line 1: has an instruction before the first FROM",
        ),
        (
            "FROM a\nFRO\u{212a} b",
            "line 2: has other characters than ASCII",
        ),
        (
            "FROM a\nFROM\u{a0}b",
            "line 2: has other characters than ASCII",
        ),
        ("FROM a\nINCLUDE b", "line 2: has an unknown instruction"),
        ("FROM a\nONBUILD FROM b", "line 2: has no trigger"),
        (
            "FROM a\nONBUILD ONBUILD COPY --from=b x y",
            "line 2: has no trigger",
        ),
        (
            "FROM a\nONBUILD --x=y COPY --from=b x y",
            "line 2: has an option of ONBUILD",
        ),
        ("FROM a\nRUN x\rFROM b", "line 2: has a control character"),
        ("FROM a\u{b}b", "line 1: has a control character"),
        ("FROM a\0", "line 1: has a control character"),
        ("FROM a\n\u{85}FROM b", "line 2: has a control character"),
        (
            "ARG a-b=1\nFROM a",
            "line 1: has an ARG that versions read differently",
        ),
        (
            "ARG A=\"1\nFROM a",
            "line 1: has an ARG that versions read differently",
        ),
        (
            "ARG A=x\\ B=y\nFROM a",
            "line 1: has an ARG that versions read differently",
        ),
        (
            "ARG \"A=1\"\nFROM a",
            "line 1: has an ARG that versions read differently",
        ),
    ] {
        assert_eq!(of(text), format!("Dockerfile {why}"), "{text:?}");
    }
    let long = format!("FROM a\nRUN {}", "x".repeat(70_000));
    assert_eq!(of(&long), "Dockerfile line 2: is too long");
    let bytes = contents(b"FROM a\xff", &BuildArgs::new());
    assert_eq!(shown(bytes), "Dockerfile line 1: is not valid UTF-8");
}

#[test]
fn triggers_of_a_base_image_are_found() {
    let of = |lines: &[&str]| shown(triggers(lines.iter().copied()));
    assert_eq!(
        of(&[
            "COPY --from=evil/x a b",
            "RUN x",
            "COPY --from=1 a b",
            "ADD a b"
        ]),
        "evil/x"
    );
    assert_eq!(of(&[]), "");
    assert_eq!(of(&["FROM x"]), "Dockerfile line 1: has no trigger");
    assert_eq!(
        of(&["RUN x", "RUN --mount=from=x y"]),
        "Dockerfile line 2: has an option of RUN, which needs BuildKit"
    );
    assert_eq!(of(&["COPY \\\n--from=x a b"]), "x");
    // Each is read when the engine comes to it.
    assert_eq!(
        of(&["RUN x \\\n # y\nCOPY --from=b / /", "RUN x \\\n # y\nz"]),
        "b"
    );
}

#[test]
fn labels_of_dockgate_are_found_however_they_are_written() {
    let label = |text: &str| {
        let found = contents(text.as_bytes(), &BuildArgs::new()).expect(text);
        found.label.map(|refusal| (refusal.line, refusal.why))
    };
    let (sets, could) = (
        "sets a label that only dockgate can set",
        "has a variable in the key of a label, which could be one that only dockgate can set",
    );
    for (text, line, why) in [
        ("LABEL dockgate.created-by=red", 2, sets),
        ("LABEL dockgate.created-by red", 2, sets),
        ("label a=b \\\n# c\n  dockgate.x=1", 2, sets),
        ("LABEL dock\\\ngate.x=1", 2, sets),
        ("RUN x\nLABEL a=\"b c\" \"dockgate.x\"=1", 3, sets),
        ("LABEL 'dock'gate.x=1", 2, sets),
        ("LABEL dock\\gate.x=1", 2, sets),
        ("LABEL a=\\\" dockgate.x=1", 2, sets),
        ("ONBUILD LABEL dockgate.x=1", 2, sets),
        ("ARG k=dockgate.x\nLABEL $k=1", 3, could),
        ("LABEL dock${x}gate.x=1", 2, could),
        ("LABEL a=b dock$x=1", 2, could),
        ("LABEL $k 1", 2, could),
        ("RUN x \\\n  # y\nLABEL dockgate.x=1", 4, sets),
    ] {
        assert_eq!(
            label(&format!("FROM a\n{text}")),
            Some((line, why)),
            "{text}"
        );
    }
    for text in [
        "LABEL a=b c=$d e=\"f $g\" h='dockgate'",
        "LABEL url=https://dockgate.example",
        "LABEL a dockgate",
        "ENV dockgate.x=1\nRUN echo dockgate.x=1",
        "LABEL mydockgate.x=1",
        "LABEL Dockgate.x=1",
    ] {
        assert_eq!(label(&format!("FROM a\n{text}")), None, "{text}");
    }
    let of_base = triggers(["RUN x", "LABEL dockgate.x=1"].into_iter()).expect("triggers");
    assert_eq!(of_base.label.map(|refusal| refusal.why), Some(sets));
}
