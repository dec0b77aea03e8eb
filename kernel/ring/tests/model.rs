//! Every order of events that two clients, one daemon, a kernel and a clock can produce.
//!
//! The rules of a request (submit, post, take, answer, reap; cancel, deadline, kill, death
//! and adoption) as a state machine of two slots, searched breadth-first until nothing new
//! is found. It fixes the rules before any kernel follows them: each rule here is a branch
//! there. The search must also find two bugs that were put in on purpose, or it shows nothing.
//!
//! | | what holds in every state |
//! |---|---|
//! | I1 | a client is resumed exactly once for each request |
//! | I2 | a client waits for a tag if and only if that slot waits or is posted for it |
//! | I3 | a slot is not freed while a live daemon holds its tag |
//! | I4 | pages are unpinned exactly once, and no client runs while its pages are lent |
//! | I5 | from every state all requests drain, with the daemon's help and without it |

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a model of fixed size: a sum or index that leaves it should stop the test"
)]

use std::collections::HashMap;

#[path = "model/event.rs"]
mod event;
#[path = "model/state.rs"]
mod state;

use event::{Broken, Bug, Event};
use state::State;

/// All reachable states in the order of their distance, each with the states it leads to.
#[derive(Default)]
struct Graph {
    states: Vec<State>,
    numbers: HashMap<State, usize>,
    parents: Vec<Option<(usize, Event)>>,
    edges: Vec<Vec<(Event, usize)>>,
}

/// An invariant that broke, and the shortest way to it.
type Found = (Vec<Event>, Broken);

impl Graph {
    /// Searches breadth-first; an invariant that breaks gives the shortest way to it.
    fn search(bug: Bug) -> Result<Self, Found> {
        let mut graph = Self::default();
        graph.number(State::new(bug), None);
        while let Some(state) = graph.states.get(graph.edges.len()).cloned() {
            let edges = graph.follow(&state)?;
            graph.edges.push(edges);
        }
        Ok(graph)
    }

    /// All that can happen in the first state whose edges are not known.
    fn follow(&mut self, state: &State) -> Result<Vec<(Event, usize)>, Found> {
        let at = self.edges.len();
        let mut edges = Vec::new();
        for event in Event::ALL {
            let mut next = state.clone();
            let happened = next.step(event).map_err(|broken| (self.trace(at, event), broken))?;
            next.check().map_err(|broken| (self.trace(at, event), broken))?;
            if happened {
                edges.push((event, self.number(next, Some((at, event)))));
            }
        }
        Ok(edges)
    }

    /// The number of a state, which is a new one if it was never met.
    fn number(&mut self, state: State, parent: Option<(usize, Event)>) -> usize {
        let new = self.states.len();
        let number = *self.numbers.entry(state.clone()).or_insert(new);
        if number == new {
            self.states.push(state);
            self.parents.push(parent);
        }
        number
    }

    /// The shortest way from the start to a state, and the event that broke there.
    fn trace(&self, mut at: usize, last: Event) -> Vec<Event> {
        let mut trace = vec![last];
        while let Some((before, event)) = self.parents[at] {
            trace.push(event);
            at = before;
        }
        trace.reverse();
        trace
    }

    /// The number of states from which no path of allowed events reaches a goal.
    fn stuck(&self, allowed: fn(Event) -> bool, goal: fn(&State) -> bool) -> usize {
        let mut before = vec![Vec::new(); self.states.len()];
        for (at, edges) in self.edges.iter().enumerate() {
            for (_, to) in edges.iter().filter(|(event, _)| allowed(*event)) {
                before[*to].push(at);
            }
        }
        let mut drains: Vec<bool> = self.states.iter().map(goal).collect();
        let mut found: Vec<usize> = (0..drains.len()).filter(|at| drains[*at]).collect();
        while let Some(at) = found.pop() {
            found.extend(before[at].iter().filter(|at| !drains[**at]));
            before[at].drain(..).for_each(|at| drains[at] = true);
        }
        drains.into_iter().filter(|drains| !drains).count()
    }
}

fn sound() -> Graph {
    Graph::search(Bug::None).unwrap_or_else(|(trace, broken)| panic!("{broken:?} by {trace:?}"))
}

#[test]
fn the_rules_hold_in_every_reachable_state_and_all_of_them_drain() {
    let graph = sound();
    let transitions: usize = graph.edges.iter().map(Vec::len).sum();
    println!("{} states, {transitions} transitions", graph.states.len());

    assert_eq!(graph.stuck(Event::is_progress, State::is_over), 0, "a state never drains");
    assert_eq!(graph.stuck(Event::needs_no_daemon, State::nobody_waits), 0, "a client is stuck");
}

#[test]
fn the_search_visits_every_state_of_a_slot_with_every_daemon() {
    let graph = sound();
    for coverage in state::COVERAGE {
        assert!(graph.states.iter().any(coverage.met), "never seen: {}", coverage.what);
    }
    for event in Event::ALL {
        assert!(graph.edges.iter().flatten().any(|(seen, _)| *seen == event), "never: {event:?}");
    }
}

#[test]
fn a_slot_freed_on_deadline_is_caught() {
    let (trace, broken) = Graph::search(Bug::FreeOnDeadline).err().expect("the bug is found");
    assert_eq!(broken, Broken("I3: a tag that the daemon holds is not in use"));
    assert_eq!(trace, [Event::Submit(0), Event::Post(0), Event::Take(0), Event::Deadline(0)]);
}

#[test]
fn a_lease_that_outlives_its_deadline_is_caught() {
    let (trace, broken) = Graph::search(Bug::KeepLease).err().expect("the bug is found");
    assert_eq!(broken, Broken("I4: a client runs while its pages are lent"));
    assert_eq!(trace, [Event::Submit(0), Event::Post(0), Event::Deadline(0)]);
}

#[test]
fn an_answer_that_skips_the_tag_check_is_caught() {
    let (_trace, broken) = Graph::search(Bug::IgnoreZombie).err().expect("the bug is found");
    assert!(broken.0.starts_with("I1"), "{broken:?}");
}
