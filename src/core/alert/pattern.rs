//! Names of stores and regions, exact or with `*` for anything.

/// Which names are meant: those that fit any of the patterns; with no pattern, all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// These; each is a name in which `*` stands for any number of characters.
    pub fn of(patterns: Vec<String>) -> Patterns {
        Patterns(patterns)
    }

    /// Whether they exclude nothing.
    pub fn is_any(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern == "*")
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a name is meant.
    pub fn fit(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| fits(pattern, name))
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    // The first place where a part fits is as good as any later one.
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_everything_else_for_itself() {
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("*", "", true),
            ("us-*", "us-east-1", true),
            ("us-*", "eu-west-1", false),
            ("*-east-*", "us-east-1", true),
            ("*-1", "us-east-1", true),
            ("*-1", "us-east-2", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abbc", true),
            ("a*bc*c", "abc", false),
            ("**", "x", true),
        ] {
            assert_eq!(Patterns::of(vec![pattern.into()]).fit(name), expected, "{pattern} {name}");
        }
        assert!(Patterns::default().fit("anything") && Patterns::default().is_any());
    }
}
