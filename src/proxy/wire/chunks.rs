//! The end of a chunked body, found as its bytes pass.

/// Finds the end of a chunked body (RFC 9112, section 7.1) as its bytes pass. hyper decodes and
/// judges the body; this only needs to know where the next request begins.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: ChunkPart,
    size: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ChunkPart {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    /// A trailer line; true if it is at most a CR so far.
    Trailer(bool),
}

pub(super) enum Fed {
    More,
    End(usize),
    Broken,
}

impl Chunks {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut i = 0;
        while i < bytes.len() {
            let byte = bytes[i];
            match (self.at, byte) {
                (ChunkPart::Data, _) => {
                    let here = bytes.len() - i;
                    let n = usize::try_from(self.size).map_or(here, |size| size.min(here));
                    self.size -= n as u64;
                    i += n;
                    if self.size == 0 {
                        self.at = ChunkPart::DataEnd;
                    }
                    continue;
                }
                (ChunkPart::Size | ChunkPart::Extension, b'\n') => {
                    self.at = if self.size == 0 {
                        ChunkPart::Trailer(true)
                    } else {
                        ChunkPart::Data
                    };
                }
                (ChunkPart::Size, _) => match char::from(byte).to_digit(16) {
                    Some(digit) if self.size >> 60 == 0 => {
                        self.size = self.size << 4 | u64::from(digit);
                    }
                    Some(_) => return Fed::Broken,
                    None => self.at = ChunkPart::Extension,
                },
                (ChunkPart::DataEnd, b'\n') => self.at = ChunkPart::Size,
                (ChunkPart::DataEnd, b'\r') | (ChunkPart::Extension, _) => {}
                (ChunkPart::DataEnd, _) => return Fed::Broken,
                (ChunkPart::Trailer(true), b'\n') => return Fed::End(i + 1),
                (ChunkPart::Trailer(_), b'\n') => self.at = ChunkPart::Trailer(true),
                (ChunkPart::Trailer(true), b'\r') => {}
                (ChunkPart::Trailer(_), _) => self.at = ChunkPart::Trailer(false),
            }
            i += 1;
        }
        Fed::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_bodies_end_wherever_they_are_cut() {
        for body in [
            &b"5\r\nhello\r\n0\r\n\r\n"[..],
            b"5;a=b\r\nhello\r\n0\r\n\r\n",
            b"A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\nX: y\r\nZ: \r\n\r\n",
            b"0\r\n\r\n",
        ] {
            let stream = [body, b"GET / HTTP/1.1\r\n"].concat();
            for cut in 1..stream.len() {
                let mut chunks = Chunks::default();
                let end = match chunks.feed(&stream[..cut]) {
                    Fed::End(end) => end,
                    Fed::More => match chunks.feed(&stream[cut..]) {
                        Fed::End(end) => cut + end,
                        Fed::More | Fed::Broken => panic!("no end: {}", stream.escape_ascii()),
                    },
                    Fed::Broken => panic!("broken: {}", stream.escape_ascii()),
                };
                assert_eq!(end, body.len(), "{} cut at {cut}", stream.escape_ascii());
            }
        }
        let broken = Chunks::default().feed(b"11111111111111111\r\n");
        assert!(matches!(broken, Fed::Broken));
    }
}
