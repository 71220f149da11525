//! The attempts in the headers.

use super::*;
use model::ShortStr;

fn counted(properties: &Properties, failed: u32) -> Properties {
    with_attempts(properties.as_bytes(), Attempts { failed, lost: 1 })
}

fn header(properties: &Properties, name: &str) -> Option<i64> {
    properties.headers()?.get(name)?.as_integer()
}

#[test]
fn the_count_is_added_and_all_else_stays() {
    let headers = TableBuilder::new().field("mine", Value::I32(7)).build();
    let sent = PropertiesBuilder::new()
        .message_id(&ShortStr::from_static("m-1"))
        .headers(&headers)
        .build();
    let delivered = counted(&sent, 3);
    assert_eq!(header(&delivered, DELIVERY_COUNT_HEADER), Some(3));
    assert_eq!(header(&delivered, ACQUIRED_COUNT_HEADER), Some(4));
    assert_eq!(header(&delivered, "mine"), Some(7));
    assert_eq!(delivered.message_id(), Some("m-1"));
}

#[test]
fn a_message_without_headers_gets_some() {
    let delivered = counted(&Properties::default(), 1);
    assert_eq!(header(&delivered, DELIVERY_COUNT_HEADER), Some(1));
}

#[test]
fn the_senders_own_count_is_replaced() {
    let once = counted(&Properties::default(), 1);
    let twice = counted(&once, 2);
    assert_eq!(header(&twice, DELIVERY_COUNT_HEADER), Some(2));
    assert_eq!(twice.headers().map(Iterator::count), Some(2));
}
