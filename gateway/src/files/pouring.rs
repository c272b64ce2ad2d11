//! Uploads that pass through this gateway now: one for a file, a few for a user, so that nobody takes all turns.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parlor_core::error::{ChatError, Code};
use parlor_core::ids::{FileId, UserId};

/// Uploads of one user at once.
const OWN: usize = 4;

/// Who uploads what.
#[derive(Default)]
pub(crate) struct Pouring(Arc<Mutex<HashMap<FileId, UserId>>>);

/// A turn, over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    pouring: Arc<Mutex<HashMap<FileId, UserId>>>,
    file: FileId,
}

impl Pouring {
    /// Begins an upload.
    ///
    /// # Errors
    /// `Conflict`: the file's bytes are on their way already. `Busy`: the user has as many uploads as they may.
    pub(crate) fn begin(&self, file: FileId, user: &UserId) -> Result<Turn, ChatError> {
        let mut pouring = self.0.lock();
        if pouring.contains_key(&file) {
            return Err(ChatError::new(Code::Conflict, "the file's bytes are on their way already"));
        }
        if pouring.values().filter(|other| *other == user).count() >= OWN {
            return Err(ChatError::busy("you upload as many files at once as you may"));
        }
        pouring.insert(file, user.clone());
        Ok(Turn { pouring: self.0.clone(), file })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pouring.lock().remove(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_uploaded_once_at_a_time_and_a_user_takes_a_few_turns_alone() {
        let (pouring, ann, ben) = (Pouring::default(), UserId::trusted("ann"), UserId::trusted("ben"));
        let file = FileId::now();
        let first = pouring.begin(file, &ann).expect("the first");
        assert_eq!(pouring.begin(file, &ann).expect_err("a second").code, Code::Conflict);
        let _others: Vec<_> = (1..OWN).map(|_| pouring.begin(FileId::now(), &ann).expect("a turn")).collect();
        assert_eq!(pouring.begin(FileId::now(), &ann).expect_err("one too many").code, Code::Busy);
        assert!(pouring.begin(FileId::now(), &ben).is_ok(), "another's turn");
        drop(first);
        assert!(pouring.begin(file, &ann).is_ok(), "it is over");
    }
}
