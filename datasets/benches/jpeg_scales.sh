#!/usr/bin/env bash
# Milliseconds in which JPEGs are decoded, whole and at a reduced scale, on one core: zune-jpeg and jpeg-decoder in a scratch crate,
# libjpeg-turbo by Pillow's draft mode. The photos are the two of scikit-learn, in two sizes.
#
#   pip install pillow scikit-learn
#   datasets/benches/jpeg_scales.sh
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/src"
cat > "$scratch/Cargo.toml" <<'TOML'
[package]
name = "jpeg-scales"
version = "0.1.0"
edition = "2024"
[dependencies]
zune-jpeg = "=0.5.15"
zune-core = "0.5"
jpeg-decoder = { version = "=0.3.2", default-features = false }
TOML
cat > "$scratch/src/main.rs" <<'RUST'
use std::time::Instant;
const ROUNDS: u32 = 40;
fn milliseconds(mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e3 / f64::from(ROUNDS)
}
fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).expect("a file");
        let whole = milliseconds(|| {
            let source = zune_core::bytestream::ZCursor::new(&bytes[..]);
            std::hint::black_box(zune_jpeg::JpegDecoder::new(source).decode().expect("a JPEG"));
        });
        print!("{path}: zune-jpeg {whole:.1}, jpeg-decoder at 1, 1/2, 1/4, 1/8");
        for scale in [1, 2, 4, 8] {
            let reduced = milliseconds(|| {
                let mut decoder = jpeg_decoder::Decoder::new(&bytes[..]);
                decoder.read_info().expect("a header");
                let info = decoder.info().expect("a size");
                decoder.scale(info.width / scale, info.height / scale).expect("a scale");
                std::hint::black_box(decoder.decode().expect("a JPEG"));
            });
            print!(" {reduced:.1}");
        }
        println!();
    }
}
RUST
cd "$scratch"
cat > pillow.py <<'PYTHON'
import io, sys, time
from PIL import Image, features
from sklearn.datasets import load_sample_images

if sys.argv[1] == "make":
    for number, pixels in enumerate(load_sample_images().images):
        for size, quality in [((500, 333), 95), ((1280, 854), 90)]:
            Image.fromarray(pixels).resize(size).save(f"{size[0]}-{number}.jpg", quality=quality)
else:
    print("libjpeg-turbo", features.version("libjpeg_turbo"), "at 1, 1/2, 1/4, 1/8")
    for path in sys.argv[2:]:
        data, found = open(path, "rb").read(), []
        for scale in (1, 2, 4, 8):
            start = time.perf_counter()
            for _ in range(40):
                image = Image.open(io.BytesIO(data))
                if scale > 1:
                    image.draft("RGB", (image.width // scale, image.height // scale))
                image.load()
            found.append(f"{(time.perf_counter() - start) / 40 * 1e3:.1f}")
        print(path, *found)
PYTHON
python3 pillow.py make
cargo build --quiet --release
./target/release/jpeg-scales ./*.jpg
python3 pillow.py time ./*.jpg
