//! The shape of a payload: fields in objects, built from the map's dotted names. It is sorted by name, so that the same
//! row gives the same bytes in every build.

use std::collections::{BTreeMap, BTreeSet};

use crate::field::{Field, FieldDefaults, WrittenField};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Field(Field),
    Object(BTreeMap<String, Node>),
}

impl Node {
    /// Makes `"case.deadline"` a field of an object. The error holds the field's name and the problem.
    pub(crate) fn tree(
        written: BTreeMap<String, WrittenField>,
        defaults: &FieldDefaults,
    ) -> Result<Self, (String, String)> {
        let mut root = BTreeMap::new();
        for (path, field) in written {
            let field = Field::new(field, defaults).map_err(|problem| (path.clone(), problem))?;
            place(&mut root, &path, field).map_err(|problem| (path.clone(), problem.to_owned()))?;
        }
        Ok(Self::Object(root))
    }

    pub(crate) fn collect_columns<'map>(&'map self, columns: &mut BTreeSet<&'map str>) {
        match self {
            Self::Field(Field::Column(column)) => drop(columns.insert(&column.name)),
            Self::Field(Field::Constant(_)) => {}
            Self::Object(nodes) => nodes.values().for_each(|node| node.collect_columns(columns)),
        }
    }
}

fn place(nodes: &mut BTreeMap<String, Node>, path: &str, field: Field) -> Result<(), &'static str> {
    const TAKEN: &str = "another field has this name already";
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    if first.is_empty() {
        return Err("a field's name is not empty, nor is a part of it between dots");
    }
    let Some(rest) = rest else {
        return nodes.insert(first.to_owned(), Node::Field(field)).map_or(Ok(()), |_| Err(TAKEN));
    };
    match nodes.entry(first.to_owned()).or_insert_with(|| Node::Object(BTreeMap::new())) {
        Node::Object(inner) => place(inner, rest, field),
        Node::Field(_) => Err(TAKEN),
    }
}
