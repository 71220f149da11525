//! Topic bindings as a tree of words: `*` stands for one word, `#` for any number of them.
//!
//! A key is followed through the tree as a set of nodes, so that the time is bounded by words times nodes
//! whatever the patterns are: matching `#` by trying every split is exponential in their number (a way to
//! stop a broker with one binding, CVE-2026-67419).

use model::record::Destination;
use smallvec::SmallVec;
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
    /// By word, those of `*` and `#` apart: they are asked for at every step.
    children: HashMap<Box<[u8]>, usize>,
    any_word: Option<usize>,
    many_words: Option<usize>,
    /// With how many bindings each destination ends here (they may differ in their arguments).
    destinations: Vec<(Destination, usize)>,
    /// It stands for `#`: any further word leads to it again.
    is_many: bool,
}

impl Node {
    fn child(&self, word: &[u8]) -> Option<usize> {
        match word {
            b"*" => self.any_word,
            b"#" => self.many_words,
            word => self.children.get(word).copied(),
        }
    }

    fn set_child(&mut self, word: &[u8], child: Option<usize>) {
        match (word, child) {
            (b"*", _) => self.any_word = child,
            (b"#", _) => self.many_words = child,
            (word, Some(child)) => {
                self.children.insert(word.into(), child);
            }
            (word, None) => {
                self.children.remove(word);
            }
        }
    }

    fn is_needed(&self) -> bool {
        let leads_on = self.any_word.is_some() || self.many_words.is_some();
        leads_on || !self.children.is_empty() || !self.destinations.is_empty()
    }
}

/// The nodes that a key has led to so far, each once.
#[derive(Debug, Default)]
struct Reached {
    nodes: SmallVec<[usize; FEW]>,
    /// A bit for each node of the tree, from when they are many.
    seen: Vec<u64>,
}

/// So many are looked through one by one.
const FEW: usize = 16;

impl Reached {
    /// False if it was there.
    fn insert(&mut self, node: usize) -> bool {
        if self.seen.is_empty() && self.nodes.len() < FEW {
            if self.nodes.contains(&node) {
                return false;
            }
        } else {
            if self.seen.is_empty() {
                for node in self.nodes.clone() {
                    self.mark(node);
                }
            }
            if !self.mark(node) {
                return false;
            }
        }
        self.nodes.push(node);
        true
    }

    fn mark(&mut self, node: usize) -> bool {
        let (word, bit) = (node / 64, 1 << (node % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    fn clear(&mut self) {
        if !self.seen.is_empty() {
            for node in &self.nodes {
                self.seen[node / 64] = 0;
            }
        }
        self.nodes.clear();
    }
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
            at = match self.nodes[at].child(word) {
                Some(child) => child,
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
            let Some(child) = self.nodes[at].child(word) else {
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
            let Some(&(parent, _)) = path.last().filter(|_| !self.nodes[at].is_needed()) else {
                return;
            };
            self.nodes[parent].set_child(word, None);
            self.nodes[at] = Node::default();
            self.free.push(at);
        }
    }

    /// Calls `found` for each destination with a matching pattern; more than once if more than one matches.
    pub(crate) fn for_each<'a>(&'a self, key: &[u8], found: &mut impl FnMut(&'a Destination)) {
        let (mut here, mut next) = (Reached::default(), Reached::default());
        self.enter(0, &mut here);
        for word in words(key) {
            next.clear();
            for &at in &here.nodes {
                let node = &self.nodes[at];
                if node.is_many {
                    self.enter(at, &mut next);
                }
                // Most nodes lead on by few words, and to look up is to hash.
                if !node.children.is_empty()
                    && let Some(&child) = node.children.get(word)
                {
                    self.enter(child, &mut next);
                }
                if let Some(child) = node.any_word {
                    self.enter(child, &mut next);
                }
            }
            std::mem::swap(&mut here, &mut next);
        }
        for at in here.nodes {
            self.nodes[at]
                .destinations
                .iter()
                .for_each(|(destination, _)| found(destination));
        }
    }

    /// Adds a node and the `#` below it, which may stand for no word at all.
    fn enter(&self, at: usize, reached: &mut Reached) {
        let mut at = at;
        while reached.insert(at) {
            match self.nodes[at].many_words {
                Some(child) => at = child,
                None => return,
            }
        }
    }

    fn add_node(&mut self, parent: usize, word: &[u8]) -> usize {
        let node = Node {
            is_many: word == b"#",
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
        self.nodes[parent].set_child(word, Some(at));
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
    fn many_patterns_with_many_wildcards_are_followed_together() {
        let patterns: Vec<String> = (0..500)
            .map(|number| format!("{}end.{number}", "#.a.".repeat(40)))
            .chain((0..500).map(|number| format!("{number}.#.*.#")))
            .collect();
        let tree = tree_of(&patterns);
        let key = format!("{}end.7", "a.".repeat(100));
        assert_eq!(found(&tree, &key), [7]);
        assert_eq!(found(&tree, "7.a.b"), [507]);
        assert_eq!(found(&tree, "7"), [0u64; 0]);
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
