//! What a table gives back, and what is refused.

use super::*;
use proptest::prelude::*;

fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 1..depth {
        let mut outer = vec![1, b'k', b'F'];
        outer.extend(u32::try_from(bytes.len()).expect("small").to_be_bytes());
        outer.extend(&bytes);
        bytes = outer;
    }
    bytes
}

#[test]
fn every_type_comes_back_as_it_was_put() {
    let inner = TableBuilder::new().text("deep", "er").build();
    let values = [
        ("bool", Value::Bool(true)),
        ("i8", Value::I8(-1)),
        ("u8", Value::U8(255)),
        ("i16", Value::I16(-300)),
        ("u16", Value::U16(65_535)),
        ("i32", Value::I32(i32::MIN)),
        ("u32", Value::U32(u32::MAX)),
        ("i64", Value::I64(i64::MIN)),
        ("f32", Value::F32(1.5)),
        ("f64", Value::F64(-2.25)),
        (
            "decimal",
            Value::Decimal {
                scale: 2,
                value: -314,
            },
        ),
        ("text", Value::Str("grüße".as_bytes())),
        ("bytes", Value::ByteArray(&[0, 255])),
        ("time", Value::Timestamp(1_700_000_000)),
        ("void", Value::Void),
        ("table", Value::Table(inner.iter())),
    ];
    let table = values
        .iter()
        .fold(TableBuilder::new(), |table, (key, value)| {
            table.field(key, *value)
        })
        .build();
    assert_eq!(table.iter().collect::<Vec<_>>(), values);
    assert_eq!(table.get("i16").and_then(Value::as_integer), Some(-300));
    assert_eq!(table.get("absent"), None);
}

#[test]
fn an_array_holds_what_was_put_into_it() {
    let inner = ArrayBuilder::new().value(Value::Void).value(Value::U8(1));
    let outer = ArrayBuilder::new()
        .value(Value::Str(b"first"))
        .value(Value::Array(inner.values()));
    let table = TableBuilder::new()
        .field("list", Value::Array(outer.values()))
        .build();
    let Some(Value::Array(mut read)) = table.get("list") else {
        panic!("an array was put there");
    };
    assert_eq!(read.next(), Some(Value::Str(b"first")));
    assert_eq!(read.next(), Some(Value::Array(inner.values())));
    assert_eq!(read.next(), None);
}

#[test]
fn integers_are_the_same_whatever_their_width() {
    assert!(Value::F32(1.5).same(Value::F64(1.5)));
    assert!(!Value::F32(1.0).same(Value::I32(1)));
    assert!(Value::Str(b"x").same(Value::ByteArray(b"x")));
    assert!(Value::U8(7).same(Value::I64(7)));
    assert!(!Value::U8(7).same(Value::I64(8)));
    assert!(!Value::U8(1).same(Value::Bool(true)));
}

#[test]
fn nesting_is_followed_to_the_limit_and_no_deeper() {
    assert!(FieldTable::from_bytes(nested(TABLE_DEPTH_MAX).into()).is_ok());
    assert_eq!(
        FieldTable::from_bytes(nested(TABLE_DEPTH_MAX + 1).into()),
        Err(TableError::TooDeep)
    );
    assert_eq!(
        FieldTable::from_bytes(nested(8_000).into()),
        Err(TableError::TooDeep)
    );
}

#[test]
fn malformed_tables_are_refused() {
    let cases: [(&[u8], TableError); 6] = [
        (b"\x05ab", TableError::Short),
        (b"\x01a", TableError::Short),
        (b"\x01aS\xff\xff\xff\xff", TableError::Short),
        (b"\x01aq", TableError::UnknownType(b'q')),
        (b"\x01\xfft\x01", TableError::KeyNotUtf8),
        (
            b"\x01aA\x00\x00\x00\x05l\x00\x00\x00\x00\x00\x00\x00\x00",
            TableError::Short,
        ),
    ];
    for (bytes, error) in cases {
        assert_eq!(
            FieldTable::from_bytes(Bytes::from_static(bytes)),
            Err(error),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_table_without_one_name_keeps_the_others_as_they_came() {
    let table = TableBuilder::new()
        .field("a", Value::I8(1))
        .field("b", Value::U16(2))
        .text("c", "z")
        .text("b", "again")
        .build();
    let rest = TableBuilder::new()
        .field("a", Value::I8(1))
        .text("c", "z")
        .build();
    assert_eq!(table.iter().without("b"), rest);
    assert_eq!(table.iter().without("none"), table);
    assert!(rest.iter().without("a").iter().without("c").is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_can_be_walked(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = FieldTable::from_bytes(bytes.into()) {
            let rebuilt = table.iter().fold(TableBuilder::new(), |table, (key, value)| table.field(key, value));
            prop_assert_eq!(rebuilt.build().iter().count(), table.iter().count());
        }
    }
}
