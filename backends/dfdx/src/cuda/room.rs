//! Tensors stay in a room of the thread that owns the GPU; others hold their numbers.
//!
//! A number may go to any thread and be dropped there: the room is then sent word. A tensor is only
//! reached from the thread of its room, elsewhere its number means nothing.

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
struct Room {
    tensors: HashMap<u64, Box<dyn Any>>,
    /// Where word is sent that a number was dropped.
    door: Sender<Message>,
}

thread_local! {
    static ROOM: RefCell<Option<Room>> = const { RefCell::new(None) };
}

/// A tensor's number, which is never used again.
struct Number {
    number: u64,
    door: Sender<Message>,
}

impl Drop for Number {
    fn drop(&mut self) {
        if !release(self.number) {
            // The room is another thread's, or gone and its tensors with it.
            drop(self.door.send(Message::Release(self.number)));
        }
    }
}

/// A tensor of elements `E`, by number. A clone names the same.
pub(crate) struct Kept<E> {
    number: Arc<Number>,
    elements: PhantomData<fn() -> E>,
}

impl<E> Clone for Kept<E> {
    fn clone(&self) -> Self {
        Self { number: Arc::clone(&self.number), elements: PhantomData }
    }
}

/// Opens this thread's room.
pub(super) fn open(door: Sender<Message>) {
    ROOM.with_borrow_mut(|room| *room = Some(Room { tensors: HashMap::new(), door }));
}

/// Closes this thread's room; its tensors go.
pub(super) fn close() {
    let room = ROOM.with_borrow_mut(Option::take);
    drop(room);
}

/// Frees the tensor of a number that nobody holds; whether it was in this thread's room.
pub(super) fn release(number: u64) -> bool {
    let taken = ROOM.try_with(|room| {
        let mut room = room.try_borrow_mut().ok()?;
        room.as_mut()?.tensors.remove(&number)
    });
    // It is dropped when the room is free again.
    matches!(taken, Ok(Some(_)))
}

const ELSEWHERE: &str = "a tensor of the GPU was asked for outside its thread";

/// Puts a tensor into this thread's room.
pub(super) fn keep<E: Real>(flat: Flat<E, Cuda>) -> Kept<E>
where
    Cuda: Engine<E>,
{
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let door = ROOM.with_borrow_mut(|room| {
        let room = room.as_mut().expect(ELSEWHERE);
        room.tensors.insert(number, Box::new(flat));
        room.door.clone()
    });
    Kept { number: Arc::new(Number { number, door }), elements: PhantomData }
}

/// A tensor of this thread's room; it shares the elements.
pub(super) fn lend<E: Real>(kept: &Kept<E>) -> Flat<E, Cuda>
where
    Cuda: Engine<E>,
{
    ROOM.with_borrow(|room| {
        let tensor = room.as_ref().and_then(|room| room.tensors.get(&kept.number.number));
        tensor.and_then(|tensor| tensor.downcast_ref::<Flat<E, Cuda>>()).expect(ELSEWHERE).clone()
    })
}

/// The tensor of a number; out of the room if this was the last to hold it.
pub(super) fn give<E: Real>(kept: Kept<E>) -> Flat<E, Cuda>
where
    Cuda: Engine<E>,
{
    // The room's own copy goes with the number.
    lend(&kept)
}
