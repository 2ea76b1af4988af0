//! Label sets and numbers of samples, from their members of JSON.
//!
//! What stands there is indexed as the text of a label would be, so that it is read once with the rest of the index.

use std::sync::Arc;

use palimpsest_core::data::Dataset;
use palimpsest_core::{Error, Result};
use palimpsest_targets::{LabelSetData, ValueData};
use serde_json::Value;

use super::members::{Form, LabelMember, Members};
use super::{TarKeys, TarShards, WebDataset, found, part};
use crate::formats::shards::parts::ShardPart;
use crate::formats::shown::shown;
use crate::formats::target_table::{LabelTable, ValueTable, WithLabels, WithValues};
use crate::reader::{Opened, Reader};
use crate::spec::DataSpec;
use crate::split::Split;

/// Opens a part of which the label of each sample is the JSON text of what stands at `places`; `tells` is whether the
/// values there say anything of what is to be measured.
fn part_with(
    keys: &TarKeys,
    spec: &DataSpec,
    split: Split,
    places: &Places<'_>,
    tells: impl Fn(&[Value]) -> bool,
) -> Result<ShardPart<TarShards>> {
    let members = Members::of(&keys.image, "").map_err(|e| e.at("`data.reader.image`"))?;
    let label = LabelMember::of_targets(places.list)
        .map_err(|e| e.at(format_args!("`data.reader.{}`", places.key)))?;
    let members = Members { label: Some(label), ..members };
    // What can't be read is told where the values are taken.
    let has_targets = |data: &TarShards| distinct(data).map_or(true, |all| all.iter().any(|v| tells(v)));
    let opened = part(&TarKeys { classes: vec![], ..keys.clone() }, spec, split, &members, has_targets)?;
    if split == Split::Train {
        found::check_all(spec, opened.data.classes(), places.list, places.key)?;
    }
    Ok(opened)
}

/// Places in members of JSON, and the reader's key that names them.
struct Places<'a> {
    list: &'a [&'a str],
    key: &'a str,
}

/// The values at the places that occur, in the order of the labels.
fn distinct(data: &TarShards) -> Result<Vec<Vec<Value>>> {
    let broken = |e: serde_json::Error| Error::failure(format!("the index has no JSON: {e}"));
    data.classes().iter().map(|text| serde_json::from_str(text).map_err(broken)).collect()
}

/// The values at the places for each sample; none where it has no such member.
fn values_of(data: &TarShards) -> Result<Vec<Option<Vec<Value>>>> {
    let distinct = distinct(data)?;
    let of = |index| data.label(index).map(|label| distinct[label as usize].clone());
    Ok((0..data.len()).map(of).collect())
}

/// A sample's list of labels.
enum List {
    Names(Vec<String>),
    Places(Vec<i64>),
}

fn list_of(value: &Value, place: impl Fn() -> String) -> Result<Option<List>> {
    let refused = |what: &str| {
        Err(Error::user(format!("{what} where a list of labels is due"))
            .at(place())
            .help("a list has names, as [\"cat\", \"dog\"], or whole numbers, whose names are given in data.reader.labels"))
    };
    let list = match value {
        Value::Null => return Ok(None),
        Value::Array(list) => list,
        other => return refused(&format!("`{}`", shown(&other.to_string()))),
    };
    if list.iter().all(Value::is_string) {
        let names = list.iter().filter_map(Value::as_str).map(str::to_owned);
        return Ok(Some(List::Names(names.collect())));
    }
    match list.iter().map(Value::as_i64).collect::<Option<Vec<_>>>() {
        Some(places) => Ok(Some(List::Places(places))),
        None => refused(&format!("`{}`", shown(&value.to_string()))),
    }
}

fn label_table(data: &TarShards, known: &[String]) -> Result<LabelTable> {
    let place = |index: usize| data.location(index);
    let lists = values_of(data)?.into_iter().enumerate().map(|(index, values)| {
        let value = values.and_then(|mut values| values.pop()).unwrap_or_default();
        list_of(&value, || place(index))
    });
    let lists: Vec<Option<List>> = lists.collect::<Result<_>>()?;
    let is_places = |list: &&List| matches!(list, List::Places(places) if !places.is_empty());
    if lists.iter().flatten().any(|list| is_places(&list)) {
        if known.is_empty() {
            return Err(Error::user("the labels are numbers, and nothing names them")
                .at("`data.reader.labels`")
                .help("name them in the order of the numbers, as [\"cat\", \"dog\"]"));
        }
        let names = |index: usize| {
            Error::user("names and numbers of labels together")
                .at(place(index))
                .help("write one or the other")
        };
        let places = lists.into_iter().enumerate().map(|(index, list)| match list {
            None => Ok(None),
            Some(List::Places(places)) => Ok(Some(places)),
            Some(List::Names(list)) if list.is_empty() => Ok(Some(vec![])),
            Some(List::Names(_)) => Err(names(index)),
        });
        return LabelTable::of_indices(&places.collect::<Result<Vec<_>>>()?, known.to_vec(), place);
    }
    let names = lists.into_iter().map(|list| {
        list.map(|list| match list {
            List::Names(names) => names,
            List::Places(_) => vec![],
        })
    });
    LabelTable::of_names(&names.collect::<Vec<_>>(), known, place)
}

impl Reader<dyn LabelSetData> for WebDataset {
    type Settings = TarKeys;

    fn open(keys: &TarKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn LabelSetData>> {
        if keys.label_list.is_empty() {
            return Err(Error::user("no lists of labels are named")
                .at("`data.reader.label_list`")
                .help("give their place in the members of JSON, as \"json:tags\""));
        }
        // An image that has no label at all may be one whose labels are withheld.
        let tells = |values: &[Value]| values.iter().any(|v| v.as_array().is_some_and(|v| !v.is_empty()));
        let places = Places { list: &[&keys.label_list], key: "label_list" };
        let open = |split| part_with(keys, spec, split, &places, tells);
        let own = open(split)?;
        // The test part's labels mean the training part's names.
        let known = match split {
            Split::Test if keys.labels.is_empty() => {
                label_table(&open(Split::Train)?.data, &[])?.names().to_vec()
            }
            _ => keys.labels.clone(),
        };
        // Of all samples, also where some are held out: a label that these alone have is one as well.
        let table = label_table(&own.data, &known)?;
        let table = own.rows.as_ref().map(|rows| table.of_rows(rows)).unwrap_or(table);
        let Opened { dataset, notes, part } = own.opened();
        let data: Arc<dyn LabelSetData> = Arc::new(WithLabels::new(dataset, table));
        Ok(Opened::new(data).notes(notes).part(part))
    }
}

impl Reader<dyn ValueData> for WebDataset {
    type Settings = TarKeys;

    fn open(keys: &TarKeys, spec: &DataSpec, split: Split) -> Result<Opened<dyn ValueData>> {
        if keys.values.is_empty() {
            return Err(Error::user("no numbers are named")
                .at("`data.reader.values`")
                .help("give their places in the members of JSON, as [\"json:age\", \"json:weight\"]"));
        }
        let places: Vec<&str> = keys.values.iter().map(String::as_str).collect();
        if let Some(twice) = places.iter().enumerate().find(|(i, place)| places[..*i].contains(place)) {
            return Err(Error::user(format!("`{}` is named twice", twice.1))
                .at("`data.reader.values`")
                .help("name each number once"));
        }
        let tells = |values: &[Value]| values.iter().any(Value::is_number);
        let own = part_with(keys, spec, split, &Places { list: &places, key: "values" }, tells)?;
        let names = places.iter().map(|place| Form::name_of(place).to_owned()).collect();
        let rows = values_of(&own.data)?.into_iter().enumerate().map(|(index, values)| {
            let Some(values) = values else { return Ok(vec![None; places.len()]) };
            values.iter().map(|value| number(value).map_err(|e| e.at(own.data.location(index)))).collect()
        });
        let table = ValueTable::new(names, rows.collect::<Result<Vec<Vec<_>>>>()?);
        let table = own.rows.as_ref().map(|rows| table.of_rows(rows)).unwrap_or(table);
        let Opened { dataset, notes, part } = own.opened();
        let data: Arc<dyn ValueData> = Arc::new(WithValues::new(dataset, table));
        Ok(Opened::new(data).notes(notes).part(part))
    }
}

/// A number that f32 has room for, or none where it isn't known.
fn number(value: &Value) -> Result<Option<f32>> {
    if value.is_null() {
        return Ok(None);
    }
    let Some(number) = value.as_f64().map(|number| number as f32) else {
        return Err(Error::user(format!("`{}` is no number", shown(&value.to_string())))
            .help("write a number, or null where it isn't known"));
    };
    if number.is_finite() {
        return Ok(Some(number));
    }
    Err(Error::user(format!("{} is too large for 32 bits", shown(&value.to_string())))
        .help("write smaller numbers, and null where one isn't known"))
}
