// Made from docs/asyncapi.json by `npm run generate`: change nothing here.

export interface components {
    schemas: {
        /** @description To all of the sender's sockets, each time after that socket's `new_message`: it is stored. */
        Confirmed: {
            id: string;
            roomId: string;
            /** Format: uint64 */
            seq: number;
            /** @constant */
            status: "confirmed";
            tempId: string | null;
            /** Format: date-time */
            timestamp: string;
        };
        /** @description The first event of a connection. */
        Connected: {
            message: string;
            user: components["schemas"]["User"];
        };
        /** @description A call that failed. */
        Failed: {
            /** @description The event that failed, or `session` when it is over. */
            context: string;
            message: string;
        };
        /** @description A user who is in a room. */
        Here: {
            userId: string;
            username: string;
        };
        /** @description A room whose live feed begins or ends for this socket. */
        InRoom: {
            message: string;
            /** @description The room's id, whichever form the client used. */
            roomId: string;
        };
        /** @description The answer to `join_room`. */
        JoinAnswer: {
            /**
             * @description Who else is in the room by a socket at the same replica of the service, at most 100 users. Who is there by
             *     another replica, or comes later, is heard of by events.
             */
            here: components["schemas"]["Here"][];
            /** @description The room's id, whichever form the client used. */
            roomId: string;
            /**
             * Format: uint64
             * @description The newest message that doesn't come as an event any more.
             */
            seq: number;
            /** @constant */
            success: true;
        };
        /** @description A room to enter. */
        JoinCall: {
            /**
             * Format: uint64
             * @description The `seq` of the last message that the client has: what it missed since comes first.
             */
            afterSeq?: number | null;
            /** @description The room's id or name. */
            roomId: string;
        };
        /** @description A message as in the history, with its number and its sender's id for it. */
        Message: {
            content: string;
            /** Format: date-time */
            createdAt: string;
            id: string;
            /** @enum {string} */
            messageType: "text" | "image" | "file";
            metadata: null;
            roomId: string;
            /**
             * Format: uint64
             * @description The message's number in its room: 1, 2, 3, …
             */
            seq: number;
            tempId?: string | null;
            /** Format: date-time */
            updatedAt: string;
            userId: string;
            /** @description The sender's user name. */
            username: string;
        };
        /** @description A message that isn't stored. */
        MessageFailed: {
            /** @description Why. */
            error: string;
            message: string;
            tempId: string | null;
            /** Format: date-time */
            timestamp: string;
        };
        /** @description Another user who is in the room now, or isn't any more. */
        Presence: {
            roomId: string;
            userId: string;
            username: string;
        };
        /** @description The answer to any call that failed. */
        Refused: {
            /** @description The same as `message`. */
            error: string;
            message: string;
            /** @constant */
            success: false;
        };
        /** @description The answer to calls about a room. */
        RoomAnswer: {
            /** @description The room's id, whichever form the client used. */
            roomId: string;
            /** @constant */
            success: true;
        };
        /** @description The room that a call is about. */
        RoomCall: {
            /** @description The room's id or name. */
            roomId: string;
        };
        /** @description The answer to `send_message`, once the message is safely stored. */
        SendAnswer: {
            id: string;
            /**
             * Format: uint64
             * @description The message's number in its room: 1, 2, 3, …
             */
            seq: number;
            /** @constant */
            success: true;
            tempId: string | null;
        };
        /** @description A message to send. */
        SendCall: {
            /** @description 1 to 1,000 characters after trimming. */
            content: string;
            /**
             * @description `text` where it is left out.
             * @enum {string|null}
             */
            messageType?: "text" | "image" | "file" | null;
            /** @description The room's id or name. */
            roomId: string;
            /** @description The client's own id for it, at most 128 characters: sent again with the same one, it is stored once. */
            tempId?: string | null;
        };
        /** @description Another user of the room types, or doesn't any more. */
        Typing: {
            isTyping: boolean;
            roomId: string;
            userId: string;
            username: string;
        };
        /** @description A user as far as this service is concerned. */
        User: {
            /** @description Decimal digits. */
            id: string;
            /** @description As in the token. */
            username: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type Confirmed = components['schemas']['Confirmed'];
export type Connected = components['schemas']['Connected'];
export type Failed = components['schemas']['Failed'];
export type Here = components['schemas']['Here'];
export type InRoom = components['schemas']['InRoom'];
export type JoinAnswer = components['schemas']['JoinAnswer'];
export type JoinCall = components['schemas']['JoinCall'];
export type Message = components['schemas']['Message'];
export type MessageFailed = components['schemas']['MessageFailed'];
export type Presence = components['schemas']['Presence'];
export type Refused = components['schemas']['Refused'];
export type RoomAnswer = components['schemas']['RoomAnswer'];
export type RoomCall = components['schemas']['RoomCall'];
export type SendAnswer = components['schemas']['SendAnswer'];
export type SendCall = components['schemas']['SendCall'];
export type Typing = components['schemas']['Typing'];
export type User = components['schemas']['User'];

/** What the server sends: for `Socket<ServerToClientEvents, ClientToServerEvents>` of socket.io-client. */
export interface ServerToClientEvents {
  /** The client is let in. */
  connected: (event: Connected) => void;
  /** A call failed, or the session is over. */
  error: (event: Failed) => void;
  /** The room's live feed begins. */
  joined_room: (event: InRoom) => void;
  /** The room's live feed has ended. */
  left_room: (event: InRoom) => void;
  /** A message of the user's is stored. */
  message_confirmed: (event: Confirmed) => void;
  /** A message of the socket's is not stored. */
  message_error: (event: MessageFailed) => void;
  /** A message, in the order of `seq` and without a gap. */
  new_message: (event: Message) => void;
  /** Another user has entered the room. */
  user_joined: (event: Presence) => void;
  /** Another user has left the room. */
  user_left: (event: Presence) => void;
  /** Another user types, or doesn't any more. */
  user_typing: (event: Typing) => void;
}

/** What clients send. */
export interface ClientToServerEvents {
  /** Enters a room, a public one as a new member, too, and begins its live feed. */
  join_room: (event: JoinCall, answer?: (answer: JoinAnswer | Refused) => void) => void;
  /** Ends a room's live feed; the membership goes on. */
  leave_room: (event: RoomCall, answer?: (answer: RoomAnswer | Refused) => void) => void;
  /** Sends a message to a room that the user is a member of. */
  send_message: (event: SendCall, answer?: (answer: SendAnswer | Refused) => void) => void;
  /** The user types; it ends by itself after 3 seconds. */
  typing_start: (event: RoomCall, answer?: (answer: RoomAnswer | Refused) => void) => void;
  /** The user doesn't type any more. */
  typing_stop: (event: RoomCall, answer?: (answer: RoomAnswer | Refused) => void) => void;
}
