//! A directed graph of waits. It knows no clock, no locks and no calls.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The edges, from what waits to what it waits for. An edge that was added twice has to be removed twice.
#[derive(Debug)]
pub(super) struct Graph<N>(HashMap<N, Vec<N>>);

impl<N> Default for Graph<N> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<N: Clone + Eq + Hash> Graph<N> {
    pub(super) fn link(&mut self, from: N, to: N) {
        self.0.entry(from).or_default().push(to);
    }

    pub(super) fn unlink(&mut self, from: &N, to: &N) {
        let Some(targets) = self.0.get_mut(from) else { return };
        if let Some(at) = targets.iter().position(|target| target == to) {
            targets.swap_remove(at);
        }
        if targets.is_empty() {
            self.0.remove(from);
        }
    }

    /// The shortest way from `start` to one of `ends`, with both. It would be a cycle if the end waited for the start.
    pub(super) fn way(&self, start: &N, ends: &[N]) -> Option<Vec<N>> {
        let mut before = HashMap::from([(start, start)]);
        let mut next = VecDeque::from([start]);
        while let Some(node) = next.pop_front() {
            if ends.contains(node) {
                let mut way = vec![node.clone()];
                let mut at = node;
                while at != start {
                    at = before[at];
                    way.push(at.clone());
                }
                way.reverse();
                return Some(way);
            }
            for target in self.0.get(node).into_iter().flatten() {
                if let Entry::Vacant(unseen) = before.entry(target) {
                    unseen.insert(node);
                    next.push_back(target);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const NODES: u8 = 8;

    /// Whether `end` can be reached, by trying all ways of up to `steps` steps.
    fn reaches(edges: &[(u8, u8)], start: u8, end: u8, steps: u8) -> bool {
        start == end
            || steps > 0
                && edges.iter().any(|&(from, to)| from == start && reaches(edges, to, end, steps - 1))
    }

    #[test]
    fn a_way_is_the_shortest_and_has_both_ends() {
        let mut graph = Graph::default();
        for (from, to) in [(1, 2), (2, 3), (3, 4), (2, 4), (4, 5)] {
            graph.link(from, to);
        }
        assert_eq!(graph.way(&1, &[5, 7]), Some(vec![1, 2, 4, 5]));
        assert_eq!(graph.way(&1, &[1]), Some(vec![1]));
        assert_eq!(graph.way(&5, &[1]), None);
    }

    #[test]
    fn an_edge_that_is_there_twice_is_removed_twice() {
        let mut graph = Graph::default();
        graph.link(1, 2);
        graph.link(1, 2);
        graph.unlink(&1, &2);
        assert!(graph.way(&1, &[2]).is_some());
        graph.unlink(&1, &2);
        graph.unlink(&1, &2);
        assert!(graph.way(&1, &[2]).is_none() && graph.0.is_empty());
    }

    proptest! {
        /// Waits are refused where they would close a cycle, and end in any order.
        #[test]
        fn agrees_with_trying_all_ways(steps in vec((any::<bool>(), 0..NODES, 0..NODES), 1..60)) {
            let (mut graph, mut edges) = (Graph::default(), Vec::new());
            for (begins, from, to) in steps {
                if begins {
                    let way = graph.way(&to, &[from]);
                    prop_assert_eq!(way.is_some(), reaches(&edges, to, from, NODES));
                    if let Some(way) = way {
                        prop_assert_eq!((way.first(), way.last()), (Some(&to), Some(&from)));
                        prop_assert!(way.windows(2).all(|pair| edges.contains(&(pair[0], pair[1]))));
                    } else {
                        graph.link(from, to);
                        edges.push((from, to));
                    }
                } else if let Some(at) = edges.iter().position(|edge| edge.0 == from) {
                    let (from, to) = edges.swap_remove(at);
                    graph.unlink(&from, &to);
                }
            }
        }
    }
}
