//! Whom a room's owner lets in and puts out.

use std::sync::Arc;

use aether_common::{Code, Error};

use super::{Rooms, always_two, no_member};
use crate::model::{Member, Page, Role, Room, RoomType, SYSTEM};

impl Rooms {
    /// A room whose members the user may choose.
    pub(crate) async fn owned(&self, user: &str, reference: &str) -> Result<Arc<Room>, Error> {
        let (room, membership) = self.visible(user, reference).await?;
        let Some(membership) = membership else { return Err(no_member(&room)) };
        if room.room_type == RoomType::Direct {
            return Err(always_two());
        }
        if membership.role == Role::Owner || self.owner(&room).await?.as_deref() == Some(user) {
            return Ok(room);
        }
        Err(Error::new(Code::Forbidden, "NOT_THE_OWNER", "Only the room's owner may do this"))
    }

    /// Who owns a room. Nobody does one of the system's, and both members a direct one.
    pub(crate) async fn owner(&self, room: &Room) -> Result<Option<String>, Error> {
        if room.created_by == SYSTEM || room.room_type == RoomType::Direct {
            return Ok(None);
        }
        self.store.owner(&room.id).await
    }

    /// Makes somebody a member of a room that [`Rooms::owned`] gave to its owner; a member already is no error.
    pub(crate) async fn add(&self, owner: &str, room: &Room, user: &str) -> Result<(), Error> {
        let entered = self.store.join(&room.id, user, Role::Member).await?;
        // An owner who has left meanwhile lets nobody in: the room may have lost its name by now.
        if entered && self.store.membership(&room.id, owner).await?.is_none() {
            self.store.leave(&room.id, user).await?;
            return Err(no_member(room));
        }
        Ok(())
    }

    /// Ends somebody's membership: the owner anybody's, and everybody the own one.
    pub(crate) async fn remove(&self, by: &str, reference: &str, user: &str) -> Result<Arc<Room>, Error> {
        if by == user {
            return self.leave(by, reference).await;
        }
        let room = self.owned(by, reference).await?;
        if !self.store.leave(&room.id, user).await? {
            return Err(Error::new(Code::NotFound, "NO_SUCH_MEMBER", "This user is not a member of the room"));
        }
        Ok(room)
    }

    /// A page of the members of a room that the user is in, and how many there are; with the owner's id.
    pub(crate) async fn list_members(
        &self,
        user: &str,
        reference: &str,
        page: Page,
    ) -> Result<(Vec<Member>, u64, Option<String>), Error> {
        let room = self.joined(user, reference).await?;
        let ((members, total), owner) = tokio::try_join!(self.store.members(&room.id, page), self.owner(&room))?;
        Ok((members, total, owner))
    }
}
