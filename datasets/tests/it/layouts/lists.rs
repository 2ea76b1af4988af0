//! Lists of other tools.

use palimpsest_datasets::{DataSpec, Split, open_with_notes};

use crate::files::{assert_error, jpeg, put};

#[test]
fn lists_of_other_tools() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["images/ISIC_1.jpg", "images/ISIC_2.jpg", "images/ISIC_3.jpg", "images/ISIC_4.jpg"] {
        put(root, name, jpeg(3, 3, 0));
    }
    let read = |text: &str, keys: &str| {
        let list = put(root, "list.csv", text);
        let spec = DataSpec { holdout: 0.0, ..DataSpec::at("csv", list) }.with_keys(keys)?;
        open_with_notes(&spec, Split::Train)
    };
    let labels = |text: &str, keys: &str| -> Vec<Option<String>> {
        let data = read(text, keys).unwrap_or_else(|e| panic!("{text}: {e}")).dataset;
        (0..data.len()).map(|i| data.label(i).map(|label| data.classes()[label as usize].clone())).collect()
    };
    let [a, b] = ["nv", "mel"].map(|name| Some(name.to_owned()));
    for (text, keys) in [
        ("image;class\nISIC_1;nv\nISIC_2;mel\n", ""),
        ("Filename\tTarget\nimages/ISIC_1.jpg\tnv\nISIC_2.jpg\tmel\n", ""),
        ("x,y\nISIC_1,nv\nISIC_2,mel\n", "path_column = 'x'"),
        ("image,label,kind\nISIC_1,9,nv\nISIC_2,8,mel\n", "label_column = 'kind'"),
        ("image|label\nISIC_1|nv\nISIC_2|mel\n", ""),
        ("image label\nISIC_1 nv\nISIC_2 mel\n", "separator = ' '"),
        // One of them, and probabilities.
        ("image,mel,nv\nISIC_1,0.0,1.0\nISIC_2,1.0,0.0\n", ""),
        ("image,mel,nv\nISIC_1,0.2,0.8\nISIC_2,0.6,0.4\n", ""),
    ] {
        assert_eq!(labels(text, keys), [a.clone(), b.clone()], "{text}");
    }
    let shares = read("image,mel,nv\nISIC_1,0.2,0.8\nISIC_2,0.5,0.5\nISIC_3,,\n", "").expect("opens");
    assert_eq!(shares.dataset.classes(), ["mel", "nv"]);
    let told = shares.notes.join("\n");
    assert!(told.contains("list: the class is the column with the greatest share: mel, nv"), "{told}");
    assert!(told.contains("1 rows have several classes with the greatest share"), "{told}");
    assert!(told.contains("1 rows have no label"), "{told}");
    // Several of one image, or ages: no shares.
    assert_eq!(labels("image,a,b\nISIC_1,1,1\nISIC_2,1,0\n", ""), [None, None]);
    assert_error(
        read("image,label\nISIC_1,nv\n", "label_column = 'lable'"),
        &["data.reader.label_column", "did you mean `label`"],
    );
    assert_error(
        read("image,label\nISIC_1,nv\nISIC_2,mel\nISIC_1,mel\n", ""),
        &["list.csv:4: `images/ISIC_1.jpg` has the label `mel`, and on line 2 `nv`; "],
    );
    let again = read("image,label\nISIC_1,nv\nISIC_2,mel\nISIC_1,nv\n", "").expect("opens");
    assert!(again.notes[0].contains("1 rows repeat an image"), "{:?}", again.notes);
}

/// A row that tells no part where others do would be trained on, though it was meant to test.
#[test]
fn a_row_of_no_part_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    (0..6).for_each(|i| drop(put(folder.path(), &format!("{i}.jpg"), jpeg(3, 3, 0))));
    let open = |column: &str, last: &str, split| {
        let rows: String =
            (0..5).map(|i| format!("{i}.jpg,a,{}\n", if i < 3 { "train" } else { "test" })).collect();
        let list = put(folder.path(), "list.csv", format!("path,label,{column}\n{rows}5.jpg,b,{last}\n"));
        open_with_notes(&DataSpec::at("csv", list), split)
    };
    assert_eq!(open("split", "test", Split::Test).expect("opens").dataset.len(), 3);
    assert_error(
        open("split", "trian", Split::Train),
        &["list.csv:7", "`trian` is no part, in the column `split`"],
    );
    assert_error(open("split", "", Split::Test), &["list.csv:7", "write train, val or test in every row"]);
    // A column of another name is not looked at.
    assert!(open("origin", "", Split::Train).is_ok());
}
