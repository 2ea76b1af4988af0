//! What the workspace computes, against definitions, differences and other implementations.

mod definitions;
mod golden;
mod gradients;
mod graphs;
mod ladder;
mod noise_place;
mod plans;
mod pytorch;
mod recipe_errors;
mod training;
