//! What messages cost. The figures are printed by
//! `tests/tools/with-servers cargo test --release -p aether-message cost -- --ignored --nocapture --test-threads 1`.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{draft, mongodb, new_room, prepare, sqlite};
use crate::{
    model::{Message, Page, now},
    store::Store,
};

/// How long each figure is measured.
const EACH: Duration = Duration::from_secs(2);

conformance![a_late_page_costs_no_more_than_twice_the_first];

/// Processor time of this process, all threads.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

async fn print_costs(store: Arc<dyn Store>) {
    let room = new_room(store.as_ref()).await.id;
    let (mut seq, senders) = (1, HashSet::from(["1".into()]));
    for batch in [1_u64, 10, 100] {
        let (started, before, first) = (Instant::now(), processor(), seq);
        while started.elapsed() < EACH {
            assert_eq!(store.members_among(&room, senders.clone()).await.unwrap().len(), 1);
            let message = |seq| {
                draft("1", "a message of some forty characters in all", None).into_message(room.as_str(), seq, now())
            };
            let messages: Vec<Message> = (seq..seq + batch).map(message).collect();
            assert_eq!(store.insert(&messages).await.unwrap(), messages.len());
            seq += batch;
        }
        let (of, took, used) = ((seq - first) as f64, started.elapsed(), processor() - before);
        let name = store.name();
        println!(
            "{name}: batches of {batch}: {:.0} messages a second, {:.1} µs of processor time each",
            of / took.as_secs_f64(),
            used.as_secs_f64() * 1e6 / of,
        );
    }
    for (what, page) in [("page 1", 1), ("page 100", 100)] {
        let (started, before, mut pages) = (Instant::now(), processor(), 0);
        while started.elapsed() < EACH {
            store.history(&room, Page::new(page, 50).unwrap()).await.unwrap();
            pages += 1;
        }
        let each = (processor() - before).as_secs_f64() * 1e6 / f64::from(pages);
        println!("{}: {what} of history: {each:.0} µs of processor time", store.name());
    }
}

#[tokio::test]
#[ignore = "prints figures"]
async fn cost_of_a_message_in_sqlite() {
    let fresh = sqlite();
    prepare(fresh.store.as_ref()).await.unwrap();
    print_costs(fresh.store).await;
}

#[tokio::test]
#[ignore = "prints figures"]
async fn cost_of_a_message_in_mongodb() {
    let fresh = mongodb().await;
    prepare(fresh.store.as_ref()).await.unwrap();
    print_costs(fresh.store).await;
}

/// The quickest of many: what else runs on the machine only adds.
async fn quickest(store: &dyn Store, room: &str, page: u32) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..20 {
        let started = Instant::now();
        let (messages, _) = store.history(room, Page::new(page, 20).unwrap()).await.unwrap();
        quickest = quickest.min(started.elapsed());
        assert_eq!(messages.len(), 20);
    }
    quickest
}

async fn a_late_page_costs_no_more_than_twice_the_first(store: Arc<dyn Store>) {
    // FerretDB uses no index but that of `_id`: there, both pages read the whole collection.
    let pages = if store.shared() { 100 } else { 1000 };
    let room = new_room(store.as_ref()).await.id;
    for first in (1..=u64::from(pages) * 20).step_by(1000) {
        let message = |seq| draft("1", "x", None).into_message(room.as_str(), seq, now());
        let messages: Vec<Message> = (first..first + 1000).map(message).collect();
        assert_eq!(store.insert(&messages).await.unwrap(), messages.len());
    }
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let (first, late) = (quickest(store.as_ref(), &room, 1).await, quickest(store.as_ref(), &room, pages).await);
        ratios.push(late.as_secs_f64() / first.as_secs_f64());
        if ratios.last().is_some_and(|ratio| *ratio <= 2.0) {
            return;
        }
    }
    panic!("page {pages} takes so many times what page 1 takes: {ratios:?}");
}
