//! Wildcards of the scopes of tokens: `*` stands for any text, and everything between is percent-encoded.

/// A pattern as the scopes of tokens have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard {
    first: String,
    /// What follows each `*`; none for a text without one.
    rest: Vec<String>,
}

impl Wildcard {
    /// Decodes it; `None` for what is not percent-encoded, or is not UTF-8 then.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut parts = text.split('*').map(decoded);
        Some(Self {
            first: parts.next()??,
            rest: parts.collect::<Option<_>>()?,
        })
    }

    /// Whether every name matches.
    pub(crate) fn is_everything(&self) -> bool {
        self.first.is_empty() && !self.rest.is_empty() && self.rest.iter().all(String::is_empty)
    }

    /// In linear time: each part is looked for once, from the left.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some(mut left) = name.strip_prefix(&*self.first) else {
            return false;
        };
        let Some((last, middle)) = self.rest.split_last() else {
            return left.is_empty();
        };
        for part in middle {
            match left.find(&**part) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        left.ends_with(&**last)
    }
}

/// As in the queries of URLs: `%2F` is a slash, and `+` a space.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (digit(*rest.first()?)?, digit(*rest.get(1)?)?);
                bytes.push(high << 4 | low);
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn digit(letter: u8) -> Option<u8> {
    let value = char::from(letter).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wildcard_matches() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "anything/at all\n", true),
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*a*a*", "a", false),
            ("%2F", "/", true),
            ("%2f*", "/x", true),
            ("a%2Ab", "a*b", true),
            ("a%2Ab", "axb", false),
            ("a+b", "a b", true),
            ("a%2Bb", "a+b", true),
            ("%C3%BC", "ü", true),
            (".*", "x", false),
            ("[a-z]", "a", false),
        ] {
            let wildcard = Wildcard::new(pattern).expect(pattern);
            assert_eq!(wildcard.matches(name), matches, "{pattern} {name:?}");
        }
        for wrong in ["%", "%2", "%zz", "%+1", "a*%f", "%FF"] {
            assert_eq!(Wildcard::new(wrong), None, "{wrong}");
        }
    }
}
