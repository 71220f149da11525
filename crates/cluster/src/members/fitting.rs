//! Which members can be together: while a cluster is upgraded its nodes run different programs.
//!
//! A node writes the newest format that it reads. As long as there is one that cannot read it, a newer node is given no
//! shard that an older one could have: what it wrote the older one could not take over. So a cluster is upgraded node by
//! node, in any order, and its shards move to the new ones with the last that is old. Between nodes one protocol is
//! spoken; who speaks another passes no clients on.

use super::member::{Member, Standing};

/// What a member is good for beside the others.
pub fn standing(member: &Member, all: &[Member]) -> Standing {
    let own = member.about.standing();
    // One that is about to leave, or misses the database, takes nothing over anyway.
    let is_old = |one: &Member| {
        one.about.standing() == Standing::Ready && one.about.format < member.about.format
    };
    match own {
        Standing::Ready if all.iter().any(is_old) => Standing::Draining,
        _ => own,
    }
}

/// Why a member is given no shards though it is well; in words, for operators.
pub fn misfit(member: &Member, all: &[Member]) -> Option<String> {
    let own = member.about.standing();
    if standing(member, all) == own {
        return None;
    }
    let format = member.about.format;
    let old = all.iter().filter(|one| one.about.format < format);
    let old: Vec<String> = old
        .map(|one| format!("{} (format {})", one.id.node(), one.about.format))
        .collect();
    Some(format!(
        "{} writes format {format}, which {} cannot read: it is given nothing before these are upgraded",
        member.id.node(),
        old.join(", ")
    ))
}

/// Why a node that speaks `ours` cannot pass clients on to another.
pub fn other_protocol(ours: u32, other: &Member) -> Option<String> {
    let theirs = other.about.protocol;
    (ours != theirs).then(|| {
        format!(
            "{} serves, and speaks protocol {theirs} between nodes, this one protocol {ours}: upgrade the older of them",
            other.id.node()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::member::{About, State};

    fn member(name: &str, format: u32, state: State) -> Member {
        Member {
            id: name.parse().expect("a good name"),
            about: About {
                amqp: String::new(),
                node: String::new(),
                admin: String::new(),
                program: String::new(),
                format,
                protocol: 1,
                state,
                database_ok: true,
                serving: Vec::new(),
                prepared: Vec::new(),
            },
        }
    }

    fn standings(all: &[Member]) -> Vec<Standing> {
        all.iter().map(|one| standing(one, all)).collect()
    }

    #[test]
    fn the_newer_wait_until_the_last_of_the_old_is_gone() {
        let mut all = vec![
            member("a.1", 2, State::Active),
            member("b.1", 2, State::Active),
            member("c.1", 3, State::Active),
        ];
        let (ready, waits) = (Standing::Ready, Standing::Draining);
        assert_eq!(standings(&all), [ready, ready, waits]);
        let why = misfit(&all[2], &all).expect("it is given nothing");
        assert_eq!(
            why,
            "c writes format 3, which a (format 2), b (format 2) cannot read: it is given nothing before these are upgraded"
        );
        assert_eq!(misfit(&all[0], &all), None);
        all[1] = member("b.2", 3, State::Active);
        assert_eq!(standings(&all), [ready, waits, waits]);
        // The last one leaves, and hands over.
        all[0].about.state = State::Draining;
        assert_eq!(standings(&all), [waits, ready, ready]);
        all[0] = member("a.2", 3, State::Active);
        assert_eq!(standings(&all), [ready, ready, ready]);
    }

    #[test]
    fn one_that_could_not_take_over_anyway_holds_nobody_up() {
        let mut old = member("a.1", 2, State::Active);
        old.about.database_ok = false;
        let all = [old, member("b.1", 3, State::Active)];
        assert_eq!(standing(&all[1], &all), Standing::Ready);
    }

    #[test]
    fn another_protocol_is_named_with_both_numbers() {
        let mut other = member("b.1", 2, State::Active);
        assert_eq!(other_protocol(1, &other), None);
        other.about.protocol = 2;
        let why = other_protocol(1, &other).expect("they do not understand each other");
        assert!(why.contains("b serves, and speaks protocol 2"), "{why}");
    }
}
