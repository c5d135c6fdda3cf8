//! The Dockerfile in the archive of a build, as the engine finds it once it has unpacked all of it:
//! of several the last one, and `dockerfile` if there is no `Dockerfile`.
//!
//! The archive streams through: it is read as it comes, and only the Dockerfile is kept. What may be
//! forwarded always breaks off within a header or the content of an entry, which Go's `archive/tar`
//! takes for an error: it takes an archive for whole that ends anywhere else, also without the
//! zeros of its end. So the engine has no whole archive before the Dockerfile was judged.
//!
//! What Go's `archive/tar` and this could read differently is refused, and so are compressed
//! archives, a Dockerfile that is a link or lies behind one, one whose name stands in an extended
//! header, and data behind the end.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::hash::{BuildHasher, RandomState};

use super::reach::clean;

const BLOCK: usize = 512;
/// A Dockerfile is no longer.
const LONGEST_FILE: u64 = 1 << 20;
/// An extended header is no longer.
const LONGEST_HEADER: u64 = 1 << 16;
/// The kernel takes no longer path.
const LONGEST_PATH: usize = 4096;
/// No path has more parts.
const DEEPEST: usize = 256;
/// No archive has more links.
const MOST_LINKS: usize = 1 << 18;
/// How much memory one takes, roughly.
const LINK: usize = 12;

/// The beginnings by which the engine takes an archive for a compressed one.
const COMPRESSED: [&[u8]; 4] = [b"BZh", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];

/// An archive that is being read.
#[derive(Debug)]
pub struct Context {
    /// The Dockerfile's path, and that of the one that counts without it.
    paths: Vec<String>,
    /// What was found there.
    files: Vec<Option<Vec<u8>>>,
    /// The paths of links, as hashes. Of two with the same hash, no more than what is plain is refused.
    links: HashSet<u64>,
    hasher: RandomState,
    state: State,
    /// The part of a header, an extended header or a Dockerfile that has come.
    buffer: Vec<u8>,
    /// How much has come.
    read: u64,
    /// How much of that may be forwarded: up to the last byte of a header or of a content.
    cut: u64,
    /// What extended headers say of the next entry.
    extended: Extended,
}

/// What extended headers say of the next entry. Go reads several of one kind, and both kinds together, in
/// more than one way.
#[derive(Debug, Default)]
struct Extended {
    name: Option<String>,
    has_records: bool,
    has_name: bool,
    has_target: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    /// The content of an entry, and what fills its last block.
    Content {
        kind: Content,
        left: u64,
        filling: u64,
    },
    /// What fills the last block of a content.
    Filling(u64),
    /// Behind the first block of zeros, which began there.
    End {
        start: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Other,
    /// The Dockerfile at one of the paths.
    Dockerfile(usize),
    /// A PAX header.
    Records,
    /// A PAX header for all entries, which the engine ignores.
    Global,
    /// A GNU header with a long name.
    Name,
    /// A GNU header with a long target of a link.
    Target,
}

/// Why an archive is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(&'static str);

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the build context {}", self.0)
    }
}

impl std::error::Error for Refusal {}

const MALFORMED: Refusal = Refusal("is not an archive that can be read in one way only");

impl Context {
    /// For a build whose query has this `dockerfile`; an empty one is `Dockerfile`.
    pub fn new(dockerfile: &str) -> Result<Context, Refusal> {
        let name = if dockerfile.is_empty() {
            "Dockerfile"
        } else {
            dockerfile
        };
        let path = clean(&format!("/{name}"));
        let is_plain = path.strip_prefix('/') == Some(name.strip_prefix("./").unwrap_or(name));
        // What is not UTF-8 in names is read as such letters.
        if !is_plain || name.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal("has a path of its Dockerfile that is not plain"));
        }
        let mut paths = vec![path];
        if name == "Dockerfile" {
            paths.push("/dockerfile".to_owned());
        }
        Ok(Context {
            files: vec![None; paths.len()],
            paths,
            links: HashSet::new(),
            hasher: RandomState::new(),
            state: State::Header,
            buffer: Vec::new(),
            read: 0,
            cut: 0,
            extended: Extended::default(),
        })
    }

    /// Reads what comes next. Returns how much of all that has come may be forwarded.
    pub fn read(&mut self, bytes: &[u8]) -> Result<u64, Refusal> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Header => self.header_part(rest)?,
                State::Content {
                    kind,
                    left,
                    filling,
                } => self.content_part(rest, kind, left, filling)?,
                State::Filling(left) => {
                    let taken = fitting(rest, left);
                    self.state = match left - taken as u64 {
                        0 => State::Header,
                        left => State::Filling(left),
                    };
                    taken
                }
                State::End { .. } => match rest.iter().all(|byte| *byte == 0) {
                    true => rest.len(),
                    false => return Err(Refusal("has data behind its end")),
                },
            };
            self.read += taken as u64;
            rest = &rest[taken..];
        }
        if let State::Content { .. } = self.state {
            self.cut = self.read - 1;
        }
        Ok(self.cut)
    }

    /// Where its end begins, behind which there are zeros alone, as far as it has come.
    pub fn end(&self) -> Option<u64> {
        match self.state {
            State::End { start } => Some(start),
            _ => None,
        }
    }

    /// How much memory it takes, roughly.
    pub fn size(&self) -> usize {
        let files = self.files.iter().flatten().map(Vec::len);
        files.sum::<usize>() + self.links.capacity() * LINK + self.buffer.len()
    }

    /// The Dockerfile, when all has come. Like Go, this needs neither the zeros of the end nor those that
    /// fill the last block: what the docker CLI sends for `-f -` has neither.
    pub fn dockerfile(&self) -> Result<&[u8], Refusal> {
        let is_whole = match self.state {
            State::Header => self.buffer.is_empty() && !self.extended.any(),
            State::Filling(_) => !self.extended.any(),
            State::Content { .. } => false,
            State::End { start } => match self.read - start {
                zeros if zeros < 2 * BLOCK as u64 => zeros == BLOCK as u64,
                _ => true,
            },
        };
        if !is_whole {
            return Err(Refusal("is cut off"));
        }
        let found = self.files.iter().flatten().next();
        found.map(Vec::as_slice).ok_or(Refusal("has no Dockerfile"))
    }

    fn header_part(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let taken = bytes.len().min(BLOCK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.read < BLOCK as u64 {
            let is_start = |start: &&[u8]| self.buffer.starts_with(start);
            // Also frames that a reader of zstd skips.
            let skipped = matches!(self.buffer[..], [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
            if skipped || COMPRESSED.iter().any(is_start) {
                return Err(Refusal("is compressed; send it uncompressed"));
            }
        }
        if self.buffer.len() == BLOCK {
            let block = std::mem::take(&mut self.buffer);
            self.state = match block.iter().all(|byte| *byte == 0) {
                true if self.extended.any() => return Err(MALFORMED),
                true => State::End {
                    start: self.read + taken as u64 - BLOCK as u64,
                },
                false => {
                    self.cut = self.read + taken as u64 - 1;
                    self.entry(&block)?
                }
            };
        }
        Ok(taken)
    }

    fn content_part(
        &mut self,
        bytes: &[u8],
        kind: Content,
        left: u64,
        filling: u64,
    ) -> Result<usize, Refusal> {
        let taken = fitting(bytes, left);
        if kind != Content::Other {
            self.buffer.extend_from_slice(&bytes[..taken]);
        }
        let left = left - taken as u64;
        self.state = match (left, filling) {
            (0, 0) => State::Header,
            (0, filling) => State::Filling(filling),
            (left, filling) => State::Content {
                kind,
                left,
                filling,
            },
        };
        if left == 0 {
            self.cut = self.read + taken as u64 - 1;
            let content = std::mem::take(&mut self.buffer);
            self.complete(kind, content)?;
        }
        Ok(taken)
    }

    /// What follows a header.
    fn entry(&mut self, block: &[u8]) -> Result<State, Refusal> {
        let header = Header::parse(block)?;
        let size = header.size;
        let content = |kind, most| match size <= most {
            true => Ok(State::content(kind, size)),
            false => Err(MALFORMED),
        };
        // An extended header is for the entry behind it.
        let kind = match header.kind {
            b'x' => Some(Content::Records),
            b'L' => Some(Content::Name),
            b'K' => Some(Content::Target),
            _ => None,
        };
        if let Some(kind) = kind {
            self.extended.follows(kind)?;
            return match size {
                0 if kind == Content::Name => Err(MALFORMED),
                _ => content(kind, LONGEST_HEADER),
            };
        }
        let extended = std::mem::take(&mut self.extended);
        // Go forgets those before this one.
        if header.kind == b'g' && extended.any() {
            return Err(MALFORMED);
        }
        let is_extended = extended.name.is_some();
        let name = extended.name.unwrap_or(header.name);
        let path = clean(&format!("/{name}"));
        if path.len() > LONGEST_PATH || path.matches('/').count() > DEEPEST {
            return Err(Refusal("has a path that is too long"));
        }
        let mut parts = path.match_indices('/').skip(1);
        if parts.any(|(end, _)| self.links.contains(&self.hasher.hash_one(&path[..end]))) {
            return Err(Refusal("has a file behind a link"));
        }
        let own = self.paths.iter().position(|own| *own == path);
        let above = |own: &String| {
            own.strip_prefix(&path)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let is_above = path != "/" && self.paths.iter().any(above);
        let is_inside = |own: &String| {
            path.strip_prefix(own)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if self.paths.iter().any(is_inside) {
            return Err(Refusal("has a Dockerfile that is not a regular file"));
        }
        match header.kind {
            // The engine would remove all that it has unpacked.
            kind if path == "/" && kind != b'5' => Err(MALFORMED),
            // It removes what has the name of this one, and ignores the rest.
            b'g' if own.is_none() && !is_above => content(Content::Global, LONGEST_HEADER),
            b'0' | 0 if name.ends_with('/') => Err(MALFORMED),
            b'0' | 0 => match own {
                Some(_) if is_extended => Err(Refusal("has a Dockerfile with an extended name")),
                Some(_) if size > LONGEST_FILE => {
                    Err(Refusal("has a Dockerfile of more than 1 MiB"))
                }
                Some(own) => {
                    self.files[own] = Some(Vec::new());
                    Ok(State::content(Content::Dockerfile(own), size))
                }
                None if is_above => Err(Refusal("has a file above its Dockerfile")),
                None => Ok(State::content(Content::Other, size)),
            },
            b'1'..=b'6' if size > 0 => Err(MALFORMED),
            b'5' if own.is_none() => Ok(State::Header),
            b'1'..=b'6' if own.is_some() || is_above => {
                Err(Refusal("has a Dockerfile that is not a regular file"))
            }
            b'1' | b'2' => {
                self.links.insert(self.hasher.hash_one(&*path));
                if self.links.len() > MOST_LINKS {
                    return Err(Refusal("has too many links"));
                }
                Ok(State::Header)
            }
            b'3' | b'4' | b'6' => Ok(State::Header),
            _ => Err(MALFORMED),
        }
    }

    fn complete(&mut self, kind: Content, content: Vec<u8>) -> Result<(), Refusal> {
        match kind {
            Content::Other | Content::Target => {}
            Content::Dockerfile(own) => self.files[own] = Some(content),
            Content::Name => {
                let end = content.iter().position(|byte| *byte == 0);
                self.rename(&content[..end.unwrap_or(content.len())])?;
            }
            Content::Records | Content::Global => {
                let mut rest = &content[..];
                while !rest.is_empty() {
                    let (key, value);
                    (key, value, rest) = record(rest).ok_or(MALFORMED)?;
                    match key {
                        // The engine removes what has the name of such a header.
                        b"path" if kind == Content::Records => self.rename(value)?,
                        b"path" | b"size" => return Err(MALFORMED),
                        key if key.starts_with(b"GNU.sparse.") => return Err(MALFORMED),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// The next entry has another name. Go keeps the header's for an empty one, and the last of several.
    fn rename(&mut self, name: &[u8]) -> Result<(), Refusal> {
        if self.extended.name.is_some() || name.is_empty() {
            return Err(MALFORMED);
        }
        self.extended.name = Some(String::from_utf8_lossy(name).into_owned());
        Ok(())
    }
}

impl Extended {
    fn any(&self) -> bool {
        self.has_records || self.has_name || self.has_target
    }

    /// Another extended header follows.
    fn follows(&mut self, kind: Content) -> Result<(), Refusal> {
        let (first, has) = match kind {
            Content::Records => (!self.any(), &mut self.has_records),
            Content::Name => (!self.has_records && !self.has_name, &mut self.has_name),
            _ => (!self.has_records && !self.has_target, &mut self.has_target),
        };
        *has = true;
        match first {
            true => Ok(()),
            false => Err(MALFORMED),
        }
    }
}

/// How many of these bytes belong to what has so many left.
fn fitting(bytes: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

impl State {
    fn content(kind: Content, size: u64) -> State {
        match size {
            // Of a Dockerfile that is empty too.
            0 => State::Header,
            size => State::Content {
                kind,
                left: size,
                filling: size.next_multiple_of(BLOCK as u64) - size,
            },
        }
    }
}

/// What a header of an entry says.
struct Header {
    name: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8]) -> Result<Header, Refusal> {
        let text = |from: usize, to: usize| {
            let field = &block[from..to];
            let end = field.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
        };
        let sum = |(at, byte): (usize, &u8)| match at {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        };
        let sum: u64 = block.iter().enumerate().map(sum).sum();
        if octal(&block[148..156]) != Some(sum) {
            return Err(MALFORMED);
        }
        let size = octal(&block[124..136]).ok_or(MALFORMED)?;
        let mut name = text(0, 100);
        match &block[257..265] {
            // Its prefix is shorter.
            [b'u', b's', b't', b'a', b'r', 0, ..] if block.ends_with(b"tar\0") => {
                return Err(MALFORMED);
            }
            [b'u', b's', b't', b'a', b'r', 0, ..] => {
                let prefix = text(345, 500);
                if !prefix.is_empty() {
                    name = format!("{prefix}/{name}");
                }
            }
            // Go takes odd times there for a prefix.
            b"ustar  \0" if block[345..500].iter().any(|byte| *byte != 0) => {
                return Err(MALFORMED);
            }
            _ => {}
        }
        let kind = block[156];
        Ok(Header { name, size, kind })
    }
}

/// An octal number, with blanks or zeros around it.
fn octal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    let plain = digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match digits {
        "" => Some(0),
        digits => u64::from_str_radix(digits, 8).ok().filter(|_| plain),
    }
}

/// The first record of a PAX header, `LENGTH KEY=VALUE\n`, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let length = str::from_utf8(&bytes[..blank]).ok()?;
    let plain = !length.starts_with('0') && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: usize = length.parse().ok().filter(|_| plain)?;
    let (own, rest) = bytes.split_at_checked(length)?;
    let own = own.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = own.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&own[..equals], &own[equals + 1..]);
    // Go takes bytes alone in the values of extended attributes.
    let clean = key.starts_with(b"SCHILY.xattr.") || !value.contains(&0);
    (clean && !key.is_empty() && !key.contains(&0)).then_some((key, value, rest))
}
