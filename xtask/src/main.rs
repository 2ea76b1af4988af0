//! The driver.

#[allow(dead_code)]
mod progress;
#[allow(dead_code)]
mod report;
#[allow(dead_code)]
mod tensorboard;

fn main() {}
