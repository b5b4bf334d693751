//! P2: the fencing tokens.

use std::collections::HashMap;

use super::{Case, Operation, Property, Violation};

impl Case<'_> {
    pub(super) fn fences(&mut self) {
        let mut granted: Vec<Operation> =
            self.operations.iter().filter(|operation| operation.fence() > 0).cloned().collect();
        granted.sort_by_key(|operation| (operation.key, operation.granted));
        for same_key in granted.chunk_by(|one, other| one.key == other.key) {
            self.unique(same_key);
            self.rising(same_key);
        }
        self.reserved();
        self.register();
    }

    fn unique(&mut self, granted: &[Operation]) {
        let mut given: HashMap<u64, &Operation> = HashMap::new();
        for operation in granted {
            if let Some(other) = given.insert(operation.fence(), operation) {
                let text =
                    format!("{} and {} were both granted {}", other.op, operation.op, operation.fence());
                let (at, _) = operation.granted.unwrap_or_default();
                let violation = Violation::new(Property::P2, at, operation.key, text);
                self.wrong(violation.of(&[&other.op, &operation.op]));
            }
        }
    }

    /// A caller that asked after another one was granted has a higher token.
    fn rising(&mut self, granted: &[Operation]) {
        let mut asked: Vec<&Operation> = granted.iter().collect();
        asked.sort_by_key(|operation| operation.invoked);
        let (mut earlier, mut highest) = (granted.iter().peekable(), None::<&Operation>);
        for operation in asked {
            while let Some(before) =
                earlier.next_if(|before| before.granted.is_some_and(|(at, _)| at < operation.invoked))
            {
                if highest.is_none_or(|highest| highest.fence() < before.fence()) {
                    highest = Some(before);
                }
            }
            if let Some(highest) = highest
                && highest.fence() > operation.fence()
            {
                let (at, fence) = operation.granted.unwrap_or_default();
                let text = format!(
                    "{} was granted {fence} after {} had been granted {}",
                    operation.op,
                    highest.op,
                    highest.fence()
                );
                let violation = Violation::new(Property::P2, at, operation.key, text);
                self.wrong(violation.of(&[&highest.op, &operation.op]));
            }
        }
    }

    /// The tokens that servers give and reserve rise, whoever learns of them.
    fn reserved(&mut self) {
        let mut wrong = Vec::new();
        for (&key, turns) in &self.truth.by_key {
            let mut highest = 0;
            for turn in turns.iter().map(|&turn| &self.truth.turns[turn]).filter(|turn| turn.top > 0) {
                if turn.top <= highest {
                    let text =
                        format!("the server gave {} tokens up to {} after {highest}", turn.op, turn.top);
                    wrong.push(Violation::new(Property::P2, turn.since, key, text).of(&[&turn.op]));
                }
                highest = highest.max(turn.top);
            }
        }
        self.verdict.violations.append(&mut wrong);
    }

    /// The register accepts no lower token, and no token from two operations.
    fn register(&mut self) {
        let mut last: HashMap<u64, (u64, &str)> = HashMap::new();
        for write in &self.evidence.accepted {
            let (fence, op) = last.insert(write.key, (write.fence, &write.op)).unwrap_or_default();
            let twice = fence == write.fence && op != write.op && !op.is_empty();
            if write.fence < fence || twice {
                let text =
                    format!("the register took {} from {} after {fence} from {op}", write.fence, write.op);
                let at = self.operations.iter().find(|operation| operation.op == write.op);
                let at = at.map_or(0, |operation| operation.invoked);
                let violation = Violation::new(Property::P2, at, write.key, text).of(&[op, &write.op]);
                self.verdict.violations.push(violation);
            }
        }
    }
}
