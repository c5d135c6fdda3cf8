//! Archives, with the Dockerfile that is found in them or why they are refused.

use super::*;

/// One entry: a name, its kind, its content.
fn entry(name: &str, kind: u8, content: &str) -> Vec<u8> {
    raw(name, kind, content, b"ustar\x0000", |_| {})
}

fn raw(name: &str, kind: u8, content: &str, magic: &[u8; 8], edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(magic);
    edit(&mut block);
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(content.as_bytes());
    block.resize(block.len().next_multiple_of(BLOCK), 0);
    block
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let lines = records.iter().map(|(key, value)| {
        let rest = key.len() + value.len() + 3;
        let length = (1..9)
            .map(|digits| rest + digits)
            .find(|sum| sum.to_string().len() + rest == *sum);
        format!("{} {key}={value}\n", length.expect("a length"))
    });
    entry("pax", b'x', &lines.collect::<String>())
}

fn file(name: &str, content: &str) -> Vec<u8> {
    entry(name, b'0', content)
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

/// Of entries, in pieces of so many bytes.
fn found_in(dockerfile: &str, parts: &[Vec<u8>], piece: usize) -> String {
    let all = parts.concat();
    let mut context = match Context::new(dockerfile) {
        Ok(context) => context,
        Err(refusal) => return refusal.to_string(),
    };
    let (mut passed, mut read) = (0, 0);
    for bytes in all.chunks(piece) {
        match context.read(bytes) {
            Ok(more) => {
                read += bytes.len();
                let more = usize::try_from(more).expect("a length");
                assert!(more >= passed && more < read, "{more} of {read}");
                let is_new = more > passed;
                assert!(!is_new || !is_whole(&all[..more]), "{more} of {read}");
                let held = &all[more..read];
                let zeros = held.iter().rev().take_while(|byte| **byte == 0).count();
                assert!(held.len() - zeros <= 2 * BLOCK, "{more} of {read}");
                passed = more;
            }
            Err(refusal) => return refusal.to_string(),
        }
    }
    match context.dockerfile() {
        Ok(content) => {
            assert!(is_whole(&all));
            String::from_utf8_lossy(content).into_owned()
        }
        Err(refusal) => refusal.to_string(),
    }
}

/// Whether Go's reader finds an end there. Sizes are plain here.
fn is_whole(archive: &[u8]) -> bool {
    let mut rest = archive;
    loop {
        match rest.split_at_checked(BLOCK) {
            None => return rest.is_empty(),
            Some((block, more)) if block.iter().all(|byte| *byte == 0) => {
                return more.is_empty() || more.len() >= BLOCK;
            }
            Some((block, more)) => {
                let size = octal(&block[124..136]).expect("a size");
                let size = usize::try_from(size).expect("a size");
                if size > more.len() {
                    return false;
                }
                rest = more.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
            }
        }
    }
}

fn found(parts: &[Vec<u8>]) -> String {
    let whole = found_in("", parts, usize::MAX);
    for piece in [1, 7, 511, 512, 513] {
        assert_eq!(found_in("", parts, piece), whole, "{piece}");
    }
    whole
}

#[test]
fn the_last_dockerfile_is_found() {
    let long = format!("{}/x", "a".repeat(120));
    for (parts, expected) in [
        (vec![file("Dockerfile", "A"), end()], "A"),
        (
            vec![
                file("./x", "1"),
                file("./Dockerfile", "A"),
                file("y", ""),
                end(),
            ],
            "A",
        ),
        (
            vec![file("Dockerfile", "A"), file("Dockerfile", "B"), end()],
            "B",
        ),
        (
            vec![
                file("Dockerfile", "A"),
                file("/a/../Dockerfile", "B"),
                end(),
            ],
            "B",
        ),
        (vec![file("dockerfile", "a"), end()], "a"),
        (
            vec![file("dockerfile", "a"), file("Dockerfile", "A"), end()],
            "A",
        ),
        (
            vec![file("Dockerfile", "A"), file("dockerfile", "a"), end()],
            "A",
        ),
        (
            vec![file("Dockerfile", ""), file("dockerfile", "a"), end()],
            "",
        ),
        (
            vec![entry("./", b'5', ""), file("Dockerfile", "A"), end()],
            "A",
        ),
        (
            vec![entry("x", b'2', ""), file("Dockerfile", "A"), end()],
            "A",
        ),
        (
            vec![
                entry("x", 0, "content"),
                entry("Dockerfile", 0, "A"),
                end(),
                end(),
            ],
            "A",
        ),
        (
            vec![
                entry("pax_global_header", b'g', "13 comment=x\n"),
                file("Dockerfile", "A"),
                end(),
            ],
            "A",
        ),
        (
            vec![
                pax(&[("mtime", "1.5"), ("path", &long)]),
                file("x", "1"),
                file("Dockerfile", "A"),
                end(),
            ],
            "A",
        ),
        (
            vec![
                pax(&[("mtime", "1.5"), ("SCHILY.xattr.user.a", "b")]),
                file("Dockerfile", "A"),
                end(),
            ],
            "A",
        ),
        (
            vec![
                entry("././@LongLink", b'L', &format!("{long}\0")),
                file("x", "1"),
                file("Dockerfile", "A"),
                end(),
            ],
            "A",
        ),
        (
            vec![raw("Dockerfile", b'0', "A", b"ustar  \0", |_| {}), end()],
            "A",
        ),
        (
            vec![raw("Dockerfile", b'0', "A", &[0; 8], |_| {}), end()],
            "A",
        ),
        (
            vec![
                raw("x", b'0', "1", b"ustar\x0000", |block| block[345] = b'p'),
                file("Dockerfile", "A"),
                end(),
            ],
            "A",
        ),
        (
            vec![file("Dockerfile", &"x".repeat(1000)), end()],
            &"x".repeat(1000),
        ),
    ] {
        assert_eq!(found(&parts), expected);
    }
    let other = [
        file("sub/D", "A"),
        file("Dockerfile", "B"),
        file("dockerfile", "C"),
        end(),
    ];
    for (name, expected) in [
        ("sub/D", "A"),
        ("./sub/D", "A"),
        ("Dockerfile", "B"),
        ("dockerfile", "C"),
        (
            "sub/../D",
            "the build context has a path of its Dockerfile that is not plain",
        ),
        (
            "/D",
            "the build context has a path of its Dockerfile that is not plain",
        ),
        (
            "../D",
            "the build context has a path of its Dockerfile that is not plain",
        ),
        ("x", "the build context has no Dockerfile"),
    ] {
        assert_eq!(found_in(name, &other, 100), expected, "{name}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let plain = || file("Dockerfile", "A");
    let odd = "is not an archive that can be read in one way only";
    let header = |edit: fn(&mut [u8])| raw("Dockerfile", b'0', "A", b"ustar\x0000", edit);
    let mut broken = plain();
    broken[0] = b'E';
    for (parts, why) in [
        (vec![], "has no Dockerfile"),
        (vec![vec![0; BLOCK - 1]], "is cut off"),
        (vec![plain(), vec![0; BLOCK + 1]], "is cut off"),
        (vec![plain(), vec![0; 2 * BLOCK - 1]], "is cut off"),
        (vec![plain(), plain()[..BLOCK].to_vec()], "is cut off"),
        (vec![plain(), plain()[..BLOCK - 1].to_vec()], "is cut off"),
        (vec![plain(), pax(&[("path", "x")])], "is cut off"),
        (
            vec![plain(), pax(&[("mtime", "1")])[..600].to_vec()],
            "is cut off",
        ),
        (
            vec![plain(), vec![0; BLOCK], file("Dockerfile", "B"), end()],
            "has data behind its end",
        ),
        (
            vec![plain(), end(), file("Dockerfile", "B"), end()],
            "has data behind its end",
        ),
        (vec![end()], "has no Dockerfile"),
        (
            vec![b"\x1f\x8b\x08".to_vec()],
            "is compressed; send it uncompressed",
        ),
        (
            vec![file("BZhello", ""), plain(), end()],
            "is compressed; send it uncompressed",
        ),
        (
            vec![b"\x28\xb5\x2f\xfd".to_vec()],
            "is compressed; send it uncompressed",
        ),
        (
            vec![b"\x57\x2a\x4d\x18".to_vec()],
            "is compressed; send it uncompressed",
        ),
        (
            vec![b"\xfd7zXZ\0".to_vec()],
            "is compressed; send it uncompressed",
        ),
        (vec![b"FROM busybox\n".repeat(100)], odd),
        (vec![broken, end()], odd),
        // Links, and what lies behind one.
        (
            vec![entry("Dockerfile", b'2', ""), end()],
            "has a Dockerfile that is not a regular file",
        ),
        (
            vec![plain(), entry("Dockerfile", b'1', ""), end()],
            "has a Dockerfile that is not a regular file",
        ),
        (
            vec![plain(), entry("Dockerfile", b'5', ""), end()],
            "has a Dockerfile that is not a regular file",
        ),
        (
            vec![plain(), file("Dockerfile/x", ""), end()],
            "has a Dockerfile that is not a regular file",
        ),
        (
            vec![
                entry("a", b'2', ""),
                file("a/Dockerfile", "B"),
                plain(),
                end(),
            ],
            "has a file behind a link",
        ),
        (
            vec![
                entry("a", b'2', ""),
                plain(),
                file("b/../a/x/y", "B"),
                end(),
            ],
            "has a file behind a link",
        ),
        (
            vec![entry("dockerfile", b'2', ""), plain(), end()],
            "has a Dockerfile that is not a regular file",
        ),
        // Names in extended headers.
        (
            vec![pax(&[("path", "Dockerfile")]), file("x", "B"), end()],
            "has a Dockerfile with an extended name",
        ),
        (
            vec![
                plain(),
                pax(&[("path", "./Dockerfile")]),
                file("x", "B"),
                end(),
            ],
            "has a Dockerfile with an extended name",
        ),
        (
            vec![entry("l", b'L', "Dockerfile\0x"), file("x", "B"), end()],
            "has a Dockerfile with an extended name",
        ),
        (
            vec![pax(&[("path", "x")]), entry("g", b'g', ""), plain(), end()],
            odd,
        ),
        (
            vec![pax(&[("path", "x")]), pax(&[("path", "y")]), plain(), end()],
            odd,
        ),
        (
            vec![pax(&[("path", "x"), ("path", "y")]), plain(), end()],
            odd,
        ),
        (
            vec![pax(&[("path", "x")]), entry("l", b'L', "y"), plain(), end()],
            odd,
        ),
        // Go keeps the last of these, and the header's name for an empty one.
        (
            vec![
                pax(&[("path", "x")]),
                pax(&[("mtime", "1")]),
                plain(),
                end(),
            ],
            odd,
        ),
        (
            vec![
                pax(&[("mtime", "1")]),
                pax(&[("path", "x")]),
                plain(),
                end(),
            ],
            odd,
        ),
        (
            vec![entry("l", b'L', "x"), entry("l", b'L', "y"), plain(), end()],
            odd,
        ),
        (
            vec![entry("l", b'K', "x"), entry("l", b'K', "y"), plain(), end()],
            odd,
        ),
        (
            vec![
                entry("l", b'L', "x"),
                pax(&[("mtime", "1")]),
                plain(),
                end(),
            ],
            odd,
        ),
        (
            vec![
                entry("l", b'K', "x"),
                pax(&[("mtime", "1")]),
                plain(),
                end(),
            ],
            odd,
        ),
        (
            vec![
                pax(&[("mtime", "1")]),
                entry("l", b'L', "x"),
                plain(),
                end(),
            ],
            odd,
        ),
        (
            vec![pax(&[("path", "x"), ("path", "")]), plain(), end()],
            odd,
        ),
        (vec![pax(&[("path", "")]), plain(), end()], odd),
        (vec![entry("l", b'L', ""), plain(), end()], odd),
        (vec![entry("l", b'L', "\0x"), plain(), end()], odd),
        (
            vec![pax(&[("mtime", "1")]), entry("g", b'g', ""), plain(), end()],
            odd,
        ),
        (
            vec![plain(), entry("g", b'g', "19 path=Dockerfile\n"), end()],
            odd,
        ),
        (vec![entry("g", b'g', "10 size=12\n"), plain(), end()], odd),
        (
            vec![entry("g", b'g', "22 GNU.sparse.major=1\n"), plain(), end()],
            odd,
        ),
        (vec![entry("g", b'g', "comment"), plain(), end()], odd),
        (vec![pax(&[("size", "0")]), plain(), end()], odd),
        (
            vec![
                pax(&[("GNU.sparse.name", "Dockerfile")]),
                file("x", "B"),
                end(),
            ],
            odd,
        ),
        (
            vec![entry("p", b'x', "9 path=x\n"), plain(), end()],
            "has no Dockerfile",
        ),
        (vec![entry("p", b'x', "99 path=x\n"), plain(), end()], odd),
        (vec![entry("p", b'x', "09 path=x\n"), plain(), end()], odd),
        (vec![entry("p", b'x', "9 path=x "), plain(), end()], odd),
        (vec![entry("p", b'x', "10 path=x\0\n"), plain(), end()], odd),
        (vec![pax(&[("path", "x")]), end()], odd),
        // What the engine removes again.
        (
            vec![
                plain(),
                entry("Dockerfile", b'g', ""),
                file("dockerfile", "B"),
                end(),
            ],
            odd,
        ),
        (
            vec![plain(), file("/", ""), file("dockerfile", "B"), end()],
            odd,
        ),
        (vec![plain(), entry("a/..", b'2', ""), end()], odd),
        // Headers of other kinds.
        (vec![header(|block| block[124] = 0x80), end()], odd),
        (vec![header(|block| block[130] = b'9'), end()], odd),
        (vec![header(|block| block[130] = 0), end()], odd),
        (
            vec![
                header(|block| block[508..].copy_from_slice(b"tar\0")),
                end(),
            ],
            odd,
        ),
        (
            vec![
                raw("x", b'0', "", b"ustar  \0", |block| block[345] = b'p'),
                plain(),
                end(),
            ],
            odd,
        ),
        (vec![entry("x", b'S', ""), plain(), end()], odd),
        (vec![entry("x", b'7', ""), plain(), end()], odd),
        (vec![entry("x", b'1', "content"), plain(), end()], odd),
        (vec![file("x/", ""), plain(), end()], odd),
        (
            vec![file("Dockerfile", &"x".repeat((1 << 20) + 1)), end()],
            "has a Dockerfile of more than 1 MiB",
        ),
        (
            vec![entry("p", b'x', &"x".repeat(70_000)), plain(), end()],
            odd,
        ),
    ] {
        let whole = found_in("", &parts, usize::MAX);
        assert_eq!(whole, format!("the build context {why}"));
        assert_eq!(found_in("", &parts, 510), whole);
    }
    let above = [file("sub/D", "A"), file("sub", "B"), end()];
    assert_eq!(
        found_in("sub/D", &above, 100),
        "the build context has a file above its Dockerfile"
    );
    let above = [file("sub/D", "A"), entry("sub", b'2', ""), end()];
    assert_eq!(
        found_in("sub/D", &above, 100),
        "the build context has a Dockerfile that is not a regular file"
    );
    let folder = [
        entry("sub/", b'5', ""),
        file("sub/D", "A"),
        entry("sub", b'5', ""),
        end(),
    ];
    assert_eq!(found_in("sub/D", &folder, 100), "A");
    // Names that are not UTF-8 are no others.
    let mut raw = file("D_", "B");
    raw[1] = 0xff;
    raw[148..156].copy_from_slice(b"        ");
    let sum: u64 = raw[..BLOCK].iter().map(|byte| u64::from(*byte)).sum();
    raw[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(found(&[raw.clone(), plain(), end()]), "A");
    assert_eq!(
        found_in("D\u{fffd}", &[raw, end()], 100),
        "the build context has a path of its Dockerfile that is not plain"
    );
    for name in ["a/".repeat(300) + "x", "x".repeat(5000)] {
        let deep = [pax(&[("path", &name)]), file("x", ""), plain(), end()];
        assert_eq!(
            found_in("", &deep, 999),
            "the build context has a path that is too long"
        );
    }
}

/// What the docker CLI sends for `-f -` has neither an end nor what fills its last block.
#[test]
fn an_archive_needs_no_zeros_at_its_end() {
    let plain = || file("Dockerfile", "A");
    for parts in [
        vec![plain()],
        vec![plain()[..BLOCK + 1].to_vec()],
        vec![plain()[..BLOCK + 300].to_vec()],
        vec![plain(), vec![0; BLOCK]],
        vec![plain(), entry("x", b'2', "")],
        vec![plain(), entry("x/", b'5', "")],
        vec![plain(), file("x", "")],
        vec![plain(), entry("g", b'g', "13 comment=x\n")],
    ] {
        assert_eq!(found(&parts), "A");
    }
}

#[test]
fn many_links_take_little_memory() {
    let mut context = Context::new("").expect("a context");
    context.links.extend(2..MOST_LINKS as u64);
    let mut link = |name: &str| context.read(&entry(name, b'2', "")).is_ok();
    assert!(link("x") && link("x") && link("y"));
    assert!(!link("z"));
    assert!(context.size() < 6 << 20, "{}", context.size());
}

/// However the bytes are changed and cut, what is found is the same, or refused.
#[test]
fn pieces_make_no_difference() {
    let long = "a/".repeat(60) + "x";
    let plain = [
        pax(&[("mtime", "1.5"), ("path", &long)]),
        file("x", "1"),
        entry("l", b'2', ""),
        file("Dockerfile", "A"),
        file("Dockerfile", "B"),
        end(),
    ]
    .concat();
    let mut seed: u32 = 1;
    let mut random = |most: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(seed >> 8).expect("a number") % most
    };
    let (mut found, mut refused) = (0, 0);
    for _ in 0..3000 {
        let mut bytes = plain.clone();
        for _ in 0..random(3) {
            let at = random(bytes.len());
            bytes[at] = b"\0 /10x.\xff"[random(8)];
        }
        let parts = [bytes];
        let whole = found_in("", &parts, usize::MAX);
        assert_eq!(found_in("", &parts, 1 + random(700)), whole);
        match whole.starts_with("the build context") {
            true => refused += 1,
            false => found += 1,
        }
    }
    assert!(found > 500 && refused > 500, "{found} {refused}");
}
