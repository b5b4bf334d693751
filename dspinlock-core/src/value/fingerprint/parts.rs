//! The fingerprint of a value that consists of parts.

use super::number::{Fingerprint, Kind};
use serde::de::value::Error;
use serde::ser::{self, Serialize, Serializer};

/// The fingerprint of a collection, so far.
pub(super) struct Parts<P> {
    /// Takes the fingerprint of a part.
    parent: P,
    variant: Option<u32>,
    in_order: bool,
    number: u64,
    sum: u64,
    /// The key whose value comes next.
    key: u64,
}

impl<P> Parts<P> {
    /// Parts that count in their order, perhaps in a variant of this index.
    pub(super) fn ordered(parent: P, variant: Option<u32>) -> Self {
        Self { in_order: true, ..Self::unordered(parent, variant) }
    }

    /// Parts that count in any order, perhaps in a variant of this index.
    pub(super) fn unordered(parent: P, variant: Option<u32>) -> Self {
        Self { parent, variant, in_order: false, number: 0, sum: 0, key: 0 }
    }

    fn add(&mut self, Fingerprint(part): Fingerprint) {
        self.number += 1;
        let part = if self.in_order {
            Fingerprint::of(Kind::Entry, part ^ self.number.rotate_left(32)).0
        } else {
            part
        };
        self.sum = self.sum.wrapping_add(part);
    }

    /// Adds a part that belongs to a key, or to the name of a field.
    fn add_entry(&mut self, Fingerprint(key): Fingerprint, Fingerprint(part): Fingerprint) {
        self.add(Fingerprint::of(Kind::Entry, part ^ key.rotate_left(32)));
    }

    fn done(self) -> Fingerprint {
        let parts = Fingerprint::of(Kind::Several, self.sum ^ Fingerprint::of(Kind::U64, self.number).0);
        self.variant.map_or(parts, |index| Fingerprint::of_variant(index, parts))
    }
}

macro_rules! items {
    ($($what:ident::$method:ident();)*) => {
        $(impl<P: Serializer<Ok = Fingerprint, Error = Error> + Copy> ser::$what for Parts<P> {
            type Ok = Fingerprint;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value.serialize(self.parent)?);
                Ok(())
            }

            fn end(self) -> Result<Fingerprint, Error> {
                Ok(self.done())
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
}

macro_rules! fields {
    ($($what:ident;)*) => {
        $(impl<P: Serializer<Ok = Fingerprint, Error = Error> + Copy> ser::$what for Parts<P> {
            type Ok = Fingerprint;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                let value = value.serialize(self.parent)?;
                self.add_entry(Fingerprint::of_bytes(Kind::Text, name.as_bytes()), value);
                Ok(())
            }

            fn end(self) -> Result<Fingerprint, Error> {
                Ok(self.done())
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<P: Serializer<Ok = Fingerprint, Error = Error> + Copy> ser::SerializeMap for Parts<P> {
    type Ok = Fingerprint;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        Fingerprint(self.key) = key.serialize(self.parent)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let value = value.serialize(self.parent)?;
        self.add_entry(Fingerprint(self.key), value);
        Ok(())
    }

    fn end(self) -> Result<Fingerprint, Error> {
        Ok(self.done())
    }
}
