//! The seven methods of the Docker API, and sets of them.

use std::fmt;

/// A method that the Docker API knows. Names are case-sensitive, as in the engine's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// PATCH
    Patch,
    /// OPTIONS
    Options,
}

impl Method {
    /// All seven, in the order of their [`Method::index`].
    pub const ALL: [Method; 7] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Patch,
        Method::Options,
    ];

    /// The method of that exact name.
    pub fn from_name(name: &str) -> Option<Method> {
        Method::ALL
            .into_iter()
            .find(|method| method.as_str() == name)
    }

    /// The name, as in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
        }
    }

    /// The index in [`Method::ALL`], for tables with one column per method.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Methods(u8);

impl Methods {
    /// Every method.
    pub const ALL: Methods = Methods(0x7f);
    /// GET and HEAD, which a granted section allows without POST.
    pub const READS: Methods = Methods(0x03);
    /// All others, which need POST.
    pub const WRITES: Methods = Methods(0x7c);

    /// The set of one method, or of all for `None`: a route's `*`.
    pub fn of(method: Option<Method>) -> Methods {
        method.map_or(Methods::ALL, |method| Methods(1 << method.index()))
    }

    /// Whether the method is in the set.
    pub fn contains(self, method: Method) -> bool {
        self.0 & (1 << method.index()) != 0
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Methods {
        let bits = methods.into_iter().map(|method| 1 << method.index());
        Methods(bits.fold(0, |set, bit: u8| set | bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_get_and_head_and_writes_the_rest() {
        for method in Method::ALL {
            let reads = matches!(method, Method::Get | Method::Head);
            assert_eq!(Methods::READS.contains(method), reads, "{method}");
            assert_eq!(Methods::WRITES.contains(method), !reads, "{method}");
            assert!(Methods::of(None).contains(method));
            assert_eq!(Method::ALL[method.index()], method);
            assert_eq!(Method::from_name(method.as_str()), Some(method));
        }
        assert_eq!(Method::from_name("get"), None);
    }
}
