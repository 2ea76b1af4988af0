//! TensorBoard's messages in protocol buffers' wire format, as far as they are written here.
//!
//! The field numbers are those of `event.proto`, `summary.proto`, `tensor.proto` and
//! `tensor_shape.proto`.

/// A message that is being encoded.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, wire: u64) {
        self.varint(u64::from(field) << 3 | wire);
    }

    fn int(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn message(self, field: u32, value: Self) -> Self {
        self.bytes(field, &value.0)
    }
}

/// `Event` with its time and step.
fn event(time: f64, step: u64) -> Message {
    Message::default().double(1, time).int(2, step)
}

/// The first record of a file.
pub(super) fn version(time: f64, step: u64) -> Vec<u8> {
    event(time, step).bytes(3, b"brain.Event:2").0
}

/// `SessionLog` START: readers drop what earlier files hold from `step` on.
pub(super) fn session_start(time: f64, step: u64) -> Vec<u8> {
    event(time, step).message(7, Message::default().int(1, 1)).0
}

/// A `Summary` of one encoded `Summary.Value`.
pub(super) fn summary(time: f64, step: u64, value: &[u8]) -> Vec<u8> {
    event(time, step).message(5, Message::default().bytes(1, value)).0
}

/// A scalar.
pub(super) fn scalar(tag: &str, value: f32) -> Vec<u8> {
    Message::default().bytes(1, tag.as_bytes()).float(2, value).0
}

/// An image from a PNG file.
pub(super) fn image(tag: &str, png: &[u8], width: u32, height: u32) -> Vec<u8> {
    const RGB: u64 = 3;
    let image =
        Message::default().int(1, u64::from(height)).int(2, u64::from(width)).int(3, RGB).bytes(4, png);
    Message::default().bytes(1, tag.as_bytes()).message(4, image).0
}

/// A text: a string tensor of one element, marked for the text plugin.
pub(super) fn text(tag: &str, markdown: &str) -> Vec<u8> {
    const DT_STRING: u64 = 7;
    let shape = Message::default().message(2, Message::default().int(1, 1));
    let tensor = Message::default().int(1, DT_STRING).message(2, shape).bytes(8, markdown.as_bytes());
    let plugin = Message::default().bytes(1, b"text");
    Message::default()
        .bytes(1, format!("{tag}/text_summary").as_bytes())
        .message(8, tensor)
        .message(9, Message::default().message(1, plugin))
        .0
}
