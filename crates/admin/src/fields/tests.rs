//! Every type there and back, what JSON cannot hold, and what a table cannot.

use super::*;
use proptest::prelude::*;

#[test]
fn every_type_has_its_json_and_comes_back() {
    let inner = TableBuilder::new().text("deep", "er").build();
    let list = ArrayBuilder::new()
        .value(Value::I64(1))
        .value(Value::Table(inner.iter()));
    let table = TableBuilder::new()
        .field("bool", Value::Bool(true))
        .field("i64", Value::I64(i64::MIN))
        .field("f64", Value::F64(-2.25))
        .field("text", Value::Str("grüße".as_bytes()))
        .field("not text", Value::Str(&[0xff]))
        .field("bytes", Value::ByteArray(b"\0x"))
        .field("time", Value::Timestamp(u64::MAX))
        .field("nothing", Value::Void)
        .field("huge", Value::F64(f64::INFINITY))
        .field(
            "money",
            Value::Decimal {
                scale: 2,
                value: -314,
            },
        )
        .field("list", Value::Array(list.values()))
        .table("table", &inner)
        .build();
    let json = to_json(&table);
    expect_test::expect![[r#"
        {
          "bool": true,
          "bytes": {
            "landfall:bytes": "AHg="
          },
          "f64": -2.25,
          "huge": {
            "landfall:number": "inf"
          },
          "i64": -9223372036854775808,
          "list": [
            1,
            {
              "deep": "er"
            }
          ],
          "money": {
            "landfall:decimal": [
              2,
              -314
            ]
          },
          "not text": {
            "landfall:string": "/w=="
          },
          "nothing": null,
          "table": {
            "deep": "er"
          },
          "text": "grüße",
          "time": {
            "landfall:timestamp": 18446744073709551615
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&json).expect("JSON can be written"));
    let back = from_json(&json).expect("it came from a table");
    assert_eq!(back.iter().count(), table.iter().count());
    for (key, value) in &table {
        assert_eq!(back.get(key), Some(value), "{key}");
    }
}

#[test]
fn every_width_of_integer_is_a_number() {
    let table = TableBuilder::new()
        .field("a", Value::I8(-1))
        .field("b", Value::U8(255))
        .field("c", Value::I16(-300))
        .field("d", Value::U16(65_535))
        .field("e", Value::I32(i32::MIN))
        .field("f", Value::U32(u32::MAX))
        .field("g", Value::F32(1.5))
        .build();
    let json = to_json(&table);
    assert_eq!(
        json,
        json!({"a": -1, "b": 255, "c": -300, "d": 65_535, "e": i32::MIN, "f": u32::MAX, "g": 1.5})
    );
    let back = from_json(&json).expect("numbers");
    for key in ["a", "b", "c", "d", "e", "f"] {
        let (there, here) = (back.get(key), table.get(key));
        assert!(there.zip(here).is_some_and(|(a, b)| a.same(b)), "{key}");
    }
}

#[test]
fn of_two_fields_with_one_name_the_first_counts() {
    let table = TableBuilder::new().text("a", "1").text("a", "2").build();
    assert_eq!(to_json(&table), json!({"a": "1"}));
}

#[test]
fn what_no_table_can_hold_is_refused() {
    let long = "k".repeat(256);
    let mut deep = json!({});
    for _ in 0..TABLE_DEPTH_MAX {
        deep = json!({ "a": deep });
    }
    for (json, error) in [
        (json!([]), FieldsError::NotAnObject),
        (json!({long.as_str(): 1}), FieldsError::Key(long.clone())),
        (
            json!({"n": u64::MAX}),
            FieldsError::Number(u64::MAX.to_string()),
        ),
        (deep, FieldsError::TooDeep),
        (json!({"a": {BYTES: "?"}}), FieldsError::Wrapped(BYTES)),
        (
            json!({"a": {DECIMAL: [300, 1]}}),
            FieldsError::Wrapped(DECIMAL),
        ),
        (
            json!({"a": {TIMESTAMP: -1}}),
            FieldsError::Wrapped(TIMESTAMP),
        ),
    ] {
        assert_eq!(from_json(&json), Err(error));
    }
}

#[test]
fn the_deepest_table_that_is_allowed_passes() {
    let mut deep = json!({});
    for _ in 1..TABLE_DEPTH_MAX {
        deep = json!({ "a": deep });
    }
    assert_eq!(from_json(&deep).map(|table| to_json(&table)), Ok(deep));
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(float),
        ".{0,9}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map(".{0,9}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_comes_back(map in proptest::collection::btree_map(".{0,9}", any_json(), 0..5)) {
        let json = Json::Object(map.into_iter().collect());
        let table = from_json(&json).expect("not deep, names not long");
        prop_assert_eq!(to_json(&table), json);
    }
}
