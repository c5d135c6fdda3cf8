//! Regex allowlists: what dialects made of patterns are lowered to.
//!
//! A pattern must match its whole subject, and the subject is ASCII, so a byte is a character. A
//! pattern means what it means to Go's regexp package, for which such lists are written; where the
//! two disagree, it is refused. Allowlists are consulted only if there are any, and only where the
//! tree neither allows nor denies.

use std::sync::Arc;

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

use super::explain;
use super::portable::{self, BadPattern};
use super::remedy::{Miss, Obstacle};
use super::rule::Body;
use super::tree::TooComplex;
use crate::api::{Method, Methods, Target};

/// The size limit of a compiled set of patterns, which also bounds the time of a match.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression that must match the whole subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regex(String);

impl Regex {
    /// Reads a pattern that may have anchors of its own, although it does not need them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn anchored(pattern: &str) -> Result<Regex, BadPattern> {
        let inner = pattern.strip_prefix('^').unwrap_or(pattern);
        let end = inner.strip_suffix('$').filter(|rest| {
            let backslashes = rest.bytes().rev().take_while(|byte| *byte == b'\\').count();
            backslashes % 2 == 0
        });
        Regex::new(end.unwrap_or(inner))
    }

    /// The pattern as compiled, with anchors.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a text.
    pub fn matches(&self, text: &str) -> bool {
        let regex = RegexBuilder::new(&self.0).unicode(false).build();
        regex.is_ok_and(|regex| regex.is_match(text.as_bytes()))
    }

    /// Reads a pattern as Go's regexp package would.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(pattern: &str) -> Result<Regex, BadPattern> {
        // On its own first, so that no parenthesis in it can close the group around it.
        portable::check(pattern)?;
        let whole = format!("^(?:{pattern})$");
        let built = RegexBuilder::new(&whole)
            .unicode(false)
            .size_limit(SIZE_LIMIT)
            .build();
        match built {
            Ok(_) => Ok(Regex(whole)),
            Err(regex::Error::CompiledTooBig(_)) => Err(BadPattern::TooLarge),
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                let reason = last.trim_start_matches("error: ");
                Err(BadPattern::Syntax(reason.to_owned()))
            }
        }
    }
}

/// What patterns are matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The decoded path with its version, without the query.
    Path,
    /// The target as sent, including the query. The engine decodes the path, and prefers the values
    /// of a form body to those in the query. So only a path with a single possible spelling
    /// matches, and only without such a body.
    Target,
}

/// A pattern, with the methods that it allows and the variable or file line that it came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name in verdicts: `SP_ALLOW_GET_1`.
    pub origin: Arc<str>,
    /// The methods that it allows.
    pub methods: Methods,
    /// What it matches.
    pub regex: Regex,
}

/// The patterns of one dialect, compiled to one set per method.
#[derive(Debug)]
pub struct Allowlist {
    subject: Subject,
    sets: [Set; Method::ALL.len()],
    /// What none of them allows, even if it matches.
    except: RegexSet,
}

#[derive(Debug)]
struct Set {
    regexes: RegexSet,
    origins: Vec<Arc<str>>,
    /// What could allow what it does not match: `SP_ALLOW_POST pattern`.
    what: Arc<str>,
}

impl Allowlist {
    /// Compiles entries; their order does not matter. `what` names what could allow a request, by
    /// method: `SP_ALLOW_POST pattern`.
    pub fn new(
        subject: Subject,
        entries: &[Entry],
        what: impl Fn(Method) -> String,
    ) -> Result<Allowlist, TooComplex> {
        Allowlist::within(SIZE_LIMIT, subject, entries, what)
    }

    /// The same with another limit to the size of each compiled set, and of what it keeps while it matches.
    pub fn within(
        size: usize,
        subject: Subject,
        entries: &[Entry],
        what: impl Fn(Method) -> String,
    ) -> Result<Allowlist, TooComplex> {
        let mut entries: Vec<&Entry> = entries.iter().collect();
        entries.sort_unstable();
        let set = |method| {
            let own = entries
                .iter()
                .filter(|entry| entry.methods.contains(method));
            let regexes = RegexSetBuilder::new(own.clone().map(|entry| &entry.regex.0))
                .unicode(false)
                .size_limit(size)
                .dfa_size_limit(2 * size)
                .build();
            Ok(Set {
                regexes: regexes.map_err(|_| TooComplex)?,
                origins: own.map(|entry| entry.origin.clone()).collect(),
                what: what(method).into(),
            })
        };
        let sets: Vec<Set> = Method::ALL.into_iter().map(set).collect::<Result<_, _>>()?;
        Ok(Allowlist {
            subject,
            sets: sets.try_into().map_err(|_| TooComplex)?,
            except: RegexSet::empty(),
        })
    }

    /// The same, except what a pattern matches, whatever the method. This is not a deny: another
    /// rule can still allow it.
    pub fn without(self, pattern: &Regex) -> Result<Allowlist, TooComplex> {
        let except = RegexSetBuilder::new([&pattern.0]).unicode(false).build();
        let except = except.map_err(|_| TooComplex)?;
        Ok(Allowlist { except, ..self })
    }

    /// The entry that allows a target with such a body, if any.
    pub(super) fn allows(&self, method: Method, target: &Target, body: Body) -> Option<Arc<str>> {
        let Set {
            regexes, origins, ..
        } = &self.sets[method.index()];
        let subject = match self.subject {
            Subject::Path => target.whole_path(),
            Subject::Target if body.is_form() || !is_literal(target) => return None,
            Subject::Target => target.path_and_query().as_str().as_bytes(),
        };
        let matched = subject.is_ascii().then(|| regexes.matches(subject))?;
        let first = matched.into_iter().next()?;
        (!self.except.is_match(subject)).then(|| origins[first].clone())
    }

    /// What could have matched a target that is not allowed, and why it did not.
    pub(super) fn miss(&self, method: Method, target: &Target, body: Body) -> Obstacle {
        let miss = match self.subject {
            Subject::Path if !target.whole_path().is_ascii() => Miss::NotAscii,
            Subject::Path => Miss::Path(explain::path(target.whole_path()).into()),
            Subject::Target if body.is_form() => Miss::Form,
            Subject::Target if !is_literal(target) => Miss::Escapes,
            Subject::Target => Miss::Target,
        };
        Obstacle::Unmatched {
            what: self.sets[method.index()].what.clone(),
            miss,
        }
    }
}

/// Whether a profile line can match the path: no escape is missing, and none is unnecessary.
/// Unreserved characters and slashes must be plain; what is neither unreserved nor reserved must be
/// escaped.
pub fn is_literal(target: &Target) -> bool {
    let mut path = target.path_and_query().path().bytes();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = path.next() {
        let fits = if byte == b'%' {
            let (Some(high), Some(low)) = (digit(path.next()), digit(path.next())) else {
                return false;
            };
            u8::try_from(high << 4 | low).is_ok_and(|byte| !unreserved(byte) && byte != b'/')
        } else {
            unreserved(byte) || b"/!$&'()*+,;=:@[]".contains(&byte)
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(subject: Subject, pattern: &str, path: &str, body: Body) -> bool {
        let entry = Entry {
            origin: "x".into(),
            methods: Methods::READS,
            regex: Regex::new(pattern).expect(pattern),
        };
        let list = Allowlist::new(subject, &[entry], |_| String::new()).expect("small");
        let target = Target::from_line("GET", path).expect(path);
        list.allows(Method::Get, &target, body).is_some()
    }

    #[test]
    fn patterns_match_whole_decoded_ascii_paths() {
        for (pattern, path, expected) in [
            ("/version", "/version", true),
            ("/version", "/version?x=1", true),
            ("/version", "/v1.41/version", false),
            ("/version", "/versions", false),
            ("/version", "/version/", false),
            ("/version|/info", "/versionANYTHING", false),
            ("/version|/info", "/containers/x/info", false),
            ("/version|/info", "/info", true),
            ("/version|", "/containers/json", false),
            ("^/version$", "/version", true),
            ("(?i)/VERSION", "/Version", true),
            ("/versio.", "/versio%6e", true),
            ("/a/[^/]+/b", "/a/x%2Fy/b", false),
            ("/a/[^/]+/b", "/a/x%252Fy/b", true),
            (".*", "/images/%c3%a9/json", false),
            (".*", "/images/%ff/json", false),
            (r"/a\?b", "/a?b", false),
            (r"/a\?b", "/a%3Fb", true),
            (r"/[\w-]+/\d", "/a-b/1", true),
            ("/[[:alpha:]]+", "/abc", true),
            ("/a[-x]b", "/a-b", true),
        ] {
            let is = allows(Subject::Path, pattern, path, Body::Form);
            assert_eq!(is, expected, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_match_whole_targets_as_sent() {
        let is = |pattern, path, body| allows(Subject::Target, pattern, path, body);
        for (pattern, path, expected) in [
            ("/version", "/version", true),
            ("/version", "/version?", false),
            (r"/version\?", "/version?", true),
            (r"/x/kill\?signal=USR1", "/x/kill?signal=USR1", true),
            (r"/x/kill\?signal=USR1", "/x/kill?signal=KILL", false),
            (r"/x/kill\?signal=USR1", "/x/kill?signal=%55SR1", false),
            ("/x/kill", "/x/kill?signal=KILL", false),
            ("/.*", "/versio%6e", false),
            ("/.*", "/a%2Fb", false),
            ("/.*", "/a%2fb", false),
            ("/.*", "/a%7Eb", false),
            ("/a%2Fb", "/a%2Fb", false),
            ("/.*", "/a%3Ab", true),
            ("/.*", "/a:b", true),
            ("/.*", "/%c3%a9?x=%2F", true),
            ("/.*", "/a\"b", false),
            ("/.*", "/a{b}", false),
            ("/.*", "/a[b]", true),
            ("/version|/info", "/versionX?y", false),
            ("/version|/info", "/containers/create?x=/info", false),
        ] {
            assert_eq!(is(pattern, path, Body::Empty), expected, "{pattern} {path}");
            assert_eq!(is(pattern, path, Body::Other), expected, "{pattern} {path}");
            assert!(!is(pattern, path, Body::Form), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_that_mean_different_things_are_refused() {
        for (pattern, what) in [
            ("[", "unclosed character class"),
            ("a)|(?:b", "unopened group"),
            ("/(?!x).*", "look-around"),
            (r"a\", "incomplete escape sequence"),
            ("*", "repetition operator missing expression"),
            ("(?x)/a b", "flags are"),
            ("(?u:/a)", "flags are"),
            ("[^a&&b]", r"use \&"),
            ("[^[/]]", r"use \["),
            ("[a-z--b]", r"use \&, \-"),
            ("[^--b]", r"use \-"),
            (r"/\<b", "assertions are"),
            (
                "/a{1, 3}",
                "use a repetition of the form {2}, {2,} or {2,3}",
            ),
            ("/a{ 1}", "use a repetition of the form"),
            ("/a{01}", "use a repetition of the form"),
            ("/a**", "put (?:...) around"),
            ("/a{2}{3}", "put (?:...) around"),
            ("/(a{100}){11}", "must not exceed 1000"),
            (r"/\u0061", r"use \x{...}"),
            (r"/\u{61}", r"use \x{...}"),
            (r"/\U00000061", r"use \x{...}"),
            (r"[\u0061-\u007a]", r"use \x{...}"),
            ("[]-a]", r"use \]"),
            ("(?i)/\u{212a}", "an ASCII k or s"),
            ("(?P<a.b>/a)", "a group name"),
            (r"/\Qa\E", "unrecognized escape sequence"),
            (r"/\pL", "Unicode"),
            ("[é]", "Unicode"),
            (&".{1000}".repeat(50), "it is too large"),
        ] {
            let error = Regex::new(pattern).expect_err(pattern).to_string();
            assert!(error.contains(what), "{pattern}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
