//! From the tree to config types, by serde: with the place of every mistake, and going on behind it.

use std::collections::HashSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::hidden::is_secret;
use super::tree::{Key, Node, NodeValue, Place};
use super::{Mistake, listed};

/// Reads a table, but for the keys that all components have in common.
pub(crate) fn read_config<T: DeserializeOwned>(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<T> {
    let mut reading = Reading::default();
    let before = mistakes.len();
    // Serde stops at the first mistake: what is wrong is left out, and the rest read again, until nothing new is found.
    loop {
        match T::deserialize(In { node, reading: &mut reading }) {
            Ok(config) => {
                mistakes.append(&mut reading.mistakes);
                return (mistakes.len() == before).then_some(config);
            }
            Err(error) => {
                let place = error.place.clone().unwrap_or_else(|| node.place.clone());
                let key = (place.file, place.range.start, place.range.end);
                // What was left out is missing now, which is no mistake of its own.
                let follows = error.missing && !reading.broken.is_empty();
                if !follows {
                    reading.mistakes.push(error.into_mistake(place));
                }
                // Nothing new can be found by reading once more.
                if !reading.broken.insert(key) || follows {
                    mistakes.append(&mut reading.mistakes);
                    return None;
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Reading {
    mistakes: Vec<Mistake>,
    /// Values that were found wrong, by their places.
    broken: HashSet<(usize, usize, usize)>,
    /// Unknown keys that were told.
    told: HashSet<(usize, usize)>,
}

/// What serde, or a config type, says is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Error {
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    missing: bool,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Error { message: message.into(), hint: None, place: None, missing: false }
    }

    fn into_mistake(self, place: Place) -> Mistake {
        let mistake = Mistake::at(place, self.message);
        match self.hint {
            Some(hint) => mistake.hint(hint),
            None => mistake,
        }
    }

    /// The same without what was found, which is said in backquotes or quotes.
    fn hidden(mut self) -> Self {
        if let Some(at) = self.message.find(['`', '"']).filter(|_| !self.missing) {
            self.message.truncate(at);
            self.message.push_str("***");
            self.hint = None;
        }
        self
    }

    /// Puts an error where it was found, unless it was further inside.
    fn at(mut self, node: &Node) -> Self {
        if self.place.is_none() {
            self.place = Some(node.place.clone());
            // What the environment says is not shown, whatever a config type says of it.
            if let (Some(written), Some(value)) = (&node.written, node.text().filter(|value| !value.is_empty())) {
                let quoted = format!("{value:?}");
                self.message = self.message.replace(&quoted, written).replace(value, written);
                self.hint = None;
            }
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(_) => "a string".to_owned(),
            Unexpected::Map => "a table".to_owned(),
            Unexpected::Seq => "an array".to_owned(),
            other => other.to_string(),
        };
        Error::new(format!("expected {}, found {found}", wanted(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::new(format!("expected {}, found {found}", wanted(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Error::new(format!("unknown value {variant:?}"));
        error.hint = Some(listed(variant, expected.iter().copied()));
        error
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Error::new(format!("unknown key {field:?}"));
        error.hint = Some(listed(field, expected.iter().copied()));
        error
    }

    fn missing_field(field: &'static str) -> Self {
        Error { missing: true, ..Error::new(format!("the key {field:?} is missing")) }
    }
}

/// What serde expects, in words.
fn wanted(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "f32" | "f64" => "a number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        other => other.to_owned(),
    }
}

/// A node that is being read.
struct In<'a> {
    node: &'a Node,
    reading: &'a mut Reading,
}

/// Numbers and booleans that come from the environment are strings.
macro_rules! from_the_environment {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match (&self.node.value, &self.node.written) {
                (NodeValue::String(text), Some(_)) => match text.parse::<$type>() {
                    Ok(value) => visitor.$visit(value).map_err(|error: Error| error.at(self.node)),
                    Err(_) => {
                        let message = format!("expected {}, found a string", wanted(&visitor));
                        Err(Error::new(message).at(self.node))
                    }
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for In<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let node = self.node;
        match &node.value {
            NodeValue::String(text) | NodeValue::Datetime(text) => visitor.visit_str(text),
            NodeValue::Integer(number) => match u64::try_from(*number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => visitor.visit_i64(*number),
            },
            NodeValue::Float(number) => visitor.visit_f64(*number),
            NodeValue::Boolean(boolean) => visitor.visit_bool(*boolean),
            NodeValue::Array(values) => visitor.visit_seq(Values { values: values.iter(), reading: self.reading }),
            NodeValue::Table(members) => visitor.visit_map(Members::new(members, None, self.reading)),
        }
        .map_err(|error| error.at(node))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            NodeValue::Table(members) => {
                let node = self.node;
                visitor.visit_map(Members::new(members, Some(fields), self.reading)).map_err(|error| error.at(node))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let node = self.node;
        match node.text() {
            Some(_) => visitor.visit_enum(Variant(node)),
            None => Err(Error::new(format!("expected a string, found {}", node.kind()))),
        }
        .map_err(|error| error.at(node))
    }

    from_the_environment! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i64 i64, deserialize_i16 visit_i64 i64, deserialize_i32 visit_i64 i64,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u64 u64, deserialize_u16 visit_u64 u64, deserialize_u32 visit_u64 u64,
        deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f64 f64, deserialize_f64 visit_f64 f64
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A variant without contents, by name.
struct Variant<'a>(&'a Node);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.text().unwrap_or_default().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(Error::new("this value needs a table"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::new("this value needs an array"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(Error::new("this value needs a table"))
    }
}

struct Values<'a> {
    values: std::slice::Iter<'a, Node>,
    reading: &'a mut Reading,
}

impl<'de> SeqAccess<'de> for Values<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        for node in self.values.by_ref() {
            if !self.reading.is_broken(node) {
                return seed.deserialize(In { node, reading: self.reading }).map(Some);
            }
        }
        Ok(None)
    }
}

struct Members<'a> {
    members: std::slice::Iter<'a, (Key, Node)>,
    /// Those that the type has, if it says so.
    fields: Option<&'static [&'static str]>,
    key: Option<&'a str>,
    value: Option<&'a Node>,
    reading: &'a mut Reading,
}

impl<'a> Members<'a> {
    fn new(members: &'a [(Key, Node)], fields: Option<&'static [&'static str]>, reading: &'a mut Reading) -> Self {
        Members { members: members.iter(), fields, key: None, value: None, reading }
    }
}

impl Reading {
    fn is_broken(&self, node: &Node) -> bool {
        self.broken.contains(&(node.place.file, node.place.range.start, node.place.range.end))
    }

    fn unknown(&mut self, key: &Key, fields: &'static [&'static str]) {
        if self.told.insert((key.place.file, key.place.range.start)) {
            let mistake = Mistake::at(key.place.clone(), format!("unknown key {:?}", key.name));
            self.mistakes.push(mistake.hint(listed(&key.name, fields.iter().copied())));
        }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        for (key, node) in self.members.by_ref() {
            if let Some(fields) = self.fields.filter(|fields| !fields.contains(&key.name.as_str())) {
                self.reading.unknown(key, fields);
                continue;
            }
            if self.reading.is_broken(node) {
                continue;
            }
            (self.key, self.value) = (Some(key.name.as_str()), Some(node));
            let name: StrDeserializer<'_, Error> = key.name.as_str().into_deserializer();
            return seed.deserialize(name).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(node) => {
                let read = seed.deserialize(In { node, reading: self.reading });
                let is_hidden = self.key.is_some_and(is_secret);
                read.map_err(|error| error.at(node)).map_err(|error| if is_hidden { error.hidden() } else { error })
            }
            None => Err(Error::new("a value without a key")),
        }
    }
}
