//! Classification: on frozen features, and with the encoder in the loop. A new head is a new file here that
//! registers itself.

automod::dir!(pub "src/classification");
