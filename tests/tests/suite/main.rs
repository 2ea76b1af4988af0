//! What the workspace computes, against definitions, differences and other implementations.

mod gradients;
mod pytorch;
