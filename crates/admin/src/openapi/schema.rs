//! What is described, as JSON Schema.

use crate::described::{Described, Key, Kind};
use std::collections::BTreeMap;
use utoipa::openapi::schema::{
    ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

/// What refusals say.
pub(super) const ERROR: &str = "Error";

const ERROR_BODY: Described = Described::new(
    ERROR,
    &[
        Key::new("error", Kind::Text, "what sort of refusal it is").needed(),
        Key::new("reason", Kind::Text, "what was refused, and why").needed(),
    ],
);

/// What stands around the list where a page was asked for.
const PAGE: [(&str, &str); 6] = [
    ("total_count", "entries without the filter"),
    ("filtered_count", "entries with it"),
    ("item_count", "entries of this page"),
    ("page", "which page"),
    ("page_count", "how many pages there are"),
    ("page_size", "entries of a page at the most"),
];

/// The schemas that have a name, as far as they were needed.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<&'static str, Schema>);

impl Schemas {
    /// All of them.
    pub(super) fn finish(mut self) -> BTreeMap<&'static str, Schema> {
        self.named(&ERROR_BODY);
        self.0
    }

    /// What a value is.
    pub(super) fn of(&mut self, kind: &Kind) -> RefOr<Schema> {
        match kind {
            Kind::Object(object) => self.named(object),
            Kind::List(of) => ArrayBuilder::new().items(self.of(of)).into(),
            Kind::Listed(of) => {
                let list = ArrayBuilder::new().items(self.of(of));
                OneOfBuilder::new().item(list).item(self.page(of)).into()
            }
            Kind::Maybe(of) => {
                let null = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null));
                OneOfBuilder::new().item(self.of(of)).item(null).into()
            }
            plain_one => plain(plain_one),
        }
    }

    /// A schema by its name.
    fn named(&mut self, object: &'static Described) -> RefOr<Schema> {
        if !self.0.contains_key(object.name) {
            // First, so that one that speaks of itself ends.
            self.0.insert(object.name, Schema::default());
            let mut made = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
            for key in object.keys {
                made = made.property(key.name, describe(self.of(&key.kind), key.does));
                if key.needed {
                    made = made.required(key.name);
                }
            }
            self.0.insert(object.name, made.into());
        }
        Ref::from_schema_name(object.name).into()
    }

    fn page(&mut self, of: &Kind) -> ObjectBuilder {
        let mut page = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
        for (name, does) in PAGE {
            page = page
                .property(name, describe(plain(&Kind::Whole), does))
                .required(name);
        }
        let items = ArrayBuilder::new().items(self.of(of));
        page.property("items", items).required("items")
    }
}

/// What a value is that holds no object of ours.
pub(super) fn plain(kind: &Kind) -> RefOr<Schema> {
    let object = ObjectBuilder::new();
    let of_type = |of| ObjectBuilder::new().schema_type(SchemaType::Type(of));
    match kind {
        Kind::Text | Kind::Stream(_) => of_type(Type::String).into(),
        Kind::Flag => of_type(Type::Boolean).into(),
        Kind::Whole => of_type(Type::Integer).minimum(Some(0_usize)).into(),
        Kind::Signed => of_type(Type::Integer).into(),
        Kind::Number => of_type(Type::Number).into(),
        Kind::Words(words) => {
            let words = words.iter().copied();
            of_type(Type::String).enum_values(Some(words)).into()
        }
        Kind::Names => {
            let list = ArrayBuilder::new().items(of_type(Type::String));
            OneOfBuilder::new()
                .item(of_type(Type::String))
                .item(list)
                .into()
        }
        Kind::Map => of_type(Type::Object).into(),
        Kind::Anything | Kind::Object(_) | Kind::List(_) | Kind::Listed(_) | Kind::Maybe(_) => {
            object.schema_type(SchemaType::AnyValue).into()
        }
    }
}

/// The same, with what it is for.
fn describe(schema: RefOr<Schema>, does: &str) -> RefOr<Schema> {
    let does = does.to_owned();
    match schema {
        RefOr::Ref(mut named) => {
            named.description = does;
            named.into()
        }
        RefOr::T(mut schema) => {
            match &mut schema {
                Schema::Object(object) => object.description = Some(does),
                Schema::Array(list) => list.description = Some(does),
                Schema::OneOf(one) => one.description = Some(does),
                _ => {}
            }
            RefOr::T(schema)
        }
    }
}
