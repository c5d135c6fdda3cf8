//! What a document is read as, and which ones are refused.

use std::time::{Duration, Instant};

use super::*;

/// A tree on one line: `{key@line: text, …}`.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, .. } => format!("{text:?}"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entry = |one: &Entry| format!("{}@{}: {}", one.key, one.line, shown(&one.value));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Refused => "refused".to_owned(),
    }
}

fn problems(bytes: &[u8]) -> Vec<String> {
    let (_, problems) = parse(bytes);
    let shown = |one: &Problem| format!("{}: {}; {}", one.line, one.what, one.help);
    problems.iter().map(shown).collect()
}

#[test]
fn values_keep_their_text_and_their_line() {
    for (text, tree) in [
        ("a: 1", "{a@1: 1}"),
        ("\u{feff}a: 1", "{a@1: 1}"),
        ("---\na: 1\n...\n", "{a@2: 1}"),
        ("%YAML 1.2\n---\na: 1\n", "{a@3: 1}"),
        (
            "a: 0x1F\nb: 1.0\nc: yes\nd: 0660\ne: True\nf: 1_0",
            "{a@1: 0x1F, b@2: 1.0, c@3: yes, d@4: 0660, e@5: True, f@6: 1_0}",
        ),
        (
            "a: \"1\"\nb: '0'\nc: |\n  x\n  y\nd: >\n  x\n  y\n",
            "{a@1: \"1\", b@2: \"0\", c@3: \"x\\ny\\n\", d@6: \"x y\\n\"}",
        ),
        ("a:\r\n  b: 1\r\n\r\n  c: 2\r\n", "{a@1: {b@2: 1, c@4: 2}}"),
        ("a: x # y\r\n# z\r\nb: y", "{a@1: x, b@3: y}"),
        ("a: x # y\nb: x#y\n# c\n", "{a@1: x, b@2: x#y}"),
        ("a: [1, 'b', {c: d}]", "{a@1: [1, \"b\", {c@1: d}]}"),
        ("a: {b: 1,\n c: 2}", "{a@1: {b@1: 1, c@2: 2}}"),
        ("- a\n- - b", "[a, [b]]"),
        ("a:\n- b\n- c: d\n  e: f", "{a@1: [b, {c@3: d, e@4: f}]}"),
        ("a:\nb: ~\n", "{a@1: , b@2: ~}"),
        ("a: tcp://[::]:2375", "{a@1: tcp://[::]:2375}"),
        ("a: label:team=ci", "{a@1: label:team=ci}"),
        ("a: [::1, fd00::/8]", "{a@1: [::1, fd00::/8]}"),
        ("a: {b: unix:///x}", "{a@1: {b@1: unix:///x}}"),
        ("a: ^/v1\\.4[0-9]/info$", "{a@1: ^/v1\\.4[0-9]/info$}"),
        ("\"a\": 1\n'b': 2\n? c\n: 3", "{a@1: 1, b@2: 2, c@3: 3}"),
        ("a: \"\\0\\u0001\\n\"", "{a@1: \"\\0\\u{1}\\n\"}"),
        ("a: x\n  y", "{a@1: x y}"),
        ("just text", "just text"),
        ("a: &x {b: 1}\nc: *x", "{a@1: {b@1: 1}, c@2: {b@1: 1}}"),
        ("a: &x 1\n*x : 2", "{a@1: 1, 1@1: 2}"),
        ("a: &x 1\nb: &x 2\nc: *x", "{a@1: 1, b@2: 2, c@3: 2}"),
    ] {
        let (root, problems) = parse(text.as_bytes());
        assert_eq!(problems, [], "{text}");
        assert_eq!(shown(&root.expect("a root")), tree, "{text}");
    }
    for text in ["", "\n\n", "# nothing\n", "\u{feff}", " "] {
        assert_eq!(parse(text.as_bytes()), (None, Vec::new()), "{text:?}");
    }
}

#[test]
fn what_yaml_means_by_nothing_is_null() {
    for (text, null) in [
        ("a:", true),
        ("a: ~", true),
        ("a: null", true),
        ("a: NULL", true),
        ("a: ''", false),
        ("a: \"null\"", false),
        ("a: none", false),
        ("a: {}", false),
        ("a: []", false),
    ] {
        let (root, _) = parse(text.as_bytes());
        let Some(Value::Map(entries)) = root.map(|root| root.value) else {
            panic!("{text}");
        };
        assert_eq!(entries[0].value.is_null(), null, "{text}");
    }
}

#[test]
fn what_does_not_mean_what_it_looks_like_is_refused() {
    const TAG: &str = "is not supported; remove the tag";
    const BRACKETS: &str = "check the brackets and the indentation";
    for (text, told) in [
        (
            "a: 1\nb: 2\na: 3",
            "3: duplicate key a, which line 1 has already; remove one of them",
        ),
        (
            "a: 1\n\"a\": 1",
            "2: duplicate key a, which line 1 has already; remove one of them",
        ),
        (
            "a: &x\n  b: 1\nc:\n  <<: *x",
            "4: merge key << is not supported; repeat the keys, or use an alias for the \
             whole value",
        ),
        ("a: !!str 1", &format!("1: tag !!str {TAG}")),
        ("a: !x 1", &format!("1: tag !x {TAG}")),
        ("a: ! 1", &format!("1: tag ! {TAG}")),
        ("a:\n  !!map {}", &format!("2: tag !!map {TAG}")),
        ("a: !!seq []", &format!("1: tag !!seq {TAG}")),
        ("[a]: 1", &format!("1: a key must be a name; {BRACKETS}")),
        ("{a: b}: 1", &format!("1: a key must be a name; {BRACKETS}")),
        (
            "a: 1\n---\nb: 1",
            "2: second document in one file; remove the --- line, or move what follows into \
             another file",
        ),
        (
            "a: &x [1, *x]",
            "1: an alias cannot stand inside the value that it repeats; repeat the value itself",
        ),
    ] {
        assert_eq!(problems(text.as_bytes()), [told], "{text}");
    }
    let hidden = |line, code: &str| {
        format!(
            "{line}: invisible character U+{code} is not allowed; remove it; in a \
             double-quoted value it can be written as an escape"
        )
    };
    for (text, told) in [
        // It would be the end of the file for the parser.
        ("a: 1\nb: 2\n\0c: 3", hidden(3, "0000")),
        ("a: 1 # \u{85}b: 2", hidden(1, "0085")),
        ("a: 1\n# \u{2028}b: 2", hidden(2, "2028")),
        ("a: \u{202e}1", hidden(1, "202E")),
        ("\u{feff}a: 1\n\u{feff}b: 2", hidden(2, "FEFF")),
        ("a: \u{7f}", hidden(1, "007F")),
        ("a: \u{1b}[1m", hidden(1, "001B")),
        ("\u{feff}\u{feff}a: 1", hidden(1, "FEFF")),
    ] {
        assert_eq!(problems(text.as_bytes()), [told], "{text:?}");
    }
    for code in [
        0xad, 0x34f, 0x61c, 0x115f, 0x17b4, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028,
        0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0x206f, 0x3164, 0xfe0f, 0xfeff, 0xffa0,
        0xfff9, 0xfffe, 0x1bca0, 0x1d173, 0xe0001, 0xe007f, 0xe0fff,
    ] {
        let letter = char::from_u32(code).expect("a character");
        let text = format!("a: 1\nb: x{letter}y # z");
        assert_eq!(
            problems(text.as_bytes()),
            [hidden(2, &format!("{code:04X}"))]
        );
    }
    for text in [
        "a: é # ü\u{a0}—",
        "a: \"\\u200b\"",
        "# 日本語 \u{1f512}\na: 1",
    ] {
        assert_eq!(problems(text.as_bytes()), [""; 0], "{text:?}");
    }
    let lone = "carriage return without a line feed; end lines with LF or CRLF";
    for (text, line) in [
        ("a: 1 # as it was\rb: 2", 1),
        ("a: 1\r\n# b\r\r\nc: 3", 2),
        ("a: 1\r", 1),
        ("a: \"x\ry\"", 1),
    ] {
        assert_eq!(
            problems(text.as_bytes()),
            [format!("{line}: {lone}")],
            "{text:?}"
        );
    }
    assert_eq!(
        problems(b"a: 1\nb: \xff"),
        ["2: the text is not UTF-8; save the file as UTF-8"]
    );
    assert_eq!(
        problems(b"\xff\xfea\0"),
        ["1: the text is not UTF-8; save the file as UTF-8"]
    );
}

#[test]
fn invalid_yaml_is_told_with_its_line() {
    for (text, line) in [
        ("a: 1\n b: 2", 2),
        ("a: [1", 1),
        ("a: {b: 1\nc: 2", 2),
        ("a: \"x", 1),
        ("a: *x", 1),
        ("a:\n\tb: 1", 2),
        ("a: 1\nb", 2),
        ("a: @x", 1),
        ("a: b: c", 1),
        ("a: 'x' y", 1),
    ] {
        let told = problems(text.as_bytes());
        let [told] = &*told else {
            panic!("{text}: {told:?}");
        };
        let begin = format!("{line}: invalid YAML: ");
        assert!(told.starts_with(&begin), "{text}: {told}");
    }
}

#[test]
fn every_mistake_of_a_valid_document_is_told() {
    let told = problems(b"a: !x 1\na: 2\n<<: 3\n[b]: 4\nc: 5");
    let lines: Vec<&str> = told.iter().map(|told| &told[..2]).collect();
    assert_eq!(lines, ["1:", "2:", "3:", "4:"], "{told:?}");
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |open: &str, close: &str, depth| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!("{open}x{close}")
    };
    let deep = "1: nested more than 16 levels deep; a policy needs 3 levels; check the \
                brackets and the indentation";
    assert_eq!(problems(nested("[", "]", 16).as_bytes()), [""; 0]);
    assert_eq!(problems(nested("[", "]", 17).as_bytes()), [deep]);
    assert_eq!(problems(nested("{a: ", "}", 17).as_bytes()), [deep]);
    assert_eq!(problems(nested("- ", "", 17).as_bytes()), [deep]);
    let told = problems(nested("[", "", 5000).as_bytes());
    assert!(
        told[0].starts_with("1: invalid YAML: recursion limit exceeded"),
        "{told:?}"
    );
    // An alias is as deep as what it stands for.
    let by_alias = |depth| format!("- &x {}\n- [[*x]]", nested("[", "]", depth));
    assert_eq!(problems(by_alias(13).as_bytes()), [""; 0]);
    assert_eq!(
        problems(by_alias(14).as_bytes()),
        [deep.replacen('1', "2", 1)]
    );
    let large = "#".repeat(MAX_BYTES + 1);
    assert_eq!(
        problems(large.as_bytes()),
        ["1: the file is larger than 1 MiB; split it into the files of a CONFIG_DIR"]
    );
    assert_eq!(problems(&large.as_bytes()[1..]), [""; 0]);
    let many = "- x\n".repeat(MAX_NODES);
    assert_eq!(
        problems(many.as_bytes()),
        [
            "10000: more than 10000 values, expanded aliases included; reduce the aliases, or \
             split the file into those of a CONFIG_DIR"
        ]
    );
    assert_eq!(problems(&many.as_bytes()[4..]), [""; 0]);
}

#[test]
fn aliases_do_not_multiply() {
    let mut laughs = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        let items = vec![alias; 10].join(", ");
        laughs += &format!("- &a{level} [{items}]\n");
    }
    let told = problems(laughs.as_bytes());
    assert!(told[0].starts_with("4: more than 10000 values"), "{told:?}");
    let long = format!("- &x {}\n{}", "x".repeat(1000), "- *x\n".repeat(2000));
    assert_eq!(
        problems(long.as_bytes()),
        ["1050: aliases repeat more than 1 MiB of text; reduce the aliases"]
    );
}

/// Whatever a document is, it is read in time; one of 1 MiB is in some 2 s at the worst.
#[test]
fn no_document_takes_long() {
    for unit in [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "a:\n ",
        "&a ",
        "!a ",
        "*a ",
        "\"",
        "'",
        "|\n",
        "#",
        "\n",
        "\r",
        " ",
        "\t",
        ",",
        "a",
        "a\n",
        "a ",
        "a #",
        "---\n",
        "%a\n",
        "{a",
        "[a, ",
        "a: [",
        ": ",
        "\\",
        "\"\\x41",
        "- a\n",
        "a\n\n",
        "[\n",
        "{\n",
        "é",
        "? a\n",
        "\"a\n",
        "'a\n\n",
        "&a [",
        "- - ",
        "%TAG ! a\n",
        "!<",
        "*a: ",
        "&a a: ",
    ] {
        for before in ["", "a: [[", "a: \"", "a: |\n ", "{"] {
            let count = (MAX_BYTES / 32) / unit.len();
            let text = format!("{before}{}", unit.repeat(count));
            let start = Instant::now();
            let _ = parse(text.as_bytes());
            let took = start.elapsed();
            assert!(
                took < Duration::from_secs(5),
                "{before:?} {unit:?}: {took:?}"
            );
        }
    }
}
