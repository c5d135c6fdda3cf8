//! The log: env_logger's lines on stdout, written by a thread of their own.
//!
//! A request never waits for the reader of stdout. Lines go to a bounded buffer. If the reader
//! stalls and the buffer is full, they are dropped and counted, and the count is logged as soon as
//! there is room again.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use log::{Level, LevelFilter};
use once_cell::sync::OnceCell;
use serde::{Deserialize, Serialize};

use super::json;

/// The log target of access lines, which `LOG_LEVEL=notice` filters separately from the
/// lifecycle's.
pub const ACCESS: &str = "dockgate::access";

/// The log target of requests as profile lines, which are logged whenever they are enabled.
pub const REQUESTS: &str = "dockgate::requests";

/// The most bytes that wait for the reader of stdout: some ten thousand lines.
const BUFFER: usize = 2 * 1024 * 1024;
/// How long the writer collects lines before it writes the next batch: waking it for each line
/// would cost a request more than the line itself.
const BATCH: Duration = Duration::from_millis(5);

static QUEUE: OnceCell<Arc<Queue>> = OnceCell::new();

/// What is logged.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// Of what dockgate does.
    pub lifecycle: LevelFilter,
    /// Of requests.
    pub access: LevelFilter,
}

/// Starts the log, with a JSON object a line if `as_json`. Later calls change nothing.
pub fn init(levels: Levels, as_json: bool) {
    if QUEUE.get().is_some() {
        return;
    }
    let queue = Arc::new(Queue::default());
    let writer = Arc::clone(&queue);
    let started = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || writer.run(io::stdout()));
    if started.is_err() || QUEUE.set(Arc::clone(&queue)).is_err() {
        return;
    }
    let _ = env_logger::Builder::new()
        .filter_level(LevelFilter::Off)
        .filter_module("dockgate", levels.lifecycle)
        .filter_module(ACCESS, levels.access)
        .filter_module(REQUESTS, LevelFilter::Info)
        .format(move |out, record| {
            // A clock before 1970 has no printable time.
            let now = SystemTime::now().max(SystemTime::UNIX_EPOCH);
            let time = humantime::format_rfc3339_millis(now);
            let level = name(record.level());
            if as_json {
                let line = JsonLine {
                    time: format_args!("{time}"),
                    level: format_args!("{}", level.trim_end()),
                    msg: *record.args(),
                };
                json::write(&mut *out, &line)?;
                writeln!(out)
            } else {
                write!(out, "{time} {level} ")?;
                // It hands over the error of the writer beneath, which has none.
                let _ = fmt::write(&mut OneLine(out), *record.args());
                writeln!(out)
            }
        })
        .target(env_logger::Target::Pipe(Box::new(Handle(queue))))
        .write_style(env_logger::WriteStyle::Never)
        .try_init();
}

/// A line of the log as JSON.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct JsonLine<T> {
    time: T,
    level: T,
    msg: T,
}

/// Text with its control characters escaped, so that it stays on one line, whatever it quotes.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !may_have_controls(text) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line.into()
}

/// Whether it may contain a control character.
pub(super) fn may_have_controls(text: &str) -> bool {
    // Without a branch for each byte, since every line comes by here; 0xC2 is how the upper control
    // characters begin.
    let odd = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    text.bytes().fold(false, |any, byte| any | odd(byte))
}

/// Writes all text through [`one_line`].
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let line = one_line(text);
        self.0.write_all(line.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// The plain form of a line, if it is a JSON object that [`init`]'s log wrote.
pub fn plain_line(line: &str) -> Option<String> {
    let JsonLine { time, level, msg } = serde_json::from_str::<JsonLine<String>>(line).ok()?;
    // No line with an escaped control byte is ever read again.
    (!msg.contains(char::is_control)).then(|| format!("{time} {level:<7} {msg}"))
}

/// Writes text unchanged, in order with the lines: for output that a user requested, at any level.
pub fn print(text: &str) {
    if let Some(queue) = QUEUE.get() {
        queue.push(text.as_bytes());
    }
}

/// Waits until all lines are written, for a second at most: a stalled reader must not keep the
/// process from ending.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        let lines = queue.lines();
        let busy = |lines: &mut Lines| lines.writing || !lines.bytes.is_empty();
        let _ = queue
            .written
            .wait_timeout_while(lines, Duration::from_secs(1), busy);
    }
}

/// A level's name, padded to the longest.
fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "err    ",
        Level::Warn => "warning",
        Level::Info => "info   ",
        Level::Debug | Level::Trace => "debug  ",
    }
}

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    /// Wakes the writer, for the first line of a batch only.
    added: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    dropped: u64,
    writing: bool,
}

impl Queue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut lines = self.lines();
        if lines.bytes.len() + line.len() > BUFFER {
            lines.dropped += 1;
            return;
        }
        let idle = lines.bytes.is_empty() && !lines.writing;
        lines.bytes.extend_from_slice(line);
        if idle {
            self.added.notify_one();
        }
    }

    fn run(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut lines = self.lines();
            lines.writing = false;
            if lines.bytes.is_empty() {
                self.written.notify_all();
                lines = self
                    .added
                    .wait_while(lines, |lines| lines.bytes.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
            }
            lines.writing = true;
            std::mem::swap(&mut lines.bytes, &mut batch);
            let dropped = std::mem::take(&mut lines.dropped);
            drop(lines);
            // Now, while there is room: a reader that stalls again may leave none after the batch.
            if dropped > 0 {
                log::warn!("{dropped} log lines dropped: the reader of stdout is too slow");
            }
            // A reader that is gone for good costs the log, never the service.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(64 * 1024);
            std::thread::sleep(BATCH);
        }
    }
}

struct Handle(Arc<Queue>);

impl Write for Handle {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_can_be_read() {
        let line = |message: &str| {
            let (time, level, msg) = ("now", "info", message);
            let mut line = Vec::new();
            json::write(&mut line, &JsonLine { time, level, msg }).expect("written");
            String::from_utf8(line).expect("UTF-8")
        };
        assert_eq!(line("x"), r#"{"time":"now","level":"info","msg":"x"}"#);
        let message = "GET /x?a=\"b\\c\"…";
        assert_eq!(
            plain_line(&line(message)),
            Some(format!("now info    {message}"))
        );
        for other in [
            line("\n").as_str(),
            &line("\u{9b}"),
            r#"{"time":"now","level":"info","msg":"x","more":1}"#,
            r#"{"time":"now","msg":"x"}"#,
            "now info    x",
            "{}",
            "",
            &line("x")[1..],
        ] {
            assert_eq!(plain_line(other), None, "{other}");
        }
    }

    #[test]
    fn a_message_stays_on_its_line() {
        for (text, line) in [
            ("GET /x?a=… allowed by X", "GET /x?a=… allowed by X"),
            ("engine: /x.sock\r", "engine: /x.sock\\r"),
            (
                "a\n2026 forged\u{1b}[1m\u{7f}",
                "a\\n2026 forged\\u{1b}[1m\\u{7f}",
            ),
            ("\u{9b}1m Â ü \u{85}", "\\u{9b}1m Â ü \\u{85}"),
            ("", ""),
        ] {
            assert_eq!(one_line(text), line);
            let mut written = Vec::new();
            fmt::write(&mut OneLine(&mut written), format_args!("{text}{}", 1)).expect("written");
            assert_eq!(written, format!("{line}1").as_bytes());
        }
    }

    #[test]
    fn a_stalled_reader_loses_lines_and_keeps_a_count() {
        let queue = Queue::default();
        let line = [b'x'; 1024];
        for _ in 0..BUFFER / line.len() + 5 {
            queue.push(&line);
        }
        let lines = queue.lines();
        assert_eq!((lines.bytes.len(), lines.dropped), (BUFFER, 5));
    }
}
