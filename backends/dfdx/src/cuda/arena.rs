//! Tensors stay in an arena of the thread that owns the GPU; others hold their numbers.
//!
//! A number may go to any thread and be dropped there: the arena is then sent word. A tensor is only
//! reached from the thread of its arena, elsewhere its number means nothing.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use dfdx::tensor::Cuda;

use super::message::Message;
use crate::dense::Flat;
use crate::engine::Engine;
use crate::real::Real;

/// The tensors of this thread, by number.
struct Arena {
    tensors: HashMap<u64, Box<dyn Any>>,
    /// Where word is sent that a number was dropped.
    door: Sender<Message>,
}

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

/// A tensor's number, which is never used again.
struct Number {
    number: u64,
    door: Sender<Message>,
}

impl Drop for Number {
    fn drop(&mut self) {
        if !release(self.number) {
            // The arena is another thread's, or gone and its tensors with it.
            drop(self.door.send(Message::Release(self.number)));
        }
    }
}

/// A tensor of elements `E`, by number. A clone names the same.
pub(crate) struct Stored<E> {
    number: Arc<Number>,
    elements: PhantomData<fn() -> E>,
}

impl<E> Clone for Stored<E> {
    fn clone(&self) -> Self {
        Self { number: Arc::clone(&self.number), elements: PhantomData }
    }
}

/// Opens this thread's arena.
pub(super) fn open(door: Sender<Message>) {
    ARENA.with_borrow_mut(|arena| *arena = Some(Arena { tensors: HashMap::new(), door }));
}

/// Closes this thread's arena; its tensors go.
pub(super) fn close() {
    let arena = ARENA.with_borrow_mut(Option::take);
    drop(arena);
}

/// Frees the tensor of a number that nobody holds; whether it was in this thread's arena.
pub(super) fn release(number: u64) -> bool {
    let taken = ARENA.try_with(|arena| {
        let mut arena = arena.try_borrow_mut().ok()?;
        arena.as_mut()?.tensors.remove(&number)
    });
    // It is dropped when the arena is free again.
    matches!(taken, Ok(Some(_)))
}

const ELSEWHERE: &str = "a tensor of the GPU was asked for outside its thread";

/// Puts a tensor into this thread's arena.
pub(super) fn store<E: Real>(flat: Flat<E, Cuda>) -> Stored<E>
where
    Cuda: Engine<E>,
{
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let door = ARENA.with_borrow_mut(|arena| {
        let arena = arena.as_mut().expect(ELSEWHERE);
        arena.tensors.insert(number, Box::new(flat));
        arena.door.clone()
    });
    Stored { number: Arc::new(Number { number, door }), elements: PhantomData }
}

/// A tensor of this thread's arena; it shares the elements.
pub(super) fn view<E: Real>(stored: &Stored<E>) -> Flat<E, Cuda>
where
    Cuda: Engine<E>,
{
    ARENA.with_borrow(|arena| {
        let tensor = arena.as_ref().and_then(|arena| arena.tensors.get(&stored.number.number));
        tensor.and_then(|tensor| tensor.downcast_ref::<Flat<E, Cuda>>()).expect(ELSEWHERE).clone()
    })
}

/// The tensor of a number; out of the arena if this was the last to hold it.
pub(super) fn take<E: Real>(stored: Stored<E>) -> Flat<E, Cuda>
where
    Cuda: Engine<E>,
{
    // The arena's own copy goes with the number.
    view(&stored)
}
