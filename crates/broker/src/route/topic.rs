//! Topic bindings as a tree of words: `*` stands for one word, `#` for any number of them.
//!
//! A key is followed through the tree as a set of nodes, so that the time is bounded by words times nodes
//! whatever the patterns are: matching `#` by trying every split is exponential in their number (a way to
//! stop a broker with one binding, CVE-2026-67419).

use model::record::Destination;
use std::collections::HashMap;

/// The patterns of one exchange.
#[derive(Debug)]
pub(crate) struct TopicTree {
    /// Node 0 is the root. A node without children and destinations may be used again.
    nodes: Vec<Node>,
    free: Vec<usize>,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<[u8]>, usize>,
    /// With how many bindings each destination ends here (they may differ in their arguments).
    destinations: Vec<(Destination, usize)>,
    /// It stands for `#`: any further word leads to it again.
    any_words: bool,
}

impl Default for TopicTree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
        }
    }
}

impl TopicTree {
    pub(crate) fn add(&mut self, pattern: &str, destination: &Destination) {
        let mut at = 0;
        for word in words(pattern.as_bytes()) {
            at = match self.nodes[at].children.get(word) {
                Some(&child) => child,
                None => self.add_node(at, word),
            };
        }
        let destinations = &mut self.nodes[at].destinations;
        match destinations
            .iter_mut()
            .find(|(other, _)| other == destination)
        {
            Some((_, count)) => *count += 1,
            None => destinations.push((destination.clone(), 1)),
        }
    }

    pub(crate) fn remove(&mut self, pattern: &str, destination: &Destination) {
        let mut path: Vec<(usize, &[u8])> = vec![(0, b"")];
        for word in words(pattern.as_bytes()) {
            let (at, _) = path[path.len() - 1];
            let Some(&child) = self.nodes[at].children.get(word) else {
                return;
            };
            path.push((child, word));
        }
        let (end, _) = path[path.len() - 1];
        self.nodes[end].destinations.retain_mut(|(other, count)| {
            *count -= usize::from(other == destination);
            *count > 0
        });
        while let Some((at, word)) = path.pop() {
            let node = &self.nodes[at];
            let Some(&(parent, _)) = path
                .last()
                .filter(|_| node.children.is_empty() && node.destinations.is_empty())
            else {
                return;
            };
            self.nodes[parent].children.remove(word);
            self.nodes[at] = Node::default();
            self.free.push(at);
        }
    }

    /// Calls `found` for each destination with a matching pattern; more than once if more than one matches.
    pub(crate) fn for_each<'a>(&'a self, key: &[u8], found: &mut impl FnMut(&'a Destination)) {
        let mut here = Vec::with_capacity(8);
        let mut next = Vec::with_capacity(8);
        self.enter(0, &mut here);
        for word in words(key) {
            next.clear();
            for &at in &here {
                let node = &self.nodes[at];
                if node.any_words {
                    self.enter(at, &mut next);
                }
                for child in [word, b"*"]
                    .iter()
                    .filter_map(|word| node.children.get(*word))
                {
                    self.enter(*child, &mut next);
                }
            }
            std::mem::swap(&mut here, &mut next);
        }
        for &at in &here {
            self.nodes[at]
                .destinations
                .iter()
                .for_each(|(destination, _)| found(destination));
        }
    }

    /// Adds a node and the `#` below it, which may stand for no word at all.
    fn enter(&self, at: usize, nodes: &mut Vec<usize>) {
        let mut at = at;
        while !nodes.contains(&at) {
            nodes.push(at);
            match self.nodes[at].children.get(b"#".as_slice()) {
                Some(&child) => at = child,
                None => return,
            }
        }
    }

    fn add_node(&mut self, parent: usize, word: &[u8]) -> usize {
        let node = Node {
            any_words: word == b"#",
            ..Node::default()
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.nodes[parent].children.insert(word.into(), at);
        at
    }
}

/// An empty key has no words, not one empty word: `*` does not match it, as in RabbitMQ.
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = if key.is_empty() { 0 } else { usize::MAX };
    key.split(|byte| *byte == b'.').take(words)
}

/// What a pattern means, word by word, as a check of the tree by something simpler.
#[cfg(test)]
fn matches_simply(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=key.len()).any(|skip| matches_simply(rest, &key[skip..])),
        (["*", rest @ ..], [_, key @ ..]) => matches_simply(rest, key),
        ([word, rest @ ..], [first, key @ ..]) => word == first && matches_simply(rest, key),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::QueueId;
    use proptest::prelude::*;

    fn found(tree: &TopicTree, key: &str) -> Vec<u64> {
        let mut found = Vec::new();
        tree.for_each(key.as_bytes(), &mut |destination| match destination {
            Destination::Queue(queue) => found.push(queue.0),
            Destination::Exchange(_) => unreachable!("none was bound"),
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    fn tree_of(patterns: &[String]) -> TopicTree {
        let mut tree = TopicTree::default();
        for (number, pattern) in patterns.iter().enumerate() {
            tree.add(pattern, &Destination::Queue(QueueId(number as u64)));
        }
        tree
    }

    fn pattern(wild: bool) -> impl Strategy<Value = String> {
        let word = if wild { "[ab#*]" } else { "[abc]" };
        proptest::collection::vec(word, 1..6).prop_map(|words| words.join("."))
    }

    proptest! {
        #[test]
        fn the_tree_matches_what_the_words_mean(
            patterns in proptest::collection::vec(pattern(true), 1..12),
            key in pattern(false),
            removed in any::<proptest::sample::Index>(),
        ) {
            let mut tree = tree_of(&patterns);
            let key_words: Vec<&str> = key.split('.').collect();
            let matching = |except: Option<usize>| -> Vec<u64> {
                let means = |(number, pattern): (usize, &String)| {
                    let pattern: Vec<&str> = pattern.split('.').collect();
                    (except != Some(number) && matches_simply(&pattern, &key_words)).then_some(number as u64)
                };
                patterns.iter().enumerate().filter_map(means).collect()
            };
            prop_assert_eq!(found(&tree, &key), matching(None));
            let removed = removed.index(patterns.len());
            tree.remove(&patterns[removed], &Destination::Queue(QueueId(removed as u64)));
            prop_assert_eq!(found(&tree, &key), matching(Some(removed)));
        }
    }

    #[test]
    fn an_empty_key_has_no_words() {
        let tree = tree_of(&["", "#", "*", "*.b", ".b"].map(str::to_owned));
        assert_eq!(found(&tree, ""), [0, 1]);
        assert_eq!(found(&tree, "a"), [1, 2]);
        assert_eq!(found(&tree, ".b"), [1, 3, 4]);
    }

    #[test]
    fn many_wildcards_cost_no_more_than_words_times_nodes() {
        let tree = tree_of(&[format!("{}#.z", "#.a.".repeat(60))]);
        assert_eq!(found(&tree, &"a.".repeat(126)), [0u64; 0]);
    }

    #[test]
    fn a_tree_without_bindings_is_empty_again() {
        let mut tree = TopicTree::default();
        for round in 0..1000 {
            let pattern = format!("a.{round}.#");
            tree.add(&pattern, &Destination::Queue(QueueId(1)));
            tree.remove(&pattern, &Destination::Queue(QueueId(1)));
        }
        assert!(tree.nodes[0].children.is_empty());
        assert!(tree.nodes.len() < 8);
    }
}
