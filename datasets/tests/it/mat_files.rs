use std::fs;

use palimpsest_datasets::mat5::{Matlab, parse, read_file};

use crate::files::{assert_error, fixture};

fn numbers(values: &[f64]) -> Matlab {
    Matlab::Numbers(values.to_vec())
}

#[test]
fn every_type_as_scipy_writes_it() {
    for file in ["types.mat", "types_plain.mat"] {
        let all = read_file(&fixture("mat").join(file)).expect("reads");
        for name in [
            "int8s", "uint8s", "int16s", "uint16s", "int32s", "uint32s", "int64s", "uint64s", "float32s",
            "float64s",
        ] {
            // Down the columns.
            assert_eq!(all[name], numbers(&[0.0, 100.0, 1.0, 7.0]), "{name}");
        }
        assert_eq!(all["negative"], numbers(&[-3.5, -1.0]));
        assert_eq!(all["text"], Matlab::Text("Grüße".to_owned()));
        assert_eq!(all["nothing"], numbers(&[]));
        assert_eq!(all["yes"], numbers(&[1.0, 0.0]));
        assert_eq!(all["complex"], numbers(&[1.0, 3.0]));
        let inner = Matlab::Cells(vec![Matlab::Text("a".to_owned()), numbers(&[1.0, 2.0])]);
        let Matlab::Cells(nested) = &all["nested"] else { panic!("{:?}", all["nested"]) };
        assert_eq!((nested.len(), &nested[0]), (2, &inner));
    }
}

#[test]
fn truncated_and_altered_files_are_errors_not_crashes() {
    for file in ["types.mat", "types_plain.mat", "cars_test_annos_withlabels.mat"] {
        let bytes = fs::read(fixture("mat").join(file)).expect("reads");
        for end in 0..bytes.len() {
            // A cut between two variables leaves a shorter file that is whole.
            if let Err(error) = parse(&bytes[..end]) {
                assert!(error.to_string().contains("; "), "{error}");
            }
        }
        for at in 128..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0xFF;
            let _ = parse(&altered);
        }
    }
    assert_error(parse(b"MATLAB 7.3 MAT-file, Platform"), &["version 7.3", "; save it"]);
    assert_error(parse(&[0; 200]), &["no header of level 5"]);
    assert_error(parse(b""), &["no header"]);
}
