//! Which direct room a client means that computes its id by the documents' formula, `direct_{a}_{b}` with the users' ids
//! as they are (`dotted-architecture.md` §5). Parlor's own encodes them, so that `_` separates: from here on the room has
//! that id alone, in answers and events too.

use std::sync::Arc;

use parlor_core::error::ChatError;
use parlor_core::event::Actor;
use parlor_core::ids::{RoomId, UserId};

use crate::Shared;
use crate::caller::Caller;

/// The room of the caller and the partner whom `id` ([loose](RoomId::is_loose_direct)) names, whether it is made yet or
/// not. `id` itself, which is no room's, where it names nobody.
///
/// # Errors
/// `busy`: the users cannot be looked up right now.
pub(super) async fn meant(shared: &Arc<Shared>, caller: &Caller, id: &RoomId) -> Result<RoomId, ChatError> {
    let user = &caller.user.id;
    let mut candidates = id.direct_partners(user);
    candidates.retain(|partner| partner != user);
    let Some(likeliest) = candidates.first().map(|partner| RoomId::direct(user, partner)) else {
        return Ok(id.clone());
    };
    // Who already writes there does so while the store is away, too.
    if shared.memberships.peek(&likeliest, user).is_some() {
        return Ok(likeliest);
    }
    let known = existing(shared, &candidates).await?;
    let partner = candidates.iter().find(|candidate| known.iter().any(|user| user.id == **candidate));
    Ok(partner.map_or_else(|| id.clone(), |partner| RoomId::direct(user, partner)))
}

/// Those of the candidates who exist, in no order.
///
/// # Errors
/// `busy`: they cannot be looked up right now.
pub(super) async fn existing(shared: &Arc<Shared>, candidates: &[UserId]) -> Result<Vec<Actor>, ChatError> {
    shared.ports.store.users(candidates).await.map_err(|error| {
        tracing::debug!(%error, "users could not be looked up");
        ChatError::busy("users cannot be looked up right now")
    })
}

#[cfg(test)]
mod tests {
    use parlor_core::event::RoomKind;
    use parlor_core::ports::store::Store;

    use super::*;
    use crate::stage::{Stage, user};

    #[tokio::test]
    async fn an_id_by_the_documents_formula_is_the_pairs_room_before_and_after_it_is_made() {
        let stage = Stage::set().await;
        for id in ["ann_x", "ben-y", "ben"] {
            stage.store.see_user(&user(id)).await.expect("seen");
        }
        let room = RoomId::direct(&user("ann_x").id, &user("ben-y").id);
        let meant = async |who: &str, id: &str| {
            let caller = Caller::reader(user(who));
            super::meant(&stage.shared, &caller, &RoomId::trusted(id)).await.expect("looked up")
        };
        for _ in ["not made", "made"] {
            for id in ["direct_ann_x_ben-y", "direct_ben-y_ann_x"] {
                assert_eq!([meant("ann_x", id).await, meant("ben-y", id).await], [room.clone(), room.clone()], "{id}");
            }
            let members = ["ann_x", "ben-y"];
            stage.room(room.as_str(), RoomKind::Direct, &members).await;
        }
        // A stranger's, nobody's and one's own alone are what they were: no room.
        for (who, id) in
            [("ben", "direct_ann_x_ben-y"), ("ann_x", "direct_ann_x_nobody"), ("ann_x", "direct_ann_x_ann_x")]
        {
            assert_eq!(meant(who, id).await.as_str(), id);
        }
    }
}
