//! Images with targets for heads that are trained with the encoder. One file a type of target, which
//! registers itself.

automod::dir!(pub "src/examples");
