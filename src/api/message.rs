//! The parts of a request's head, besides the target, that change what the engine understands: the
//! framing, the content type and the protocol. Read once: what was decided on is what is sent.

use http::HeaderValue;

use super::Target;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body, and no header that announces one.
    Empty,
    /// A body of that many bytes.
    Sized(u64),
    /// A chunked body.
    Chunked,
}

/// Framing, content type and protocol of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    framing: Framing,
    content_types: Vec<HeaderValue>,
    upgrade: Option<HeaderValue>,
}

impl Message {
    /// A message without a content type or an upgrade.
    pub fn new(framing: Framing) -> Message {
        Message {
            framing,
            content_types: Vec::new(),
            upgrade: None,
        }
    }

    /// The same with these content types, in their order.
    #[must_use]
    pub fn with_content_types(self, content_types: Vec<HeaderValue>) -> Message {
        Message {
            content_types,
            ..self
        }
    }

    /// The same as a form.
    #[must_use]
    pub fn into_form(self) -> Message {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.with_content_types(vec![form])
    }

    /// The same with a JSON body of so many bytes. An empty one is none.
    #[must_use]
    pub fn into_json(self, length: usize) -> Message {
        let framing = Framing::Sized(length as u64);
        if length == 0 {
            return Message {
                framing,
                content_types: Vec::new(),
                ..self
            };
        }
        let json = HeaderValue::from_static("application/json");
        Message { framing, ..self }.with_content_types(vec![json])
    }

    /// The same, asking to switch to `protocol`.
    #[must_use]
    pub fn with_upgrade(self, protocol: HeaderValue) -> Message {
        Message {
            upgrade: Some(protocol),
            ..self
        }
    }

    /// The same for `target`: an upgrade that the engine does not offer there is dropped.
    #[must_use]
    pub fn at(mut self, target: &Target) -> Message {
        self.upgrade = self.upgrade.filter(|asked| {
            let is_asked = |known: &&str| asked.as_bytes().eq_ignore_ascii_case(known.as_bytes());
            target.upgrade_protocols().iter().any(is_asked)
        });
        self
    }

    /// How the body is framed.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// All Content-Type headers: a request may have none, or more than one.
    pub fn content_types(&self) -> &[HeaderValue] {
        &self.content_types
    }

    /// The protocol to switch to.
    pub fn upgrade(&self) -> Option<&HeaderValue> {
        self.upgrade.as_ref()
    }

    /// The body's length, unless it comes in chunks.
    pub fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Empty => Some(0),
            Framing::Sized(length) => Some(length),
            Framing::Chunked => None,
        }
    }

    /// Whether the engine may read the body as a form, which overrides the query. Any Content-Type
    /// that looks like one counts: no real client sends a lookalike.
    pub fn is_form(&self) -> bool {
        self.content_types.iter().any(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            let has = |word: &[u8]| value.windows(word.len()).any(|part| part == word);
            has(b"form") || has(b"multipart")
        })
    }
}
