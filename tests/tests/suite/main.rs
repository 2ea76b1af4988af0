//! What the workspace computes, against definitions, differences and other implementations.

mod advice;
mod definitions;
mod engine;
mod golden;
mod gradients;
mod graphs;
mod heads;
mod interop;
mod ladder;
mod noise_place;
mod overlap;
mod plans;
mod positions;
mod pytorch;
mod ranks;
mod recipe_errors;
mod shared_evaluation;
mod teachers;
mod training;
mod whole_images;
mod written_by_others;
