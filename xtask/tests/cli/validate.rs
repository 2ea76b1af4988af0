//! Every operation of backends against references.

use crate::driver::{command, folder, library, run, stderr, succeed};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn burn_and_dfdx_conform() {
    let folder = folder();
    for (backend, mode) in [("burn", "test"), ("burn", "grad"), ("dfdx", "test"), ("dfdx", "grad")] {
        let output = run(folder.path(), &["backend", "validate", backend, "--mode", mode, "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let reports: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        let operations = reports[0]["operations"].as_array().expect("a list");
        assert!(operations.len() > 40, "{}", stderr(&output));
        for operation in operations {
            assert!(operation["cases"].as_u64() > Some(0), "{operation}");
            assert_eq!(
                operation["failed"],
                serde_json::json!([]),
                "{backend}, {mode} of {}",
                operation["operation"]
            );
        }
    }
}

#[test]
fn one_operation_as_json() {
    let folder = folder();
    let output = succeed(folder.path(), &["backend", "validate", "--op", "matmul", "--json"]);
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let matmul = &reports[0]["operations"][0];
    assert_eq!(matmul["operation"], "matmul");
    assert_eq!(matmul["failed"], serde_json::json!([]));
    assert!(matmul["worst"]["error"].as_f64() <= matmul["worst"]["limit"].as_f64(), "{matmul}");
    let output = succeed(folder.path(), &["backend", "validate", "--op", "gelu", "--mode", "support"]);
    assert!(stdout(&output).contains("native"), "{}", stdout(&output));
    let output = run(folder.path(), &["backend", "validate", "--op", "matmull"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `matmul`?"), "{}", stderr(&output));
}

#[test]
fn a_faulty_backend_is_told_by_operation() {
    let folder = folder();
    let faulty = library("palimpsest_faulty_backend");
    let faulty = faulty.to_str().expect("UTF-8");
    // A panic poisons the library: each case must meet a fresh one.
    for (fault, told) in [("shape", "f32[7, 7] where"), ("panic", "out of cheese in matmul")] {
        for mode in ["test", "grad"] {
            let args = ["backend", "validate", faulty, "--mode", mode];
            let output = command(folder.path(), &args)
                .env("PALIMPSEST_FAULT", fault)
                .output()
                .expect("the driver starts");
            let (text, error) = (stdout(&output), stderr(&output));
            assert_eq!(output.status.code(), Some(1), "{text}{error}");
            assert!(error.contains("these operations fail: ") && error.contains("matmul"), "{error}");
            assert!(
                text.contains("FAILED matmul f32, usual [3, 5] [5, 2], kept: ") || mode == "grad",
                "{text}"
            );
            assert!(text.contains(told), "{text}");
        }
    }
}
