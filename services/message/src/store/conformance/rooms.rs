//! Rooms and members, and what becomes of them when several replicas act at once.

use aether_common::{Code, Error};
use futures::future::join_all;

use super::{mongodb, new_room, prepare, sqlite};
use crate::{
    model::{GENERAL, Member, Page, Role, Room, RoomType, new_id},
    rooms::Rooms,
    store::{RoomsOf, Store},
};
use std::sync::Arc;

conformance![
    a_room_name_is_taken_once,
    members_enter_and_leave,
    places_in_many_rooms_are_told_at_once,
    members_are_told_page_by_page,
    rooms_are_listed_in_the_order_of_entering,
    public_rooms_are_found_by_a_part_of_their_name,
    what_somebody_searches_for_is_no_pattern,
    of_two_rooms_made_at_once_under_one_name_one_is_there,
    two_users_have_one_direct_room_whoever_asks_and_when,
    a_direct_room_that_was_made_by_half_is_mended,
    nobody_enters_leaves_or_is_put_into_a_direct_room,
    only_the_owner_lets_others_in_and_puts_them_out,
    the_oldest_member_owns_a_room_whose_owner_has_left,
    nobody_owns_the_room_of_the_system,
    of_two_who_remove_a_member_one_does,
    a_removed_member_stays_out_of_a_private_room_and_may_come_back_to_a_public_one,
    an_abandoned_private_room_gives_its_name_away_and_keeps_its_messages,
    an_owner_who_leaves_while_letting_somebody_in_leaves_no_room_without_a_name,
];

async fn members(store: &dyn Store, room: &str) -> Vec<String> {
    let (members, total) = store.members(room, Page::ALL).await.unwrap();
    assert_eq!(members.len() as u64, total);
    members.into_iter().map(|member| member.user_id).collect()
}

async fn rooms_of(store: &dyn Store, user: &str) -> RoomsOf {
    store.rooms_of(&[user.to_owned()]).await.unwrap().remove(0)
}

/// Two replicas over one store.
fn replicas(store: &Arc<dyn Store>) -> [Rooms; 2] {
    [Rooms::new(Arc::clone(store)), Rooms::new(Arc::clone(store))]
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.unwrap_err().code
}

/// Joins are told apart by their time, which has milliseconds.
async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
}

async fn a_room_name_is_taken_once(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await;
    let other = Room { id: new_id(), ..room.clone() };
    assert!(!store.create_room(&other, Some("2")).await.unwrap());
    assert_eq!(store.room_by_name(&room.name).await.unwrap(), Some(room.clone()));
    assert_eq!(store.rooms(&[other.id, room.id.clone()]).await.unwrap(), [room]);
    assert!(rooms_of(store.as_ref(), "2").await.is_empty());
}

async fn members_enter_and_leave(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    assert_eq!(store.membership(&room, "1").await.unwrap().unwrap().role, Role::Owner);
    pause().await;
    assert!(store.join(&room, "2", Role::Member).await.unwrap());
    assert!(!store.join(&room, "2", Role::Member).await.unwrap());
    assert!(!store.join(&room, "1", Role::Member).await.unwrap());
    assert_eq!(store.membership(&room, "1").await.unwrap().unwrap().role, Role::Owner);
    assert_eq!(among(store.as_ref(), &room).await, ["1", "2"]);
    assert_eq!(members(store.as_ref(), &room).await, ["1", "2"]);
    assert!(store.leave(&room, "2").await.unwrap());
    assert!(!store.leave(&room, "2").await.unwrap());
    assert_eq!(store.membership(&room, "2").await.unwrap(), None);
    assert_eq!(among(store.as_ref(), &room).await, ["1"]);
    assert!(store.join(&room, "2", Role::Member).await.unwrap());
    assert_eq!(among(store.as_ref(), &room).await, ["1", "2"]);
}

/// Of users 1 to 3, those who are members.
async fn among(store: &dyn Store, room: &str) -> Vec<String> {
    let found = store.members_among(room, ["1", "2", "3"].map(Arc::from).into()).await.unwrap();
    let mut found: Vec<_> = found.iter().map(ToString::to_string).collect();
    found.sort();
    found
}

async fn places_in_many_rooms_are_told_at_once(store: Arc<dyn Store>) {
    let (one, two) = (new_room(store.as_ref()).await.id, new_room(store.as_ref()).await.id);
    store.join(&two, "2", Role::Member).await.unwrap();
    let wanted = [(&one, "1"), (&one, "2"), (&two, "2"), (&new_id(), "1"), (&two, "1"), (&two, "2")];
    let wanted = wanted.map(|(room, user)| (room.clone(), user.to_owned()));
    let found = store.memberships(&wanted).await.unwrap().into_iter().map(|place| place.map(|place| place.role));
    let (owner, member) = (Some(Role::Owner), Some(Role::Member));
    assert_eq!(found.collect::<Vec<_>>(), [owner, None, member, None, owner, member]);
    assert!(store.memberships(&[]).await.unwrap().is_empty());
}

async fn members_are_told_page_by_page(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    for user in ["2", "3", "4", "5"] {
        pause().await;
        store.join(&room, user, Role::Member).await.unwrap();
    }
    for (page, expected) in [(1, vec!["1", "2"]), (2, vec!["3", "4"]), (3, vec!["5"]), (4, vec![])] {
        let (found, total) = store.members(&room, Page::new(page, 2).unwrap()).await.unwrap();
        let found: Vec<_> = found.iter().map(|Member { user_id, .. }| user_id.as_str()).collect();
        assert_eq!((found, total), (expected, 5), "page {page}");
    }
}

async fn rooms_are_listed_in_the_order_of_entering(store: Arc<dyn Store>) {
    let (one, two) = (new_room(store.as_ref()).await, new_room(store.as_ref()).await);
    pause().await;
    store.join(&two.id, "7", Role::Member).await.unwrap();
    pause().await;
    store.join(&one.id, "7", Role::Member).await.unwrap();
    let both = || vec!["1".to_owned(), "7".to_owned()];
    let mine = [(two.id.clone(), both()), (one.id.clone(), both())];
    assert_eq!(rooms_of(store.as_ref(), "7").await, mine);
    assert!(rooms_of(store.as_ref(), "nobody").await.is_empty());
    // Of several users at once each gets the own.
    pause().await;
    store.join(&one.id, "8", Role::Member).await.unwrap();
    let three = || [both(), vec!["8".to_owned()]].concat();
    let users = ["8", "nobody", "7", "8"].map(str::to_owned);
    let lists = store.rooms_of(&users).await.unwrap();
    let eights = vec![(one.id.clone(), three())];
    assert_eq!(lists, [eights.clone(), vec![], vec![(two.id.clone(), both()), (one.id.clone(), three())], eights]);
    // What one replica knows already and another doesn't is listed alike.
    let [first, second] = replicas(&store);
    first.find(&two.id).await.unwrap();
    for replica in [first, second] {
        let rooms: Vec<Room> = replica.list("7").await.unwrap().iter().map(|of| (*of.room).clone()).collect();
        assert_eq!(rooms, [two.clone(), one.clone()]);
    }
}

async fn public_rooms_are_found_by_a_part_of_their_name(store: Arc<dyn Store>) {
    let [rooms, _] = replicas(&store);
    for name in ["Blue boats", "blue birds", "red birds"] {
        rooms.create("1", name, "", "public").await.unwrap();
    }
    rooms.create("1", "blue secret", "", "private").await.unwrap();
    rooms.direct("1", "2").await.unwrap();
    rooms.join("2", "blue birds").await.unwrap();
    let find = async |search: &str, page, limit| {
        let (found, total) = rooms.list_public("2", search, Page::new(page, limit).unwrap()).await.unwrap();
        (found.into_iter().map(|l| (l.room.name, l.members, l.joined)).collect::<Vec<_>>(), total)
    };
    let listed = |name: &str, members, joined| (name.to_owned(), members, joined);
    let (boats, birds) = (listed("Blue boats", 1, false), listed("blue birds", 2, true));
    assert_eq!(find(" BLUE ", 1, 10).await, (vec![boats.clone(), birds.clone()], 2));
    let (red, general) = (listed("red birds", 1, false), listed(GENERAL, 0, false));
    assert_eq!(find("", 1, 10).await, (vec![boats, birds.clone(), general, red.clone()], 4));
    assert_eq!(find("birds", 1, 1).await, (vec![birds], 2));
    assert_eq!(find("birds", 2, 1).await, (vec![red], 2));
    assert_eq!(find("birds", 3, 1).await, (vec![], 2));
    assert_eq!(code(rooms.list_public("2", &"x".repeat(65), Page::ALL).await), Code::Invalid);
}

async fn what_somebody_searches_for_is_no_pattern(store: Arc<dyn Store>) {
    let [rooms, _] = replicas(&store);
    rooms.create("1", "a.b*c (50%) [d] \\ _", "", "public").await.unwrap();
    rooms.create("1", "plain", "", "public").await.unwrap();
    for (search, found) in
        [(".", 1), ("*c (50%) [d] \\", 1), ("%", 1), ("_", 1), ("pl.in", 0), ("^plain$", 0), (".*", 0)]
    {
        assert_eq!(rooms.list_public("1", search, Page::ALL).await.unwrap().0.len(), found, "{search}");
    }
}

async fn of_two_rooms_made_at_once_under_one_name_one_is_there(store: Arc<dyn Store>) {
    let replicas = replicas(&store);
    let made = join_all((0..10).map(|n| replicas[n % 2].create(if n < 5 { "1" } else { "2" }, "busy", "", "private")));
    let (made, refused): (Vec<_>, Vec<_>) = made.await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 9));
    assert!(refused.into_iter().all(|refusal| code(refusal) == Code::Conflict));
    let room = made.into_iter().next().unwrap().unwrap();
    assert_eq!(members(store.as_ref(), &room.id).await, [room.created_by.as_str()]);
    let listed = rooms_of(store.as_ref(), "1").await.len() + rooms_of(store.as_ref(), "2").await.len();
    assert_eq!(listed, 1);
}

async fn two_users_have_one_direct_room_whoever_asks_and_when(store: Arc<dyn Store>) {
    let replicas = replicas(&store);
    let opened = (0..10).map(|n| {
        let (user, other) = if n < 5 { ("10", "9") } else { ("9", "10") };
        replicas[n % 2].direct(user, other)
    });
    let opened: Vec<_> = join_all(opened).await.into_iter().map(Result::unwrap).collect();
    assert!(opened.iter().all(|room| room == &opened[0] && room.room_type == RoomType::Direct));
    let mut both = members(store.as_ref(), &opened[0].id).await;
    both.sort();
    assert_eq!(both, ["10", "9"]);
    assert_eq!(opened[0].title(), "");
    let other = replicas[0].direct("9", "11").await.unwrap();
    assert_ne!(other.id, opened[0].id);
    assert_eq!(replicas[1].list("9").await.unwrap().len(), 2);
    assert_eq!(code(replicas[0].direct("9", "9").await), Code::Invalid);
}

async fn a_direct_room_that_was_made_by_half_is_mended(store: Arc<dyn Store>) {
    let [rooms, other] = replicas(&store);
    let room = rooms.direct("1", "2").await.unwrap();
    for gone in [vec!["1"], vec!["2"], vec!["1", "2"]] {
        for user in gone {
            store.leave(&room.id, user).await.unwrap();
        }
        assert_eq!(other.direct("2", "1").await.unwrap().id, room.id);
        let mut both = members(store.as_ref(), &room.id).await;
        both.sort();
        assert_eq!(both, ["1", "2"]);
    }
}

async fn nobody_enters_leaves_or_is_put_into_a_direct_room(store: Arc<dyn Store>) {
    let [rooms, _] = replicas(&store);
    let room = rooms.direct("1", "2").await.unwrap();
    let id = room.id.as_str();
    assert_eq!(rooms.join("1", id).await.unwrap().id, room.id);
    for stranger in ["3", ""] {
        assert_eq!(code(rooms.join(stranger, id).await), Code::NotFound);
        assert_eq!(code(rooms.joined(stranger, id).await), Code::NotFound);
        assert_eq!(code(rooms.leave(stranger, id).await), Code::NotFound);
        assert_eq!(code(rooms.owned(stranger, id).await), Code::NotFound);
        assert_eq!(code(rooms.remove(stranger, id, "1").await), Code::NotFound);
        assert_eq!(code(rooms.list_members(stranger, id, Page::ALL).await), Code::NotFound);
    }
    for member in ["1", "2"] {
        assert_eq!(code(rooms.leave(member, id).await), Code::Forbidden);
        assert_eq!(code(rooms.owned(member, id).await), Code::Forbidden);
        assert_eq!(code(rooms.remove(member, id, "1").await), Code::Forbidden);
        assert_eq!(code(rooms.remove(member, id, "2").await), Code::Forbidden);
    }
    // Its name is nobody's business, not even a member's.
    assert_eq!(code(rooms.joined("1", &room.name).await), Code::NotFound);
    assert_eq!(members(store.as_ref(), id).await.len(), 2);
}

async fn only_the_owner_lets_others_in_and_puts_them_out(store: Arc<dyn Store>) {
    let [rooms, other] = replicas(&store);
    for kind in ["public", "private"] {
        let room = rooms.create("1", kind, "", kind).await.unwrap();
        for user in ["2", "3"] {
            pause().await;
            rooms.add("1", &rooms.owned("1", kind).await.unwrap(), user).await.unwrap();
            rooms.add("1", &room, user).await.unwrap();
        }
        assert_eq!(code(other.owned("2", &room.id).await), Code::Forbidden);
        assert_eq!(code(other.remove("2", &room.id, "3").await), Code::Forbidden);
        let stranger = if kind == "public" { Code::Forbidden } else { Code::NotFound };
        assert_eq!(code(other.owned("4", &room.id).await), stranger);
        assert_eq!(code(other.remove("4", &room.id, "3").await), stranger);
        assert_eq!(members(store.as_ref(), &room.id).await, ["1", "2", "3"]);
        other.remove("1", &room.id, "2").await.unwrap();
        other.remove("3", &room.id, "3").await.unwrap();
        assert_eq!(code(other.remove("1", &room.id, "2").await), Code::NotFound);
        assert_eq!(members(store.as_ref(), &room.id).await, ["1"]);
    }
}

async fn the_oldest_member_owns_a_room_whose_owner_has_left(store: Arc<dyn Store>) {
    let [rooms, _] = replicas(&store);
    let room = rooms.create("1", "heirs", "", "public").await.unwrap();
    for user in ["3", "2"] {
        pause().await;
        rooms.join(user, "heirs").await.unwrap();
    }
    rooms.leave("1", "heirs").await.unwrap();
    pause().await;
    rooms.join("1", "heirs").await.unwrap();
    assert_eq!(rooms.owner(&room).await.unwrap().as_deref(), Some("3"));
    assert_eq!(code(rooms.owned("1", "heirs").await), Code::Forbidden);
    rooms.remove("3", "heirs", "1").await.unwrap();
    let (members, total, owner) = rooms.list_members("2", "heirs", Page::ALL).await.unwrap();
    let members: Vec<_> = members.iter().map(|member| member.user_id.as_str()).collect();
    assert_eq!((members, total, owner.as_deref()), (vec!["3", "2"], 2, Some("3")));
}

async fn nobody_owns_the_room_of_the_system(store: Arc<dyn Store>) {
    let [rooms, _] = replicas(&store);
    let general = rooms.join("1", GENERAL).await.unwrap();
    rooms.join("2", GENERAL).await.unwrap();
    assert_eq!(rooms.owner(&general).await.unwrap(), None);
    assert_eq!(code(rooms.remove("1", GENERAL, "2").await), Code::Forbidden);
    rooms.remove("2", GENERAL, "2").await.unwrap();
}

async fn of_two_who_remove_a_member_one_does(store: Arc<dyn Store>) {
    let [first, second] = replicas(&store);
    let room = first.create("1", "room", "", "private").await.unwrap();
    for _ in 0..5 {
        first.add("1", &room, "2").await.unwrap();
        let (one, two) = tokio::join!(first.remove("1", &room.id, "2"), second.remove("1", &room.id, "2"));
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
        assert_eq!(members(store.as_ref(), &room.id).await, ["1"]);
    }
}

async fn a_removed_member_stays_out_of_a_private_room_and_may_come_back_to_a_public_one(store: Arc<dyn Store>) {
    let [first, second] = replicas(&store);
    for kind in ["public", "private"] {
        let room = first.create("1", kind, "", kind).await.unwrap();
        for _ in 0..5 {
            first.add("1", &room, "2").await.unwrap();
            let (joined, removed) = tokio::join!(second.join("2", &room.id), first.remove("1", &room.id, "2"));
            removed.unwrap();
            let there = store.membership(&room.id, "2").await.unwrap().is_some();
            assert!(!there || (kind == "public" && joined.is_ok()), "{kind}: {joined:?}");
        }
        assert_eq!(second.join("2", &room.id).await.is_ok(), kind == "public");
    }
}

async fn an_abandoned_private_room_gives_its_name_away_and_keeps_its_messages(store: Arc<dyn Store>) {
    let [first, second] = replicas(&store);
    let old = first.create("1", "project", "", "private").await.unwrap();
    let message = super::numbered(&old.id, [1]);
    store.insert(&message).await.unwrap();
    second.find("project").await.unwrap();
    assert_eq!(code(second.create("2", "project", "", "public").await), Code::Conflict);
    first.leave("1", "project").await.unwrap();
    let new = second.create("2", "project", "", "private").await.unwrap();
    assert_ne!(new.id, old.id);
    assert_eq!(first.joined("2", "project").await.unwrap().id, new.id);
    assert_eq!(store.after(&old.id, 0, 10).await.unwrap(), message);
    assert_eq!(code(first.joined("1", &old.id).await), Code::NotFound);
    // A public one stays where it is: anybody may enter it.
    first.create("1", "square", "", "public").await.unwrap();
    first.leave("1", "square").await.unwrap();
    assert_eq!(code(second.create("2", "square", "", "public").await), Code::Conflict);
    let square = second.join("2", "square").await.unwrap();
    assert_eq!(second.owner(&square).await.unwrap().as_deref(), Some("2"));
}

async fn an_owner_who_leaves_while_letting_somebody_in_leaves_no_room_without_a_name(store: Arc<dyn Store>) {
    let [first, second] = replicas(&store);
    for n in 0..10 {
        let name = format!("room {n}");
        let room = first.create("1", &name, "", "private").await.unwrap();
        let (added, left, taken) = tokio::join!(
            first.add("1", &room, "2"),
            second.leave("1", &room.id),
            second.create("3", &name, "", "private")
        );
        left.unwrap();
        let members = members(store.as_ref(), &room.id).await;
        assert_eq!(members, if added.is_ok() { vec!["2"] } else { vec![] });
        let named = store.room_by_name(&name).await.unwrap().unwrap().id;
        assert!(members.is_empty() || named == room.id, "{name}: 2 is in a room that has lost its name");
        assert!(taken.is_err() || members.is_empty());
    }
}
