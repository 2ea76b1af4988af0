use std::collections::BTreeMap;

use super::*;

/// A field of a message: its number and its raw value.
type Fields = BTreeMap<u64, Vec<u8>>;

fn varint(data: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = data[0];
        *data = &data[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn fields(mut data: &[u8]) -> Fields {
    let mut found = Fields::new();
    while !data.is_empty() {
        let key = varint(&mut data);
        let value = match key & 7 {
            0 => varint(&mut data).to_le_bytes().to_vec(),
            wire => {
                let length = match wire {
                    1 => 8,
                    5 => 4,
                    _ => varint(&mut data) as usize,
                };
                let (value, rest) = data.split_at(length);
                data = rest;
                value.to_vec()
            }
        };
        assert!(found.insert(key >> 3, value).is_none(), "a field comes twice");
    }
    found
}

fn number(field: &[u8]) -> u64 {
    u64::from_le_bytes(field.try_into().expect("8 bytes"))
}

fn records(path: &Path) -> Vec<Fields> {
    let file = fs::read(path).expect("the event file");
    let mut data = file.as_slice();
    let mut found = vec![];
    let mut take = |length: usize| {
        let (value, rest) = data.split_at(length);
        data = rest;
        (value.to_vec(), rest.is_empty())
    };
    loop {
        let (length, _) = take(8);
        let (crc, _) = take(4);
        assert_eq!(crc, record::masked_crc(&length).to_le_bytes());
        let (event, _) = take(number(&length) as usize);
        let (crc, end) = take(4);
        assert_eq!(crc, record::masked_crc(&event).to_le_bytes());
        found.push(fields(&event));
        if end {
            return found;
        }
    }
}

fn value(event: &Fields) -> Fields {
    fields(&fields(&event[&5])[&1])
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut writer = EventWriter::create(&dir.path().join("tb")).expect("a writer");
    writer.scalar("loss/pixels", 0.25, 300).expect("a scalar");
    writer.image("samples", b"not really a PNG", 640, 200, 300).expect("an image");
    writer.text("recipe", "```toml\nname = \"µ\"\n```", 0).expect("a text");
    writer.flush().expect("a flush");
    let events = records(writer.path());
    assert_eq!(events.len(), 5);
    assert_eq!(events[0][&3], b"brain.Event:2");

    assert_eq!(number(&events[2][&2]), 300);
    let scalar = value(&events[2]);
    assert_eq!(
        (scalar[&1].as_slice(), scalar[&2].as_slice()),
        (&b"loss/pixels"[..], &0.25f32.to_le_bytes()[..])
    );

    let image = fields(&value(&events[3])[&4]);
    assert_eq!((number(&image[&1]), number(&image[&2])), (200, 640));
    assert_eq!(image[&4], b"not really a PNG");

    let text = value(&events[4]);
    assert_eq!(text[&1], b"recipe/text_summary");
    assert_eq!(fields(&text[&8])[&8], "```toml\nname = \"µ\"\n```".as_bytes());
    assert_eq!(fields(&fields(&text[&9])[&1])[&1], b"text");
}

#[test]
fn a_resumed_run_gets_a_later_file_that_purges() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = EventWriter::create(dir.path()).expect("a writer");
    let second = EventWriter::resume(dir.path(), 41).expect("a second writer");
    let third = EventWriter::resume(dir.path(), 51).expect("a third writer");
    assert!(first.path() < second.path() && second.path() < third.path());
    let events = records(second.path());
    assert_eq!(number(&events[1][&2]), 41);
    assert_eq!(number(&fields(&events[1][&7])[&1]), 1);
}

/// Writes what `tests/tensorboard_reads.py` reads; run by that script.
#[test]
#[ignore = "writes a folder for a Python script to read"]
fn write_for_python() {
    let Ok(dir) = std::env::var("TENSORBOARD_TEST_DIR") else { return };
    let dir = Path::new(&dir);
    let png = fs::read(dir.join("sample.png")).expect("the script's image");
    let mut writer = EventWriter::create(dir).expect("a writer");
    writer.text("recipe", "    name = \"test\"", 0).expect("a text");
    for step in 1..=30 {
        writer.scalar("loss", step as f32, step).expect("a scalar");
    }
    writer.image("samples", &png, 3, 2, 10).expect("an image");
    writer.image("samples", &png, 3, 2, 30).expect("an image");
    drop(writer);
    let mut writer = EventWriter::resume(dir, 21).expect("a second writer");
    for step in 21..=40 {
        writer.scalar("loss", 100.0 + step as f32, step).expect("a scalar");
    }
}
