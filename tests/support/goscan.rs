//! JSON as Go's scanner takes it: all keys of an object, in order, and broken text mended.

/// The one value of a body.
pub(super) fn parse(body: &[u8]) -> Option<Parsed<'_>> {
    let mut scanner = Scanner { body, at: 0 };
    let parsed = scanner.value()?;
    scanner.blanks();
    (scanner.at == body.len()).then_some(parsed)
}

/// Each byte that is not part of a character becomes U+FFFD.
pub(super) fn mended(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    loop {
        match str::from_utf8(bytes) {
            Ok(rest) => return text + rest,
            Err(error) => {
                let (fine, rest) = bytes.split_at(error.valid_up_to());
                text += str::from_utf8(fine).expect("the valid part");
                text.push('\u{fffd}');
                bytes = &rest[1..];
            }
        }
    }
}

/// A value with its text.
pub(super) struct Parsed<'a> {
    pub(super) text: &'a [u8],
    pub(super) json: Json<'a>,
}

pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Parsed<'a>>),
    Object(Vec<(String, Parsed<'a>)>),
}

impl Parsed<'_> {
    pub(super) fn str(&self) -> &str {
        str::from_utf8(self.text).expect("digits")
    }
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn takes(&mut self, token: &[u8]) -> bool {
        let there = self.body[self.at..].starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<Parsed<'a>> {
        self.blanks();
        let start = self.at;
        let json = match self.peek()? {
            b'{' => self.object()?,
            b'[' => self.list()?,
            b'"' => Json::Text(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ if self.takes(b"null") => Json::Null,
            _ if self.takes(b"true") => Json::Bool(true),
            _ if self.takes(b"false") => Json::Bool(false),
            _ => return None,
        };
        Some(Parsed {
            text: &self.body[start..self.at],
            json,
        })
    }

    fn object(&mut self) -> Option<Json<'a>> {
        let mut fields = Vec::new();
        self.at += 1;
        self.blanks();
        if self.takes(b"}") {
            return Some(Json::Object(fields));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.blanks();
            if !self.takes(b":") {
                return None;
            }
            fields.push((key, self.value()?));
            self.blanks();
            if self.takes(b"}") {
                return Some(Json::Object(fields));
            }
            if !self.takes(b",") {
                return None;
            }
        }
    }

    fn list(&mut self) -> Option<Json<'a>> {
        let mut items = Vec::new();
        self.at += 1;
        self.blanks();
        if self.takes(b"]") {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            if self.takes(b"]") {
                return Some(Json::List(items));
            }
            if !self.takes(b",") {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Json<'a>> {
        self.takes(b"-");
        if !self.takes(b"0") {
            self.digits()?;
        }
        if self.takes(b".") {
            self.digits()?;
        }
        if self.takes(b"e") || self.takes(b"E") {
            let _ = self.takes(b"+") || self.takes(b"-");
            self.digits()?;
        }
        Some(Json::Number)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        if !self.takes(b"\"") {
            return None;
        }
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(mended(&bytes)),
                0..0x20 => return None,
                b'\\' => {
                    let letter = self.escaped()?;
                    bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                }
                other => bytes.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if let Some(letter) = char::from_u32(first) {
                    return Some(letter);
                }
                let behind = self.at;
                if first < 0xdc00 && self.takes(b"\\u") {
                    let second = self.hex()?;
                    if (0xdc00..0xe000).contains(&second) {
                        return char::from_u32(
                            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                        );
                    }
                }
                self.at = behind;
                '\u{fffd}'
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = str::from_utf8(self.body.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(digits, 16).expect("four digits"))
    }
}
