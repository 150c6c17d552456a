/** What goes over Socket.IO, both ways. The tests hold these types against real events. */

/** A user in an event about a room. */
export interface RoomUser {
  userId: string;
  username: string;
  /** The room's id, whichever form was used to join. */
  roomId: string;
}

/** The first event of a connection. */
export interface Connected {
  message: string;
  user: { id: string; username: string };
}

/** Something that this socket asked for failed; `context` names the event. */
export interface Failed {
  message: string;
  context: string;
}

/** This socket's live feed of a room has begun, or ended. */
export interface RoomNotice {
  message: string;
  roomId: string;
}

/** A message, as in the history, with its number in the room. */
export interface NewMessage {
  id: string;
  userId: string;
  username: string;
  roomId: string;
  content: string;
  messageType: string;
  metadata: Record<string, unknown> | null;
  createdAt: string;
  updatedAt: string;
  /** 1, 2, 3, … in each room, without gaps. */
  seq: number;
  /** What the sender called it. */
  tempId?: string;
}

/** To the sender's sockets: the message is stored. */
export interface MessageConfirmed {
  id: string;
  tempId: string | null;
  roomId: string;
  status: "confirmed";
  seq: number;
  timestamp: string;
}

/** To the sending socket: the message is not stored. */
export interface MessageError {
  message: string;
  error: string;
  tempId: string | null;
  timestamp: string;
}

/** Somebody else types, or has stopped. */
export interface UserTyping extends RoomUser {
  isTyping: boolean;
}

/** A room by its id or name. */
export interface RoomKey {
  roomId: string;
}

/** With `afterSeq`, what came after that message is sent first. */
export interface JoinRoom extends RoomKey {
  afterSeq?: number;
}

/** With a `tempId` it may be sent again after a cut: it is stored once. */
export interface SendMessage extends RoomKey {
  content: string;
  messageType?: string;
  tempId?: string;
}

/** The answer to whatever failed. */
export interface Refused {
  success: false;
  message: string;
  error: string;
}

/** `seq` is the newest message's; those after it come live. */
export interface Joined {
  success: true;
  roomId: string;
  seq: number;
}

export interface Done {
  success: true;
  roomId: string;
}

export interface Stored {
  success: true;
  id: string;
  seq: number;
  tempId: string | null;
}

/** For `Socket<ServerToClientEvents, ClientToServerEvents>` of socket.io-client. */
export interface ServerToClientEvents {
  connected: (event: Connected) => void;
  error: (event: Failed) => void;
  joined_room: (event: RoomNotice) => void;
  left_room: (event: RoomNotice) => void;
  user_joined: (event: RoomUser) => void;
  user_left: (event: RoomUser) => void;
  new_message: (event: NewMessage) => void;
  message_confirmed: (event: MessageConfirmed) => void;
  message_error: (event: MessageError) => void;
  user_typing: (event: UserTyping) => void;
}

export interface ClientToServerEvents {
  join_room: (payload: JoinRoom, answer?: (answer: Joined | Refused) => void) => void;
  leave_room: (payload: RoomKey, answer?: (answer: Done | Refused) => void) => void;
  send_message: (payload: SendMessage, answer?: (answer: Stored | Refused) => void) => void;
  typing_start: (payload: RoomKey, answer?: (answer: Done | Refused) => void) => void;
  typing_stop: (payload: RoomKey, answer?: (answer: Done | Refused) => void) => void;
}
