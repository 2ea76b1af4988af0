//! What this backend alone refuses.

use palimpsest_core::DType;

use crate::device::device;

#[test]
fn bfloat16_is_refused_in_one_sentence() {
    let device = device();
    let x = device.full([2], 1.0, DType::F32).unwrap();
    let error = x.cast(DType::Bf16).unwrap_err().to_string();
    assert_eq!(error, "the dfdx backend has no bf16; use f32");
    assert_eq!(device.floats([1], vec![1.0], DType::Bf16).unwrap_err().to_string(), error);
    assert_eq!(device.full([1], 1.0, DType::Bf16).unwrap_err().to_string(), error);
}
